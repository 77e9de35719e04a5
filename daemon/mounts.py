"""Which file system a folder is on, and whether the kernel here learns of changes that others make there: by /proc/self/mountinfo."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

_REMOTE = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "coda", "ncpfs", "davfs", "lustre", "beegfs", "gpfs"),
        *("ocfs2", "gfs2", "glusterfs", "orangefs", "virtiofs", "vboxsf", "vmhgfs", "prl_fs"),
    )
)


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the kernel's table."""

    place: Path
    kind: str
    """Type of the file system, e.g. ext4, nfs4, fuse.sshfs."""
    options: frozenset[str]
    device: str
    number: str = ""
    """Major and minor number of the file system, e.g. 8:1; the same of each place where a part of it is mounted."""
    root: Path = Path("/")
    """The folder of the file system that is mounted here: another one than / for a bind mount or a subvolume."""

    @property
    def is_remote(self) -> bool:
        """Whether others change it behind the kernel's back: network and virtual machines' shares, and FUSE but for local disks."""
        return self.kind in _REMOTE or (self.kind.startswith("fuse") and self.kind != "fuseblk")


def parse(text: str) -> list[Mount]:
    """Lines of proc_pid_mountinfo(5), in their order; those that can't be understood are left out."""
    found = []
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        fields, ends = before.split(" "), after.split(" ")
        if not dash or len(fields) < 6 or len(ends) < 2:
            continue
        found.append(
            Mount(Path(_plain(fields[4])), ends[0], frozenset(fields[5].split(",")), _plain(ends[1]), fields[2], Path(_plain(fields[3])))
        )
    return found


def mounts() -> list[Mount]:
    """Of this process; empty where the kernel does not tell."""
    try:
        return parse(os.fsdecode(Path("/proc/self/mountinfo").read_bytes()))
    except OSError:
        return []


def mount_of(table: list[Mount], path: Path) -> Mount | None:
    """The mount that a path lies on: the deepest, and of several on one place the last."""
    best: Mount | None = None
    for mount in table:
        deeper = best is None or len(mount.place.parts) >= len(best.place.parts)
        if deeper and path.is_relative_to(mount.place):
            best = mount
    return best


def inner_path(table: list[Mount], path: Path) -> tuple[str, Path]:
    """(file system, path in it) of a path: the same for a folder and for a bind mount of it."""
    mount = mount_of(table, path)
    return ("", path) if mount is None else (mount.number, mount.root / path.relative_to(mount.place))


def _plain(field: str) -> str:
    r"""Undo the kernel's escapes: \040 for a space, and its like."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
