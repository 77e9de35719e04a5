"""A table for a terminal; where that is too narrow, a few lines for each row, since squeezed columns can't be read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

_NOTHING = ("", "-", "0")
"""Cells that a row without columns does without."""
_INDENT = "  "


@dataclass(slots=True)
class Listing:
    """Rows of text below headings; the first column says what a row is of, the others are set to the right."""

    headings: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.measure import Measurement
        from rich.text import Text

        table = self._table()
        width = Measurement.get(console, options.update(max_width=10_000), table).maximum
        if width <= options.max_width or not console.is_terminal:
            table.width = width
            yield table
        else:
            for line in self.as_lines(options.max_width):
                yield Text(line, no_wrap=True, overflow="ignore")

    def as_lines(self, columns: int) -> Iterator[str]:
        """Each row as its first cell, and below it the others, named by their headings."""
        for name, *cells in self.rows:
            yield name
            named = [f"{heading} {cell}" for heading, cell in zip(self.headings[1:], cells, strict=True) if cell not in _NOTHING]
            line = ""
            for each in named:
                if line and len(_INDENT) + len(f"{line}, {each}") >= columns:  # a comma may follow
                    yield f"{_INDENT}{line},"
                    line = ""
                line = f"{line}, {each}" if line else each
            if line:
                yield _INDENT + line

    def _table(self) -> "Table":
        from rich.table import Table

        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
        for at, heading in enumerate(self.headings):
            table.add_column(heading, justify="right" if at else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        return table
