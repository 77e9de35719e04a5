"""Figures for Prometheus, as text that node_exporter's textfile collector reads (its exposition format, version 0.0.4)."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from storage import durable
from storage.attributes import Attributes
from storage.digest import opened
from storage.errors import AlreadyThere, Missing, shown
from storage.records import RunRow, Totals

PREFIX = "gallery_optimizer_"
_FIRST = f"# HELP {PREFIX}".encode()
"""With what every file of these figures begins: a path that was mistyped may be that of a photo."""


def text(galleries: Sequence[tuple[str, Totals]], runs: Sequence[RunRow]) -> str:
    """`galleries`: path and sums of each; `runs`: the latest first."""
    return "\n".join(_lines(galleries, runs)) + "\n"


def _lines(galleries: Sequence[tuple[str, Totals]], runs: Sequence[RunRow]) -> Iterator[str]:
    def gauge(name: str, help_text: str, values: list[tuple[str, float]]) -> Iterator[str]:
        yield f"# HELP {PREFIX}{name} {help_text}"
        yield f"# TYPE {PREFIX}{name} gauge"
        for labels, value in values:
            yield f"{PREFIX}{name}{labels} {value:.10g}"

    names = [(_quoted(path), totals) for path, totals in galleries]
    yield from gauge(
        "photos",
        "Photos by state.",
        [(f'{{gallery="{name}",state="{state.value}"}}', count) for name, each in names for state, count in each.by_state.items()],
    )
    figures: tuple[tuple[str, str, Callable[[Totals], int]], ...] = (
        ("original_bytes", "Size of all originals that the catalogue knows.", lambda each: each.original_bytes),
        ("saved_bytes", "Saved: originals that are purged, less archives and stand-ins.", lambda each: each.purged.saving_bytes),
        ("reclaimable_bytes", "Saved as soon as the originals in grace are purged.", lambda each: each.retired.saving_bytes),
        ("damaged_archives", "Archives that verify found damaged.", lambda each: each.damaged_archives),
        ("damaged_originals", "Originals in grace that verify found damaged.", lambda each: each.damaged_originals),
    )
    for name, help_text, value in figures:
        yield from gauge(name, help_text, [(f'{{gallery="{gallery}"}}', value(each)) for gallery, each in names])
    ended = next((run for run in runs if run.ended_at is not None), None)
    if ended is not None:
        yield from gauge("last_run_timestamp_seconds", "When the last run ended.", [("", float(ended.ended_at or 0))])
        yield from gauge("last_run_archived_photos", "Photos archived in the last run.", [("", ended.archived)])
        yield from gauge("last_run_failed_photos", "Photos that failed in the last run.", [("", ended.failed)])


def write(path: Path, content: str) -> None:
    """In one step, readable for all: the exporter is another user. Raises StorageError, AlreadyThere where the file is not one of these."""
    with suppress(Missing), opened(path) as descriptor:
        begin = os.pread(descriptor, len(_FIRST), 0)
        if begin and begin != _FIRST:
            raise AlreadyThere(f"{shown(path)} is there already, and holds something else; it stays as it is")
    folder = Attributes.of(path.parent)
    attributes = Attributes(0o644, -1, -1, folder.mtime_ns, folder.atime_ns, {})
    durable.write_over(path, content.encode(), attributes)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
