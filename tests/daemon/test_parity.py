"""Parity through the commands: made with the archive, told, used, and made where it was missing."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from daemon.doctor import examine
from daemon.errors import Misconfigured
from daemon.exits import ExitCode
from daemon.ports import Silence
from daemon.rebuilding import rebuild, set_catalogue_aside
from daemon.restorer import Came, restore
from daemon.settings import parse

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

pytest.importorskip("zfec", reason="parity needs the package zfec")

Photo = Callable[..., bytes]
WANTED = 'reserve = "off"\nparity = "20%"'


@pytest.fixture
def purged(home: Home, photo: Photo) -> Home:
    """Two purged photos with parity beside their archives."""
    home.configure(safety=WANTED)
    for seed in range(2):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    home.optimize()
    home.clock.forward(days=8)
    assert home.optimize().purged == 2
    return home


def found(home: Home, suffix: str) -> list[Path]:
    return sorted((home.root / ".gallery-optimizer").rglob(f"*{suffix}"))


def rot(path: Path, at: int = 1000, length: int = 50) -> None:
    data = bytearray(path.read_bytes())
    data[at : at + length] = bytes(byte ^ 0x55 for byte in data[at : at + length])
    path.write_bytes(data)


def test_it_is_made_and_told(purged: Home, run: Callable[..., Result]) -> None:
    sizes = sum(path.stat().st_size for path in found(purged, ".parity"))
    assert len(found(purged, ".parity")) == 2
    status = json.loads(run("status", "--json").stdout)
    assert status["parity"] == {"archives": 2, "bytes": sizes}
    assert "beside 2 archives" in run("status").stdout
    explained = json.loads(run("explain", str(purged.root / "0.jpg"), "--json").stdout)
    assert 0 < explained["parity_bytes"] < sizes
    assert "mends damaged sectors" in run("explain", str(purged.root / "0.jpg")).stdout
    before = purged.files()
    purged.optimize()
    assert purged.files() == before


def test_verify_repairs_what_has_no_original_any_more(purged: Home, run: Callable[..., Result]) -> None:
    archive = found(purged, ".nphoto")[0]
    good = archive.read_bytes()
    rot(archive)
    assert run("verify", "--no-repair").exit_code == ExitCode.DAMAGE
    answer = run("verify", "--json")
    assert answer.exit_code == ExitCode.DONE
    (damage,) = json.loads(answer.stdout)["damages"]
    assert (damage["mended"], damage["blocks_repaired"]) == (True, 1)
    assert archive.read_bytes() == good
    assert "All good" in run("verify").stdout
    with purged.shop() as shop:
        assert [each.came for each in restore(shop, [purged.root], None, None, Silence())] == [Came.COPY] * 2


def test_verify_says_what_it_did(purged: Home, run: Callable[..., Result]) -> None:
    rot(found(purged, ".nphoto")[0])
    said = run("verify")
    assert "Repaired out of its parity: 1 damaged block " in said.stderr
    assert "ask the disk" in said.stderr


def test_too_much_damage_is_damage(purged: Home, run: Callable[..., Result]) -> None:
    archive = found(purged, ".nphoto")[0]
    rot(archive, 0, len(archive.read_bytes()))
    rot(found(purged, ".parity")[0], 0, 100_000)
    said = run("verify")
    assert said.exit_code == ExitCode.DAMAGE
    assert "its parity is no help" in said.stderr


def test_damaged_parity_is_made_anew(purged: Home, run: Callable[..., Result]) -> None:
    one = found(purged, ".parity")[0]
    good = one.read_bytes()
    rot(one)
    assert "Parity made for 1 archive that had none" in run("verify").stdout
    assert one.read_bytes() == good


def test_archives_of_before_get_theirs_by_verify(home: Home, photo: Photo, run: Callable[..., Result]) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    assert found(home, ".parity") == []
    home.configure(safety=WANTED)
    with home.shop() as shop:
        assert any("1 archive without parity yet: verify" in each.text for each in examine(shop, Silence()))
    assert json.loads(run("verify", "--json").stdout)["parity_made"] == 1
    assert len(found(home, ".parity")) == 1
    assert json.loads(run("status", "--json").stdout)["parity"]["archives"] == 1
    home.configure()
    assert json.loads(run("verify", "--json").stdout)["parity_made"] == 0


def test_a_new_archive_gets_new_parity(home: Home, photo: Photo, run: Callable[..., Result]) -> None:
    """The archive is so damaged that only the original in grace helps."""
    home.configure(safety=WANTED)
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    archive = found(home, ".nphoto")[0]
    rot(archive, 0, 100_000)
    rot(found(home, ".parity")[0], 0, 100_000)
    assert run("verify").exit_code == ExitCode.DONE
    with home.shop(reading=True) as shop:
        (row,) = shop.catalog.rows()
        assert shop.galleries[0].vault.parity_trouble(row.sha256 or "", row.archive_sha256 or "") == ""


def test_doctor_mends_what_verify_noted(purged: Home, run: Callable[..., Result]) -> None:
    first, second = found(purged, ".nphoto")
    good = first.read_bytes()
    rot(first)
    rot(second, 0, 100_000)
    rot(next(path for path in found(purged, ".parity") if path.stem == second.stem), 0, 100_000)
    assert run("verify", "--no-repair").exit_code == ExitCode.DAMAGE
    answer = run("doctor")
    assert answer.exit_code == ExitCode.DAMAGE
    assert "mended" in answer.stdout
    assert "1 damaged block " in answer.stdout
    assert "take that one file out of your backup" in answer.stdout
    assert first.read_bytes() == good
    assert "1 damaged block " not in run("doctor").stdout


def test_doctor_says_that_the_original_helps(home: Home, photo: Photo, run: Callable[..., Result]) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    rot(found(home, ".nphoto")[0])
    run("verify", "--no-repair")
    assert "verify archives it anew" in run("doctor").stdout
    assert run("verify").exit_code == ExitCode.DONE
    assert run("doctor").exit_code == ExitCode.DONE


def test_it_goes_with_the_trash_and_comes_back_with_the_catalogue(purged: Home) -> None:
    (purged.root / "0.jpg").unlink()
    purged.optimize()
    purged.clock.forward(days=31)
    assert purged.optimize().thrown_away == 1
    assert len(found(purged, ".parity")) == 1
    with purged.shop(reading=True) as shop:
        assert shop.catalog.totals().parities == 1
    set_catalogue_aside(purged.places)
    with purged.shop() as shop:
        rebuild(shop, shop.galleries[0], Silence())
        assert shop.catalog.totals().parities == 1


def test_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[[gallery]]\npath = "/photos"\n[safety]\nparity = "{}"\n'
    assert parse(text.format("5%"), "c").safety.parity == 0.05
    assert parse(text.format("off"), "c").safety.parity == 0.0
    for wrong in ("0.5%", "26%"):
        with pytest.raises(Misconfigured, match="line 4"):
            parse(text.format(wrong), "c")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert parse(text.format("off"), "c").safety.parity == 0.0
    with pytest.raises(Misconfigured, match=r"pip install .*(\[parity\]|zfec)"):
        parse(text.format("5%"), "c")
