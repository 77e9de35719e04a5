"""Comparisons of curves whose answer is known, and the tables made of them."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench import comparison, tables
from tests.bench.measures import ARTEFACTS, METRICS
from tests.bench.points import Point

Make = Callable[..., list[Point]]

RATES = [0.1, 0.2, 0.4, 0.8, 1.6]
SCORES = [55.0, 64.0, 73.0, 82.0, 91.0]


@pytest.fixture
def make() -> Make:
    """Points of one codec over one picture: `factor` times the bits at equal score, `others` times the bits in every other measure."""

    def points(codec: str, picture: str, factor: float = 1.0, others: float | None = None, scores: list[float] = SCORES) -> list[Point]:
        shift = 9 * math.log2((others or factor) / factor)  # nine points for each doubling
        found = []
        for setting, (rate, score) in enumerate(zip(RATES, scores, strict=True)):
            values = {metric: score if metric == "ssimulacra2" else (score - shift) / 2 for metric in METRICS}
            values |= dict.fromkeys(ARTEFACTS, (100 - score) / 10)
            found.append(Point("set", picture, codec, setting, 8_000_000, round(factor * rate * 1e6), values))
        return found

    return points


def test_half_the_bits_in_every_measure(make: Make) -> None:
    curves = comparison.by_codec([*make("ours", "a", 0.5), *make("avif", "a"), *make("ours", "b", 0.25), *make("avif", "b")])
    for metric in ("ssimulacra2", "psnr", "flip"):
        found = comparison.difference(curves, "ours", "avif", metric)
        assert (found.mean, found.worst) == pytest.approx((-62.5, -50), abs=0.01)
        assert (found.worst_picture, found.pictures) == ("a", 2)
    assert [gap.points for gap in comparison.gaps(curves)] == pytest.approx([0], abs=0.01)


def test_a_measure_that_was_gamed_shows(make: Make) -> None:
    curves = comparison.by_codec([*make("ours", "a", 0.5, others=0.9), *make("avif", "a"), *make("jpeg", "a", 2.0)])
    gap = {gap.peer: gap for gap in comparison.gaps(curves)}["avif"]
    assert (gap.trained_on, gap.other, gap.points) == pytest.approx((-50, -10, 40), abs=0.01)
    places = comparison.places(curves)
    assert list(places["ssimulacra2"]) == list(places["psnr"]) == ["ours", "avif", "jpeg"]
    assert places["psnr"]["jpeg"] == pytest.approx(100, abs=0.01)


def test_other_measures_are_compared_where_the_peer_has_the_score(make: Make) -> None:
    assert comparison.interval(make("avif", "a"), "ssimulacra2") == (60, 88)
    assert comparison.interval(make("avif", "a"), "psnr") == pytest.approx((30, 44), abs=0.2)
    short = [point for point in make("avif", "a") if 60 < point.values["ssimulacra2"] < 88]
    assert comparison.interval(short, "psnr") == pytest.approx((32, 41))


def test_curves_that_share_nothing(make: Make) -> None:
    curves = comparison.by_codec([*make("ours", "a"), *make("avif", "a", scores=[value - 60 for value in SCORES])])
    found = comparison.difference(curves, "ours", "avif", "ssimulacra2")
    assert math.isnan(found.mean)
    assert found.pictures == 0


def test_bits_for_a_score_over_the_pictures_that_all_reach(make: Make) -> None:
    low = [value - 30 for value in SCORES]
    curves = comparison.by_codec(
        [point for name, factor in (("ours", 0.5), ("avif", 1.0)) for picture in "abc" for point in make(name, picture, factor)]
        + [*make("webp", "a", scores=low), *make("webp", "b", scores=low), *make("webp", "c")]
        + [*make("jxl", "a", 2), *make("jxl", "b", 2), *make("jxl", "c", scores=low)]
    )
    found = comparison.rates_at(curves, 82.0)
    for name, bits in (("ours", 0.4), ("avif", 0.8), ("jxl", 1.6)):
        assert found[name] == pytest.approx((bits, 2))  # not over c, where jxl does not reach the score
    assert math.isnan(found["webp"][0])  # one picture of three: nobody waits for it
    assert found["webp"][1] == 1
    assert comparison.artefacts_at(curves, "ours", 82.0)["seams"] == pytest.approx(1.8, abs=0.05)


def test_the_printed_tables(make: Make) -> None:
    assert tables.markdown(["codec", "70"], [["ours", "1.5"], ["libjpeg-turbo", "12.25"]]) == (
        "| codec         |    70 |\n| ------------- | ----: |\n| ours          |   1.5 |\n| libjpeg-turbo | 12.25 |"
    )
    assert [tables.number(1.25), tables.number(-0.5, 2), tables.number(math.nan), tables.number(0.5, 3, sign=False)] == [
        "+1.2",
        "-0.50",
        "-",
        "0.500",
    ]
    curves = comparison.by_codec([*make("ours", "a", 0.5, others=0.8), *make("avif", "a"), *make("jpeg", "a", 2.0)])
    printed = "\n".join(tables.report(curves))
    assert "| AVIF          | -50.0 (-50.0) | -20.0 (-20.0) |" in printed
    assert "-50.0 (1.)" in printed
    assert "+100.0 (3.)" in printed
    assert "0.343 (1)" in printed  # ours at 80: two points, 2/9 of a doubling, below the 0.4 at 82


@pytest.mark.slow
def test_the_drawing_is_the_same_each_time(make: Make, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from tests.bench import figures

    curves = comparison.by_codec([*make("ours", "a", 0.5), *make("avif", "a")])
    for name in ("one.svg", "two.svg"):
        figures.draw(curves, "Curves", tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("one.svg", "two.svg"))
    assert first == second
    assert len(first) < 200_000
    assert b"Bits at equal PSNR-HVS-M" in first
