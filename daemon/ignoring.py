"""What the user wants left alone: `keep` patterns of the configuration, and ignore files in the folders of a gallery.

An ignore file has the syntax and the meaning of `.gitignore`: its patterns are relative to its folder and hold for everything below, a
deeper file has the last word, and below a folder that is ignored nothing can be wanted back. One that can't be read or understood keeps its
whole folder alone: somebody wanted something left, and we don't know what.
"""

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from storage.digest import read_once
from storage.errors import Missing, StorageError, shown

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".gallery-optimizer-ignore"
WISHES = frozenset({"kept", "ignored"})
"""Reasons (slugs of `reasons`) that are the user's own word."""
MOST_BYTES = 1 << 20

_log = logging.getLogger(__name__)


class Rules:
    """A gallery's `exclude` or `keep` patterns, with git's meaning, relative to its root."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = tuple(patterns)
        self._spec: GitIgnoreSpec | None = None

    def excludes(self, relative: bytes, *, folder: bool = False) -> bool:
        if not self._patterns:
            return False
        if self._spec is None:
            self._spec = compiled(self._patterns)
        return bool(self._spec.match_file(os.fsdecode(relative) + ("/" if folder else "")))


def compiled(lines: Iterable[str]) -> "GitIgnoreSpec":
    """Raises ValueError with the line that is no pattern."""
    import pathspec

    lines = list(lines)
    try:
        return pathspec.GitIgnoreSpec.from_lines(lines)
    except ValueError:
        for number, line in enumerate(lines, 1):
            try:
                pathspec.GitIgnoreSpec.from_lines([line])
            except ValueError as error:
                raise ValueError(f"line {number}: {line!r} is no pattern") from error
        raise


@dataclass(frozen=True, slots=True)
class Wishes:
    """What holds in one folder of a gallery. Paths are bytes, relative to the gallery's root; the root itself is b""."""

    root: bytes
    keep: Rules
    _files: tuple[tuple[bytes, "GitIgnoreSpec"], ...] = ()
    """Ignore files from the root down, each with its folder and a slash behind it."""
    _everything: bool = False
    """Whether the folder itself is ignored, and so all that is below it."""

    @classmethod
    def of(cls, root: Path, keep: Iterable[str], folder: bytes = b"") -> "Wishes":
        """Those of a folder, by the ignore files from the root down to it."""
        wishes = cls(os.fsencode(root), Rules(keep))._with_file_of(b"")
        parts = folder.split(b"/") if folder else []
        for depth in range(len(parts)):
            wishes = wishes.below(b"/".join(parts[: depth + 1]))
        return wishes

    def below(self, folder: bytes) -> "Wishes":
        """Those of a folder that lies in this one."""
        if self._everything or self._ignores_folder(folder):
            return replace(self, _everything=True)
        return self._with_file_of(folder)

    def reason(self, photo: bytes) -> str | None:
        """Why a photo in this folder is left alone (a slug of `reasons`), or None."""
        if self.keep.excludes(photo):
            return "kept"
        return "ignored" if self._everything or self._ignores(photo) else None

    def _ignores(self, photo: bytes) -> bool:
        for folder, spec in reversed(self._files):
            verdict = spec.check_file(os.fsdecode(photo[len(folder) :])).include
            if verdict is not None:
                return verdict
        return False

    def _ignores_folder(self, folder: bytes) -> bool:
        for above, spec in reversed(self._files):
            name = os.fsdecode(folder[len(above) :]) + "/"
            for pattern in reversed(spec.patterns):  # the last one that matches: pathspec's own rule of precedence is made for files
                if pattern.include is not None and pattern.match_file(name) is not None:
                    return pattern.include
        return False

    def _with_file_of(self, folder: bytes) -> "Wishes":
        place = Path(os.fsdecode(self.root), os.fsdecode(folder), IGNORE_FILE)
        try:
            if place.lstat().st_size > MOST_BYTES:
                raise ValueError("it is too long")
            text = os.fsdecode(read_once(place).data.removeprefix(b"\xef\xbb\xbf"))
            spec = compiled(text.splitlines())
        except (FileNotFoundError, NotADirectoryError, Missing):
            return self
        except (OSError, StorageError, ValueError) as error:
            _log.warning("%s can't be used (%s); everything below its folder is left alone", shown(place), error)
            return replace(self, _everything=True)
        return replace(self, _files=(*self._files, (folder + b"/" if folder else b"", spec)))
