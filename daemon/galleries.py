"""One gallery as everything below works on it: its settings, its vault, and the names of its photos in the catalogue."""

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from codec.levels import Level, level_of
from daemon.places import real
from daemon.settings import GallerySettings, Limits, Settings
from storage.errors import shown
from storage.vault import Vault


@dataclass(frozen=True, slots=True)
class Gallery:
    """A gallery of the configuration, with its links resolved, so that one photo never has two names."""

    settings: GallerySettings
    limits: Limits
    root: Path
    vault: Vault
    parity: float = 0.0
    """Share of each archive that is kept beside it; 0: none."""

    @classmethod
    def of(cls, settings: GallerySettings, limits: Limits, parity: float = 0.0) -> "Gallery":
        """As the configuration says, with the links in its path resolved."""
        root = real(settings.path)
        return cls(settings, limits, root, Vault(root), parity)

    @property
    def key(self) -> bytes:
        """The gallery's name in the catalogue."""
        return os.fsencode(self.root)

    @property
    def level(self) -> Level:
        return level_of(self.settings.quality)

    @property
    def wants_stand_ins(self) -> bool:
        return self.settings.stand_in == "preview"

    @property
    def grace_s(self) -> int:
        """Seconds that a retired original waits, by the configuration as it is now."""
        return int(self.settings.grace.total_seconds())

    def pinned_until_at(self, now: datetime) -> int:
        """Until when a photo is left alone that is restored `now`; seconds since the epoch."""
        return int((now + self.settings.idle_for).timestamp())

    @property
    def rules(self) -> str:
        """Digest of the settings that decide whether a photo is archived: under others, photos that were left are tried again."""
        limits = self.limits
        deciding = (self.settings.quality, self.settings.stand_in, limits.min_saving, limits.min_saving_lossless, limits.memory_bytes)
        return hashlib.sha256(repr(deciding).encode()).hexdigest()[:16]

    def relative(self, path: Path) -> bytes:
        """The name of a photo in the catalogue."""
        return os.fsencode(path.relative_to(self.root))

    def shown(self, path: Path) -> str:
        """The same for people."""
        return shown(self.relative(path))


def all_of(settings: Settings) -> list[Gallery]:
    """Every configured gallery, in the order of the file."""
    return [Gallery.of(each, settings.limits, settings.safety.parity) for each in settings.galleries]


def place(path: Path) -> Path:
    """A path as a person gave it -> absolute, with the links of its folder resolved, but not a link that it is itself."""
    return real(path.parent) / path.name if path.name not in ("", "..") else real(path)


def holding(galleries: list[Gallery], path: Path) -> Gallery | None:
    """The gallery that a path (of `place`) lies in."""
    return next((gallery for gallery in galleries if path.is_relative_to(gallery.root)), None)


def outside(galleries: list[Gallery], path: Path) -> str:
    """What to say of a path that lies in none of them."""
    known = ", ".join(shown(each.root) for each in galleries)
    if not os.path.lexists(path):
        return f"{shown(path)} is not there, and in no configured gallery ({known})."
    return f"{shown(path)} is in no configured gallery ({known}); write another [[gallery]] for it."
