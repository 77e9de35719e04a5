from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from codec.training import data, fragments

Pixels = NDArray[np.uint8]


def half_noise(side: int = 512) -> Pixels:
    """Flat above, noise below."""
    pixels = np.full((side, side, 3), 120, np.uint8)
    pixels[side // 2 :] = np.random.default_rng(1).integers(0, 256, (side // 2, side, 3))
    return pixels


def test_noise_scores_high_and_flat_ground_nothing() -> None:
    scores = fragments.fragment_bytes(half_noise())
    assert scores.shape == (16, 16)
    assert (abs(scores[:8]) < 30).all()
    assert (scores[8:] > 2500).all()


def test_crops_are_cut_around_hard_fragments_and_now_and_then_anywhere() -> None:
    scores = np.zeros((64, 64), np.int32)
    scores[:, 48:] = 1000
    rng = np.random.default_rng(0)
    hard = [at for _ in range(30) for at in fragments.choose(scores, 4, rng, hard_share=1.0)]
    assert all(left + fragments.CROP > 48 * fragments.FRAGMENT for _, left in hard)
    anywhere = [at for _ in range(30) for at in fragments.choose(scores, 4, rng, hard_share=0.0)]
    assert sum(left + fragments.CROP > 48 * fragments.FRAGMENT for _, left in anywhere) < len(anywhere) / 2


def test_crops_stay_inside_and_apart() -> None:
    scores = np.random.default_rng(2).integers(0, 3000, (20, 33)).astype(np.int32)
    chosen = fragments.choose(scores, 12, np.random.default_rng(3))
    assert 4 <= len(chosen) <= 12
    for number, (top, left) in enumerate(chosen):
        assert 0 <= top <= 20 * 32 - 256
        assert 0 <= left <= 33 * 32 - 256
        assert all(max(abs(top - a), abs(left - b)) >= 192 for a, b in chosen[:number])


def test_a_small_picture_has_no_room() -> None:
    with pytest.raises(ValueError, match="no room"):
        fragments.choose(np.zeros((7, 40), np.int32), 1, np.random.default_rng(0))


def test_a_collection_becomes_a_pack_to_train_on(
    tmp_path: Path, make_photo: Callable[..., Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fragments, "_SHRINK_FROM", 750)  # a photo of the real size takes seconds
    photos = tmp_path / "photos"
    (photos / "deeper").mkdir(parents=True)
    for number in range(4):
        Image.fromarray(make_photo(260, 450, number)).save(photos / "deeper" / f"{number}.JPG", quality=95)
    Image.fromarray(make_photo(740, 760, 9)).save(photos / "large.png")
    Image.fromarray(make_photo(100, 300, 5)).save(photos / "narrow.png")
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (photos / "notes.txt").write_text("not a photo")
    fragments.main(["--photos", str(photos), "--out", str(tmp_path / "pack.tar"), "--crops", "4"])
    trained, held = data.load_crops(tmp_path / "pack.tar")
    assert {crop.shape for crop in trained + held} == {(256, 256, 3)}
    assert len(trained + held) >= 4 + 4


def test_a_uniform_pack_to_compare_with(tmp_path: Path) -> None:
    """What an ablation needs: the same photos, hard fragments or anywhere."""
    photos, noisy = tmp_path / "photos", {}
    photos.mkdir()
    for number in range(6):
        Image.fromarray(half_noise(640)[::-1] if number % 2 else half_noise(640)).save(photos / f"{number}.png")
    for share in (0, 1):
        fragments.main(["--photos", str(photos), "--out", str(tmp_path / "pack.tar"), "--crops", "2", "--hard", str(share)])
        trained, held = data.load_crops(tmp_path / "pack.tar")
        noisy[share] = np.mean([crop.std() > 40 for crop in trained + held])
    assert noisy[0] < 0.9 < noisy[1]
    with pytest.raises(SystemExit):
        fragments.main(["--photos", str(photos), "--out", str(tmp_path / "pack.tar"), "--hard", "1.5"])
