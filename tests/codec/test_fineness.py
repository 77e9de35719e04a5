import dataclasses
import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from codec import container, fineness, rate
from codec.errors import Unsupported
from codec.fineness import COPY_GROWTH, FINENESSES, Copies
from codec.levels import Level
from codec.model import Model
from codec.neural import Analysed, Pixels
from codec.picture import JpegStructure, Picture
from codec.quality import ssimulacra2
from codec.rate import Found, fewest_bits


def found_at(data: bytes, model: Model, quality: int) -> tuple[Picture, Found]:
    picture = container.read(data)
    return picture, Found.at(quality, picture.pixels, Analysed(picture.pixels, model), model)


def score_of(picture: Picture, found: Found, structure: JpegStructure) -> float:
    return ssimulacra2(picture.pixels, container.read(container.write(found.decoded, structure)).pixels)


@pytest.fixture(scope="module")
def original(make_jpeg: Callable[..., bytes]) -> bytes:
    return make_jpeg(256, 320, seed=4, quality=90)


def test_the_coarsest_fineness_that_does_is_chosen(original: bytes, model: Model) -> None:
    picture, found = found_at(original, model, 100)
    assert isinstance(picture.structure, JpegStructure)
    scores = [score_of(picture, found, dataclasses.replace(picture.structure, fineness=fineness)) for fineness in FINENESSES]
    wanted = (scores[0] + max(scores)) / 2
    same, structure, copy_whole = Copies(picture, 100 * len(original), wanted).fit(found, model)
    assert same is found
    assert isinstance(structure, JpegStructure)
    assert copy_whole >= wanted
    chosen = FINENESSES.index(structure.fineness)
    assert chosen > 0
    assert scores[chosen] == pytest.approx(copy_whole)
    assert scores[chosen - 1] < wanted


def test_without_a_bound_the_originals_steps_are_taken(original: bytes, model: Model) -> None:
    picture, found = found_at(original, model, 60)
    same, structure, copy_whole = Copies(picture, 1, None).fit(found, model)
    assert same is found
    assert isinstance(structure, JpegStructure)
    assert structure.fineness == 100
    assert copy_whole == pytest.approx(score_of(picture, found, structure))


def test_a_copy_that_no_fineness_makes_good_enough_raises_the_archive(original: bytes, model: Model) -> None:
    picture, found = found_at(original, model, 60)
    least = found.score.whole + 0.5
    raised, _, copy_whole = Copies(picture, 100 * len(original), least).fit(found, model)
    assert raised.quality > 60
    assert copy_whole >= least
    with pytest.raises(Unsupported) as caught:
        Copies(picture, len(original), 99.9).fit(found, model)
    assert caught.value.reason == "copy-quality"


def test_the_size_of_a_copy_is_reserved_and_filled_up(original: bytes, model: Model) -> None:
    picture, found = found_at(original, model, 100)
    _, structure, _ = Copies(picture, len(original), 0.0).fit(found, model)
    assert isinstance(structure, JpegStructure)
    copy, bare = container.write(found.decoded, structure), container.write(found.decoded, dataclasses.replace(structure, copy_bytes=None))
    assert len(copy) == structure.copy_bytes == fineness.reserved(len(bare))
    assert copy == bare[:-2] + b"\xff" * (len(copy) - len(bare)) + bare[-2:]
    assert (container.read(copy).pixels == container.read(bare).pixels).all()
    other = found.decoded.copy()
    other[::16, ::16] ^= 1  # as another processor rounds
    assert len(container.write(other, structure)) == len(copy)
    sections = container.to_sections(structure)
    assert container.from_sections(sections) == structure
    assert len(container.write(found.decoded, dataclasses.replace(structure, copy_bytes=100))) == len(bare), "longer than was reserved"


def test_a_copy_stays_near_the_size_of_its_original(model: Model, make_jpeg: Callable[..., bytes]) -> None:
    data = make_jpeg(256, 320, 5, quality=70)
    picture, found = found_at(data, model, 120)
    assert isinstance(picture.structure, JpegStructure)
    finest = dataclasses.replace(picture.structure, fineness=FINENESSES[-1])
    assert len(container.write(found.decoded, finest)) > COPY_GROWTH * len(data)  # what a copy would be that only looked at the score
    least = score_of(picture, found, finest) - 0.05
    raised, structure, copy_whole = Copies(picture, len(data), least).fit(found, model)
    assert copy_whole >= least
    assert raised.quality > found.quality
    assert len(container.write(raised.decoded, structure)) <= COPY_GROWTH * len(data)


def test_the_search_hears_in_time_what_a_copy_needs(model: Model, make_jpeg: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample tells it, so that the archive is not raised after the search; of some so small pictures it tells too little."""
    data = make_jpeg(320, 320, 2, quality=50)
    picture = container.read(data)
    level = Level("compact", 70.0, 55.0)
    monkeypatch.setattr(rate, "sample_of", lambda pixels: pixels[:160, :160].copy())
    copies = Copies(picture, len(data), level.whole - 0.2)
    deaf = fewest_bits(picture.pixels, model, level, most_bytes=1e9)
    found = fewest_bits(picture.pixels, model, level, most_bytes=1e9, needs=copies)
    assert found.quality > deaf.quality
    monkeypatch.setattr(Found, "at", None)  # no more encoding
    same, structure, copy_whole = copies.fit(found, model)
    assert same is found
    assert copy_whole >= level.whole - 0.2
    assert len(container.write(found.decoded, structure)) <= COPY_GROWTH * len(data)


def test_a_png_needs_nothing_and_loses_nothing(model: Model, make_photo: Callable[..., Pixels]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(make_photo(72, 90, 3)).save(buffer, "PNG")
    picture, found = found_at(buffer.getvalue(), model, 100)
    copies = Copies(picture, 10**6, 99.0)
    assert copies.needs(picture.pixels, found.decoded) == 0
    assert copies.check(found) == 0
    assert copies.fit(found, model) == (found, picture.structure, found.score.whole)


def two_pictures(first: Pixels, second: Pixels, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(first).save(buffer, "MPO", save_all=True, append_images=[Image.fromarray(second)], quality=quality)
    return buffer.getvalue()


def test_several_pictures_where_no_copy_fits_are_refused(model: Model, make_photo: Callable[..., Pixels]) -> None:
    picture, found = found_at(two_pictures(make_photo(200, 240, 1), make_photo(64, 80, 2), 90), model, 100)
    assert isinstance(picture.structure, JpegStructure)
    cramped = dataclasses.replace(picture.structure, primary_bytes=picture.structure.primary_bytes // 4)
    with pytest.raises(Unsupported) as caught:
        Copies(dataclasses.replace(picture, structure=cramped), 10**6, 20.0).fit(found, model)
    assert caught.value.reason == "multi-picture"


def test_few_jpegs_are_written(original: bytes, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Halving finds the fineness among seventeen."""
    picture, found = found_at(original, model, 100)
    assert isinstance(picture.structure, JpegStructure)
    wanted = score_of(picture, found, dataclasses.replace(picture.structure, fineness=FINENESSES[9])) - 0.01
    writes, write = 0, container.write

    def counted(*given: Any, **named: Any) -> bytes:
        nonlocal writes
        writes += 1
        return write(*given, **named)

    monkeypatch.setattr(container, "write", counted)
    Copies(picture, 100 * len(original), wanted).fit(found, model)
    assert 0 < writes <= 12
