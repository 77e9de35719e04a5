"""mtime, mode, owner and extended attributes (POSIX ACLs are among them): read, apply, compare."""

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

from storage.digest import is_digest
from storage.errors import translated

_NEVER_COPIED = frozenset({"security.ima", "security.evm"})
"""Signatures of the kernel over one file's content; on another content they would be wrong."""

_ACL = "system.posix_acl_access"
RIGHTS = frozenset({"mode", "owner", _ACL})
"""Names of those attributes, as `differences` gives them, that say who may see a photo."""
_OWN = "user.gallery-optimizer."
_MARK = _OWN + "original"
"""Extended attribute of a stand-in: the digest of its original. Ours alone, so that no photo ever gets it from its stand-in."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a file has beside its bytes and its name."""

    mode: int
    """Permission bits."""
    uid: int
    gid: int
    mtime_ns: int
    atime_ns: int
    xattrs: Mapping[str, bytes]
    """By name, ``system.posix_acl_access`` included; empty where the file system has none."""
    mark: str | None = None
    """Digest of the original that a file with these attributes is to stand for; never read, never compared."""

    @classmethod
    def of(cls, path: os.PathLike[str] | str | bytes | int) -> "Attributes":
        """Of a path (a symbolic link is not followed) or an open descriptor. Raises Missing, ReadOnly."""
        with translated(_name(path)):
            status = os.fstat(path) if isinstance(path, int) else os.lstat(path)
            return cls(
                mode=stat.S_IMODE(status.st_mode),
                uid=status.st_uid,
                gid=status.st_gid,
                mtime_ns=status.st_mtime_ns,
                atime_ns=status.st_atime_ns,
                xattrs=MappingProxyType(_xattrs(path)),
            )

    def apply(self, path: os.PathLike[str] | str | bytes | int) -> tuple[str, ...]:
        """Give them to a file as far as rights and file system allow; the names of those that could not be given.

        The caller fsyncs. Use a descriptor where there is one: then nobody can slip another file under the name.
        """
        follow = isinstance(path, int)  # a descriptor is refused together with "don't follow"
        with suppress(OSError):
            os.chown(path, self.uid, self.gid, follow_symlinks=follow)
        if _ACL not in self.xattrs:
            with suppress(OSError):  # inherited from the folder that the file was made in
                os.removexattr(path, _ACL, follow_symlinks=follow)
        with suppress(OSError):
            os.chmod(path, self.mode)  # after chown, which clears set-id bits
        for name, value in self.xattrs.items():
            with suppress(OSError):
                os.setxattr(path, name, value, follow_symlinks=follow)
        if self.mark is not None:
            with suppress(OSError):
                os.setxattr(path, _MARK, self.mark.encode("ascii"), follow_symlinks=follow)
        with suppress(OSError):
            os.utime(path, ns=(self.atime_ns, self.mtime_ns), follow_symlinks=follow)
        return self.differences(Attributes.of(path))

    def differences(self, other: "Attributes") -> tuple[str, ...]:
        """Names of what differs in `other`: 'mode', 'owner', 'mtime', or an extended attribute's name. atime is not compared."""
        found = []
        if self.mode != other.mode:
            found.append("mode")
        if (self.uid, self.gid) != (other.uid, other.gid):
            found.append("owner")
        if self.mtime_ns != other.mtime_ns:
            found.append("mtime")
        names = sorted(self.xattrs.keys() | other.xattrs.keys())
        return (*found, *(name for name in names if self.xattrs.get(name) != other.xattrs.get(name)))


def marked(path: os.PathLike[str] | str | bytes) -> str | None:
    """Digest of the original that a file stands for by its extended attribute; None where it has none."""
    try:
        text = os.getxattr(path, _MARK, follow_symlinks=False).decode("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return text if is_digest(text) else None


def _xattrs(path: os.PathLike[str] | str | bytes | int) -> dict[str, bytes]:
    follow = isinstance(path, int)
    try:
        names = os.listxattr(path, follow_symlinks=follow)
    except OSError:
        return {}  # a file system without them
    values = {}
    for name in names:
        if name not in _NEVER_COPIED and not name.startswith(_OWN):
            with suppress(OSError):  # listed, but not ours to read
                values[name] = os.getxattr(path, name, follow_symlinks=follow)
    return values


def _name(path: os.PathLike[str] | str | bytes | int) -> os.PathLike[str] | str | bytes:
    return f"descriptor {path}" if isinstance(path, int) else path
