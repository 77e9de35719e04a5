"""`history`: what every run did, and what had been predicted of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from daemon.listing import Listing
from daemon.reasons import sentence
from daemon.report import amount, change, counted, photos, span
from daemon.unended import Lock, in_words, is_at_work
from daemon.waits import WAITS
from storage.records import RunRow

SLACK = 0.005
"""Half of the last digit that is shown. Where all photos were encoded the interval has no width, and stand-ins differ by some bytes."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A prediction and what has come of it so far, over all runs since that worked on its photos."""

    photos: int
    """Predicted."""
    share: float
    low: float | None
    high: float | None
    """Of the original bytes, saved."""
    worked: int
    came_out: float
    seconds: float
    took_s: float

    @property
    def verdict(self) -> str:
        if self.low is None or self.high is None:
            return "the sample was too small to tell how sure it was"
        if self.came_out < self.low - SLACK:
            return "less than predicted"
        return "more than predicted" if self.came_out > self.high + SLACK else "as predicted"


def compare(run: RunRow, runs: Sequence[RunRow]) -> Compared | None:
    """`run` with the earlier ones of `runs` that had the same prediction; None without a prediction, or where nothing was worked on."""
    prediction = run.prediction
    if not prediction or not prediction.get("original_bytes") or not run.worked:
        return None
    made_at = prediction.get("made_at")
    same = [each for each in runs if each.id <= run.id and each.prediction and each.prediction.get("made_at") == made_at]
    worked_bytes = sum(each.worked_bytes for each in same)
    if not worked_bytes:
        return None
    whole = prediction["original_bytes"]
    low, high = prediction.get("low_bytes"), prediction.get("high_bytes")
    return Compared(
        photos=prediction["photos"],
        share=prediction["saving_bytes"] / whole,
        low=None if low is None else low / whole,
        high=None if high is None else high / whole,
        worked=sum(each.worked for each in same),
        came_out=sum(each.saving_bytes for each in same) / worked_bytes,
        seconds=prediction["seconds"],
        took_s=sum(_took_s(each) or 0 for each in same),
    )


def as_lines(runs: Sequence[RunRow], last: int, lock: Lock) -> Iterator[str | Listing]:
    """The `last` latest of `runs`, which have the latest first; for a rich console. Those that did nothing are only counted. `lock`: as it
    was before they were read."""
    table = Listing(("When", "archived", "before", "saved", "left", "failed", "purged"))  # no more has room in 80 columns
    telling = [run for run in runs if not _is_idle(run)][:last]
    for run in telling:
        table.rows.append(
            (
                _moment(run.started_at),
                str(run.archived),
                amount(run.original_bytes) if run.original_bytes else "-",
                f"{amount(run.saving_bytes)} ({run.saving_bytes / run.original_bytes:.0%})" if run.original_bytes else "-",
                str(run.left),
                str(run.failed),
                str(run.purged) if run.purged else "-",
            )
        )
    if telling:
        yield table
    since = telling[-1].started_at if telling else 0
    idle = [run for run in runs if _is_idle(run) and run.started_at >= since]
    if idle:
        yield f"Nothing to archive or to purge: {counted(len(idle), 'run')}, the latest {_moment(idle[0].started_at)}."
    for run in telling:
        remarks = list(_remarks(run, runs, lock))
        if remarks:
            yield ""
            yield f"{_moment(run.started_at)}:"
            yield from (f"  {line}" for line in remarks)


def _is_idle(run: RunRow) -> bool:
    """Whether it came to its end, and nothing was archived, left alone or given back."""
    did = run.worked or run.archived or run.left or run.failed or run.freed_bytes or run.by_reason or run.purged
    return run.ended_at is not None and not run.outcome and not did


def _remarks(run: RunRow, runs: Sequence[RunRow], lock: Lock) -> Iterator[str]:
    if run.ended_at is None:
        became = in_words(run, runs[0], lock)
        yield f"{became[:1].upper()}{became[1:]}."
    elif run.outcome:
        yield f"It was broken off: {WAITS[run.outcome]}." if run.outcome in WAITS else "It was stopped."
    took = _took_s(run)
    if took is not None and run.worked:
        cost = f"; processor: {span(run.cpu_s)}, about {run.watt_hours:.2g} watt-hours ({run.energy_source})" if run.energy_source else ""
        yield f"Took {span(took)}{cost}."
    if run.archived:
        lanes = ", ".join(f"{lane} {count}" for lane, count in sorted(run.by_lane.items()))
        yield f"{amount(run.original_bytes)} -> {amount(run.archive_bytes)} archives + {amount(run.stand_in_bytes)} stand-ins" + (
            f"; by lane: {lanes}" if lanes else ""
        )
    for reason, count in sorted(run.by_reason.items(), key=lambda item: -item[1]):
        yield f"{'Left alone or failed' if run.failed else 'Left alone'}: {photos(count)}: {sentence(reason)}."
    found = compare(run, runs)
    if found is not None:
        between = "" if found.low is None or found.high is None else f" ({found.low:.0%} to {min(found.high, 1.0):.0%})"
        part = "" if found.worked >= found.photos else f", after {found.worked} of {photos(found.photos)}"
        yield f"Predicted: {change(found.share)}{between} in {span(found.seconds)}."
        yield f"Came out:  {change(found.came_out)} in {span(found.took_s)}{part}: {found.verdict}."


def as_json(runs: Sequence[RunRow], lock: Lock) -> list[dict[str, Any]]:
    """The latest first."""
    return [_run(run, runs, lock) for run in runs]


def _run(run: RunRow, runs: Sequence[RunRow], lock: Lock) -> dict[str, Any]:
    found = compare(run, runs)
    kept = ("id", "started_at", "ended_at", "command", "archived", "failed", "purged", "worked", "original_bytes", "archive_bytes")
    return {
        **{name: getattr(run, name) for name in (*kept, "stand_in_bytes", "saving_bytes", "worked_bytes", "freed_bytes")},
        "left": run.left,
        **({"freed_bytes": None} if run.purged and not run.freed_bytes else {}),  # versions that did not count them
        "by_reason": dict(run.by_reason),
        "by_lane": dict(run.by_lane),
        "seconds": _took_s(run),
        "cpu_s": round(run.cpu_s, 2),
        "watt_hours": round(run.watt_hours, 4),
        "energy_source": run.energy_source or None,
        "at_work": False if run.ended_at is not None else is_at_work(run, runs[0], lock),
        "stopped": bool(run.outcome),
        "outcome": run.outcome or None,
        "prediction": None if run.prediction is None else {key: value for key, value in run.prediction.items() if key != "scope"},
        "came_out": None if found is None else {"photos": found.worked, "saved_share": round(found.came_out, 4), "verdict": found.verdict},
    }


def _took_s(run: RunRow) -> int | None:
    return None if run.ended_at is None else run.ended_at - run.started_at


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
