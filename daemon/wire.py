"""The messages of `messages` as bytes, without pickle: a worker decodes what strangers wrote, and must not become more than a worker by it.

    4 bytes      length of the head, little-endian
    head         JSON: the message, each bytes value as its length
    the rest     all bytes values, one after the other

Only the known messages can come out, each field of its own type. Numbers may be infinite or none (NaN), as JSON in Python spells them.
"""

import json
import os
import types
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from codec.checks import Measured
from codec.facts import Worn
from codec.rating import Rating
from daemon import messages

MESSAGES: Final[tuple[type, ...]] = (*get_args(messages.Job), messages.Begun, *get_args(messages.Answer))
NAMES: Final = {kind.__name__: kind for kind in MESSAGES}
_PARTS: Final = (Worn, Rating, Measured)
MOST_BYTES: Final = 1 << 31
"""Of one message; a photo is far below."""


class Garbled(Exception):
    """The bytes are no message."""


def dump(message: object) -> bytes:
    """One of MESSAGES as bytes."""
    blobs: list[bytes] = []
    head = json.dumps([type(message).__name__, _plain(message, blobs)], separators=(",", ":")).encode("ascii")
    return b"".join((len(head).to_bytes(4, "little"), head, *blobs))


def load(data: bytes) -> Any:
    """One of MESSAGES. Raises Garbled for everything that `dump` does not write."""
    end = 4 + int.from_bytes(data[:4], "little")
    try:
        if len(data) < end:
            raise ValueError("it is cut")
        name, plain = json.loads(data[4:end].decode("ascii"))
        rest = _Blobs(memoryview(data)[end:])
        message = _made(NAMES[name], plain, rest)
        rest.finish()
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise Garbled(f"what came is no message ({type(error).__name__}: {error})"[:300]) from None
    return message


def _plain(value: object, blobs: list[bytes]) -> Any:
    match value:
        case bytes():
            blobs.append(value)
            return len(value)
        case Path():
            return {"path": _plain(os.fsencode(value), blobs)}
        case tuple():
            return [_plain(each, blobs) for each in value]
        case _ if is_dataclass(value):
            return {field.name: _plain(getattr(value, field.name), blobs) for field in fields(value)}
        case _:
            return value


class _Blobs:
    def __init__(self, data: memoryview) -> None:
        self._data, self._at = data, 0

    def take(self, size: object) -> bytes:
        if type(size) is not int or not 0 <= size <= len(self._data) - self._at:
            raise ValueError("a part is cut")
        self._at += size
        return bytes(self._data[self._at - size : self._at])

    def finish(self) -> None:
        if self._at != len(self._data):
            raise ValueError("it is followed by other bytes")


@cache
def _types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _made(wanted: Any, plain: Any, rest: _Blobs) -> Any:
    """The value of type `wanted` that `plain` spells. Raises ValueError, TypeError or KeyError."""
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        return _one_of(inner, plain, rest)
    if origin is Literal:
        return inner[inner.index(plain)]
    if origin is tuple:
        return tuple(_items(inner, plain, rest))
    if wanted is bytes:
        return rest.take(plain)
    if wanted is Path:
        return Path(os.fsdecode(rest.take(plain["path"])))
    if wanted is type(None) and plain is None:
        return None
    if wanted is float and type(plain) in (int, float):
        return float(plain)
    if wanted in (int, str, bool) and type(plain) is wanted:
        return plain
    if (wanted in MESSAGES or wanted in _PARTS) and isinstance(plain, dict):
        known = _types(wanted)
        if plain.keys() != known.keys():
            raise ValueError(f"a {wanted.__name__} of other fields")
        return wanted(**{name: _made(known[name], plain[name], rest) for name in known})
    raise TypeError(f"no {getattr(wanted, '__name__', wanted)}")


def _one_of(choices: tuple[Any, ...], plain: Any, rest: _Blobs) -> Any:
    """The first that fits. No two of them in a message can be mistaken for one another: bytes are numbers, paths are objects."""
    if plain is None and type(None) in choices:
        return None
    for choice in choices:
        fits: Callable[[Any], bool] = _fits(choice)
        if fits(plain):
            return _made(choice, plain, rest)
    raise TypeError("none of the types that stand to choose")


def _fits(choice: Any) -> Callable[[Any], bool]:
    if choice is Path or is_dataclass(choice):
        return lambda plain: isinstance(plain, dict)
    if get_origin(choice) is tuple:
        return lambda plain: isinstance(plain, list)
    if get_origin(choice) is Literal:
        return lambda plain: plain in get_args(choice)
    if choice is bytes:
        return lambda plain: type(plain) is int
    return lambda plain: type(plain) in ((int, float) if choice is float else (choice,))


def _items(inner: tuple[Any, ...], plain: Any, rest: _Blobs) -> Iterator[Any]:
    if not isinstance(plain, list):
        raise TypeError("no list")
    endless = len(inner) == 2 and inner[1] is Ellipsis
    if not endless and len(plain) != len(inner):
        raise ValueError("a list of another length")
    for number, each in enumerate(plain):
        yield _made(inner[0] if endless else inner[number], each, rest)
