"""What an archive says about its original, apart from the pixels: size, digest, name, dates, mode, owner and extended attributes."""

import base64
import re
from dataclasses import dataclass
from typing import Any, Final, Self

from codec import canonical
from codec.errors import Corrupt

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME: Final = 255
MAX_XATTR_BYTES: Final = 48 * 1024
"""Names and values together that an archive keeps. ext4 gives a file less; where there are more, none are kept rather than some."""


@dataclass(frozen=True, slots=True)
class Worn:
    """What the original wore beside its name, mtime and mode. Raises ValueError for what can't be a file's."""

    atime_ns: int  # since the epoch
    uid: int
    gid: int
    xattrs: tuple[tuple[bytes, bytes], ...] = ()  # (name, value), in the order of the names; POSIX ACLs and SELinux labels are among them

    def __post_init__(self) -> None:
        if type(self.atime_ns) is not int or not -(1 << 63) <= self.atime_ns < 1 << 63:
            raise ValueError("a date is out of range")
        if any(type(number) is not int or not 0 <= number < 1 << 32 for number in (self.uid, self.gid)):
            raise ValueError("an owner is out of range")
        names = [name for name, _ in self.xattrs]
        if names != sorted(set(names)) or any(not 1 <= len(name) <= _LONGEST_NAME or 0 in name for name in names):
            raise ValueError("extended attributes must be named once each, in order")
        if sum(len(name) + len(value) for name, value in self.xattrs) > MAX_XATTR_BYTES:
            raise ValueError("more extended attributes than an archive keeps")

    def fields(self) -> dict[str, Any]:
        """For canonical JSON; names and values in base64 since they need not be text."""
        return {"atime_ns": self.atime_ns, "uid": self.uid, "gid": self.gid, "xattrs": [[_text(n), _text(v)] for n, v in self.xattrs]}

    @classmethod
    def of(cls, fields: Any) -> Self:
        """Reads what `fields` gave. Raises KeyError, TypeError or ValueError."""
        xattrs = tuple((_bytes(name), _bytes(value)) for name, value in fields["xattrs"])
        return cls(fields["atime_ns"], fields["uid"], fields["gid"], xattrs)


@dataclass(frozen=True, slots=True)
class Facts:
    """The original file as it was read. Raises ValueError or TypeError for what can't be a file's.

    `name` is one component of a path, never a path: it decides where a restored copy is written.
    """

    size_bytes: int
    sha256: str  # 64 lower-case hex digits, of all the original's bytes
    name: bytes  # as the file system gave it, without folder
    mtime_ns: int  # since the epoch, negative before it
    mode: int  # permission bits, 0..0o7777
    worn: Worn | None = None  # None in archives of earlier versions, and where nobody asked

    def __post_init__(self) -> None:
        for field in ("size_bytes", "mtime_ns", "mode"):
            if type(getattr(self, field)) is not int:
                raise ValueError(f"{field} must be an integer")
        if not 0 <= self.size_bytes < 1 << 63 or not -(1 << 63) <= self.mtime_ns < 1 << 63 or not 0 <= self.mode <= 0o7777:
            raise ValueError("a size, date or mode is out of range")
        if not _DIGEST.fullmatch(self.sha256):
            raise ValueError("sha256 must be 64 lower-case hex digits")
        if not 1 <= len(self.name) <= _LONGEST_NAME:
            raise ValueError(f"name must be 1 to {_LONGEST_NAME} bytes")
        if self.name in (b".", b"..") or b"/" in self.name or b"\0" in self.name:
            raise ValueError("name must be a file's name without a folder")

    def to_bytes(self) -> bytes:
        """The section FACT: canonical JSON, the name in base64 since names need not be text."""
        values: dict[str, Any] = {
            "mode": self.mode,
            "mtime_ns": self.mtime_ns,
            "name": _text(self.name),
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
        }
        if self.worn is not None:
            values["worn"] = self.worn.fields()
        return canonical.dump(values)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reads what `to_bytes` wrote, ignoring keys that it does not know. Raises Corrupt."""
        values: dict[str, Any] = canonical.load(data)
        try:
            return cls(
                size_bytes=values["size_bytes"],
                sha256=values["sha256"],
                name=_bytes(values["name"]),
                mtime_ns=values["mtime_ns"],
                mode=values["mode"],
                worn=Worn.of(values["worn"]) if "worn" in values else None,
            )
        except KeyError as error:
            raise Corrupt(f"the facts lack {error}") from error
        except (TypeError, ValueError) as error:
            raise Corrupt(f"the facts are damaged: {error}") from error


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: Any) -> bytes:
    return base64.b64decode(text, validate=True)
