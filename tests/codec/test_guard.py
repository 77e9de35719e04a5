"""What the guard must let pass, and what it must find: artefacts of each kind, put in on purpose, where the score forgives them too."""

import io
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from codec import checks
from codec.checks import CHECKS, Measured, failed
from codec.guard import Verdict, judge, measure
from codec.levels import EXACT, LEVELS
from codec.quality import ssimulacra2
from tests.codec import injections
from tests.codec.injections import Area

Pixels = NDArray[np.uint8]
Photo = Callable[..., Pixels]

HIGH = LEVELS["high"]


def through(pixels: Pixels, format: str, quality: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format, quality=quality, subsampling="4:4:4" if format == "JPEG" else "4:2:0")
    return np.asarray(Image.open(buffer).convert("RGB"))


def values(verdict: Verdict) -> dict[str, float]:
    return {each.name: each.value for each in verdict.measured}


def touch(a: Area, b: Area) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@pytest.fixture(scope="module")
def decoded(package_photos: dict[str, Path]) -> dict[str, tuple[Pixels, Pixels]]:
    """Photographs, and what a JPEG makes of them that just reaches a score of about 85."""
    found: dict[str, tuple[Pixels, Pixels]] = {}
    for name in ("astronaut", "flower", "rocket", "coffee"):
        if name in package_photos:
            original = np.ascontiguousarray(np.asarray(Image.open(package_photos[name]).convert("RGB"))[:400, :600])
            settings = (85, 90, 94, 97)
            candidates = (through(original, "JPEG", setting) for setting in settings)
            found[name] = original, next(each for each in candidates if ssimulacra2(original, each) >= 84)
    return found


def test_equal_pictures_pass_with_all_the_lead_there_is(make_photo: Photo) -> None:
    photo = make_photo(200, 300)
    verdict = judge(photo, photo.copy(), HIGH)
    assert verdict.passed
    assert verdict.lead == 20
    assert not verdict.findings
    assert values(verdict) == {name: math.inf if check.floor else 0.0 for name, check in CHECKS.items()}


def test_what_an_ordinary_codec_makes_of_photographs_passes(decoded: dict[str, tuple[Pixels, Pixels]]) -> None:
    for name, (original, copy) in decoded.items():
        verdict = judge(original, copy, HIGH)
        assert verdict.passed, (name, [each.sentence for each in verdict.findings])
        assert verdict.score.whole >= 84


@pytest.mark.parametrize("kind", injections.KINDS)
def test_an_artefact_is_found_where_it_is(decoded: dict[str, tuple[Pixels, Pixels]], kind: str) -> None:
    inject, names = injections.KINDS[kind]
    found = 0
    for original, copy in decoded.values():
        spoiled, area = inject(original, copy, np.random.default_rng(1))
        verdict = judge(original, spoiled, HIGH)
        hits = [each for each in verdict.findings if each.name in names and any(touch(area, other) for other in each.areas)]
        found += bool(hits)
        assert not hits or not verdict.passed
    assert found >= len(decoded) - 1  # in the one place that hides it, texture does


def test_what_the_score_lets_pass_is_found(make_photo: Photo) -> None:
    """A large calm photo: a seam and a lean in colour cost the score next to nothing."""
    rows, columns = np.mgrid[0:640, 0:1024]
    sky = np.stack([90 + rows / 12, 130 + rows / 14, 190 + columns / 40], 2)
    original = np.clip(np.rint(sky + np.random.default_rng(0).normal(0, 0.8, sky.shape)), 0, 255).astype(np.uint8)
    for kind, name in (("border", "seam"), ("hue", "colour-shift")):
        spoiled, area = injections.KINDS[kind][0](original, original.copy(), np.random.default_rng(3))
        verdict = judge(original, spoiled, HIGH)
        assert verdict.score.whole >= HIGH.whole
        assert verdict.score.worst_tile >= HIGH.worst_tile
        (finding,) = [each for each in verdict.findings if each.name == name]
        assert finding.value > finding.limit
        assert touch(finding.areas[0], area)
        assert finding.place == finding.areas[0][:2]
        assert f"{finding.value:.2f}" in finding.sentence


def test_a_pattern_of_the_originals_own_is_no_artefact(make_photo: Photo) -> None:
    """Dots, a grid of 16 pixels, a line and clipped ground that were there before."""
    photo = make_photo(320, 480, seed=1)
    photo[:, ::2] = np.clip(photo[:, ::2].astype(int) + 9, 0, 255)
    photo[::16] //= 2
    photo[:, ::16] //= 2
    photo[100:160, 100:200] = 255
    verdict = judge(photo, through(photo, "JPEG", 95), HIGH)
    assert not {each.name for each in verdict.findings} & {"dots", "patches", "seam", "clipping", "colour", "structure"}


def test_every_place_of_an_artefact_is_named_once(make_photo: Photo) -> None:
    photo = make_photo(512, 768, seed=4)
    spoiled = photo.copy()
    places = [(64, 64), (64, 512), (384, 288)]
    for top, left in places:
        spoiled[top : top + 48, left : left + 48] = 128
    finding = next(each for each in judge(photo, spoiled, HIGH).findings if each.name == "structure")
    for top, left in places:
        assert any(touch(area, (top, left, top + 48, left + 48)) for area in finding.areas)
    assert all(not touch(a, b) for i, a in enumerate(finding.areas) for b in finding.areas[:i])
    assert all(any(touch(area, (top, left, top + 48, left + 48)) for top, left in places) for area in finding.areas)


def test_strict_levels_allow_less() -> None:
    for name, check in CHECKS.items():
        limits = [check.limits[level] for level in ("visually-lossless", "high", "compact")]
        assert limits == sorted(limits, reverse=check.floor), name
        assert len(set(limits)) == 3, name


def test_a_raised_level_wants_every_check_better(make_photo: Photo) -> None:
    photo = make_photo(256, 256, seed=2)
    copy = through(photo, "JPEG", 92)
    plain = judge(photo, copy, HIGH)
    raised = judge(photo, copy, HIGH.raised(3, 3))
    assert raised.lead == pytest.approx(plain.lead - 3)
    assert raised.measured == plain.measured


@given(st.sampled_from(sorted(CHECKS)), st.floats(0.001, 200), st.sampled_from(sorted(LEVELS)), st.floats(0, 5))
def test_a_limit_is_where_the_headroom_ends(name: str, value: float, level_name: str, points: float) -> None:
    level = LEVELS[level_name].raised(0, points)
    assert Measured(name, checks.limit_of(name, level)).headroom(level) == pytest.approx(0, abs=1e-6)
    within = value >= checks.limit_of(name, level) if CHECKS[name].floor else value <= checks.limit_of(name, level)
    headroom = Measured(name, value).headroom(level)
    assert within == (headroom >= 0) or headroom == pytest.approx(0, abs=1e-6)


def test_what_is_no_number_fails() -> None:
    assert failed((Measured("dots", math.nan),), HIGH)
    assert not failed((Measured("second-metric", math.inf),), HIGH)


def test_a_level_without_thresholds_is_refused(make_photo: Photo) -> None:
    photo = make_photo(64, 64)
    with pytest.raises(ValueError, match="no thresholds"):
        judge(photo, photo, EXACT)


@settings(max_examples=25)
@given(st.integers(8, 150), st.integers(8, 150), st.booleans(), st.integers(0, 2**32 - 1))
def test_any_size_is_judged(height: int, width: int, grey: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (height, width) if grey else (height, width, 3)
    photo = rng.integers(0, 256, shape, dtype=np.uint8)
    other = rng.integers(0, 256, shape, dtype=np.uint8)
    assert judge(photo, photo, HIGH).passed
    verdict = judge(photo, other, HIGH)
    assert not verdict.passed
    assert all(math.isfinite(each.value) for each in verdict.measured)
    for finding in verdict.findings:
        assert all(0 <= top < bottom <= height and 0 <= left < right <= width for top, left, bottom, right in finding.areas)


def test_grey_is_judged_as_equal_rgb(make_photo: Photo) -> None:
    grey = np.ascontiguousarray(make_photo(200, 170)[..., 1])
    copy = np.clip(grey.astype(int) + np.random.default_rng(0).integers(-9, 10, grey.shape), 0, 255).astype(np.uint8)
    alone, in_colour = (judge(a, b, HIGH) for a, b in ((grey, copy), (np.repeat(grey[..., None], 3, 2), np.repeat(copy[..., None], 3, 2))))
    for name, value in values(in_colour).items():
        assert values(alone)[name] == pytest.approx(value, rel=0.02, abs=0.01), name


def test_threads_change_nothing(make_photo: Photo) -> None:
    photo = make_photo(300, 200, seed=6)
    copy = through(photo, "JPEG", 60)
    assert measure(photo, copy, threads=1) == measure(photo, copy, threads=3)


def test_other_shapes_and_small_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="compared"):
        judge(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 21, 3), np.uint8), HIGH)
    with pytest.raises(ValueError, match="undefined"):
        judge(np.zeros((7, 20), np.uint8), np.zeros((7, 20), np.uint8), HIGH)


def test_memory_does_not_grow_with_the_photo() -> None:
    """Two pictures of 12 megapixels, 36 MB each: what is needed beside them stays under two bytes a pixel."""
    code = (
        "import resource, numpy as np\n"
        "from codec import guard\n"
        "from codec.artefact_sums import sums_of\n"
        "a, b = np.full((3000, 4000, 3), 90, np.uint8), np.full((3000, 4000, 3), 92, np.uint8)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "sums = sums_of(a, b, 1)\n"
        "assert len(list(guard._measures(sums))) == 11\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(checks.__file__).parents[1], capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < 2 * 12_000_000


def test_judging_by_numbers_needs_no_numpy() -> None:
    code = "import sys, codec.checks; raise SystemExit('numpy' in sys.modules or 'numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(checks.__file__).parents[1]).returncode == 0


def test_the_documents_have_the_table(root: Path) -> None:
    text = (root / "docs" / "guard.md").read_text()
    for name, check in CHECKS.items():
        sign = ">=" if check.floor else "<="
        limits = " | ".join(f"{sign} {check.limits[level]:g}" for level in ("visually-lossless", "high", "compact"))
        assert f"| {name} | {check.says}, {check.unit} | {limits} |" in text
