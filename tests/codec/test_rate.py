import math

import pytest

from codec import rate
from codec.errors import Unsupported
from codec.levels import Level
from codec.model import Model
from codec.network.constants import TOP_QUALITY
from codec.neural import Analysed, Pixels, decode_pixels
from codec.quality import score
from codec.rate import MARGIN, Found, Guess, fewest_bits, guess_from, passes

SCORES_ALONE = -100.0
"""Points to spare with which no other check of the guard has a say, whatever the model."""
EASY = Level("compact", 60.0, 50.0, spare=SCORES_ALONE)


@pytest.fixture(scope="module")
def small(photo: Pixels) -> Pixels:
    return photo[100:228, 180:340].copy()


def test_fewest_bits_is_close_to_the_best_of_all(model: Model, photo: Pixels) -> None:
    small = photo[64:320, 128:384].copy()
    found = fewest_bits(small, model, EASY, most_bytes=small.size)
    quality = found.quality
    assert passes(found.score, EASY, MARGIN)
    assert found.score == score(small, found.decoded)
    assert (found.decoded == decode_pixels(found.stream, model)).all()
    below = [Found.at(q, small, found.analysed, model) for q in range(max(0, quality - 12), quality)]
    passing = [len(other.stream) for other in below if passes(other.score, EASY, MARGIN)]
    assert len(found.stream) <= 1.02 * min(passing, default=len(found.stream)) + 16  # a step of so small a picture is coarse


def test_fewest_bits_gives_up_where_there_is_nothing_to_gain(model: Model, small: Pixels) -> None:
    with pytest.raises(Unsupported) as caught:
        fewest_bits(small, model, EASY, most_bytes=200)
    assert caught.value.reason == "no-gain"


def test_fewest_bits_says_when_the_best_is_not_good_enough(model: Model, small: Pixels) -> None:
    with pytest.raises(Unsupported) as caught:
        fewest_bits(small, model, Level("compact", 99.99, 99.99), most_bytes=small.size)
    assert caught.value.reason == "quality-not-reached"


def test_a_tile_that_is_worse_than_its_bound_gets_a_better_quality_than_the_rest(model: Model, photo: Pixels) -> None:
    """Four tiles; one holds all that is hard."""
    wide = photo[:64, :64].repeat(11, 0).repeat(11, 1)[:576, :640].copy()
    wide[:384, :512] = photo
    plain = fewest_bits(wide, model, EASY, most_bytes=math.inf)
    assert plain.offsets is not None
    assert not plain.offsets.any()
    assert plain.score.worst_tile < plain.score.whole - 1
    bound = (plain.score.worst_tile + plain.score.whole) / 2
    by_tile = fewest_bits(wide, model, Level("compact", 60.0, bound, spare=SCORES_ALONE), most_bytes=math.inf)
    assert by_tile.score.worst_tile >= bound
    assert by_tile.offsets is not None
    assert by_tile.offsets.any()
    assert (decode_pixels(by_tile.stream, model) == by_tile.decoded).all()


def test_what_else_is_needed_counts_as_the_level_does(model: Model, small: Pixels) -> None:
    class Copies:
        def needs(self, sample: Pixels, decoded: Pixels) -> float:
            return 64.0

        def check(self, found: Found) -> float:
            return 66.0

    found = fewest_bits(small, model, EASY, most_bytes=small.size, needs=Copies())
    assert 66 <= found.score.whole < 68.5


def test_the_whole_is_tried_again_where_the_sample_was_too_kind(model: Model, small: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that begins far too low on the whole photo still ends just above the level."""
    level, low = Level("compact", 68.0, 50.0, spare=SCORES_ALONE), 10
    monkeypatch.setattr(rate, "sample_of", lambda pixels: pixels[:64])
    monkeypatch.setattr(rate, "guess_from", lambda *_: Guess(float(low), 0.0095, 10))
    found = fewest_bits(small, model, level, most_bytes=small.size)
    assert passes(found.score, level, MARGIN)
    assert found.quality > low + 6
    assert found.score.whole < level.whole + 1


def test_a_guess_is_where_the_sample_crosses_the_level(model: Model, photo: Pixels) -> None:
    small = photo[64:320, 128:384].copy()
    guess = guess_from(small, model, 75.0, None, None)
    near = Found.at(round(guess.quality), small, Analysed(small, model), model)
    assert near.score.whole == pytest.approx(75, abs=0.5)
    assert guess.size_bytes == pytest.approx(len(near.stream), rel=0.05)


def test_a_guess_of_what_no_quality_reaches_is_the_best_quality(model: Model, small: Pixels) -> None:
    assert guess_from(small, model, 99.9, None, None).quality == TOP_QUALITY
