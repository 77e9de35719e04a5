"""JSON for the small sections of an archive: one value has one spelling, and what can't be read is Corrupt."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from codec.errors import Corrupt


def dump(value: Mapping[str, Any]) -> bytes:
    """ASCII bytes with sorted keys and no spaces. Raises ValueError for NaN and infinities, TypeError for what JSON has no word for."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def load(data: bytes) -> dict[str, Any]:
    """The object that `dump` wrote. Raises Corrupt for anything that is not one JSON object with each key once."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:  # a decoding error is a ValueError, too
        raise Corrupt(f"a section does not hold valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise Corrupt("a section holds JSON that is not an object")
    return value


def integer(value: object, least: int, most: int) -> int:
    """`value`, where it is a whole number within these bounds. Raises Corrupt."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Corrupt(f"a number of the structure is not in {least}..{most}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
