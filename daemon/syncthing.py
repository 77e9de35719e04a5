"""What Syncthing is told about a folder: the ignore patterns of its `.stignore`, and its direction.

Patterns as in its manual, "Ignoring Files": the first that matches decides; a pattern without a leading slash matches at any depth;
what matches a folder matches everything in it; `!` takes back, `(?i)` ignores case, `(?d)` lets Syncthing delete what is ignored.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from daemon.places import home_folder

IGNORE_FILE = ".stignore"
MOST_BYTES = 1 << 20
_SPECIAL = re.compile(r"([*?\[\]{}\\])")


@dataclass(frozen=True, slots=True)
class Pattern:
    matches: re.Pattern[str]
    ignores: bool
    removes: bool
    """Whether Syncthing may delete what it matches."""


class Unreadable(Exception):
    """The patterns can't be read; Syncthing itself would stop too. The text says why."""


def ignored(folder: Path, paths: list[str]) -> str:
    """Why Syncthing would not leave all these paths (relative to its folder) alone, by its `.stignore` there; empty if it does."""
    try:
        patterns = read(folder / IGNORE_FILE)
    except Unreadable as error:
        return str(error)
    for path in paths:
        first = next((each for each in patterns if each.matches.fullmatch(path)), None)
        if first is None:
            return "no line of it matches"
        if not first.ignores:
            return "an earlier line with ! takes it back"
        if first.removes:
            return "its line begins with (?d), which lets Syncthing delete it"
    return ""


def line_for(relative: str) -> str:
    """The line that leaves one folder alone, by its path relative to Syncthing's folder."""
    return "/" + _SPECIAL.sub(r"\\\1", relative)


def read(file: Path) -> list[Pattern]:
    """All patterns of an ignore file and of those that it includes; none where there is no such file. Raises Unreadable."""
    return [] if not os.path.lexists(file) else _read(file, set(), set())


def _read(file: Path, lines_seen: set[str], files_seen: set[Path]) -> list[Pattern]:
    if file in files_seen:
        raise Unreadable(f"{file} is included twice")
    files_seen.add(file)
    try:
        if file.stat().st_size > MOST_BYTES:
            raise Unreadable(f"{file} is too long")
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise Unreadable(f"{file} can't be read ({error.strerror})") from error
    found: list[Pattern] = []
    for line in (each.strip() for each in text.split("\n")):
        if line in lines_seen or not line or line.startswith("//"):
            continue
        lines_seen.add(line)
        if line.startswith("#include"):
            name = line.removeprefix("#include").strip()
            found += _read(file.parent / name, lines_seen, files_seen)
        elif line.endswith("/**"):
            found.append(_pattern(line))
        elif line.endswith("/"):
            found.append(_pattern(line + "**"))
        else:
            found += [_pattern(line), _pattern(line + "/**")]
    return found


def _pattern(line: str) -> Pattern:
    ignores, removes, flags = True, False, re.DOTALL
    while (prefix := re.match(r"!|\(\?[idr]\)", line)) is not None:
        ignores = ignores != (prefix[0] == "!")
        removes = removes or prefix[0] in ("(?d)", "(?r)")
        flags |= re.IGNORECASE if prefix[0] == "(?i)" else 0
        line = line[prefix.end() :]
    if line.startswith("/"):
        text = as_regex(line[1:])
    else:
        text = "(?:.*/)?" + as_regex(line.removeprefix("**/"))
    try:
        return Pattern(re.compile(text, flags), ignores, removes)
    except (re.error, OverflowError, RecursionError) as error:
        raise Unreadable(f"{line[:100]!r} is no pattern ({error})") from error


def as_regex(glob: str) -> str:
    """`*` and `?` stay within a name, `**` does not; `[]` is one of these characters, `{,}` one of these texts."""
    text, depth, at = "", 0, 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "*":
            double = glob[at : at + 1] == "*"
            at += double
            text += ".*" if double else "[^/]*"
        elif char == "?":
            text += "[^/]"
        elif char == "\\" and at < len(glob):
            text += re.escape(glob[at])
            at += 1
        elif char == "[" and (end := glob.find("]", at + 1)) > 0:
            inside = glob[at:end].replace("\\", "\\\\").replace("[", "\\[")
            text += "[" + ("^" + inside[1:] if inside[:1] in "!^" else inside) + "]"
            at = end + 1
        elif char == "{":
            text, depth = text + "(?:", depth + 1
        elif char == "}" and depth:
            text, depth = text + ")", depth - 1
        elif char == "," and depth:
            text += "|"
        else:
            text += re.escape(char)
    return text


def receives_only(folder: Path, home: Path | None = None) -> bool:
    """Whether this user's own Syncthing says of this folder that nothing is ever sent from here. False where that can't be told."""
    home = home or home_folder()
    state = os.environ.get("XDG_STATE_HOME") or home / ".local/state"
    config = os.environ.get("XDG_CONFIG_HOME") or home / ".config"
    for place in (Path(state, "syncthing/config.xml"), Path(config, "syncthing/config.xml")):
        if place.is_file():
            return _receives_only(place, folder, home)
    return False


def _receives_only(config: Path, folder: Path, home: Path) -> bool:
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import parse

    try:
        tree = parse(config)
    except (OSError, ParseError, DefusedXmlException):
        return False
    for each in tree.iter("folder"):
        path = each.get("path", "")
        path = str(home) + path[1:] if path[:2] in ("~", "~/") else path
        if path and os.path.realpath(path) == os.path.realpath(folder):
            return each.get("type") in ("receiveonly", "receiveencrypted")
    return False
