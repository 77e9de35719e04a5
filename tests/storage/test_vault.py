"""The vault: archives, set-aside originals and models, and what it refuses."""

import errno
import os
from pathlib import Path

import pytest

from storage import durable
from storage.checkpoint import observed_by
from storage.errors import AlreadyThere, Changed, Damaged, Missing, Refused, StorageError
from storage.layout import README, VAULT_NAME, relative_to_gallery
from storage.survey import AtPath, Holding
from storage.vault import Vault
from tests.storage.scenes import ARCHIVE, MTIME_NS, ORIGINAL, STAND_IN, Scene, a_proof, sha256

SHA, SMALL = sha256(ORIGINAL), sha256(STAND_IN)


def test_a_person_who_finds_the_folder(scene: Scene) -> None:
    folder = scene.root / VAULT_NAME
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / ".nomedia").read_bytes() == b""
    assert (folder / "README").read_text() == README
    assert all(len(line) <= 140 for line in README.splitlines())
    before = sorted(folder.rglob("*"))
    scene.vault.prepare()  # a second start
    assert sorted(folder.rglob("*")) == before


def test_a_re_packed_photo_is_read_from_the_disk_before_its_original_goes(scene: Scene, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = b"the photo, packed anew"
    proof = a_proof(archive=packed)
    scene.vault.retire(scene.photo, proof, packed)
    let_go: list[tuple[int, int]] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fadvise", lambda file, _at, _size, advice: let_go.append((os.fstat(file).st_ino, advice)))
        scene.vault.purge(scene.photo, proof, packed_at=scene.photo)
    assert let_go == [(scene.photo.stat().st_ino, os.POSIX_FADV_DONTNEED)]
    assert not scene.aside.exists()


def test_no_gallery_no_vault(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        Vault(tmp_path / "gone").prepare()
    with pytest.raises(Refused):
        Vault(Path("relative"))


def test_archives(scene: Scene) -> None:
    vault = scene.vault
    assert vault.open_archive(SHA) == ARCHIVE
    assert vault.archive_path(SHA) == scene.root / VAULT_NAME / vault.archive_name(SHA)
    assert vault.archive_name(SHA) == f"archives/{SHA[:2]}/{SHA}.nphoto"
    other = sha256(b"other")
    staged = vault.stage_archive(b"other archive")
    assert staged.read_bytes() == b"other archive"
    vault.commit_archive(staged, other)
    (vault.archive_path(other).parent / "notes.nphoto").write_bytes(b"")
    assert [digest for digest, _ in vault.archives()] == sorted([SHA, other])
    again = vault.stage_archive(b"once more")
    with pytest.raises(AlreadyThere):
        vault.commit_archive(again, SHA)
    assert vault.open_archive(SHA) == ARCHIVE
    vault.drop_staged(again)
    with pytest.raises(Refused):
        vault.drop_staged(vault.archive_path(SHA))
    with pytest.raises(Missing):
        vault.open_archive(sha256(b"never seen"))
    with pytest.raises(Refused):
        vault.open_archive("../../../etc/passwd")


def test_an_archive_is_discarded_only_beside_its_original(scene: Scene) -> None:
    scene.vault.discard_archive(SHA, scene.photo)
    assert not scene.archived()
    scene.vault.commit_archive(scene.vault.stage_archive(ARCHIVE), SHA)
    scene.photo.write_bytes(b"edited")
    with pytest.raises(Refused):
        scene.vault.discard_archive(SHA, scene.photo)
    assert scene.archived()


def test_models(scene: Scene) -> None:
    path = scene.vault.keep_model("m1.safetensors", b"weights")
    scene.vault.keep_model("m1.safetensors", b"weights")
    assert scene.vault.models() == {"m1.safetensors": path}
    with pytest.raises(Damaged):
        scene.vault.keep_model("m1.safetensors", b"other")
    for name in ("../m1", "", ".hidden", "a/b"):
        with pytest.raises(Refused):
            scene.vault.keep_model(name, b"")


@pytest.mark.usefixtures("kind")
def test_retire(scene: Scene) -> None:
    try:
        os.setxattr(scene.photo, "user.place", b"home")
    except OSError:
        pass
    before = scene.photo.stat()
    retired = scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    assert scene.photo.read_bytes() == STAND_IN
    assert retired.aside == scene.aside
    assert scene.aside.read_bytes() == ORIGINAL
    assert (retired.stand_in_sha256, retired.stand_in_bytes, retired.differences) == (SMALL, len(STAND_IN), ())
    for path in (scene.photo, scene.aside):
        after = path.stat()
        assert (after.st_mtime_ns, after.st_mode, after.st_uid, after.st_gid, after.st_nlink) == (
            *(MTIME_NS, before.st_mode, before.st_uid, before.st_gid),
            1,
        )
    assert set(os.listxattr(scene.aside)) <= set(os.listxattr(scene.photo)), "and a mark of our own"
    survey = scene.vault.survey(scene.photo, sha256=SHA, archive_sha256=sha256(ARCHIVE), stand_in_sha256=SMALL)
    assert (survey.at_path, survey.archive, survey.aside, survey.swap) == (
        *(AtPath.STAND_IN, Holding.INTACT, Holding.INTACT),
        Holding.MISSING,
    )
    assert survey.at_path_fingerprint == retired.stand_in_fingerprint
    assert scene.vault.clear_staging() == 0


def test_the_exchange_keeps_the_inode(scene: Scene) -> None:
    """What the user had open, and every attribute that no call can copy, stays with the original."""
    inode = scene.photo.stat().st_ino
    assert scene.vault.exchange_works
    scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    assert scene.aside.stat().st_ino == inode
    scene.vault.put_back(scene.photo, SHA, SMALL)
    assert scene.photo.stat().st_ino == inode


@pytest.mark.usefixtures("kind")
def test_retire_without_a_stand_in(scene: Scene) -> None:
    retired = scene.vault.retire(scene.photo, scene.proof, None)
    assert (retired.stand_in_sha256, retired.stand_in_fingerprint) == (None, None)
    assert not scene.photo.exists()
    assert scene.aside.read_bytes() == ORIGINAL
    scene.vault.put_back(scene.photo, SHA, None)
    assert scene.photo.read_bytes() == ORIGINAL
    assert not scene.aside.exists()


@pytest.mark.usefixtures("kind")
def test_put_back(scene: Scene) -> None:
    scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    fingerprint = scene.vault.put_back(scene.photo, SHA, SMALL)
    assert scene.photo.read_bytes() == ORIGINAL
    assert scene.photo.stat().st_mtime_ns == MTIME_NS
    assert fingerprint.size_bytes == len(ORIGINAL)
    assert not scene.aside.exists()
    assert scene.vault.put_back(scene.photo, SHA, SMALL) == fingerprint  # again: nothing to do
    scene.vault.retire(scene.photo, scene.proof, STAND_IN)  # and round again
    assert scene.aside.read_bytes() == ORIGINAL


@pytest.mark.parametrize("edited", [False, True])
def test_without_room_and_exchange_a_rename_gives_the_original_back(scene: Scene, monkeypatch: pytest.MonkeyPatch, edited: bool) -> None:
    """mergerfs with little room left lets nobody make a file, but rename one."""
    monkeypatch.setattr(durable, "_renameat2", lambda *_: False)
    scene.vault.retire(scene.photo, scene.proof, STAND_IN)

    def full(name: str) -> None:
        if name == "stage.open":
            if edited:
                scene.photo.write_bytes(b"an edit of that very moment")
            raise OSError(errno.ENOSPC, "no space left on device")

    if not edited:
        del scene.vault.exchange_works  # of another process, which has no room to try it
    with observed_by(full):
        if edited:
            with pytest.raises(Changed):
                scene.vault.put_back(scene.photo, SHA, SMALL)
        else:
            scene.vault.put_back(scene.photo, SHA, SMALL)
    assert scene.photo.read_bytes() == (b"an edit of that very moment" if edited else ORIGINAL)
    assert scene.aside.exists() == edited
    assert scene.vault.clear_staging() == 0


def test_put_back_never_overwrites_what_is_not_ours(scene: Scene) -> None:
    scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    scene.photo.write_bytes(b"cropped")
    with pytest.raises(Changed):
        scene.vault.put_back(scene.photo, SHA, SMALL)
    scene.photo.unlink()
    scene.photo.symlink_to("/etc/passwd")
    with pytest.raises(Changed):
        scene.vault.put_back(scene.photo, SHA, SMALL)
    assert scene.aside.read_bytes() == ORIGINAL
    scene.photo.unlink()
    scene.vault.put_back(scene.photo, SHA, SMALL)
    with pytest.raises(Missing):
        scene.vault.put_back(scene.photo.with_name("other.jpg"), SHA, SMALL)


def test_an_original_that_came_back_makes_the_second_one_superfluous(scene: Scene) -> None:
    scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    scene.photo.write_bytes(ORIGINAL)
    scene.vault.put_back(scene.photo, SHA, SMALL)
    assert scene.photo.read_bytes() == ORIGINAL
    assert not scene.aside.exists()


def test_an_original_that_came_back_can_be_retired_again(scene: Scene) -> None:
    scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    scene.photo.write_bytes(ORIGINAL)
    scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    assert (scene.photo.read_bytes(), scene.aside.read_bytes()) == (STAND_IN, ORIGINAL)


def test_the_same_bytes_at_two_paths(scene: Scene) -> None:
    other = scene.photo.with_name("IMG_2.jpg")
    other.write_bytes(ORIGINAL)
    os.utime(other, ns=(5 * 10**17, 5 * 10**17))
    for path in (scene.photo, other):
        scene.vault.retire(path, scene.proof, STAND_IN)
    assert scene.vault.purge(scene.photo, scene.proof) == len(ORIGINAL)
    scene.vault.put_back(other, SHA, SMALL)
    assert other.stat().st_mtime_ns == 5 * 10**17


@pytest.mark.usefixtures("kind")
def test_purge(scene: Scene) -> None:
    scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    assert scene.vault.purge(scene.photo, scene.proof) == len(ORIGINAL)
    assert not scene.aside.exists()
    assert scene.photo.read_bytes() == STAND_IN
    assert scene.archived()
    with pytest.raises(Missing):
        scene.vault.purge(scene.photo, scene.proof)


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete"])
def test_nothing_goes_while_the_archive_is_damaged(scene: Scene, damage: str) -> None:
    scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    archive = scene.vault.archive_path(SHA)
    match damage:
        case "flip":
            archive.write_bytes(b"x" + ARCHIVE[1:])
        case "truncate":
            archive.write_bytes(ARCHIVE[:-1])
        case _:
            archive.unlink()
    with pytest.raises((Damaged, Missing)):
        scene.vault.purge(scene.photo, scene.proof)
    assert scene.aside.read_bytes() == ORIGINAL
    scene.vault.put_back(scene.photo, SHA, SMALL)
    with pytest.raises((Damaged, Missing)):
        scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    assert scene.photo.read_bytes() == ORIGINAL
    survey = scene.vault.survey(scene.photo, sha256=SHA, archive_sha256=sha256(ARCHIVE))
    assert survey.archive is (Holding.MISSING if damage == "delete" else Holding.CHANGED)


def test_another_proof_destroys_nothing(scene: Scene) -> None:
    scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    for proof in (a_proof(archive=b"another archive"), a_proof(archive_bytes=1)):
        with pytest.raises(Damaged):
            scene.vault.purge(scene.photo, proof)
    with pytest.raises(Missing):
        scene.vault.purge(scene.photo, a_proof(original=b"another photo"))
    assert scene.aside.read_bytes() == ORIGINAL


def test_what_is_not_touched(scene: Scene, tmp_path: Path) -> None:
    vault, proof = scene.vault, scene.proof
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(ORIGINAL)
    (scene.root / "link.jpg").symlink_to(outside)
    (scene.root / "folder").symlink_to(tmp_path)
    os.link(scene.photo, scene.root / "second-name.jpg")
    for path in (
        *(outside, scene.root / "link.jpg", scene.root / "folder" / "outside.jpg", scene.root / ".." / "outside.jpg"),
        *(scene.photo, scene.root / "second-name.jpg", scene.root, vault.archive_path(SHA)),
    ):
        with pytest.raises(Refused):
            vault.retire(path, proof, STAND_IN)
    with pytest.raises(Missing):
        vault.retire(scene.root / "gone.jpg", proof, STAND_IN)
    assert outside.read_bytes() == ORIGINAL
    assert scene.photo.read_bytes() == ORIGINAL
    (scene.root / "second-name.jpg").unlink()
    with pytest.raises(Refused, match="itself"):
        vault.retire(scene.photo, proof, ORIGINAL)
    other = scene.photo.with_name("other.jpg")
    other.write_bytes(b"not the one")
    with pytest.raises(Changed):
        vault.retire(other, proof, STAND_IN)


def test_paths_of_a_gallery(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert relative_to_gallery(tmp_path, tmp_path / "a" / os.fsdecode(b"\xff.jpg")) == b"a/\xff.jpg"
    (tmp_path / "way").symlink_to(tmp_path / "a")
    assert relative_to_gallery(tmp_path / "way", tmp_path / "way" / "x.jpg") == b"x.jpg"  # the root itself may be a link
    with pytest.raises(Refused):
        relative_to_gallery(tmp_path, tmp_path / "way" / "x.jpg")
    with pytest.raises(Refused):
        relative_to_gallery(tmp_path, tmp_path / "a" / VAULT_NAME / "x.jpg")


@pytest.mark.usefixtures("kind")
def test_a_rebuilt_copy_takes_the_place_of_the_stand_in(scene: Scene) -> None:
    scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    scene.vault.purge(scene.photo, scene.proof)
    scene.vault.replace_stand_in(scene.photo, b"a rebuilt copy", SMALL)
    assert scene.photo.read_bytes() == b"a rebuilt copy"
    assert scene.photo.stat().st_mtime_ns == MTIME_NS
    with pytest.raises(Changed):
        scene.vault.replace_stand_in(scene.photo, b"once more", SMALL)
    survey = scene.vault.survey(scene.photo, sha256=SHA, stand_in_sha256=SMALL, copy_sha256=sha256(b"a rebuilt copy"))
    assert (survey.at_path, survey.aside, survey.swap) == (AtPath.COPY, Holding.MISSING, Holding.MISSING)
    scene.vault.replace_stand_in(scene.photo, STAND_IN, sha256(b"a rebuilt copy"))
    assert scene.photo.read_bytes() == STAND_IN
    scene.photo.unlink()
    scene.vault.replace_stand_in(scene.photo, b"a rebuilt copy", SMALL)
    assert scene.photo.read_bytes() == b"a rebuilt copy"


def test_what_a_killed_restore_left_is_told_from_an_edit(scene: Scene) -> None:
    vault, photo = scene.vault, scene.photo
    vault.retire(photo, scene.proof, STAND_IN)

    def fail(name: str) -> None:
        if name == "exchange.rename":
            raise OSError(errno.EIO, "input/output error")

    with pytest.raises(StorageError), observed_by(fail):
        vault.replace_stand_in(photo, b"copy", SMALL)
    assert not list(scene.aside.parent.glob("*.swap"))  # an error is tidied up at once, a kill is not
    swap = scene.aside.with_name(scene.aside.name.split("-")[1].replace(".original", ".swap"))
    swap.write_bytes(b"copy")
    assert vault.survey(photo, sha256=SHA, stand_in_sha256=SMALL).swap is Holding.CHANGED
    photo.write_bytes(b"somebody's")
    with pytest.raises(Refused):
        vault.drop_swap(photo, SMALL)
    photo.write_bytes(STAND_IN)
    vault.drop_swap(photo, SMALL)
    assert not swap.exists()
    vault.drop_swap(photo, SMALL)


def test_another_version_in_the_vault_is_never_overwritten(scene: Scene) -> None:
    scene.aside.write_bytes(b"a late writer's version")
    with pytest.raises(AlreadyThere):
        scene.vault.retire(scene.photo, scene.proof, STAND_IN)
    assert scene.aside.read_bytes() == b"a late writer's version"
    assert scene.photo.read_bytes() == ORIGINAL


def test_a_survey_of_nothing(scene: Scene) -> None:
    survey = scene.vault.survey(scene.root / "gone.jpg", sha256=None)
    assert (survey.at_path, survey.archive, survey.aside, survey.at_path_sha256) == (
        *(AtPath.MISSING, Holding.MISSING, Holding.MISSING),
        None,
    )
    (scene.root / "folder.jpg").mkdir()
    assert scene.vault.survey(scene.root / "folder.jpg", sha256=SHA).at_path is AtPath.OTHER
    survey = scene.vault.survey(scene.photo, sha256=SHA)
    assert (survey.at_path, survey.archive, survey.archive_sha256) == (AtPath.ORIGINAL, Holding.INTACT, sha256(ARCHIVE))
