"""A forecast -> text for a person, or JSON."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from daemon.estimate import CONFIDENCE, Interval
from daemon.forecast import Forecast, Part
from daemon.listing import Listing
from daemon.reasons import sentence
from daemon.report import amount, counted, days, photos, span

_TOO_FEW = "too few photos to say how sure that is"


def as_lines(found: Forecast) -> Iterator[str | Listing]:
    """For a rich console."""
    if found.photos:
        yield from _work(found)
    if found.at_hand:
        yield f"Put away again with the archive that is there: {photos(found.at_hand)}."
    if found.edited:
        yield f"Edited stand-ins: {found.edited}. They keep their names, and the full photos would be put beside them."
    if found.due:
        yield f"Out of grace: {counted(found.due, 'original')} ({amount(found.due_bytes)}), to be removed for good."
    if found.archived:
        yield f"Archived before: {photos(found.archived)}."
    if found.restored:
        yield f"Restored, and left alone for now: {photos(found.restored)}."
    yield from _left_alone(found)
    yield "Nothing was changed."


def _work(found: Forecast) -> Iterator[str | Listing]:
    those = f"{photos(found.photos)}, {amount(found.original_bytes)}"
    if found.complete:
        done = "It was" if found.photos == 1 else "All were"
        yield f"To work on: {those}. {done} encoded to see what comes out, so this is no guess."
    else:
        those_done = "1 of them was" if len(found.trials) == 1 else f"{len(found.trials)} of them were"
        yield f"To work on: {those}. {those_done} encoded to see what comes out; the rest is worked out from that."
    yield ""
    yield f"Would save:  {_saving(found)}"
    if found.lanes:
        yield f"Space free:  {_when_free(found)}"
    yield f"Would take:  {_span(found.seconds)}"
    cost = f"{span(found.cpu_s.total)} of processor time, about {found.watt_hours:.2g} watt-hours ({found.energy.source})"
    yield f"Would cost:  {cost}"
    yield ""
    yield _table(found)
    yield ""


def _saving(found: Forecast) -> str:
    saving, whole = found.saving, found.original_bytes
    text = f"{amount(round(saving.total))} of {amount(whole)} ({saving.total / whole:.0%})"
    if found.complete:
        return f"{text}, stand-ins counted"
    if saving.low is None or saving.high is None:
        return f"{text}; {_TOO_FEW}"
    high = min(saving.high, whole)
    return (
        f"{text}; {CONFIDENCE:.0%} sure that it is between {amount(round(saving.low))} ({saving.low / whole:.0%})"
        f" and {amount(round(high))} ({high / whole:.0%})"
    )


def _when_free(found: Forecast) -> str:
    """That nothing of the saving is there at once, where originals wait."""
    least, most = (timedelta(seconds=of(found.graces_s)) for of in (min, max))
    if most:
        grace = days(most) if least == most else f"{days(least)} to {days(most)}"
        text = f"after the grace ({grace}), by the first run that then purges the originals"
    else:
        text = "in the same run (grace: 0 days)"
    if found.conditions:
        text += f"; each of them waits for more: {'; '.join(sorted(found.conditions))}"
    if most or found.conditions:
        about = "" if found.complete else "about "
        text += f". Until then the originals wait in the vault, and {about}{amount(found.beside_bytes)} more are taken than now"
    return f"{text}."


def _table(found: Forecast) -> Listing:
    table = Listing(("", "photos", "now", "after", "saved", "time", "watt-hours"))
    about = "" if found.complete else "about "
    left = [(part, f"left alone ({part.name})") for part in found.likely_left]
    for part, name in [*((part, f"{part.name} lane") for part in found.lanes), *left]:
        table.rows.append(
            (
                name,
                f"{about}{part.photos:.0f}",
                amount(round(part.original_bytes)),
                amount(round(part.original_bytes - part.saving.total)),
                f"{part.saving.total / part.original_bytes:.0%}" if part.original_bytes else "",
                span(part.seconds),
                f"{part.watt_hours:.2g}",
            )
        )
    return table


def _left_alone(found: Forecast) -> Iterator[str]:
    about = "" if found.complete else "about "
    likely = found.likely_left
    if not likely and not found.skipped:
        return
    yield "Would be left alone:"
    for part in likely:
        yield f"  {about}{photos(max(1, round(part.photos)))}: {sentence(part.name)}"
    for reason, counts in sorted(found.skipped.items(), key=lambda item: -item[1]["photos"]):
        yield f"  {photos(counts['photos'])}, {amount(counts['bytes'])}: {sentence(reason)}"


def _span(seconds: Interval) -> str:
    text = f"about {span(seconds.total)}"
    if seconds.low is None or seconds.high is None:
        return f"{text}; {_TOO_FEW}"
    if seconds.low == seconds.high:
        return text
    return f"{text} ({span(max(0.0, seconds.low))} to {span(seconds.high)})"


def as_json(found: Forecast) -> dict[str, Any]:
    """The body of `optimize --dry-run --json`."""
    return {
        "dry_run": True,
        "photos": found.photos,
        "original_bytes": found.original_bytes,
        "sample": {
            "photos": len(found.trials),
            "original_bytes": sum(trial.original_bytes for trial in found.trials.values()),
            "cpu_s": round(found.sample_cpu_s, 2),
        },
        "confidence": CONFIDENCE,
        "saving_bytes": _interval(found.saving, 0),
        "grace_s": [min(found.graces_s, default=0), max(found.graces_s, default=0)],
        "purge_conditions": sorted(found.conditions),
        "beside_bytes": found.beside_bytes,
        "seconds": _interval(found.seconds, 1),
        "cpu_s": _interval(found.cpu_s, 1),
        "watt_hours": round(found.watt_hours, 4),
        "energy_source": found.energy.source or None,
        "lanes": {part.name: _part(part) for part in found.lanes},
        "left_after_encoding": {part.name: _part(part) for part in found.likely_left},
        "left": {reason: {"photos": counts["photos"], "bytes": counts["bytes"]} for reason, counts in sorted(found.skipped.items())},
        "archived_before": found.archived,
        "restored": found.restored,
        "archive_at_hand": found.at_hand,
        "edited_stand_ins": found.edited,
        "purge": {"photos": found.due, "bytes": found.due_bytes},
        "unreadable": [{"photo": name, "why": why} for name, why in found.unreadable],
        "galleries_passed_by": found.gone,
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "photos": round(part.photos, 1),
        "original_bytes": round(part.original_bytes),
        "saving_bytes": _interval(part.saving, 0),
        "seconds": round(part.seconds, 1),
        "cpu_s": round(part.cpu_s, 1),
        "watt_hours": round(part.watt_hours, 4),
    }


def _interval(interval: Interval, digits: int) -> dict[str, float | None]:
    def shown(value: float | None) -> float | None:
        return None if value is None else round(value, digits or None)

    return {"estimate": shown(interval.total), "low": shown(interval.low), "high": shown(interval.high)}
