"""What a vault keeps for good: archives, and the weight files that they need. Vault adds the originals."""

import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from storage import durable, layout, parity
from storage.digest import bytes_of, opened, sha256_of_bytes, sha256_or_none
from storage.errors import AlreadyThere, Damaged, Missing, Refused, shown, translated
from storage.fingerprint import Fingerprint
from storage.lock import InstanceLock
from storage.permission import check_givable
from storage.reserve import Reserve


class Shelf:
    """The vault's folder without its originals. Every method may raise NoSpace, ReadOnly and, for an input/output error, StorageError."""

    def __init__(self, root: Path) -> None:
        """`root`: the gallery's root, absolute. Nothing is created before `prepare`."""
        if not root.is_absolute():
            raise Refused(f"{shown(root)} is not an absolute path")
        self.root = root
        self.folder = root / layout.VAULT_NAME
        self._staging = self.folder / "staging"

    def prepare(self, known: str = "") -> None:
        """Make the folders, ``.nomedia``, ``README`` and ``id`` where missing. Raises Missing (no gallery there).

        `known`: the id that this vault had before its own was lost.
        """
        durable.make_folder(self.folder)
        for name in layout.FOLDERS:
            durable.make_folder(self.folder / name)
        for name, text in ((".nomedia", ""), ("README", layout.README), ("id", (known or secrets.token_hex(8)) + "\n")):
            with suppress(AlreadyThere):
                if not (self.folder / name).exists():
                    durable.write_new(self.folder / name, text.encode())

    @property
    def is_there(self) -> bool:
        """Whether there is a vault with a place for archives; False too where that can't be told."""
        try:
            return (self.folder / "archives").is_dir()
        except OSError:
            return False

    @property
    def id(self) -> str:
        """What tells this vault from others, 16 hex digits; empty where it has none (yet)."""
        try:
            text = (self.folder / "id").read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""
        return text if layout.VAULT_ID.fullmatch(text) else ""

    def check_givable(self, path: Path) -> None:
        """As `permission.check_givable`."""
        check_givable(path, self._staging)

    def make_way(self, path: Path) -> None:
        """Make the folders above a photo's `path` that were deleted with all that was in them, with the mode of the one that is left."""
        layout.relative_to_gallery(self.root, path)
        gone: list[Path] = []
        for folder in path.parents:
            with translated(folder):
                if folder == self.root or os.path.lexists(folder):
                    mode = folder.stat().st_mode & 0o777
                    break
            gone.append(folder)
        for folder in reversed(gone):
            durable.make_folder(folder, mode)

    def lock(self) -> InstanceLock:
        """Held while anything changes in this vault; a gallery reached by two set-ups or machines is still changed by one."""
        return InstanceLock(self.folder / "lock")

    def reserve(self, size_bytes: int) -> Reserve:
        """Space that is kept for a full disk; 0: none."""
        return Reserve(self.folder / layout.RESERVE_NAME, size_bytes)

    def stage_archive(self, data: bytes) -> Path:
        """Write and fsync a temp file in ``staging/``; the verifier reads it back from there."""
        return durable.stage(self._staging, data)

    def commit_archive(self, staged: Path, sha256: str) -> Path:
        """Give it its final name (of the original's digest), durably. AlreadyThere if there is one: verify and use that one."""
        final = self.archive_path(sha256)
        durable.make_folder(final.parent)
        durable.commit(staged, final)
        return final

    def replace_archive(self, staged: Path, sha256: str, original: Path) -> Path:
        """The same over an archive of another quality, in one step, while `original` still holds the very bytes that both were made of
        (else Refused)."""
        final = self.archive_path(sha256)
        if sha256_or_none(original) != sha256:
            raise Refused(f"the archive of {shown(original)} stays: the original is not in place")
        durable.replace(staged, final)
        self._drop_parity(sha256)
        return final

    def drop_staged(self, staged: Path) -> None:
        """Remove a temp file of ``staging/``. Raises Refused for anything else."""
        if staged.parent != self._staging or not durable.is_temporary(staged.name):
            raise Refused(f"{shown(staged)} is not a temp file of this vault")
        durable.remove(staged)

    def archive_path(self, sha256: str) -> Path:
        """Where the archive of an original is or would be."""
        return self.folder / layout.archive_name(sha256)

    def archive_name(self, sha256: str) -> str:
        """The same relative to the vault, for the catalogue."""
        return layout.archive_name(sha256)

    def open_archive(self, sha256: str) -> bytes:
        """Whole archive. Raises Missing."""
        return bytes_of(self.archive_path(sha256))

    def archives(self) -> Iterator[tuple[str, Path]]:
        """(digest of the original, path) of every archive, in the order of the digests."""
        for path in sorted((self.folder / "archives").glob(f"??/*{layout.ARCHIVE_SUFFIX}")):
            with suppress(Refused):
                yield layout.checked_digest(path.name.removesuffix(layout.ARCHIVE_SUFFIX)), path

    def discard_archive(self, sha256: str, original: Path) -> None:
        """Remove an archive that no row needs, while `original` still holds the very bytes it was made of (else Refused)."""
        layout.relative_to_gallery(self.root, original)
        if sha256_or_none(original) != sha256:
            raise Refused(f"the archive of {shown(original)} stays: the original is not in place")
        durable.remove(self.archive_path(sha256))
        self._drop_parity(sha256)

    def throw_away_archive(self, sha256: str, places: Iterable[Path]) -> int:
        """Remove the archive of a photo that its user deleted; bytes freed, 0 where a stopped run has done it already.

        Refused while anything lies at one of `places` (all paths that the archive serves), or an original of it is set aside.
        """
        for place in places:
            layout.relative_to_gallery(self.root, place)
            if os.path.lexists(place):
                raise Refused(f"the archive of {shown(place)} stays: there is a file again")
        if any((self.folder / "originals").glob(f"{layout.checked_digest(sha256)}-*")):
            raise Refused("the archive stays: an original of it is still set aside")
        path = self.archive_path(sha256)
        try:
            size_bytes = Fingerprint.of(path).size_bytes
            durable.remove(path)
        except Missing:
            size_bytes = 0
        self._drop_parity(sha256)
        return size_bytes

    def parity_path(self, sha256: str) -> Path:
        """Where the parity of an original's archive is or would be."""
        return self.folder / layout.parity_name(sha256)

    def keep_parity(self, sha256: str, share: float) -> int:
        """Make the parity of the archive as it is now, `share` of its size, in place of an earlier one; its bytes. Raises Missing."""
        made = parity.made(self.open_archive(sha256), share)
        path = self.parity_path(sha256)
        durable.make_folder(path.parent.parent)
        durable.make_folder(path.parent)
        durable.write_over(path, made, staging=self._staging)
        return len(made)

    def parity_trouble(self, sha256: str, archive_sha256: str) -> str:
        """What is wrong with the parity of an archive; empty where it is whole, and of that archive."""
        try:
            found = self._parity(sha256)
            ours = parity.read_head(found).archive_sha256 == archive_sha256
        except (Missing, Damaged) as error:
            return str(error)
        if not parity.is_whole(found):
            return f"the parity {shown(self.parity_path(sha256))} is damaged"
        return "" if ours else f"{shown(self.parity_path(sha256))} is the parity of an earlier archive"

    def repair_archive(self, sha256: str, archive_sha256: str | None) -> int:
        """Compute damaged blocks of an archive anew, out of its parity; how many. `archive_sha256`: of the proven archive, if known.

        The archive changes in one step, and only to bytes of that digest. Raises Missing (no archive, no parity), Damaged (too much of it
        is damaged, or the parity is of another archive).
        """
        found = self._parity(sha256)
        path = self.archive_path(sha256)
        with opened(path) as descriptor, translated(path):
            damaged = b"".join(_what_can_be_read(descriptor))
        whole = parity.repaired(damaged, found)
        if archive_sha256 not in (None, sha256_of_bytes(whole.archive)):
            raise Damaged(f"{shown(self.parity_path(sha256))} is the parity of another archive")
        durable.write_over(path, whole.archive, staging=self._staging)
        return whole.blocks

    def _parity(self, sha256: str) -> bytes:
        return bytes_of(self.parity_path(sha256))

    def _drop_parity(self, sha256: str) -> None:
        with suppress(Missing):
            durable.remove(self.parity_path(sha256))

    def clear_staging(self) -> int:
        """Remove what a crash left in ``staging/``; how many. Only while this vault is locked by us."""
        return durable.remove_staged(self._staging)

    def keep_model(self, name: str, data: bytes) -> Path:
        """Keep the weight file that archives name; Damaged if a file of that name has other bytes."""
        path = self.folder / "models" / layout.checked_model_name(name)
        held = sha256_or_none(path)
        if held is None:
            durable.write_new(path, data)
        elif held != sha256_of_bytes(data):
            raise Damaged(f"{shown(path)} is not the weight file of that name")
        return path

    def keep_format(self, text: bytes) -> None:
        """Keep the description of the archives' format beside them; an earlier one gives way to a later one."""
        path = self.folder / layout.FORMAT_NAME
        if sha256_or_none(path) != sha256_of_bytes(text):
            durable.write_over(path, text, staging=self._staging)

    def models(self) -> dict[str, Path]:
        """Kept weight files by name."""
        with translated(self.folder):
            paths = sorted((self.folder / "models").iterdir())
        return {path.name: path for path in paths if not durable.is_temporary(path.name)}


def _what_can_be_read(descriptor: int) -> Iterator[bytes]:
    """A file block by block; zeros for those that the disk does not give."""
    size_bytes = os.fstat(descriptor).st_size
    for start in range(0, size_bytes, parity.BLOCK_BYTES):
        length = min(parity.BLOCK_BYTES, size_bytes - start)
        try:
            yield os.pread(descriptor, length, start)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            yield bytes(length)
