"""The vault must not travel: the line or mark by which each sync tool is told to leave it alone, whether it is in effect, and writing it.

Where another tool of the same folder would delete what it is told to ignore (Syncthing's `(?d)`, Nextcloud's `]`), that is not in effect.
"""

import fnmatch
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from daemon import mega, syncthing
from daemon.errors import CommandFailed
from daemon.places import home_folder
from daemon.sync_roots import SyncRoot, Tool
from storage import durable
from storage.attributes import Attributes
from storage.digest import read_once
from storage.errors import Missing, StorageError
from storage.layout import VAULT_NAME

NEXTCLOUD_FILE = ".sync-exclude.lst"
RESILIO_FILE = ".sync/IgnoreList"
DROPBOX_MARK = "user.com.dropbox.ignored"
_SAMPLES = ("", "/lock", "/staging/.gallery-optimizer-0.tmp", "/originals/0.original", "/archives/ab/ab.nphoto", "/models/m.safetensors")
"""What lies in a vault; all of it has to be ignored."""


@dataclass(frozen=True, slots=True)
class IgnoreLine:
    """How one root is told to leave one vault alone."""

    root: SyncRoot
    vault: Path
    file: Path
    """Where the line stands. For Dropbox the vault itself, which carries a mark."""
    line: str
    why_not: str
    """Why it is not in effect; empty if it is."""

    @property
    def in_effect(self) -> bool:
        return not self.why_not

    @property
    def proposal(self) -> str:
        """What a person has to do, in words."""
        if self.root.tool is Tool.DROPBOX:
            return f"the mark {DROPBOX_MARK} on {self.vault}"
        return f"the line {self.line} in {self.file}"

    def write(self) -> None:
        """Put it into effect. The line becomes the file's first, since the first that matches decides; MEGA's last, where the last does.

        Raises StorageError, and CommandFailed where root would write into somebody else's folder.
        """
        if os.geteuid() == 0 != self.root.folder.stat().st_uid:
            raise CommandFailed(f"{self.root.folder} is not root's; call this as its owner, so that what is written is his.")
        if self.root.tool is Tool.DROPBOX:
            durable.make_folder(self.vault)
            durable.mark(self.vault, DROPBOX_MARK, b"1")
            return
        try:
            there = read_once(self.file).data
        except Missing:
            durable.write_new(self.file, f"{self.line}\n".encode(errors="surrogateescape"), _as_readable_as(self.file.parent))
            return
        data = f"{self.line}\n".encode(errors="surrogateescape") + there
        if self.root.tool is Tool.MEGA:
            data = there + (b"" if there.endswith(b"\n") or not there else b"\n") + f"{self.line}\n".encode()
        kind = replace(Attributes.of(self.file), mtime_ns=time.time_ns())  # Syncthing reads the file again only where its date is another
        durable.write_over(self.file, data, kind)


def ignore_line(root: SyncRoot, gallery: Path) -> IgnoreLine | None:
    """For a root that carries the gallery's vault; None for one that lies deeper in the gallery, where the vault does not."""
    vault = gallery / VAULT_NAME
    if not root.carries(gallery):
        return None
    relative = str(vault.relative_to(root.folder))
    match root.tool:
        case Tool.SYNCTHING:
            why_not = syncthing.ignored(root.folder, [relative + each for each in _SAMPLES])
            return IgnoreLine(root, vault, root.folder / syncthing.IGNORE_FILE, syncthing.line_for(relative), why_not)
        case Tool.NEXTCLOUD:
            return IgnoreLine(root, vault, root.folder / NEXTCLOUD_FILE, VAULT_NAME, _nextcloud(root.folder, relative))
        case Tool.RESILIO:
            return IgnoreLine(root, vault, root.folder / RESILIO_FILE, VAULT_NAME, _resilio(root.folder, relative))
        case Tool.MEGA:
            return IgnoreLine(root, vault, root.folder / mega.IGNORE_FILE, mega.line_for(vault), mega.ignored(vault))
        case Tool.DROPBOX:
            return IgnoreLine(root, vault, vault, "", _dropbox(vault))
        case _:
            return None


def _as_readable_as(folder: Path) -> Attributes:
    """For a new file: whoever may list the folder may read it, for the sync tool may run as another user."""
    kind, now = Attributes.of(folder), time.time_ns()
    return Attributes(kind.mode & 0o666 | 0o600, kind.uid, kind.gid, now, now, {})


def _nextcloud(folder: Path, relative: str) -> str:
    """By the list in the synced folder itself, and by that of the user's client, which holds for all its folders."""
    config = os.environ.get("XDG_CONFIG_HOME") or home_folder() / ".config"
    found = False
    for file in (folder / NEXTCLOUD_FILE, Path(config, "Nextcloud/sync-exclude.lst")):
        try:
            lines = read_once(file).data.decode(errors="surrogateescape").splitlines()
        except StorageError:
            continue
        for line in (each.strip() for each in lines):
            pattern = line.removeprefix("]").rstrip("/")
            if not pattern or line.startswith("#") or not _matches(pattern, relative):
                continue
            if line.startswith("]"):
                return f"the line {line} in {file} lets Nextcloud delete it"
            found = True
    return "" if found else "no line of it matches"


def _resilio(folder: Path, relative: str) -> str:
    """By the list of its folder: a name holds everywhere, a path from the folder on."""
    try:
        lines = read_once(folder / RESILIO_FILE).data.decode("utf-8-sig", "surrogateescape").splitlines()
    except StorageError:
        lines = []
    return (
        ""
        if any(_matches(line, relative) for line in map(str.strip, lines) if line and not line.startswith("#"))
        else "no line of it matches"
    )


def _matches(pattern: str, relative: str) -> bool:
    if "/" in pattern:
        return fnmatch.fnmatchcase(relative, pattern.lstrip("/"))
    return fnmatch.fnmatchcase(VAULT_NAME, pattern)


def _dropbox(vault: Path) -> str:
    try:
        return "" if os.getxattr(vault, DROPBOX_MARK) else "the mark is empty"
    except OSError:
        return "it has no such mark"
