"""What commands print: results on stdout, as text or as JSON; progress and remarks on stderr."""

import errno
import json
import re
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from daemon.listing import Listing
    from daemon.ports import Progress

JSON_VERSION = 1
"""Of the envelope. Keys may be added under the same number, never changed or taken away."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print a versioned JSON object instead of text.")


class WholeSentences(click.Group):
    """Sums its commands up in whole sentences, however narrow the terminal is."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(1000)) for name, command in found if command is not None])


def emit(command: str, **content: Any) -> None:
    """One JSON object on stdout: {"version": 1, "command": ..., ...}."""
    click.echo(json.dumps({"version": JSON_VERSION, "command": command, **content}, indent=2, ensure_ascii=True))


def say(text: str = "") -> None:
    """A result, on stdout."""
    click.echo(harmless(text))


def harmless(text: str) -> str:
    """The same, unable to command a terminal: names come from disks and files that strangers made. Lines and tabs stay."""
    from storage.errors import shown

    return re.sub(r"[^\n\t]+", lambda found: shown(found.group()), text)


def entry(label: str, text: str, *, err: bool = False) -> None:
    """A longer text behind a label; where a person reads it, wrapped so that further lines stand under the first."""
    stream = sys.stderr if err else sys.stdout
    click.echo(hanging(label, harmless(text), width() if stream.isatty() else None), err=err)


def prose(text: str, *, err: bool = False) -> None:
    """Sentences; where a person reads them, wrapped between words. Paths that somebody may copy belong into `say`."""
    stream = sys.stderr if err else sys.stdout
    click.echo(wrapped(harmless(text), width() if stream.isatty() else None), err=err)


_LABEL = re.compile(r"\s*(?:[A-Z][A-Za-z -]{0,14}: +|[-!] +|\d+ +|[a-z]+ {2,})?")
"""With what a line may begin that further lines stand under: "Failed: ", "  - ", "     7  ", "fine    "."""


def wrapped(text: str, columns: int | None) -> str:
    """The lines of a text, each wrapped behind its label; `columns` None: as they are."""
    if columns is None:
        return text
    lines = []
    for line in text.split("\n"):
        found = _LABEL.match(line)
        label = found.group() if found is not None and len(line) > columns else ""
        lines.append(hanging(label, line[len(label) :], columns) if len(line) > columns else line)
    return "\n".join(lines)


_AMOUNT = re.compile(r"(\d) ((?:[KMGTP]?B|bytes|photos?|min|h|s|days?)\b)")
"""A number and its unit, which stay on one line."""


def hanging(label: str, text: str, columns: int | None) -> str:
    """The same as a text; `columns` None: one line, however long."""
    import textwrap

    room = None if columns is None else max(columns - len(label), 20)
    whole = _AMOUNT.sub("\\1\N{NO-BREAK SPACE}\\2", text)
    lines = [text] if room is None else textwrap.wrap(whole, room, break_long_words=False, break_on_hyphens=False)
    lines = [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]
    return label + f"\n{' ' * len(label)}".join(lines)


def width() -> int:
    """Columns of the terminal."""
    import shutil

    return shutil.get_terminal_size().columns


def remark(text: str) -> None:
    """Something for the person at the terminal, on stderr. Work goes on where that can't be written, such as a log on a full disk."""
    try:
        prose(text, err=True)
    except OSError as error:
        if error.errno == errno.EPIPE:  # whoever read it is gone, and wants no more of it
            raise


def console() -> "Console":
    """For tables, on stdout."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, markup=False)


def show(screen: "Console", part: "str | Listing") -> None:
    """A table as it is; a text, where a person reads it, wrapped."""
    screen.print(wrapped(part, screen.width if screen.is_terminal else None) if isinstance(part, str) else part, soft_wrap=True)


def watch() -> "Progress":
    """A progress bar where a person watches stderr, a line for each photo elsewhere."""
    return _BarProgress() if sys.stderr.isatty() else _LineProgress()


class _LineProgress:
    """For logs and pipes."""

    def __init__(self) -> None:
        self._total = self._count = 0

    def start(self, total: int, what: str) -> None:
        self._total, self._count = total, 0
        if total:
            from daemon.report import photos

            remark(f"{what}: {photos(total)}")

    def step(self, name: str) -> None:
        pass

    def done(self, name: str, outcome: str) -> None:
        self._count += 1
        remark(f"[{self._count}/{self._total}] {name}: {outcome}")

    def close(self) -> None:
        pass


_NAME = 36
"""Columns for a photo's name, of the 80 that a terminal has: the rest is for the bar and the times."""
_NARROW = 66
"""With fewer columns than that there is neither a bar nor times."""


class _BarProgress:
    """A bar below, and a line above it for each photo that is done."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def start(self, total: int, what: str) -> None:
        self.close()
        if not total:
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            ProgressColumn,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar
        from rich.table import Column

        screen = Console(stderr=True, highlight=False, emoji=False, markup=False)
        narrow = screen.width < _NARROW
        room = max(screen.width - len(f"  {total}/{total} "), 8) if narrow else _NAME
        name = TextColumn("{task.description}", markup=False, table_column=Column(max_width=room, no_wrap=True, overflow="ellipsis"))
        wide: list[ProgressColumn] = [] if narrow else [TimeElapsedColumn(), TimeRemainingColumn()]
        columns = (name, *([] if narrow else [BarColumn()]), MofNCompleteColumn(), *wide)
        self._bar = Bar(SpinnerColumn("line" if screen.options.ascii_only else "dots"), *columns, console=screen)
        self._task = self._bar.add_task(what, total=total)
        self._bar.start()

    def step(self, name: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=name)

    def done(self, name: str, outcome: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.console.print(f"{name}: {outcome}")
            self._bar.advance(self._task)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
