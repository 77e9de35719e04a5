"""What `config init` writes: a configuration with a comment for every key."""

import json
from collections.abc import Mapping
from pathlib import Path

from daemon.keys import TABLES, of_table


def template(folder: Path | None = None, chosen: Mapping[tuple[str, str], str] | None = None) -> str:
    """Every key with its meaning; those that have a default are commented out, but for those `chosen`, (table, key) -> text."""
    lines = ["# gallery-optimizer: what it may touch, and how. Each commented line shows a key's default."]
    for table in TABLES:
        lines += ["", "[[gallery]]" if table == "gallery" else f"[{table}]"]
        for key in of_table(table).values():
            value = key.example or key.default
            picked = (chosen or {}).get((table, key.name))
            if key.name == "path" and folder is not None:
                value = _quote(str(folder))
            elif picked is not None:
                value = _quote(picked)
            mark = "" if key.name == "path" or picked is not None else "# "
            lines.append(f"{mark}{key.name} = {value}".ljust(44) + f"  # {key.meaning}")
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a TOML basic string has JSON's escapes
