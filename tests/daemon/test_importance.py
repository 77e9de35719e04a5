from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codec.levels import EXACT, LEVELS
from codec.rating import Rating
from daemon.importance import STARS, importance, raised, sidecars, wanted
from daemon.messages import EncodeJob, RatingJob
from storage.digest import read_once
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

FIVE_STARS = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:xmp="http://ns.adobe.com/xap/1.0/">'
    b'<rdf:RDF><rdf:Description xmp:Rating="5"/></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize(
    ("rating", "expected"),
    [
        (Rating(), ""),
        (Rating(0), ""),
        (Rating(STARS - 1), ""),
        (Rating(STARS), "rated 4 of 5 stars"),
        (Rating(5, (), True), "rated 5 of 5 stars"),
        (Rating(1, ("accepted in digiKam",)), "marked: accepted in digiKam"),
        (Rating(None, ('label "Blue"', "flagged as a pick")), 'marked: label "Blue", flagged as a pick'),
        (Rating(None, ('label "Red"',), True), ""),
        (Rating(rejected=True), ""),
    ],
)
def test_what_counts(rating: Rating, expected: str) -> None:
    assert importance(rating) == expected


def test_one_level_better() -> None:
    assert raised(LEVELS["compact"]).name == "high"
    assert raised(LEVELS["high"]).name == "visually-lossless"
    assert raised(LEVELS["visually-lossless"]) is EXACT
    assert raised(EXACT) is EXACT


def test_sidecars_of_both_kinds(tmp_path: Path) -> None:
    for name in ("a.jpg.xmp", "a.XMP", "b.jpg.xmp", "ab.xmp"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "c.xmp").mkdir()
    (tmp_path / "d.xmp").symlink_to(tmp_path / "a.XMP")
    assert sidecars(tmp_path / "a.jpg") == (b"a.jpg.xmp", b"a.XMP")
    assert sidecars(tmp_path / "c.jpg") == sidecars(tmp_path / "d.jpg") == ()


def test_a_favourite_gets_a_better_level_and_its_row_says_why(home: Home, photo: Callable[..., bytes]) -> None:
    home.configure('quality = "compact"')
    for name in ("plain.jpg", "best.jpg"):
        (home.root / name).write_bytes(photo(seed=len(name)))
    (home.root / "best.jpg.xmp").write_bytes(FIVE_STARS)
    assert home.optimize().archived == 2
    assert {job.level for job in home.codec.jobs if isinstance(job, EncodeJob)} == {"compact", "high"}
    with home.shop() as shop:
        rows = {row.path: row for row in shop.catalog.rows()}
    assert (rows[b"best.jpg"].quality, rows[b"best.jpg"].importance) == ("high", "rated 5 of 5 stars")
    assert (rows[b"plain.jpg"].quality, rows[b"plain.jpg"].importance) == ("compact", None)
    assert {row.state for row in rows.values()} == {State.RETIRED}
    assert sum(isinstance(job, RatingJob) for job in home.codec.jobs) == 2


def test_what_a_file_beside_it_signs_keeps_its_bytes(home: Home, photo: Callable[..., bytes]) -> None:
    home.configure('quality = "compact"')
    for name in ("signed.jpg", "plain.jpg"):
        (home.root / name).write_bytes(photo(seed=len(name)))
    (home.root / "signed.c2pa").write_bytes(b"a manifest")
    home.optimize()
    assert sorted(job.level for job in home.codec.jobs if isinstance(job, EncodeJob)) == ["compact", "exact"]
    wish = wanted(home.codec, home.root / "signed.jpg", read_once(home.root / "signed.jpg"), LEVELS["compact"])
    assert (wish.level, wish.why) == (EXACT, "signed (C2PA) by a file beside it")


def test_a_favourite_that_is_left_says_what_was_asked_for(home: Home, photo: Callable[..., bytes]) -> None:
    (home.root / "a.jpg").write_bytes(photo(wish="refuse:quality-not-reached"))
    (home.root / "a.xmp").write_bytes(FIVE_STARS)
    home.optimize()
    with home.shop() as shop:
        (row,) = shop.catalog.rows()
    assert row.reason == "quality-not-reached"
    assert row.detail is not None
    assert row.detail.endswith("asked for visually-lossless, since it is rated 5 of 5 stars")
