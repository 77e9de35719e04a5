"""Archives that a later version of this program made: no damage, and not checked either."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from codec.errors import CodecError, ModelMissing, UnknownVersion
from daemon.exits import ExitCode
from daemon.models import keep_model
from daemon.ports import Silence
from daemon.scrub import scrub
from storage.vault import Vault

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
Run = Callable[..., Result]
LATER = b"LATE" + bytes(500)


def stranger(home: Home) -> Path:
    """An archive that no row knows."""
    place = home.root / ".gallery-optimizer/archives/ab" / f"{'ab' * 32}.nphoto"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(LATER)
    return place


def test_one_that_nobody_knows_is_told_and_is_no_damage(home: Home, photo: Photo, run: Run) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    place = stranger(home)
    result = run("verify", "--json")
    assert result.exit_code == ExitCode.FAILED, result.output
    told = json.loads(result.stdout)
    assert told["damages"] == []
    (later,) = told["later"]
    assert later["file"] == str(place)
    assert later["photos"] == []
    assert "DAMAGED" not in run("status").stdout
    said = run("verify")
    assert "1 not checked: 1 archive read and decoded" in said.output
    assert "made by a newer version; this program can't check it" in said.output
    assert place.read_bytes() == LATER


def test_damage_elsewhere_comes_first(home: Home, photo: Photo, run: Run) -> None:
    home.configure('grace = "0 days"')
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    home.archives()[0].write_bytes(b"rot")
    stranger(home)
    result = run("verify")
    assert result.exit_code == ExitCode.DAMAGE
    assert "Not checked: " in result.output


def test_where_other_bytes_were_proven_it_is_damage(home: Home, photo: Photo, run: Run) -> None:
    """A flipped version is a flipped bit."""
    home.configure('grace = "0 days"')
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    home.archives()[0].write_bytes(LATER)
    result = run("verify", "--json")
    assert result.exit_code == ExitCode.DAMAGE
    assert json.loads(result.stdout)["later"] == []


@pytest.mark.parametrize("error", [UnknownVersion("version 2"), ModelMissing(bytes(32))])
def test_proven_bytes_that_this_version_can_not_read(
    home: Home, photo: Photo, run: Run, monkeypatch: pytest.MonkeyPatch, error: CodecError
) -> None:
    """After a step back to an earlier version. Nothing is mended, though originals and parity are at hand: nothing is broken."""
    home.configure('grace = "1 day"', safety='reserve = "off"\nparity = "5%"')
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()

    def beyond(*_: object) -> bytes:
        raise error

    monkeypatch.setattr(home.codec.backend, "restore", beyond)
    before = home.files()
    result = run("verify", "--json")
    assert result.exit_code == ExitCode.FAILED
    told = json.loads(result.stdout)
    assert told["damages"] == []
    assert told["later"][0]["photos"] == ["a.jpg"]
    with home.shop(reading=True) as shop:
        seen = scrub(lambda: home.shop(reading=True), home.shop, Silence(), 1.0, lambda: True)
        assert (seen.damages, seen.mended, len(seen.later)) == ((), 0, 1)
        assert shop.catalog.totals().damaged_archives == 0
    assert home.files() == before
    home.clock.forward(days=2)
    home.optimize()
    stand_in = (home.root / "a.jpg").read_bytes()
    for command in (("restore", str(home.root / "a.jpg")), ("eject",)):
        result = run(*command)
        assert result.exit_code == ExitCode.FAILED
        assert "was made by a newer version" in result.output
        assert "damaged" not in result.output
        assert (home.root / "a.jpg").read_bytes() == stand_in
    assert run("doctor").exit_code == ExitCode.DONE


def test_a_rebuild_tells_it_and_goes_on(home: Home, photo: Photo, run: Run) -> None:
    home.configure('grace = "0 days"')
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    from codec.bitstream import MAGIC

    home.archives()[0].write_bytes(MAGIC + b"\2\0" + bytes(200))
    result = run("doctor", "--rebuild")
    assert result.exit_code == ExitCode.FAILED
    assert "of version 2 of the format, and this program reads 1" in result.output


def test_a_later_description_of_the_format_stays(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    vault.prepare()
    keep_model(vault, "")
    place = tmp_path / ".gallery-optimizer/bitstream.md"
    ours = place.read_bytes()
    place.write_bytes(ours.replace(b"(`.nphoto`), version 1", b"(`.nphoto`), version 2"))
    keep_model(vault, "")
    assert b"version 2" in place.read_bytes()
    place.write_bytes(ours + b"### The weight file of a model, format 3\n")
    keep_model(vault, "")
    assert place.read_bytes() != ours
    place.write_bytes(b"an early draft")
    keep_model(vault, "")
    assert place.read_bytes() == ours
