from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec import rate
from codec.errors import Unsupported
from codec.levels import Level
from codec.model import Model
from codec.network.constants import TOP_QUALITY
from codec.neural import Analysed, Pixels, decode_pixels
from codec.quality import score
from codec.rate import MARGIN, SLACK, Found, _next, fewest_bits, passes, sample_of

Curve = Callable[[int], float]
EASY = Level("easy", 60.0, 50.0)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """A lead over the level that rises with the quality, steeply or hardly, straight or bent, here and there by steps."""
    low, rise = draw(st.floats(-120, 5)), draw(st.floats(2, 140))
    bend, steps = draw(st.floats(0.3, 4)), draw(st.sampled_from([1, 1, 1, 4, 16]))

    def lead(quality: int) -> float:
        place = quality // steps * steps / TOP_QUALITY
        return low + rise * (1 - np.exp(-bend * place)) / (1 - np.exp(-bend)) + 1e-6 * quality

    return lead


def search(lead: Curve, start: int) -> dict[int, tuple[float, int]]:
    """As both searches go: try, ask for the next, until one was tried already. The last entry is what they settle on."""
    tried: dict[int, tuple[float, int]] = {}
    quality = start
    while quality not in tried:
        assert 0 <= quality <= TOP_QUALITY
        tried[quality] = lead(quality), 0
        quality = _next(tried, quality)
    tried[quality] = tried.pop(quality)
    return tried


@given(curves(), st.integers(0, TOP_QUALITY))
@settings(max_examples=300, deadline=None)
def test_search_ends_at_the_lowest_that_passes_or_close_above(lead: Curve, start: int) -> None:
    tried = search(lead, start)
    found = list(tried)[-1]
    lowest = next((quality for quality in range(TOP_QUALITY + 1) if lead(quality) >= 0), None)
    if lowest is None:
        assert found == TOP_QUALITY
    else:
        assert found == lowest or 0 <= lead(found) <= SLACK
    assert len(tried) <= 40


@given(st.floats(-120, 5), st.floats(0.06, 0.5), st.floats(0.01, 1.6), st.integers(0, TOP_QUALITY))
@settings(max_examples=200, deadline=None)
def test_search_of_an_ordinary_photo_takes_few_tries(low: float, least_slope: float, bend: float, start: int) -> None:
    """The score rises everywhere, at the worst end up to five times as fast as at the best."""

    def lead(quality: int) -> float:
        return low + least_slope * TOP_QUALITY / bend * (np.exp(bend) - np.exp(bend * (1 - quality / TOP_QUALITY)))

    assert lead(TOP_QUALITY) - lead(TOP_QUALITY - 1) == pytest.approx(least_slope, rel=0.05)
    assert len(search(lead, start)) <= 10


def test_scores_that_are_not_monotone_end_too() -> None:
    rng = np.random.default_rng(1)
    for start in range(0, TOP_QUALITY + 1, 10):
        noise = rng.normal(0, 3, TOP_QUALITY + 1)
        tried = search(lambda quality, noise=noise: 0.1 * (quality - 120) + float(noise[quality]), start)  # type: ignore[misc]
        assert list(tried)[-1] in tried


@pytest.fixture(scope="module")
def small(photo: Pixels) -> Pixels:
    return photo[100:228, 180:340].copy()


def test_fewest_bits_is_close_to_the_best_of_all(model: Model, small: Pixels) -> None:
    found = fewest_bits(small, model, EASY, most_bytes=small.size)
    quality = found.quality
    assert passes(found.score, EASY, MARGIN)
    assert found.score == score(small, found.decoded)
    assert (found.decoded == decode_pixels(found.stream, model)).all()
    below = [Found.at(q, small, found.analysed, model) for q in range(max(0, quality - 40), quality, 4)]
    passing = [other.quality for other in below if passes(other.score, EASY, MARGIN)]
    assert quality - min(passing, default=quality) <= 8


def test_fewest_bits_gives_up_where_there_is_nothing_to_gain(model: Model, small: Pixels) -> None:
    with pytest.raises(Unsupported) as caught:
        fewest_bits(small, model, EASY, most_bytes=200)
    assert caught.value.reason == "no-gain"


def test_fewest_bits_says_when_the_best_is_not_good_enough(model: Model, small: Pixels) -> None:
    with pytest.raises(Unsupported) as caught:
        fewest_bits(small, model, Level("beyond", 99.99, 99.99), most_bytes=small.size)
    assert caught.value.reason == "quality-not-reached"


def test_the_worst_tile_counts_as_much_as_the_whole(model: Model, photo: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    small = photo[:128, :128]
    by_whole = fewest_bits(small, model, EASY, most_bytes=small.size)
    by_tile = fewest_bits(small, model, Level("tile", 60.0, 66.0), most_bytes=small.size)
    assert by_tile.quality > by_whole.quality
    assert by_tile.score.worst_tile >= 66


@pytest.mark.parametrize("shape", [(3000, 4000), (4000, 3000), (1100, 20000), (20000, 1100), (1550, 1550)])
def test_a_sample_is_spread_over_the_photo(shape: tuple[int, int]) -> None:
    pixels = np.zeros((*shape, 3), np.uint8)
    pixels[..., 0] = (np.arange(shape[0]) * 255 // shape[0])[:, None]
    pixels[..., 1] = np.arange(shape[1]) * 255 // shape[1]
    sample = sample_of(pixels)
    assert 1_000_000 < sample.shape[0] * sample.shape[1] <= 2_400_000
    assert sample.flags.c_contiguous or sample is pixels
    for channel in (0, 1):
        assert float(sample[..., channel].mean()) == pytest.approx(127, abs=14)
        assert int(sample[..., channel].max()) - int(sample[..., channel].min()) > 100


@pytest.mark.parametrize("shape", [(64, 64), (480, 640), (1000, 9000), (1024, 1400)])
def test_a_small_or_narrow_photo_is_its_own_sample(shape: tuple[int, int]) -> None:
    pixels = np.zeros(shape, np.uint8)
    assert sample_of(pixels) is pixels


def test_the_whole_is_tried_again_where_the_sample_was_too_kind(model: Model, small: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that begins far too low on the whole photo still ends just above the level."""
    monkeypatch.setattr(rate, "_search_sample", lambda sample, model, level: (0, 100))
    found = fewest_bits(small, model, EASY, most_bytes=small.size)
    assert passes(found.score, EASY, MARGIN)
    assert not passes(Found.at(found.quality - 12, small, Analysed(small, model), model).score, EASY, MARGIN)
