"""Files and folders that may not be changed: by a flag, by their mode, or since they are somebody else's."""

from __future__ import annotations

import os
import struct
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from daemon.cli.main import cli
from daemon.exits import ExitCode
from daemon.ports import Silence
from daemon.restorer import Came, Restoration, restore
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

pytestmark = pytest.mark.root
Photo = Callable[..., bytes]
NOBODY = 65534


@pytest.fixture
def flags(home: Home, tmp_path: Path) -> Iterator[Callable[[str, Path], None]]:
    """`flags("+i", path)`; the gallery is where the file system knows such flags. They are taken off at the end."""
    home.root = tmp_path / "DCIM"
    home.root.mkdir()
    home.configure()
    set_on: list[Path] = []

    def change(how: str, path: Path) -> None:
        done = subprocess.run(["chattr", how, path], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no flags here: {done.stderr.strip()}")
        set_on.append(path)

    yield change
    for path in set_on:
        subprocess.run(["chattr", "-i", "-a", path], capture_output=True)


def state(home: Home, name: str = "a.jpg") -> tuple[State, str | None]:
    with home.shop(reading=True) as shop:
        row = shop.catalog.find(os.fsencode(home.root), name.encode())
    assert row is not None
    return row.state, row.reason


def give_back(home: Home, name: str = "a.jpg") -> Restoration:
    with home.shop() as shop:
        (result,) = restore(shop, [home.root / name], None, None, Silence())
    return result


@pytest.mark.parametrize("flag", ["i", "a"])
@pytest.mark.parametrize("what", ["photo", "folder"])
def test_a_photo_held_fast_costs_no_encoding(home: Home, photo: Photo, flags: Callable[[str, Path], None], flag: str, what: str) -> None:
    (home.root / "trip").mkdir()
    (home.root / "trip/a.jpg").write_bytes(photo())
    (home.root / "b.jpg").write_bytes(photo(1))
    flags(f"+{flag}", home.root / ("trip/a.jpg" if what == "photo" else "trip"))
    done = home.optimize()
    assert (done.archived, home.codec.encoded) == (1, 1)
    assert f"chattr +{flag}" in done.failed[0][1]
    assert state(home, "trip/a.jpg") == (State.FAILED, "not-permitted")
    assert (home.root / "trip/a.jpg").read_bytes() == photo()
    flags(f"-{flag}", home.root / ("trip/a.jpg" if what == "photo" else "trip"))
    assert home.optimize().archived == 1


def test_a_stand_in_held_fast(home: Home, photo: Photo, flags: Callable[[str, Path], None]) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    flags("+i", home.root / "a.jpg")
    before = home.files()
    result = give_back(home)
    assert (result.came, "immutable" in result.trouble) == (Came.NOT, True)
    assert home.files() == before
    assert state(home)[0] is State.RETIRED
    flags("-i", home.root / "a.jpg")
    assert give_back(home).came is Came.ORIGINAL
    assert (home.root / "a.jpg").read_bytes() == photo()


def test_a_set_aside_original_held_fast_is_not_called_purged(home: Home, photo: Photo, flags: Callable[[str, Path], None]) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    (aside,) = (home.root / ".gallery-optimizer/originals").glob("*.original")
    flags("+i", aside)
    home.clock.forward(days=8)
    done = home.optimize()
    assert done.purged == 0
    assert "immutable" in done.failed[0][1]
    assert state(home)[0] is State.RETIRED
    flags("-i", aside)
    assert home.optimize().purged == 1


def test_an_archive_held_fast_stays_in_the_trash(home: Home, photo: Photo, flags: Callable[[str, Path], None]) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    (home.root / "b.jpg").write_bytes(photo(1))
    home.optimize()
    home.clock.forward(days=8)
    home.optimize()
    with home.shop(reading=True) as shop:
        (row, _) = shop.catalog.rows()
    archive = home.root / ".gallery-optimizer" / (row.archive_name or "")
    flags("+i", archive)
    (home.root / "a.jpg").unlink()
    home.optimize()
    home.clock.forward(days=31)
    done = home.optimize()
    assert (done.thrown_away, len(done.failed)) == (0, 1)
    assert archive.exists()
    flags("-i", archive)
    assert home.optimize().thrown_away == 1


# As another user.


@pytest.fixture
def theirs(home: Home, photo: Photo) -> Home:
    """A gallery of `nobody`, with a photo of root's, one that can't be read, and one in a folder that can't be written to."""
    base = home.root.parent
    base.chmod(0o755)
    home.places.state_folder.mkdir()
    for name in ("own.jpg", "roots.jpg", "secret.jpg", "fast/own.jpg", "closed/own.jpg"):
        place = home.root / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(photo(len(name)))
    for path in (home.root, *home.root.rglob("*"), home.places.state_folder, home.places.config_file):
        os.chown(path, NOBODY, NOBODY)
    os.chown(home.root / "roots.jpg", 0, 0)
    (home.root / "secret.jpg").chmod(0)
    (home.root / "fast").chmod(0o555)
    (home.root / "closed").chmod(0o000)
    return home


def as_nobody(act: Callable[[], object]) -> None:
    """Run it in a process of that user's; what it raises fails here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads that libraries may have started in this one
        child = os.fork()
    if not child:
        code = 1
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            act()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_as_another_user_only_what_is_his_is_touched(theirs: Home, photo: Photo) -> None:
    def run() -> None:
        done = theirs.optimize()
        assert done.archived == 1, done
        assert theirs.codec.encoded == 1, "nothing is encoded that could not be put away"
        assert theirs.optimize().archived == 0

    as_nobody(run)
    assert state(theirs, "own.jpg")[0] is State.RETIRED
    assert state(theirs, "roots.jpg") == (State.LEFT, "other-owner")
    assert state(theirs, "secret.jpg") == (State.FAILED, "not-permitted")
    assert state(theirs, "fast/own.jpg") == (State.FAILED, "not-permitted")
    for name in ("roots.jpg", "secret.jpg", "fast/own.jpg", "closed/own.jpg"):
        assert (theirs.root / name).read_bytes() == photo(len(name))

    def back() -> None:
        assert give_back(theirs, "own.jpg").came is Came.ORIGINAL

    as_nobody(back)
    assert (theirs.root / "own.jpg").read_bytes() == photo(len("own.jpg"))
    assert (theirs.root / "own.jpg").stat().st_uid == NOBODY


def test_a_vault_of_root_is_no_obstacle_for_looking(theirs: Home) -> None:
    (theirs.root / ".gallery-optimizer").mkdir(mode=0o700)
    words = ["--config", str(theirs.places.config_file), "--state", str(theirs.places.state_folder), "status"]

    def look() -> None:
        assert CliRunner().invoke(cli, words).exit_code == ExitCode.DONE

    look()  # imports what that user may not be able to read here
    as_nobody(look)


def test_root_gives_a_photo_back_to_its_owner(theirs: Home, photo: Photo) -> None:
    """A set-up of root's over another user's gallery: stand-in, original and copy are that user's."""
    os.chown(theirs.places.state_folder, 0, 0)
    theirs.optimize()
    assert state(theirs, "own.jpg")[0] is State.RETIRED
    assert (theirs.root / "own.jpg").stat().st_uid == NOBODY
    theirs.clock.forward(days=8)
    theirs.optimize()
    assert give_back(theirs, "own.jpg").came is Came.COPY
    assert (theirs.root / "own.jpg").stat().st_uid == NOBODY
    assert (theirs.root / "roots.jpg").stat().st_uid == 0


@pytest.mark.parametrize("inherited", [False, True])
def test_a_photo_of_a_group_that_its_owner_is_not_in(theirs: Home, photo: Photo, inherited: bool) -> None:
    """All others of that group could no longer see what takes its place: the stand-in, and the copy that comes back."""
    place = theirs.root / "own.jpg"
    os.chown(place, NOBODY, 4711)
    place.chmod(0o640)
    if inherited:  # every file that is made in the gallery is that group's
        os.chown(theirs.root, NOBODY, 4711)
        theirs.root.chmod(0o2755)

    def run() -> None:
        done = theirs.optimize()
        assert (done.archived, theirs.codec.encoded) == ((1, 1) if inherited else (0, 0)), done
        assert inherited or theirs.optimize().nothing_done or theirs.codec.encoded == 0

    as_nobody(run)
    assert state(theirs, "own.jpg") == ((State.RETIRED, None) if inherited else (State.LEFT, "not-safe"))
    found = place.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (NOBODY, 4711, 0o640)


def test_an_access_list_that_the_folder_hands_down_is_not_the_photos(home: Home, photo: Photo, tmp_path: Path) -> None:
    """Photos that came before the folder had one, or by a tool that keeps modes: what takes their place must not be open to others."""
    home.root = tmp_path / "DCIM"
    home.root.mkdir()
    home.configure('grace = "0 days"')
    place = home.root / "a.jpg"
    place.write_bytes(photo())
    place.chmod(0o640)
    everybody = 0xFFFFFFFF
    entries = [(1, 7, everybody), (2, 7, 1234), (4, 5, everybody), (0x10, 7, everybody), (0x20, 5, everybody)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(home.root, "system.posix_acl_default", acl)
    except OSError as error:
        pytest.skip(f"no access lists here: {error}")
    for act in (home.optimize, lambda: give_back(home)):
        act()
        assert "system.posix_acl_access" not in os.listxattr(place)
        assert place.stat().st_mode & 0o7777 == 0o640
