import numpy as np
import pytest

from codec.sample import sample_of, without_joins


@pytest.mark.parametrize("shape", [(3000, 4000), (4000, 3000), (1100, 20000), (20000, 1100), (1550, 1750)])
def test_a_sample_is_spread_over_the_photo(shape: tuple[int, int]) -> None:
    pixels = np.zeros((*shape, 3), np.uint8)
    pixels[..., 0] = (np.arange(shape[0]) * 255 // shape[0])[:, None]
    pixels[..., 1] = np.arange(shape[1]) * 255 // shape[1]
    sample = sample_of(pixels)
    assert 4 * sample.size <= pixels.size
    assert sample.size <= 30 * 256**2 * 3
    assert sample.flags.c_contiguous
    for channel in (0, 1):
        assert float(sample[..., channel].mean()) == pytest.approx(127, abs=10)
        assert int(sample[..., channel].max()) - int(sample[..., channel].min()) > 100


def test_pieces_lie_on_the_grid_of_the_photos_blocks() -> None:
    rows = np.arange(3000) % 16
    pixels = np.broadcast_to(rows[:, None, None], (3000, 4000, 3)).astype(np.uint8)
    sample = sample_of(pixels)
    assert (sample[:, 0, 0] == np.arange(len(sample)) % 16).all()


@pytest.mark.parametrize("shape", [(64, 64), (480, 640), (400, 9000), (1024, 1400), (1200, 1280)])
def test_a_small_or_narrow_photo_is_its_own_sample(shape: tuple[int, int]) -> None:
    pixels = np.zeros(shape, np.uint8)
    assert sample_of(pixels) is pixels


def test_beside_joins_the_samples_own_pixels_stand_in() -> None:
    sample, copy = np.zeros((512, 512), np.uint8), np.ones((512, 512), np.uint8)
    healed = without_joins(copy, sample)
    assert int((healed == 0).sum()) == 2 * 4 * 512 - 16
    assert not healed[254:258].any()
    assert healed[258:, 258:].all()
    assert copy.all()
