"""What was archived week by week, as a bar chart for a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from daemon.report import amount, photos
from storage.records import RunRow

WEEKS = 8
BAR = 30
_SHORTEST = 4
_EIGHTHS = " \u258f\u258e\u258d\u258c\u258b\u258a\u2589\u2588"


@dataclass(frozen=True, slots=True)
class Week:
    """From a Monday on; sums over the runs that began in it."""

    monday: date
    archived: int = 0
    saving_bytes: int = 0

    def as_json(self) -> dict[str, Any]:
        return {"monday": self.monday.isoformat(), "archived": self.archived, "saving_bytes": self.saving_bytes}


def weeks(runs: Sequence[RunRow], now: datetime, zone: tzinfo, count: int = WEEKS) -> list[Week]:
    """The last `count` weeks, this one the last of them; empty ones too."""
    this = _monday(now, zone)
    found = {this - timedelta(weeks=back): Week(this - timedelta(weeks=back)) for back in reversed(range(count))}
    for run in runs:
        monday = _monday(datetime.fromtimestamp(run.started_at, UTC), zone)
        if monday in found:
            before = found[monday]
            found[monday] = Week(monday, before.archived + run.archived, before.saving_bytes + run.saving_bytes)
    return list(found.values())


def as_lines(found: Sequence[Week], columns: int | None = None, *, plain: bool = False) -> list[str]:
    """Bars for what is saved; the longest is the best week's, as long as there is room in so many columns. `plain`: of ASCII alone."""
    most = max((week.saving_bytes for week in found), default=0)
    told = [f"{amount(week.saving_bytes)}, {photos(week.archived)}" if week.archived else "-" for week in found]
    bar = BAR if columns is None else min(BAR, columns - len(f"{date.min}    ") - max(map(len, told), default=0))
    if bar < _SHORTEST:
        return [f"{week.monday:%Y-%m-%d}  {text}" for week, text in zip(found, told, strict=True)]
    return [
        f"{week.monday:%Y-%m-%d}  {_bar(week.saving_bytes / most if most > 0 else 0.0, bar, plain):<{bar}}  {text}"
        for week, text in zip(found, told, strict=True)
    ]


def _bar(share: float, length: int, plain: bool) -> str:
    if plain:
        return "#" * round(length * max(0.0, share))
    whole, eighths = divmod(round(8 * length * max(0.0, share)), 8)
    return _EIGHTHS[8] * whole + (_EIGHTHS[eighths] if eighths else "")


def _monday(moment: datetime, zone: tzinfo) -> date:
    day = moment.astimezone(zone).date()
    return day - timedelta(days=day.weekday())
