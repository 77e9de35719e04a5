"""Checks the tables of a configuration against the keys. Every mistake is told, with its line, the line's text and a suggestion."""

import difflib
import re
import tomllib
from collections.abc import Iterable
from typing import Any, NoReturn

from daemon.errors import Misconfigured
from daemon.keys import KEYS, TABLES, Key, of_table

Override = tuple[str, str, str, str]
"""(table, key, its value as text, where it was said): what wins over the file."""


class Reader:
    """Knows where in the text each key stands, and gathers complaints until `settle`."""

    def __init__(self, text: str, source: str, overrides: Iterable[Override] = ()) -> None:
        self._lines = text.splitlines()
        self._source = source
        self._overrides = tuple(overrides)
        self._found: list[tuple[int, str]] = []
        self._elsewhere: list[str] = []

    def tables(self, document: dict[str, Any]) -> None:
        """Complain of every table that there is not."""
        for name in document:
            if name not in TABLES:
                self.complain(name, 0, name, _strange_table(name))

    def table(self, table: str, index: int, given: dict[str, Any]) -> dict[str, object]:
        """Every key of a table with its value; where that can't be understood, or is missing, the default or None, and a complaint."""
        keys = of_table(table)
        for name in given:
            if name not in keys:
                self.complain(table, index, name, _strange_key(table, name))
        values: dict[str, object] = {}
        for key in keys.values():
            if key.name not in given and not key.default:
                self.complain(table, index, key.name, f"{key.name} is missing; for example: {key.name} = {key.example}")
            values[key.name] = _default(key)
            if key.name in given:
                try:
                    values[key.name] = key.parse(given[key.name])
                except ValueError as error:
                    self.complain(table, index, key.name, _wrong_value(key, given[key.name], error))
            for _, _, text, where in (each for each in self._overrides if each[:2] == (table, key.name)):
                try:
                    values[key.name] = _parsed(key, text)
                except ValueError as error:
                    self._elsewhere.append(f"{where}: {_wrong_value(key, text, error)}")
        return values

    def complain(self, table: str, index: int, key: str, message: str) -> None:
        """Note a mistake at the line of this key; `index`: which of the tables of that name."""
        complaint = (self._line(table, index, key), message)
        if complaint not in self._found:
            self._found.append(complaint)

    @property
    def content(self) -> bool:
        """Whether nothing was complained of so far."""
        return not (self._found or self._elsewhere)

    def settle(self) -> None:
        """Raises Misconfigured with everything that was complained of, in the order of the lines."""
        if not self.content:
            raise Misconfigured("\n".join([*(self._told(number, message) for number, message in sorted(self._found)), *self._elsewhere]))

    def refuse(self, table: str, index: int, key: str, message: str) -> NoReturn:
        """For what nothing behind it can be understood without. Raises Misconfigured."""
        self.complain(table, index, key, message)
        self.settle()
        raise AssertionError("settle has raised")

    def _told(self, number: int, message: str) -> str:
        line = self._lines[number - 1].strip() if number <= len(self._lines) else ""
        return f"{self._source}, line {number}: {message}" + (f"\n    {line}" if line else "")

    def _line(self, table: str, index: int, key: str) -> int:
        """Line (from 1) of a key in the index-th table of that name; of the table's header where the key is not found; else 1."""
        inside, seen, header_line = False, -1, 1
        for number, line in enumerate(self._lines, 1):
            header = re.match(r"\s*\[\[?\s*\"?([\w-]+)", line)
            if header:
                seen += header[1] == table
                inside = header[1] == table and seen == index
                if inside:
                    header_line = number
            elif re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*(=|\.)", line) and (inside or key == table):
                return number
        return header_line


def not_toml(text: str, source: str, error: tomllib.TOMLDecodeError) -> Misconfigured:
    """What to say where the file is no TOML at all: the line, and the mistake that most people make."""
    found = re.search(r"at line (\d+)", str(error))
    number = int(found[1]) if found else max(1, text.count("\n") + (not text.endswith("\n")))
    lines = text.splitlines()
    line = lines[number - 1].strip() if number <= len(lines) else ""
    hint = ""
    bare = re.match(r"([\w-]+)\s*=\s*([^\"'\[{\s#][^\"'#]*)", line)
    if bare and bare[2].strip() not in ("true", "false"):
        hint = f'; texts stand in quotes: {bare[1]} = "{bare[2].strip()}"'
    elif "overwrite" in str(error):
        hint = "; the key stands there twice"
    elif line.count('"') % 2:
        hint = "; a quotation mark is missing"
    return Misconfigured(f"{source}, line {number}: not valid TOML: {error}{hint}" + (f"\n    {line}" if line else ""))


def as_toml(text: str) -> object:
    """A value from outside of the file: TOML, such as `true`, `0.7` or `["*.png"]`, and whatever is not TOML is a text."""
    try:
        return tomllib.loads(f"it = {text}")["it"]
    except tomllib.TOMLDecodeError:
        return text


def _parsed(key: Key, text: str) -> object:
    """A value from outside of the file. Raises ValueError."""
    try:
        return key.parse(as_toml(text))
    except ValueError:
        return key.parse(text)


def _default(key: Key) -> object:
    return key.parse(tomllib.loads(f"it = {key.default}")["it"]) if key.default else None


def _wrong_value(key: Key, given: object, error: ValueError) -> str:
    from codec.levels import EXACT, LEVELS

    near = difflib.get_close_matches(given, [EXACT.name, *LEVELS], n=1) if key.name == "quality" and isinstance(given, str) else []
    if near:
        return f'{key.name} = {given!r}: {error}; did you mean "{near[0]}"?'
    example = key.example or key.default
    return f"{key.name} = {given!r}: {error}" + (f"; for example: {key.name} = {example}" if example not in ('""', "[]") else "")


def _strange_table(name: str) -> str:
    near = difflib.get_close_matches(name, TABLES, n=1)
    home = [key.table for key in KEYS if key.name == name]
    if home:
        return f"unknown table or key {name}; it belongs into {_header(home[0])}"
    return f"unknown table or key {name}" + (f"; did you mean {near[0]}?" if near else f"; there are {', '.join(map(_header, TABLES))}")


def _strange_key(table: str, name: str) -> str:
    home = [key.table for key in KEYS if key.name == name]
    if home:
        return f"unknown key {name} in {_header(table)}; it belongs into {_header(home[0])}"
    near = difflib.get_close_matches(name, [key.name for key in KEYS if key.table == table], n=1)
    if near:
        return f"unknown key {name}; did you mean {near[0]}?"
    return f"unknown key {name}; {_header(table)} has {', '.join(of_table(table))}"


def _header(table: str) -> str:
    return "[[gallery]]" if table == TABLES[0] else f"[{table}]"
