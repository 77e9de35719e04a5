"""Long lists on several pages."""

from dataclasses import dataclass

PAGE = 60
"""Photos, or albums, on one of them."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """Which page, from 1."""

    number: int
    of: int

    @classmethod
    def at(cls, wanted: str, things: int) -> "Leaf":
        """The page that an address asks for, or the nearest that there is."""
        most = max(-(-things // PAGE), 1)
        asked = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 9 else 1
        return cls(min(max(asked, 1), most), most)

    @property
    def part(self) -> slice:
        return slice((self.number - 1) * PAGE, self.number * PAGE)
