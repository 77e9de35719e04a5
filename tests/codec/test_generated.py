"""Pictures that training makes itself."""

from pathlib import Path

import numpy as np
import pytest

from codec.training import generated


def test_smooth_ground_is_smooth() -> None:
    for seed in range(6):
        made = generated.sky(128, np.random.default_rng(seed)).astype(np.float64)
        assert made.shape == (128, 128, 3)
        steps = abs(np.diff(made.mean(2), axis=0))
        assert np.median(steps) < 3
        assert made.std() > 0.5


def _pages(count: int) -> list[generated.Crop]:
    return [generated.page(128, np.random.default_rng(seed)) for seed in range(count)]


def test_pages_have_steep_strokes_on_even_paper() -> None:
    for made in _pages(8):
        assert made.shape == (128, 128, 3)
        assert made.dtype == np.uint8
        steps = abs(np.diff(made.astype(np.float64).mean(2), axis=1))
        assert np.quantile(steps, 0.99) > 6 * np.median(steps)


def test_some_pages_have_no_colour_and_some_have() -> None:
    colours = [int(np.ptp(made, axis=2).max()) for made in _pages(12)]
    assert 0 in colours
    assert any(colours)


def test_a_grey_picture_is_as_light_as_the_coloured_one() -> None:
    made = generated.sky(64, np.random.default_rng(1))
    grey = generated.grey(made)
    assert grey.dtype == np.uint8
    assert np.ptp(grey, axis=2).max() == 0
    assert abs(grey[..., 0] - made @ np.array([0.299, 0.587, 0.114])).max() <= 0.51


def test_no_two_pages_are_alike() -> None:
    assert len({made.tobytes() for made in _pages(8)}) == 8


def test_pages_come_out_the_same_again() -> None:
    assert all((one == other).all() for one, other in zip(_pages(3), _pages(3), strict=True))


def test_a_system_without_fonts_has_pages_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "_FONTS", tmp_path)
    generated._files.cache_clear()
    try:
        assert generated._files() == ()
        assert all(made.std() > 3 for made in _pages(3))
    finally:
        generated._files.cache_clear()
