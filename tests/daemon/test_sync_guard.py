"""Galleries that a sync tool carries, or that belong to another program: nothing is written, and nothing purged, before it may be."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from daemon import composition, restorer, settings
from daemon.cli.main import cli
from daemon.doctor import Grade, examine
from daemon.errors import CommandFailed
from daemon.explanation import explain
from daemon.marking import original_of, vault_of
from daemon.ports import Silence
from daemon.sync_guard import Guard, guard
from daemon.sync_ignores import DROPBOX_MARK
from daemon.sync_roots import SyncRoot, Tool, sync_roots
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]
CONFIRMED = 'two_way_sync = "stand-ins travel"'


def put(marker: Path, folder: bool = False) -> None:
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.mkdir() if folder else marker.write_bytes(b"")


def seen(home: Home) -> Guard:
    (gallery,) = settings.read(home.places.config_file).galleries
    return guard(home.root, gallery)


MARKERS = [
    (".stfolder", True, Tool.SYNCTHING),
    (".stfolder", False, Tool.SYNCTHING),
    (".sync_0123456789ab.db", False, Tool.NEXTCLOUD),
    ("._sync_0123456789ab.db", False, Tool.NEXTCLOUD),
    (".nextcloudsync.log", False, Tool.NEXTCLOUD),
    (".owncloudsync.log", False, Tool.NEXTCLOUD),
    (".dropbox", False, Tool.DROPBOX),
    (".dropbox.cache", True, Tool.DROPBOX),
    (".ncdata", False, Tool.NEXTCLOUD_SERVER),
    (".ocdata", False, Tool.NEXTCLOUD_SERVER),
    (".immich", False, Tool.IMMICH),
    ("digikam4.db", False, Tool.DIGIKAM),
    (".sync/ID", False, Tool.RESILIO),
    (".sync/IgnoreList", False, Tool.RESILIO),
    (".git/annex", True, Tool.GIT_ANNEX),
]


@pytest.mark.parametrize(("marker", "folder", "tool"), MARKERS)
@pytest.mark.parametrize("where", ["", "a/b", "a/gallery/deep/down"])
def test_markers_are_found_in_the_gallery_above_and_below(tmp_path: Path, marker: str, folder: bool, tool: Tool, where: str) -> None:
    gallery = tmp_path / "a/gallery"
    gallery.mkdir(parents=True)
    place = tmp_path / where
    put(place / marker, folder)
    gallery = gallery if where != "a/b" else place
    assert [each for each in sync_roots(gallery) if each.folder.is_relative_to(tmp_path)] == [
        SyncRoot(tool, place, marker.partition("/")[0])
    ]


def test_what_is_no_marker(tmp_path: Path) -> None:
    for name, folder in (
        (".dropbox", True),
        (".sync_x", False),
        ("sync_x.db", False),
        (".dropbox.cache", False),
        (".sync/x", False),
        (".git/config", False),
    ):
        put(tmp_path / name, folder)
    put(tmp_path / ".hidden/.stfolder", True)
    (tmp_path / "link").symlink_to(tmp_path / ".hidden")
    assert [each for each in sync_roots(tmp_path) if each.folder.is_relative_to(tmp_path)] == []


def test_one_tool_has_one_root_in_a_folder(tmp_path: Path) -> None:
    for name in (".sync_1.db", ".nextcloudsync.log"):
        put(tmp_path / name)
    assert len([each for each in sync_roots(tmp_path) if each.folder == tmp_path]) == 1


@pytest.mark.parametrize("marker", [".immich", ".ncdata", ".git/annex/index"])
@pytest.mark.parametrize("where", [".", "..", "library"])
def test_a_folder_of_a_server_is_refused_whatever_is_configured(home: Home, photo: Photo, marker: str, where: str) -> None:
    home.configure(f"{CONFIRMED}\none_copy = true")
    (home.root / "a.jpg").write_bytes(photo())
    put((home.root / where).resolve() / marker)
    before = home.files()
    (said,) = home.optimize().gone
    assert "Keep the photos in a folder of your own" in said
    assert "Nothing was changed" in said
    assert home.files() == before
    assert not (home.root / ".gallery-optimizer").exists()


def test_digikam_is_only_noted(home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    put(home.root.parent / "digikam4.db")
    assert home.optimize().archived == 1
    assert "digiKam" in seen(home).notes[0]


@pytest.mark.parametrize("marker", [".stfolder", ".nextcloudsync.log", ".dropbox", ".sync/IgnoreList"])
@pytest.mark.parametrize("where", [".", ".."])
def test_nothing_is_written_before_it_is_confirmed_and_the_vault_stays(home: Home, photo: Photo, marker: str, where: str) -> None:
    if marker == ".dropbox" and not can_mark(home.root):
        pytest.skip("no extended attributes here")
    (home.root / "a.jpg").write_bytes(photo())
    put((home.root / where).resolve() / marker)
    before = home.files()
    (said,) = home.optimize().gone
    assert "two_way_sync" in said
    assert "--write-ignore" in said
    home.configure(CONFIRMED)
    (said,) = home.optimize().gone
    assert "two_way_sync" not in said
    assert home.files() == before
    assert not (home.root / ".gallery-optimizer").exists()
    for line in seen(home).lines:
        line.write()
    assert seen(home).refusals == ()
    done = home.optimize()
    assert (done.archived, done.gone) == (1, [])


def can_mark(folder: Path) -> bool:
    try:
        os.setxattr(folder, DROPBOX_MARK, b"1")
        os.removexattr(folder, DROPBOX_MARK)
    except OSError:
        return False
    return True


def test_a_line_is_written_once_before_all_others_and_keeps_the_file(home: Home) -> None:
    put(home.root.parent / ".stfolder", True)
    file = home.root.parent / ".stignore"
    file.write_text("!/DCIM\n*\n")
    file.chmod(0o640)
    os.utime(file, (1, 1))
    (line,) = seen(home).lines
    line.write()
    assert file.stat().st_mtime > 1, "else Syncthing, which has read it before, goes on with what it knows"
    assert file.read_text() == "/DCIM/.gallery-optimizer\n!/DCIM\n*\n"
    assert file.stat().st_mode & 0o777 == 0o640
    assert seen(home).lines[0].in_effect
    assert list(home.root.parent.glob(".gallery-optimizer-*")) == []


def test_a_new_ignore_file_can_be_read_by_whoever_may_list_its_folder(home: Home) -> None:
    put(home.root / ".stfolder", True)
    home.root.chmod(0o750)
    seen(home).lines[0].write()
    assert (home.root / ".stignore").stat().st_mode & 0o777 == 0o640


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_root_writes_into_nobody_elses_folder(home: Home) -> None:
    put(home.root / ".stfolder", True)
    os.chown(home.root, 1000, 1000)
    with pytest.raises(CommandFailed, match="owner"):
        seen(home).lines[0].write()
    assert not (home.root / ".stignore").exists()


def test_without_stand_ins_a_synced_gallery_is_refused(home: Home, photo: Photo) -> None:
    home.configure(f'{CONFIRMED}\nstand_in = "none"')
    (home.root / "a.jpg").write_bytes(photo())
    put(home.root / ".stfolder", True)
    (home.root / ".stignore").write_text(".gallery-optimizer\n")
    (said,) = home.optimize().gone
    assert "stand_in" in said


def test_a_synced_folder_in_a_gallery_needs_no_line_but_the_word(home: Home, photo: Photo) -> None:
    (home.root / "phone").mkdir()
    (home.root / "phone/a.jpg").write_bytes(photo())
    (home.root / "b.jpg").write_bytes(photo(1))
    put(home.root / "phone/.stfolder", True)
    (said,) = home.optimize().gone
    assert "phone" in said
    home.configure(CONFIRMED)
    assert home.optimize().archived == 2
    home.clock.forward(days=8)
    done = home.optimize()
    assert (done.purged, done.waiting.total()) == (1, 1), "only what is carried waits"


def test_a_receive_only_folder_needs_no_word_but_the_line(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    config = home.root.parent / "xdg/syncthing/config.xml"
    config.parent.mkdir(parents=True)
    config.write_text(f'<configuration><folder path="{home.root}" type="receiveonly"/></configuration>')
    monkeypatch.setenv("XDG_STATE_HOME", str(home.root.parent / "xdg"))
    (home.root / "a.jpg").write_bytes(photo())
    put(home.root / ".stfolder", True)
    (said,) = home.optimize().gone
    assert "two_way_sync" not in said
    (home.root / ".stignore").write_text("/.gallery-optimizer\n")
    assert home.optimize().archived == 1
    home.clock.forward(days=8)
    assert home.optimize().purged == 1


@pytest.fixture
def synced(home: Home, photo: Photo) -> Home:
    """Three photos of a confirmed Syncthing folder, archived, their grace over."""
    put(home.root.parent / ".stfolder", True)
    (home.root.parent / ".stignore").write_text("/DCIM/.gallery-optimizer\n")
    home.configure(CONFIRMED)
    for seed in range(3):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    assert home.optimize().archived == 3
    home.clock.forward(days=8)
    return home


def script(home: Home, text: str) -> str:
    """A line of the configuration that names a program with this text."""
    path = home.root.parent / "check"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return f'{CONFIRMED}\nbackup_check = "{path} --strict"'


def test_a_purge_waits_for_a_backup(synced: Home) -> None:
    done = synced.optimize()
    assert (done.purged, done.waiting.total(), done.failed) == (0, 3, [])
    assert "only full copy" in next(iter(done.waiting))
    with synced.shop(reading=True) as shop:
        (gallery,) = shop.galleries
        row = shop.catalog.find(gallery.key, b"0.jpg")
        assert any("only full copy" in line for line in explain(gallery, row, synced.root / "0.jpg", shop.catalog).lines)


def test_one_copy_is_enough_where_the_user_says_so(synced: Home) -> None:
    synced.configure(f"{CONFIRMED}\none_copy = true")
    assert synced.optimize().purged == 3


def test_the_users_word_holds_where_no_tool_is_recognised(synced: Home, run: Callable[..., Result]) -> None:
    """Another tool than the three, or one whose marker went away with its folder: the user said that stand-ins travel."""
    (synced.root.parent / ".stfolder").rmdir()
    done = synced.optimize()
    assert (done.purged, done.waiting.total(), done.failed) == (0, 3, [])
    assert "only full copy" in next(iter(done.waiting))
    found = seen(synced)
    assert (found.roots, found.refusals) == ((), ())
    assert "no sync tool was recognised" in found.notes[0]
    assert "one_copy = true" in found.notes[1]
    told = run("status").stdout
    assert "originals in" in told
    assert "two_way_sync" in told
    synced.configure(f"{CONFIRMED}\none_copy = true")
    assert len(seen(synced).notes) == 1
    assert synced.optimize().purged == 3


def test_the_users_word_forbids_to_take_the_photo_away_from_other_devices(synced: Home) -> None:
    (synced.root.parent / ".stfolder").rmdir()
    synced.configure(f'{CONFIRMED}\nstand_in = "none"')
    (refusal,) = seen(synced).refusals
    assert "would be deleted there" in refusal


def test_each_archive_is_asked_for_by_its_digest(synced: Home) -> None:
    log, listed = synced.root.parent / "log", synced.root.parent / "listed"
    synced.configure(
        script(
            synced,
            f'echo "$2" "$GALLERY_OPTIMIZER_ARCHIVE_SHA256" "$GALLERY_OPTIMIZER_GALLERY" >> {log}\n'
            f'[ "$1" = --strict ] && [ -f "$GALLERY_OPTIMIZER_ARCHIVE" ] && grep -q "$2" {listed}\n',
        )
    )
    listed.write_text("")
    done = synced.optimize()
    assert (done.purged, done.waiting.total()) == (0, 3)
    with synced.shop(reading=True) as shop:
        digests = [row.archive_sha256 for row in shop.catalog.rows(State.RETIRED)]
    assert sorted(log.read_text().splitlines()) == sorted(f"{digest} {digest} {synced.root}" for digest in digests)
    listed.write_text(f"{digests[1]}\n")
    done = synced.optimize()
    assert (done.purged, done.waiting.total()) == (1, 2)
    with synced.shop(reading=True) as shop:
        assert [row.archive_sha256 for row in shop.catalog.rows(State.PURGED)] == [digests[1]]


def test_a_check_is_asked_for_also_where_nothing_syncs(home: Home, photo: Photo) -> None:
    home.configure(script(home, "exit 1").replace(CONFIRMED, ""))
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    home.clock.forward(days=8)
    assert home.optimize().waiting.total() == 1


def test_a_check_that_is_not_there_keeps_the_originals(synced: Home) -> None:
    synced.configure(f'{CONFIRMED}\nbackup_check = "/nowhere/at/all"\none_copy = true')
    done = synced.optimize()
    assert (done.purged, done.waiting.total()) == (0, 3)
    assert "can't be started" in next(iter(done.waiting))


def test_a_check_that_hangs_is_killed_with_its_children_and_not_asked_for_ever(synced: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.backup_check.TIME_OUT_S", 0.2)
    monkeypatch.setattr("daemon.backup_check.PurgeGate.__init__.__defaults__", (0.2,))
    monkeypatch.setattr("daemon.backup_check.MOST_TROUBLES", 1)
    log = synced.root.parent / "log"
    synced.configure(script(synced, f"echo asked >> {log}\nsleep 60 & sleep 60\n"))
    done = synced.optimize()
    assert (done.purged, done.waiting.total()) == (0, 3)
    assert log.read_text().splitlines() == ["asked"]
    assert "no answer" in " ".join(done.waiting)


def test_the_stand_ins_of_another_vault_are_left_alone(home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    ours = (home.root / "a.jpg").read_bytes()
    with home.shop(reading=True) as shop:
        (gallery,) = shop.galleries
        own = gallery.vault.id
    assert vault_of(ours) == own != ""
    (home.root / "b.jpg").write_bytes(ours.replace(own.encode(), b"0123456789abcdef"))
    done = home.optimize()
    assert done.left == {"stand-in-elsewhere": 1}


def test_two_computers_that_archived_the_same_photo_do_not_take_each_other_for_editors(home: Home, photo: Photo) -> None:
    (home.root / "a.jpg").write_bytes(photo())
    home.optimize()
    ours = (home.root / "a.jpg").read_bytes()
    with home.shop(reading=True) as shop:
        own = shop.galleries[0].vault.id
    theirs = ours.replace(own.encode(), b"0123456789abcdef")
    assert original_of(theirs) == original_of(ours)
    (home.root / "a.jpg").write_bytes(theirs)
    done = home.optimize()
    assert (done.beside, done.archived, done.left) == ([], 0, {})
    home.clock.forward(days=8)
    done = home.optimize()
    assert (done.beside, done.purged) == ([], 1)
    assert (home.root / "a.jpg").read_bytes() == theirs
    with home.shop() as shop:
        restorer.restore(shop, [home.root / "a.jpg"], None, None, Silence())
    assert original_of((home.root / "a.jpg").read_bytes()) is None, "it gives its place to the photo like our own"


def test_a_photo_whose_sync_began_meanwhile_waits(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(2):
        (home.root / f"{seed}.jpg").write_bytes(photo(seed))
    encode = home.codec.encode

    def encode_slowly(job: object) -> object:
        (home.root / ".syncthing.1.jpg.tmp").write_bytes(b"half")
        return encode(job)  # type: ignore[arg-type]

    monkeypatch.setattr(home.codec, "encode", encode_slowly)
    done = home.optimize()
    assert (done.archived, done.again) == (1, 1)
    (home.root / ".syncthing.1.jpg.tmp").unlink()
    assert home.optimize().archived == 1


def test_doctor_explain_and_config_check_say_so(home: Home, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition.Workshop.__init__, "__defaults__", (home.clock, lambda settings: home.codec))
    (home.root / "a.jpg").write_bytes(photo())
    put(home.root / ".stfolder", True)
    with home.shop() as shop:
        notes = [each.text for each in examine(shop, Silence()) if each.grade is Grade.NOTE]
    assert any("two_way_sync" in text for text in notes)

    def run(*words: object) -> str:
        options = ["--config", home.places.config_file, "--state", home.places.state_folder]
        return CliRunner().invoke(cli, [str(word) for word in (*options, *words)]).output

    assert "two_way_sync" in run("explain", home.root / "a.jpg")
    assert "two_way_sync" in run("config", "check")
    assert "two_way_sync" in run("optimize", "--dry-run", "--seconds", "0")
    said = run("sync-guard")
    assert "nothing is written here" in said
    home.configure(CONFIRMED)
    said = run("sync-guard", "--write-ignore")
    assert "Written: the line /.gallery-optimizer" in said
    assert "may be worked on" in said
    assert "Written" not in run("sync-guard", "--write-ignore"), "once is enough"
    assert "no original is purged before" in run("sync-guard")
    assert '"in_effect": true' in run("sync-guard", "--json")
