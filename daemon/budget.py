"""A budget of bytes changed, and of photos archived, a night, so that a sync or a backup that follows stays small. Pure.

What counts is what a backup has to carry: archives and stand-ins. Originals that are only renamed, and what is
purged, cost nothing.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Budget:
    """Limits None: no limit. What is spent: by earlier runs of the same night, too."""

    limit_bytes: int | None = None
    spent_bytes: int = 0
    limit_photos: int | None = None
    spent_photos: int = 0

    def spend(self, changed_bytes: int) -> None:
        """Count what was written for a photo that was archived. The photo that reaches the limit is still finished."""
        self.spent_bytes += changed_bytes
        self.spent_photos += changed_bytes > 0

    @property
    def is_spent(self) -> bool:
        """Whether no further photo may be begun."""
        bytes_are = self.limit_bytes is not None and self.spent_bytes >= self.limit_bytes
        return bytes_are or (self.limit_photos is not None and self.spent_photos >= self.limit_photos)
