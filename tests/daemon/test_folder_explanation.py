"""`explain FOLDER`: how much was saved there, which photos were left alone, and what the vault is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from daemon import unseen
from daemon.reasons import in_full, sentence

if TYPE_CHECKING:
    from click.testing import Result

    from tests.daemon.conftest import Home

Run = Callable[..., "Result"]
Photo = Callable[..., bytes]
ASKED_ALIKE = ("photos", "original_bytes", "by_state", "by_lane", "by_reason", "saved", "reclaimable", "restored", "scores", "trash")


@pytest.fixture
def gallery(home: Home, photo: Photo) -> Home:
    """Two albums with a photo each, and files that are none."""
    for name, seed in (("2020/a.jpg", 1), ("2021/b.jpg", 2), ("2021/deep/c.jpg", 3)):
        (home.root / name).parent.mkdir(parents=True, exist_ok=True)
        (home.root / name).write_bytes(photo(seed))
    (home.root / "2021/d.jpg").write_bytes(b"no picture at all")
    (home.root / "2021/IMG_1.HEIC").write_bytes(b"of a telephone")
    home.optimize()
    return home


def facts(run: Run, *words: object) -> dict[str, object]:
    found: dict[str, object] = json.loads(run(*words, "--json").stdout)
    return found


def test_a_folder_is_counted_with_all_below_it(gallery: Home, run: Run) -> None:
    told = facts(run, "explain", gallery.root / "2021")
    assert told["by_state"] == {**dict.fromkeys(facts(run, "status")["by_state"], 0), "retired": 2, "left": 1}  # type: ignore[call-overload]
    text = run("explain", gallery.root / "2021").stdout
    assert text.startswith(f"{gallery.root}/2021, with all below it:\n3 photos, ")
    assert "Reclaimable: " in text
    assert "of 2 photos" in text


def test_the_gallery_itself_comes_to_what_status_says(gallery: Home, run: Run) -> None:
    status, told = facts(run, "status"), facts(run, "explain", gallery.root)
    assert {name: told[name] for name in ASKED_ALIKE} == {name: status[name] for name in ASKED_ALIKE}


def test_what_was_left_is_named_with_its_reason(gallery: Home, run: Run) -> None:
    """`status` counts by reason, and nothing said which photos these are."""
    text = run("explain", gallery.root).stdout
    assert "       1  the file is neither a JPEG nor a PNG, whatever its name says\n" in text
    assert "2021/d.jpg" in text
    assert "1 file, IMG_1.HEIC: not looked at: its name ends in neither" in text
    assert "d.jpg" not in run("explain", gallery.root / "2020").stdout
    told = facts(run, "explain", gallery.root)
    assert told["not_looked_at"] == {"other-name": 1}
    left = told["left"]
    assert isinstance(left, list)
    assert [(each["photo"], each["state"], each["reason"]) for each in left] == [("2021/d.jpg", "left", "not-a-picture")]


def test_many_names_are_for_who_asks_for_all(gallery: Home, run: Run) -> None:
    for number in range(11):
        (gallery.root / f"2020/e{number:02}.jpg").write_bytes(b"none")
    gallery.optimize()
    some, every = run("explain", gallery.root / "2020").stdout, run("explain", gallery.root / "2020", "--all").stdout
    assert "e09.jpg" in some
    assert "e10.jpg" not in some
    assert "and 1 more (--all names them)" in some
    assert "e10.jpg" in every
    assert "more (" not in every


def test_of_a_large_folder_all_files_are_counted(gallery: Home, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unseen, "MOST", 1)
    (gallery.root / "2021/IMG_2.HEIC").write_bytes(b"of a telephone")
    assert facts(run, "explain", gallery.root)["not_looked_at"] == {"other-name": 2}


def test_before_any_run(home: Home, photo: Photo, run: Run) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    result = run("explain", home.root)
    assert result.exit_code == 0
    assert 'No photo in it is known yet; the next "optimize" looks at it.' in result.stdout


def test_a_folder_whose_disk_is_not_mounted(gallery: Home, run: Run) -> None:
    """It was `.: there is no such file, and none is known by that name`."""
    gallery.root.rename(gallery.root.parent / "away")
    for path, count in ((gallery.root, 4), (gallery.root / "2021", 3)):
        result = run("explain", path)
        assert result.exit_code == 0
        assert result.stdout.startswith(f"{path}, with all below it, which is not there now:\n{count} photos, ")
    assert run("explain", gallery.root / "2019").exit_code == 2


def test_a_detail_that_repeats_the_reason_is_left_out() -> None:
    assert in_full("not-a-picture", "neither a JPEG nor a PNG") == sentence("not-a-picture")
    assert in_full("not-a-picture", "it is a TIFF") == f"{sentence('not-a-picture')} (it is a TIFF)"
    assert in_full("empty", "") == sentence("empty")


def test_of_the_vault_it_says_what_would_be_lost_with_it(gallery: Home, run: Run) -> None:
    vault = gallery.root / ".gallery-optimizer"
    text = run("explain", vault).stdout
    assert "In full nowhere but there: 3 photos." in text
    assert f"gallery-optimizer eject {gallery.root}\n" in text
    run("restore", gallery.root / "2020/a.jpg")
    assert facts(run, "explain", vault)["only_here"] == 2


def test_without_its_vault_nothing_is_promised(gallery: Home, run: Run) -> None:
    """`the original itself can be restored until` was all that it said."""
    (gallery.root / ".gallery-optimizer").rename(gallery.root.parent / "bin")
    for path in (gallery.root, gallery.root / "2020", gallery.root / "2020/a.jpg"):
        assert "Nothing can be given back now: .gallery-optimizer is not there." in run("explain", path).stdout
    assert "put it back from the bin or a backup" in run("restore", gallery.root / "2020/a.jpg").stderr


def test_of_a_file_in_the_vault_it_names_the_photo(gallery: Home, run: Run) -> None:
    for file in (*gallery.root.rglob("*.nphoto"), *gallery.root.rglob("*.original")):
        told = facts(run, "explain", file)["related"]
        assert isinstance(told, list)
        assert [each["state"] for each in told] == ["retired"]
        assert f"it belongs to {told[0]['photo']}: archived, original in grace." in run("explain", file).stdout
