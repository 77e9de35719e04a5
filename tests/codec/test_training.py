import argparse
import hashlib
import io
import random
import shutil
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from codec.errors import Corrupt
from codec.model import load_model, model_from, weight_file
from codec.network.constants import ANCHORS, LATENTS, TOP_QUALITY
from codec.network.network import Forward, Network
from codec.network.transforms import CONDITION
from codec.neural import Analysed, decode_pixels
from codec.quantisers import Dependent
from codec.training import data, export, loss, thaw, train
from codec.training.generated import Crop
from tests.codec.psnr import psnr

PHOTOS, CROPS_A_PHOTO = 8, 2


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory, make_photo: Callable[..., NDArray[np.uint8]]) -> Path:
    """A tar of crops as large as the real ones, of generated photos."""
    path = tmp_path_factory.mktemp("pack") / "crops.tar"
    with tarfile.open(path, "w") as tar:
        for photo in range(PHOTOS):
            pixels = make_photo(256, 256 * CROPS_A_PHOTO, photo)
            for crop in range(CROPS_A_PHOTO):
                buffer = io.BytesIO()
                Image.fromarray(pixels[:, 256 * crop :][:, :256]).save(buffer, "JPEG", quality=96, subsampling=0)
                info = tarfile.TarInfo(f"photo{photo}_{crop}.jpg")
                info.size = len(buffer.getvalue())
                tar.addfile(info, io.BytesIO(buffer.getvalue()))
    return path


@pytest.fixture(scope="module")
def crops(pack: Path) -> list[Crop]:
    return data.load_crops(pack)[0]


@pytest.fixture(scope="module")
def components(crops: list[Crop]) -> tuple[torch.Tensor, torch.Tensor]:
    return data.patch_components(crops, 2000)


@pytest.fixture(scope="module")
def untrained(components: tuple[torch.Tensor, torch.Tensor]) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Network(*components)


@pytest.fixture(scope="module")
def begun(untrained: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint at step 0."""
    path = tmp_path_factory.mktemp("begun") / "main.pt"
    network = Network()
    network.load_state_dict(untrained.state_dict())
    train.start(torch.device("cpu"), 1e-4, network).save(path)
    return path


@pytest.fixture
def run_main(pack: Path, monkeypatch: pytest.MonkeyPatch, components: Any) -> Callable[..., None]:
    """The command with tiny batches, and no time lost on principal components."""
    monkeypatch.setattr(train, "patch_components", lambda crops: components)
    monkeypatch.setattr(train, "SHOWN", 1)

    def run(*arguments: object) -> None:
        tiny = ["--data", pack, "--batch", 2, "--crop", 64, "--device", "cpu", *arguments]
        train.main([str(argument) for argument in tiny])

    return run


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def state_of(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


def test_a_run_is_kept_resumed_and_branched_off(run_main: Callable[..., None], tmp_path: Path) -> None:
    main, branch = tmp_path / "new" / "main.pt", tmp_path / "branch.pt"
    run_main("--out", main, "--steps", 3)
    first = state_of(main)
    assert (first["step"], first["pixels"]) == (3, 3 * 2 * 64 * 64)
    assert [entry["step"] for entry in first["history"]] == [0, 3]
    assert np.isfinite(list(first["history"][0].values())).all()
    assert all(bool(torch.isfinite(tensor).all()) for tensor in first["network"].values())
    moved = [name for name, tensor in first["network"].items() if not torch.equal(tensor, first["averaged"][name])]
    assert len(moved) > 20

    run_main("--out", main, "--steps", 2, "--resume")
    second = state_of(main)
    assert (second["step"], second["pixels"], len(second["history"])) == (5, 5 * 2 * 64 * 64, 4)
    assert second["seconds"] > first["seconds"]

    before = digest(main)
    run_main("--from", main, "--out", branch, "--steps", 2, "--decay", "--minutes", 10)
    assert digest(main) == before
    assert state_of(branch)["step"] == 7
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["branch.pt", "main.pt"]


def test_a_decaying_branch_ends_at_no_rate(
    run_main: Callable[..., None], begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates, clock = [], iter(range(10_000))
    step = torch.optim.AdamW.step

    def watched(self: torch.optim.AdamW, *arguments: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    run_main("--from", begun, "--out", tmp_path / "branch.pt", "--decay", "--minutes", 0.35)
    assert len(rates) > 3
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1 * 2e-4


@pytest.mark.parametrize("arguments", [["--decay"], ["--decay", "--from", "a.pt", "--out", "a.pt"], ["--decay", "--out", "b.pt"]])
def test_a_branch_never_writes_over_what_it_comes_from(run_main: Callable[..., None], arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        run_main(*arguments)


def test_a_run_begins_where_a_released_model_stands(tmp_path: Path, crops: list[Crop]) -> None:
    model = load_model("m1")  # whose renderer's condition is wider than today's
    (tmp_path / "m1.safetensors").write_bytes(weight_file("m1"))
    network = train.first_network(crops[:4], tmp_path / "m1.safetensors")
    rows = export.integer_rows(network)
    for part in ("weight", "bias", "base", "shrink", "offset", "neighbours", "limits"):
        assert (getattr(rows, part) == getattr(model.rows, part)).all(), part
    rgb, quality = train.as_floats(crops[4:6]), torch.full((2, 1, 1), 6.0)
    with torch.inference_mode():
        wide = model.network.synthesis(latents := torch.randn(2, LATENTS, 8, 8), quality)
        assert model.network.synthesis.adapt.in_channels > network.synthesis.adapt.in_channels
        narrow = network.synthesis(latents, quality)
        assert torch.equal(network.analysis(rgb, quality), model.network.analysis(rgb, quality))
    assert float((wide - narrow).square().mean() / wide.var()) < 0.01


def test_all_channels_of_a_condition_can_be_told_by_those_that_matter() -> None:
    wide = Network(condition=2 * CONDITION).synthesis
    with torch.no_grad():
        wide.adapt.weight[:, ::2] = 0  # every other channel says nothing
    told = torch.rand(500, 2 * CONDITION, generator=torch.Generator().manual_seed(1))
    found = thaw.narrowed(wide, told)
    assert wide.condition.bias is not None
    assert torch.equal(found["condition.bias"], wide.condition.bias.view(-1, 16)[1::2].reshape(-1))
    assert torch.allclose(found["adapt.weight"], wide.adapt.weight[:, 1::2], atol=1e-4)


def test_bfloat16_leaves_the_large_amplitudes_alone(untrained: Network, crops: list[Crop]) -> None:
    rgb, quality = train.as_floats(crops[:2]), torch.full((2, 1, 1), 8.0)
    decoded = []
    for precision in ("float32", "bfloat16"):
        with torch.inference_mode(), train.autocast(torch.device("cpu"), precision):
            decoded.append(untrained(rgb, quality, hard=True).decoded)
    assert all(picture.dtype == torch.float32 for picture in decoded)
    assert 0 < float((decoded[0] - decoded[1]).square().mean().sqrt()) < 1 / 255


def test_the_probe_names_a_precision(untrained: Network, crops: list[Crop]) -> None:
    assert train.faster_precision(untrained, train.as_floats(crops[:1]), torch.device("cpu")) in ("float32", "bfloat16")
    assert all(parameter.grad is None for parameter in untrained.parameters())


def test_weights_of_large_latents_move_least(untrained: Network, crops: list[Crop]) -> None:
    network = Network()
    network.load_state_dict(untrained.state_dict())
    pace = train.paces(network, train.as_floats(crops[:2]))
    content = pace["synthesis.content.weight"].flatten()
    assert float(content[0]) < 0.1 * float(content.max())
    run = train.start(torch.device("cpu"), 1e-3, network)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    train.move(run, pace)
    moved = {name: (parameter.detach() - untrained.state_dict()[name]).abs() for name, parameter in network.named_parameters()}
    assert float(moved["analysis.head.weight"].mean()) == pytest.approx(1e-3, rel=0.01)
    for name, slow in train.PIXEL_PACES.items():
        assert float(moved[name].mean()) == pytest.approx(1e-3 * slow, rel=0.02), name
    assert moved["synthesis.content.weight"].mean((0, 2, 3)).numpy() == pytest.approx(1e-3 * content.numpy(), rel=0.05, abs=1e-7)


def test_a_step_without_finite_gradient_is_skipped(
    crops: list[Crop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, untrained: Network
) -> None:
    calls = iter(range(100))

    class Broken(loss.Loss):
        def __call__(self, rgb: torch.Tensor, quality: torch.Tensor, out: Forward) -> Any:
            value, figures = super().__call__(rgb, quality, out)
            return value * (float("nan") if next(calls) == 0 else 1.0), figures

    monkeypatch.setattr(train, "Loss", Broken)
    run = train.start(torch.device("cpu"), 1e-4, Network())
    run.network.load_state_dict(untrained.state_dict())
    options = argparse.Namespace(
        batch=2, crop=64, minutes=5.0, steps=1, decay=False, rate=1e-4, precision="float32", optimiser="adamw", symbols="planned",
        out=tmp_path / "main.pt",
    )  # fmt: skip
    train.train(run, options, torch.device("cpu"), crops, crops[:1])
    assert run.step == 1
    assert next(calls) > 2
    assert all(bool(torch.isfinite(tensor).all()) for tensor in run.network.state_dict().values())


def test_components_are_the_best_linear_transform(crops: list[Crop], components: tuple[torch.Tensor, torch.Tensor]) -> None:
    basis, deviations = components
    assert basis.shape == (16, 16, 3, LATENTS)
    assert deviations.shape == (LATENTS,)
    flat = basis.reshape(768, LATENTS).double()
    assert torch.allclose(flat.T @ flat, torch.eye(LATENTS, dtype=torch.float64), atol=1e-5)
    assert bool((deviations[:-1] >= deviations[1:]).all())
    again = data.patch_components(crops, 2000)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(components, again, strict=True))


def test_an_untrained_network_is_a_transform_codec(untrained: Network, make_photo: Callable[..., NDArray[np.uint8]]) -> None:
    pixels = make_photo(128, 192, 99)
    rgb = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    found = []
    for quality in (2.0, 8.0):
        with torch.inference_mode():
            out = untrained(rgb, torch.full((1, 1, 1), quality), hard=True)
        levels = (out.decoded[0].permute(1, 2, 0) * 255).round().clamp(0, 255).to(torch.uint8).numpy()
        found.append((psnr(pixels, levels), float(out.bits_y + out.bits_z) / (128 * 192)))
    (poor, few), (good, many) = found
    assert 20 < poor < good
    assert good > 30
    assert few < many < 12


def test_crops_of_one_photo_are_on_one_side(pack: Path) -> None:
    trained, held = data.load_crops(pack)
    assert len(trained) + len(held) == PHOTOS * CROPS_A_PHOTO
    assert 0 < len(held) <= PHOTOS * CROPS_A_PHOTO // 2
    assert len(held) % CROPS_A_PHOTO == 0
    assert {crop.shape for crop in trained + held} == {(256, 256, 3)}
    with pytest.raises(ValueError, match="too few"):
        data.load_crops(pack, limit=CROPS_A_PHOTO)


def test_batches_are_repeatable_and_in_range(crops: list[Crop]) -> None:
    one, two = (next(data.batches(crops, 6, 64, seed=3)) for _ in range(2))
    assert torch.equal(one, two)
    assert one.shape == (6, 3, 64, 64)
    assert float(one.min()) >= 0
    assert float(one.max()) <= 1
    assert not torch.equal(one, next(data.batches(crops, 6, 64, seed=4)))


def test_a_few_pictures_have_no_colour(crops: list[Crop]) -> None:
    source = data.batches(crops, 8, 64, seed=2)
    without = [bool((picture == picture[:1]).all()) for _ in range(40) for picture in next(source)]
    assert 0.01 < np.mean(without) < 0.12


def test_some_batches_hold_pictures_with_a_middle(crops: list[Crop]) -> None:
    source = data.batches(crops, 8, 192, seed=1)
    shapes = {tuple(next(source).shape) for _ in range(12)}
    assert shapes == {(8, 3, 192, 192), (1, 3, data.WHOLE, data.WHOLE)}
    made = data.whole(crops[0], np.random.default_rng(1)).astype(int)
    assert made.shape == (data.WHOLE, data.WHOLE, 3)
    own = max(np.abs(np.diff(crops[0].astype(int), axis=axis)).max() for axis in (0, 1))
    assert max(np.abs(np.diff(made, axis=axis)).max() for axis in (0, 1)) <= own  # no seam where it was mirrored


@pytest.mark.parametrize("size", [64, 192, 256])
def test_phone_like_crops_look_like_what_they_were_made_of(crops: list[Crop], size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_DIM_SHARE", 0.0)
    for seed in range(3):
        made = data.phone_like(crops[0], size, np.random.default_rng(seed))
        assert made.shape == (size, size, 3)
        assert made.dtype == np.uint8
        assert abs(float(made.mean()) - float(crops[0].mean())) < 40


def test_some_are_as_dark_as_night(crops: list[Crop], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_DIM_SHARE", 1.0)
    for seed in range(3):
        assert data.phone_like(crops[0], 64, np.random.default_rng(seed)).mean() < 0.6 * crops[0].mean()


def test_packs_are_joined_and_held_out_crops_are_those_of_the_first(pack: Path, crops: list[Crop]) -> None:
    trained, held = data.load_packs([pack, pack])
    assert len(trained) == len(crops) + PHOTOS * CROPS_A_PHOTO
    assert all((one == other).all() for one, other in zip(held, data.load_crops(pack)[1], strict=True))


def test_qualities_are_drawn_where_they_pay_and_jittered_now_and_then() -> None:
    rng = random.Random(1)
    quality = train.draw_quality(2000, rng)
    assert 0 <= float(quality.min()) < 0.3
    assert ANCHORS - 1.3 < float(quality.max()) <= ANCHORS - 1
    assert float(((quality > 1.5) & (quality < 8.5)).float().mean()) > 0.75
    assert float((quality > 8.5).float().mean()) > 0.1
    shapes = [tuple(train.cells(quality[:3], 4, rng).shape) for _ in range(400)]
    assert shapes.count((3, 1, 1)) + shapes.count((3, 4, 4)) == 400
    assert 40 < shapes.count((3, 4, 4)) < 140


def test_an_exported_checkpoint_is_a_model(
    begun: Path, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_photo: Any, capsys: Any
) -> None:
    monkeypatch.setattr(export, "CROPS", 2)
    out = tmp_path / "t1.safetensors"
    export.main([str(a) for a in (begun, "--data", pack, "--name", "t1", "--out", out, "--price", 0.06)])
    model = model_from(out.read_bytes())
    assert model.name == "t1"
    assert model.digest.hex() == digest(out)
    assert model.digest.hex() in capsys.readouterr().out
    assert isinstance(model.quantiser, Dependent)
    assert model.quantiser.price == pytest.approx(0.06)
    pixels = make_photo(100, 150, 5)
    analysed = Analysed(pixels, model)
    streams = [analysed.encode(quality).stream for quality in (40, TOP_QUALITY)]
    poor, good = (psnr(pixels, decode_pixels(stream, model)) for stream in streams)
    assert len(streams[0]) < len(streams[1]) < pixels.size
    assert 20 < poor < good
    assert good > 30

    altered = bytearray(out.read_bytes())
    altered[-1] ^= 1  # of the self-test's digest or of a table: what the bitstream depends on lies last
    with pytest.raises(Corrupt):
        model_from(bytes(altered))


@pytest.mark.slow
def test_the_optimiser_may_change_between_two_legs(run_main: Callable[..., None], begun: Path, tmp_path: Path) -> None:
    """Moments of the other kind begin anew; those of the same go on. The weights move either way."""
    main = tmp_path / "main.pt"
    shutil.copy(begun, main)
    steps = []
    for optimiser in ("soap", "soap", "adamw"):
        before = state_of(main)["network"]["analysis.head.weight"]
        run_main("--out", main, "--resume", "--steps", 2, "--optimiser", optimiser)
        state = state_of(main)
        steps.append(int(state["optimiser"]["state"][0]["step"]))
        assert not torch.equal(before, state["network"]["analysis.head.weight"])
    assert steps == [1, 3, 2]  # the first of SOAP's steps only looks


@pytest.mark.slow
@pytest.mark.parametrize("optimiser", list(train.EMA))
def test_two_processes_train_one_network(run_main: Callable[..., None], begun: Path, tmp_path: Path, optimiser: str) -> None:
    """Both start from one checkpoint and end with the step, the pixels and the finite weights of a run that shared its gradients; and with
    everybody's moments, whoever moved a weight."""
    run_main(
        *("--from", begun, "--out", tmp_path / "two.pt", "--decay", "--minutes", 10, "--steps", 4, "--processes", 2),
        *("--optimiser", optimiser),
    )
    state = state_of(tmp_path / "two.pt")
    assert (state["step"], state["pixels"]) == (4, 4 * 2 * 2 * 64 * 64)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in state["network"].values())
    names = [name for name, _ in Network().named_parameters()]
    assert sorted(state["optimiser"]["state"]) == list(range(len(names)))
    still = [name for name in names if torch.equal(state["network"][name], state_of(begun)["network"][name])]
    assert len(still) < len(names) // 10, still
