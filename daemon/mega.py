"""What MEGA's desktop program is told about a folder: the rules of `.megaignore`, as its makers document them and its library reads them.

A file of rules holds for its folder and all below; the nearest one that says anything of a name decides, and in it the last line that does.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from storage.digest import read_once
from storage.errors import StorageError

IGNORE_FILE: Final = ".megaignore"
DEBRIS: Final = ".debris"
"""Where it puts, in a synced folder, what was deleted elsewhere."""
_RULE: Final = re.compile(r"([+-])([adfs]?)([Nnp]?)([gGrR]?):(.+)")


def ignored(vault: Path) -> str:
    """Why the vault, a folder, is carried away all the same; empty where the rules keep it here."""
    for folder in vault.parents:
        for sign, line in _about(folder, vault):
            return "" if sign == "-" else f"the line {line} in {folder / IGNORE_FILE} lets it travel"
    return "no line of it matches"


def line_for(vault: Path) -> str:
    return f"-:{vault.name}"


def _about(folder: Path, vault: Path) -> Iterator[tuple[str, str]]:
    """Sign and text of the rules of one folder that are about the vault, the last first."""
    try:
        lines = read_once(folder / IGNORE_FILE).data.decode("utf-8-sig", "surrogateescape").splitlines()
    except StorageError:
        return
    for line in reversed(lines):
        rule = _RULE.fullmatch(line)
        if rule is None:
            continue
        sign, target, kind, strategy, pattern = rule.groups()
        path = str(vault.relative_to(folder))
        if target in ("", "a", "d") and (kind != "N" or vault.parent == folder):
            whole = kind == "p" or (not kind and "/" in pattern)
            if _matches(pattern, path if whole else vault.name, strategy, sign == "-"):
                yield sign, line


def _matches(pattern: str, text: str, strategy: str, strictly: bool) -> bool:
    """Capitals count where the letter of the strategy is one. `strictly`: a star stands for no "/", where it may or may not."""
    if strategy in ("", "g", "r"):
        pattern, text = pattern.lower(), text.lower()
    if strategy in ("r", "R"):
        try:
            return re.fullmatch(pattern, text) is not None
        except (re.error, OverflowError, RecursionError):
            return False
    return fnmatchcase(text, pattern) and not (strictly and pattern.count("/") != text.count("/"))
