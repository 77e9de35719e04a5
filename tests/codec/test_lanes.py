"""Which lane a photo takes and why; and that restoring and examining find their way back from every lane."""

import hashlib
import io
import math
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

import numpy as np
import pytest
from PIL import Image, ImageDraw

from codec import lanes, pixel_exact
from codec.bitstream import Archive, pack, unpack
from codec.errors import Corrupt, NotAPicture, Unsupported
from codec.facts import Facts
from codec.labels import Labels, labelled
from codec.lanes import Chosen, Wanted, choose, examine, reason_of, restore
from codec.leads import PNG_SIGNATURE
from codec.levels import EXACT, LEVELS, Level, level_of
from codec.model import Model

EASY = LEVELS["compact"]
WANTED = Wanted(EASY, min_saving=0.2, min_saving_lossless=0.05)


def facts(data: bytes) -> Facts:
    return Facts(len(data), hashlib.sha256(data).hexdigest(), b"a.jpg", 0, 0o644)


def nobody() -> NoReturn:
    raise AssertionError("this lane needs no model")


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def screen() -> Image.Image:
    """Text-like bars on flat ground, large enough for a stand-in to be worth it."""
    image = Image.new("RGB", (200, 300), (240, 240, 245))
    draw = ImageDraw.Draw(image)
    rng = np.random.default_rng(0)
    for y in range(10, 290, 12):
        for x in range(8, 190, 9):
            if rng.random() < 0.7:
                draw.rectangle((x, y, x + int(rng.integers(1, 7)), y + int(rng.integers(1, 8))), fill=(20, 20, int(rng.integers(0, 200))))
    return image


@pytest.fixture(scope="module")
def jpeg(make_jpeg: Callable[..., bytes]) -> bytes:
    return make_jpeg(160, 208, 4, quality=96)


@pytest.fixture(scope="module")
def shot() -> bytes:
    return saved(screen(), "PNG", compress_level=1)


def back(made: Chosen, original: bytes) -> bytes:
    """Restored by one who has the archive alone, after another's examination."""
    found = examine(made.archive or made.repacked, original, nobody)
    assert (found.whole, found.worst_tile, found.copy_whole, found.metadata_equal) == (100.0, 100.0, 100.0, True)
    assert found.original_sha256 == hashlib.sha256(original).hexdigest()
    return restore(made.archive, nobody) if made.archive else made.repacked


def test_quality_exact_never_goes_to_the_neural_lane(jpeg: bytes, shot: bytes) -> None:
    made = choose(jpeg, facts(jpeg), nobody, replace(WANTED, level=EXACT))
    assert (made.lane, made.choice, made.model_name) == ("exact", "quality-exact", "")
    assert reason_of(made.archive) == ("quality-exact", made.why)
    assert "% smaller" in made.why
    assert unpack(made.archive).model_digest is None
    assert back(made, jpeg) == jpeg
    with pytest.raises(Unsupported) as caught:
        choose(shot, facts(shot), nobody, replace(WANTED, level=EXACT))
    assert caught.value.reason == "exact-png"
    assert level_of("exact") is EXACT
    assert level_of("high") is LEVELS["high"]


SIGNED = (
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description rdf:about=''"
    b" xmlns:d='http://purl.org/dc/terms/' d:provenance='https://manifests.example/urn-c2pa-1'/></rdf:RDF></x:xmpmeta>"
)


def test_a_photograph_takes_the_neural_lane_and_says_what_the_other_would_have_been(jpeg: bytes, model: Model) -> None:
    made = choose(jpeg, facts(jpeg), lambda: model, WANTED)
    assert (made.lane, made.choice) == ("neural", "smallest")
    assert "fewer bytes than the exact lane" in made.why
    assert reason_of(made.archive) == (made.choice, made.why)
    exact = choose(jpeg, facts(jpeg), nobody, replace(WANTED, level=EXACT))
    assert len(made.archive) < len(exact.archive)


def test_what_the_neural_lane_can_not_reach_is_kept_bit_for_bit(jpeg: bytes, model: Model) -> None:
    made = choose(jpeg, facts(jpeg), lambda: model, replace(WANTED, level=Level("visually-lossless", 99.9, 99.9)))
    assert made.lane == "exact"
    assert made.choice in ("smallest", "quality-not-reached", "copy-quality")
    assert '"visually-lossless"' in made.why
    assert back(made, jpeg) == jpeg


@pytest.mark.parametrize("reason", ["too-small", "rgb-jpeg", "signed", "signed elsewhere"])
def test_jpegs_that_the_neural_lane_refuses_are_kept_bit_for_bit(reason: str, jpeg: bytes, make_photo: Callable[..., np.ndarray]) -> None:
    match reason:
        case "too-small":
            data = saved(Image.fromarray(make_photo(60, 900)), "JPEG", quality=97)
        case "rgb-jpeg":
            data = saved(Image.fromarray(make_photo(200, 300)), "JPEG", quality=95, keep_rgb=True)
        case "signed elsewhere":
            data = labelled(jpeg, Labels(xmp=SIGNED))
        case _:
            body = b"JP\0\1\0\0\0\1" + b"a manifest" * 9
            data = jpeg[:2] + b"\xff\xeb" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]
    made = choose(data, facts(data), nobody, WANTED)
    assert (made.lane, made.choice) == ("exact", reason.split()[0])
    assert made.choice in made.why
    assert back(made, data) == data


def test_a_png_that_is_signed_elsewhere_is_left(shot: bytes) -> None:
    with pytest.raises(Unsupported) as raised:
        choose(labelled(shot, Labels(xmp=SIGNED)), facts(shot), nobody, WANTED)
    assert raised.value.reason == "signed"


def test_screenshots_keep_every_sample(shot: bytes) -> None:
    made = choose(shot, facts(shot), nobody, WANTED)
    assert (made.lane, made.choice, made.repacked) == ("pixel-exact", "graphic", b"")
    assert len(made.archive) < 0.8 * len(shot)
    copy = back(made, shot)
    assert pixel_exact.difference(pixel_exact.read(shot), pixel_exact.read(copy)) == ""
    with Image.open(io.BytesIO(restore(made.archive, nobody, "jpeg"))) as image:
        assert (image.format, image.size) == ("JPEG", (200, 300))


def test_a_screenshot_as_a_jpeg_keeps_every_bit() -> None:
    data = saved(screen().resize((800, 1200), Image.Resampling.NEAREST), "JPEG", quality=90)
    made = choose(data, facts(data), nobody, WANTED)
    assert (made.lane, made.choice) == ("exact", "graphic")
    assert back(made, data) == data


def test_a_png_whose_archive_is_not_a_fifth_smaller_is_packed_anew(shot: bytes) -> None:
    heavy = replace(WANTED, stand_in_bytes=len(shot) // 2)
    made = choose(shot, facts(shot), nobody, heavy)
    assert (made.lane, made.archive, made.choice) == ("pixel-exact", b"", "graphic")
    assert len(made.repacked) < 0.95 * len(shot)
    assert back(made, shot) == made.repacked
    assert examine(made.repacked, shot + b"x", nobody).whole == 0.0
    kept = choose(shot, facts(shot), nobody, replace(heavy, repack=False, min_saving_lossless=-math.inf))
    assert kept.archive  # an archive was asked for
    with pytest.raises(Unsupported) as caught:  # what was packed anew is left alone from then on
        choose(made.repacked, facts(made.repacked), nobody, heavy)
    assert caught.value.reason == "no-gain"


def test_without_any_stand_in_only_a_re_packed_png_will_do(shot: bytes, jpeg: bytes) -> None:
    none = replace(WANTED, stand_in_bytes=None)
    assert choose(shot, facts(shot), nobody, none).repacked
    for data, wanted in ((jpeg, none), (shot, replace(none, repack=False))):
        with pytest.raises(Unsupported) as caught:
            choose(data, facts(data), nobody, wanted)
        assert caught.value.reason == "stand-in-too-large"


def test_sixteen_bits_are_packed_anew_or_left() -> None:
    y, x = np.mgrid[0:90, 0:120]
    data = saved(Image.fromarray((x * 500 + y * 9).astype(np.uint16)), "PNG", compress_level=0)
    made = choose(data, facts(data), nobody, WANTED)
    assert (made.lane, made.archive, made.choice) == ("pixel-exact", b"", "16-bit")
    with pytest.raises(Unsupported) as caught:
        choose(made.repacked, facts(made.repacked), nobody, WANTED)
    assert caught.value.reason == "16-bit"
    with pytest.raises(Unsupported) as caught:
        choose(data, facts(data), nobody, replace(WANTED, repack=False))
    assert "saves nothing" not in str(caught.value), "nobody tried"


def test_a_photograph_as_png_takes_the_neural_lane(model: Model, make_photo: Callable[..., np.ndarray]) -> None:
    data = saved(Image.fromarray(make_photo(130, 150, 7)), "PNG")
    assert choose(data, facts(data), lambda: model, WANTED).lane == "neural"


def test_nothing_saved_is_left_with_both_reasons(jpeg: bytes) -> None:
    with pytest.raises(Unsupported) as caught:
        choose(jpeg, facts(jpeg), nobody, replace(WANTED, level=EXACT, min_saving_lossless=0.6))
    assert caught.value.reason == "no-gain"
    with pytest.raises(Unsupported) as caught:
        choose(jpeg, facts(jpeg), nobody, replace(WANTED, level=EXACT, stand_in_bytes=len(jpeg)))
    assert caught.value.reason == "no-gain"
    tiny = saved(Image.new("CMYK", (70, 70)), "JPEG")
    with pytest.raises(Unsupported) as caught:
        choose(tiny, facts(tiny), nobody, WANTED)
    assert caught.value.reason == "cmyk"


def test_damage_is_left_by_every_lane(jpeg: bytes, shot: bytes) -> None:
    signed = jpeg[:2] + b"\xff\xeb\x00\x06JP\0\1" + jpeg[2:]
    for whole in (jpeg, signed, shot):
        for level in (EASY, EXACT):
            with pytest.raises(Corrupt):
                choose(whole[: len(whole) // 2], facts(whole), nobody, replace(WANTED, level=level))
    for data in (b"", b"text"):
        with pytest.raises(NotAPicture):
            choose(data, facts(data), nobody, WANTED)


def test_archives_of_one_lane_that_say_another(jpeg: bytes, shot: bytes) -> None:
    for made in (choose(jpeg, facts(jpeg), nobody, replace(WANTED, level=EXACT)), choose(shot, facts(shot), nobody, WANTED)):
        parts = unpack(made.archive)
        for lane in ("exact", "pixel-exact"):
            if lane != parts.lane:
                with pytest.raises(Corrupt):
                    restore(pack(Archive(lane, None, parts.sections)), nobody)
        with pytest.raises(Corrupt):
            restore(pack(Archive(parts.lane, b"\1" * 32, parts.sections)), nobody)
        with pytest.raises(Corrupt):
            restore(pack(Archive(parts.lane, None, {name: data for name, data in parts.sections.items() if name != "FACT"})), nobody)


def test_examining_against_another_photo(jpeg: bytes, make_jpeg: Callable[..., bytes]) -> None:
    made = choose(jpeg, facts(jpeg), nobody, replace(WANTED, level=EXACT))
    found = examine(made.archive, make_jpeg(160, 208, 5), nobody)
    assert found.whole == 0.0
    assert not found.metadata_equal


def test_an_archive_that_gives_no_reason(jpeg: bytes) -> None:
    made = choose(jpeg, facts(jpeg), nobody, replace(WANTED, level=EXACT))
    parts = unpack(made.archive)
    assert reason_of(pack(Archive("exact", None, {**parts.sections, "QUAL": b"{}"}))) == ("", "")
    assert reason_of(pack(Archive("exact", None, {**parts.sections, "QUAL": b'{"choice":3}'}))) == ("", "")
    assert lanes.reason_of(PNG_SIGNATURE + b"...") == ("", "")
