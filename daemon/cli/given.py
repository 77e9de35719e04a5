"""Paths and numbers as they are given on a command line."""

import math
import os
from pathlib import Path
from typing import Any

import click


class Given(click.Path):
    """A path. An empty one is refused: it comes from a variable that was not set, and would mean the folder that one happens to be in.

    A leading ~ is a home folder, as in the configuration: no shell makes one of "--to=~/Photos", or of a path in quotes. Where a file of
    that name lies in the current folder, it is meant.
    """

    def __init__(self, *, file_okay: bool = True) -> None:
        super().__init__(path_type=Path, file_okay=file_okay)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "str | bytes | os.PathLike[str]":
        if value in ("", b""):
            self.fail("is empty.", param, ctx)
        value = self._at_home(os.fsdecode(value), param, ctx)
        if not self.file_okay and os.path.lexists(value) and not Path(value).is_dir():
            self.fail(f"{value!r} is no folder.", param, ctx)
        return super().convert(value, param, ctx)

    def _at_home(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        head, slash, _ = value.partition("/")
        if not head.startswith("~") or not (slash or head == "~") or os.path.lexists(head):
            return value
        found = os.path.expanduser(value)  # noqa: PTH111  # Path's would take the slash at the end away, and raises RuntimeError
        if found.startswith("~"):
            self.fail(f"{value!r} begins with ~, and there is no such home folder.", param, ctx)
        return found


class Number(click.FloatRange):
    """A finite number in a range. "nan" and "inf" are numbers to Python, and the first of them is in every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number.", param, ctx)
        return number
