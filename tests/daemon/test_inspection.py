"""Damage is found, whatever bit it is, and mended while the original is at hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from daemon import inspection
from daemon.exits import ExitCode
from daemon.messages import Encoded, EncodeJob
from storage.catalog import Catalog
from storage.digest import sha256_of
from storage.states import State
from tests.daemon.conftest import load_fake

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


def flip(path: Path, at: int = -5) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_flipped_bit_is_mended_from_the_original(home: Home, photo: Photo, run: Callable[..., Result]) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    stand_in, (archive,) = (home.root / "a.jpg").read_bytes(), home.archives()
    good = archive.read_bytes()
    flip(archive)
    result = run("verify")
    assert result.exit_code == ExitCode.DONE, result.output
    assert "Mended" in result.output
    assert archive.read_bytes() == good
    assert (home.root / "a.jpg").read_bytes() == stand_in
    assert home.archives() == [archive]
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]
    assert run("verify").exit_code == ExitCode.DONE


def test_a_twin_of_a_mended_photo_has_the_new_archive_too(
    home: Home, photo: Photo, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made anew by another model, it has other bytes than the one that its twin was purged by."""
    (home.root / "stays.jpg").write_bytes(b"no picture")
    (home.root / "twin.jpg").write_bytes(photo())
    home.optimize()
    home.clock.forward(days=8)
    assert home.optimize().purged == 1
    (home.root / "a.jpg").write_bytes(photo())
    assert home.optimize().archived == 1
    (archive,) = home.archives()
    good = archive.read_bytes()
    flip(archive)
    make = home.codec.backend.archive

    def other_model(job: EncodeJob, allowance_bytes: int | None) -> Encoded:
        made: Encoded = make(job, allowance_bytes)
        facts, body = load_fake().unpack(made.archive)
        return replace(made, archive=load_fake().pack({**facts, "model": "m2"}, body), model="m2")

    monkeypatch.setattr(home.codec.backend, "archive", other_model)
    assert run("verify").exit_code == ExitCode.DONE
    assert archive.read_bytes() != good
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        rows = {row.path: row for row in catalog.rows() if row.has_archive}
        assert catalog.miscounts() == []
    assert {row.archive_sha256 for row in rows.values()} == {sha256_of(archive)}
    assert rows[b"twin.jpg"].state is State.PURGED
    assert rows[b"twin.jpg"].proof().archive_sha256 == sha256_of(archive)
    assert run("verify").exit_code == ExitCode.DONE
    result = run("restore", str(home.root / "twin.jpg"))
    assert result.exit_code == ExitCode.DONE, result.output


def test_without_an_original_it_is_noted_and_told(home: Home, photo: Photo, run: Callable[..., Result]) -> None:
    home.configure('grace = "0 days"')
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    (archive,) = home.archives()
    flip(archive)
    before = home.files()
    result = run("verify", "--json")
    assert result.exit_code == ExitCode.DAMAGE
    assert json.loads(result.stdout)["damages"][0]["mended"] is False
    assert home.files() == before
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        ((_, damage),) = catalog.inspections(str(home.root).encode()).values()
    assert "not the ones that were proven" in damage
    assert "Its archive is damaged" in run("explain", str(home.root / "a.jpg")).stdout


def test_status_and_explain_show_what_was_found(home: Home, photo: Photo, run: Callable[..., Result]) -> None:
    home.configure()
    (home.root / "a.jpg").write_bytes(photo())
    (home.root / "b.jpg").write_bytes(photo(1))
    home.optimize()
    assert "DAMAGED" not in run("status").stdout
    asides = sorted((home.root / ".gallery-optimizer/originals").iterdir())
    good = asides[0].read_bytes()
    flip(asides[0])
    assert run("verify").exit_code == ExitCode.DAMAGE
    assert "DAMAGED:     1 original in grace, when last looked at;" in run("status").stdout
    assert json.loads(run("status", "--json").stdout)["damaged"] == {"archives": 0, "originals": 1}
    name = "a.jpg" if good == photo() else "b.jpg"
    assert "Its set-aside original is damaged" in run("explain", str(home.root / name)).stdout
    asides[0].write_bytes(good)
    for archive in home.archives():
        flip(archive)
    assert run("verify", "--no-repair").exit_code == ExitCode.DAMAGE
    assert "DAMAGED:     2 archives, when last looked at;" in run("status").stdout
    assert run("verify").exit_code == ExitCode.DONE  # both were archived anew from their originals
    assert "DAMAGED" not in run("status").stdout


def test_a_subset_takes_those_that_waited_longest(home: Home, photo: Photo, run: Callable[..., Result]) -> None:
    for seed in range(5):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    home.optimize()
    for night in range(3):
        home.clock.forward(days=1)
        assert "2 archives" in run("verify", "--subset", "40%").stdout
        with Catalog(home.places.catalog_file, read_only=True) as catalog:
            assert len(catalog.inspections(str(home.root).encode())) == min(5, 2 * night + 2)
    assert run("verify", "--subset", "5").exit_code == ExitCode.USAGE


def test_looking_needs_no_lock_and_repairing_does(home: Home, photo: Photo, run: Callable[..., Result]) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    (archive,) = home.archives()
    with home.shop():
        assert run("verify").exit_code == ExitCode.DONE
        flip(archive)
        result = run("verify")
    assert result.exit_code == ExitCode.DAMAGE
    assert "Not repaired: another instance" in result.output
    with Catalog(home.places.catalog_file, read_only=True) as catalog:
        assert [row.state for row in catalog.rows()] == [State.RETIRED]


def test_archives_and_originals_are_read_from_the_disk(
    home: Home, photo: Photo, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the kernel remembers of a file says nothing of its sectors."""
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    read: list[tuple[str, bool]] = []

    def watched(path: Path, *, from_disk: bool = False) -> str:
        read.append((Path(path).suffix, from_disk))
        return sha256_of(path, from_disk=from_disk)

    monkeypatch.setattr(inspection, "sha256_of", watched)
    assert run("verify").exit_code == 0
    assert {(".nphoto", True), (".original", True)} <= set(read)
