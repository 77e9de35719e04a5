"""A run that is no better than what it began from is told to stop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from codec.model import weight_file
from codec.network.network import Network
from codec.training import data, fragments, stop, train


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory, make_photo: Callable[..., NDArray[np.uint8]]) -> Path:
    path = tmp_path_factory.mktemp("pack") / "crops.tar"
    fragments.write_pack(((f"photo{number}_0", make_photo(256, 256, number)) for number in range(8)), path)
    return path


@pytest.fixture(scope="module")
def components(pack: Path) -> tuple[torch.Tensor, torch.Tensor]:
    return data.patch_components(data.load_packs([pack])[0], 2000)


@pytest.fixture
def judged(pack: Path, components: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Network], int]:
    """What the command says of a checkpoint whose averaged weights these are."""
    monkeypatch.setattr(stop, "patch_components", lambda crops: components)
    monkeypatch.setattr(stop, "SHOWN", 1)

    def ask(network: Network) -> int:
        train.start(torch.device("cpu"), 1e-4, network).save(tmp_path / "main.pt")
        return stop.main([str(tmp_path / "main.pt"), "--data", str(pack)])

    return ask


@pytest.mark.slow
def test_a_trained_network_may_go_on(judged: Callable[[Network], int], pack: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "weights").write_bytes(weight_file())
    assert judged(train.first_network(data.load_packs([pack])[0], tmp_path / "weights")) == 0
    said = capsys.readouterr()
    assert "SSIMULACRA2 -" in said.out
    assert said.out.count("bpp") == 22  # two at each anchor
    assert not said.err


def test_one_that_learnt_nothing_should_stop(judged: Callable[[Network], int], components: Any, capsys: Any) -> None:
    torch.manual_seed(3)
    assert judged(Network(*components)) == 1
    assert "stop, and look at the scaling" in capsys.readouterr().err


def test_half_the_bits_are_half_the_bits() -> None:
    one = [(0.25 * 2**k, 50 + 9.0 * k, 30 + 1.5 * k) for k in range(5)]
    half = [(bits / 2, *values) for bits, *values in one[::-1]]
    assert stop.difference(one, half, 1) == pytest.approx(-50)
    assert stop.difference(half, one, 2) == pytest.approx(100)
    assert np.isnan(stop.difference(one, [(bits, score + 99, decibels) for bits, score, decibels in one], 1))
