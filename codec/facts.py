"""What an archive says about its original, apart from the pixels: size, digest, name, date and mode."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any, Final, Self

from codec import canonical
from codec.errors import Corrupt

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME: Final = 255


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
        return canonical.dump(
            {
                "mode": self.mode,
                "mtime_ns": self.mtime_ns,
                "name": base64.b64encode(self.name).decode("ascii"),
                "sha256": self.sha256,
                "size_bytes": self.size_bytes,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reads what `to_bytes` wrote, ignoring keys that it does not know. Raises Corrupt."""
        values: dict[str, Any] = canonical.load(data)
        try:
            return cls(
                size_bytes=values["size_bytes"],
                sha256=values["sha256"],
                name=base64.b64decode(values["name"], validate=True),
                mtime_ns=values["mtime_ns"],
                mode=values["mode"],
            )
        except KeyError as error:
            raise Corrupt(f"the facts lack {error}") from error
        except (binascii.Error, TypeError, ValueError) as error:
            raise Corrupt(f"the facts are damaged: {error}") from error
