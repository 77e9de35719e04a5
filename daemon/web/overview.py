"""What `status` and `history` say, for the first page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from daemon.glance import glance
from daemon.places import Places
from daemon.reasons import sentence
from daemon.report import STATE_WORDS, GalleryStatus, amount, day, photos
from daemon.web.words import Fact
from daemon.weeks import Week, weeks
from storage.records import RunRow, Totals

WIDTH, HEIGHT, GAP, HEAD = 640, 170, 12, 24
"""Of the chart, in units of its own; `HEAD` is for what stands above the bars."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One week: where it stands in the chart, and what it says."""

    x: int
    y: int
    width: int
    height: int
    day: str
    saved: str
    """Above the bar; empty for none."""
    text: str


@dataclass(frozen=True, slots=True)
class GalleryLine:
    """One gallery of the list."""

    number: int | None
    """None: it came into the configuration after the page was started."""
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the first page."""

    headline: str
    figures: tuple[Fact, ...]
    attention: tuple[str, ...]
    galleries: tuple[GalleryLine, ...]
    bars: tuple[Bar, ...]
    states: tuple[tuple[int, str], ...]
    reasons: tuple[tuple[int, str], ...]
    lines: tuple[tuple[str, str], ...]


def overview(places: Places, known: Sequence[str]) -> Overview:
    """Of this moment; `known`: the galleries that have pages, by their numbers. Raises DaemonError, StorageError."""
    found, situation, runs = glance(places)
    totals = found.totals
    lines = [(label, text) for label, text in situation.lines() if label != "Attention"]
    return Overview(
        headline=f"{photos(totals.photos)}, {amount(totals.original_bytes)}" if totals.photos else "Nothing was archived yet.",
        figures=tuple(_figures(totals)),
        attention=situation.attention,
        galleries=tuple(
            GalleryLine(known.index(each.path) if each.path in known else None, each.path, _size_of(each)) for each in found.galleries
        ),
        bars=tuple(bars(runs, datetime.now(UTC), situation.zone)),
        states=tuple((totals.by_state[state], words) for state, words in STATE_WORDS.items() if totals.by_state[state]),
        reasons=tuple((count, sentence(reason)) for reason, count in sorted(totals.by_reason.items(), key=lambda item: -item[1])),
        lines=tuple(lines),
    )


def _size_of(gallery: GalleryStatus) -> str:
    if not gallery.present:
        return "its disk is not there now"
    return f"{photos(gallery.totals.photos)}, {amount(gallery.totals.original_bytes)} in full"


def _figures(totals: Totals) -> list[Fact]:
    """The large numbers."""
    told = []
    if totals.purged.photos:
        told.append(Fact(amount(totals.purged.saving_bytes), f"saved by archiving {photos(totals.purged.photos)}"))
    if totals.retired.photos:
        when = day(totals.retired.earliest_at or 0)
        free = f"{'more ' if totals.purged.photos else ''}will be free from {when} on"
        told.append(Fact(amount(totals.retired.saving_bytes), f"{free}, when the originals of {photos(totals.retired.photos)} go"))
    if totals.restored.photos:
        told.append(Fact(str(totals.restored.photos), "given back in full" if totals.restored.photos > 1 else "photo given back in full"))
    if totals.damaged_archives or totals.damaged_originals:
        told.append(Fact(str(totals.damaged_archives + totals.damaged_originals), "damaged; see `gallery-optimizer verify`"))
    return told


def bars(runs: Sequence[RunRow], now: datetime, zone: tzinfo) -> list[Bar]:
    """The last eight weeks, the longest bar as high as the chart; none where nothing was saved in them."""
    found = weeks(runs, now, zone)
    most = max((week.saving_bytes for week in found), default=0)
    if most <= 0:
        return []
    step = WIDTH // len(found)
    return [_bar(week, number * step + GAP // 2, step - GAP, most) for number, week in enumerate(found)]


def _bar(week: Week, x: int, width: int, most: int) -> Bar:
    height = round((HEIGHT - HEAD) * max(week.saving_bytes, 0) / most)
    saved = _short(week.saving_bytes) if week.saving_bytes > 0 else ""
    text = f"{amount(week.saving_bytes)}, {photos(week.archived)}" if week.archived else "nothing"
    return Bar(x, HEIGHT - height, width, height, f"{week.monday:%d %b}", saved, text)


def _short(size_bytes: int) -> str:
    """Three digits at most: 1.71 MB -> '1.7 MB'."""
    number, _, unit = amount(size_bytes).partition(" ")
    return f"{float(number):.2g} {unit}" if float(number) < 100 else f"{float(number):.0f} {unit}"
