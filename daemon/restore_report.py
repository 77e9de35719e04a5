"""What a restore did -> lines for a person, JSON for a program, and a form in which it travels from the service to a command."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from daemon.copies import without
from daemon.restorer import Came, Restoration
from storage.errors import shown

_WORDS = {
    Came.ORIGINAL: "the original, bit for bit",
    Came.LABELLED: "the original with the labels of its stand-in, its picture bit for bit",
    Came.COPY: "a copy from the archive",
    Came.AS_IT_IS: "the file that has this name now, as it is",
}


def as_lines(done: Iterable[Restoration]) -> Iterator[str]:
    """What was given back; what failed is told apart."""
    for each in done:
        if each.written is not None:
            yield f"{shown(each.written)}: {_WORDS[each.came]}"
        if each.note:
            yield f"  {each.note}"


def in_words(each: Restoration) -> str:
    """What became of one photo."""
    told = each.trouble or (each.note if each.came is Came.NOT else f"Given back: {_WORDS[each.came]}. {each.note}".strip())
    return f"{told or 'it is in its place already'} {without(each.left_out)}".strip()


def as_json(done: Iterable[Restoration]) -> list[dict[str, Any]]:
    """`results` of `restore --json`."""
    return [
        {
            "photo": each.name,
            "from": each.came.value,
            "written": shown(each.written) if each.written else None,
            "trouble": each.trouble or None,
            "note": each.note or None,
            "left_out": list(each.left_out),
        }
        for each in done
    ]


def packed(done: Iterable[Restoration]) -> list[dict[str, Any]]:
    """All of it as JSON values; `unpacked` takes it back."""
    return [
        {
            "name": each.name,
            "came": each.came.value,
            "written": None if each.written is None else str(each.written),
            "trouble": each.trouble,
            "note": each.note,
            "full": each.full,
            "left_out": each.left_out,
        }
        for each in done
    ]


def unpacked(values: Iterable[dict[str, Any]]) -> list[Restoration]:
    """Of `packed`. Raises KeyError, TypeError, ValueError for what is something else."""
    return [
        Restoration(
            each["name"],
            Came(each["came"]),
            None if each["written"] is None else Path(each["written"]),
            each["trouble"],
            each["note"],
            bool(each["full"]),
            tuple(each["left_out"]),
        )
        for each in values
    ]
