"""What a run did: its Summary -> lines for a person, JSON for a program, and a form in which it travels from the service to a command."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from daemon.in_place import Beside
from daemon.reasons import sentence
from daemon.report import amount, change, counted, photos
from daemon.summary import Summary
from daemon.waits import Hold
from storage.errors import shown


def as_lines(done: Summary) -> Iterator[str]:
    """What was done; what failed is told apart."""
    if done.recovered:
        yield f"Brought in order after an interrupted run: {photos(done.recovered)}."
    if done.followed:
        yield f"Renamed or moved, and known by the new name: {photos(done.followed)}."
    if done.requested:
        yield f"Restored, as was asked for: {photos(len(done.requested))}."
    for each in done.beside:
        what = "the original, bit for bit" if each.original else "a copy from the archive"
        yield f"Edited: {each.name} keeps the edit of its stand-in; the full photo is beside it: {shown(each.place.name)} ({what})."
    if done.archived:
        share = done.saving_bytes / done.original_bytes
        yield (
            f"Archived: {photos(done.archived)}, {amount(done.original_bytes)} -> {amount(done.archive_bytes + done.stand_in_bytes)}"
            f" with stand-ins ({change(share)})."
        )
    if done.purged:
        yield f"Purged: the originals of {photos(done.purged)}, whose grace is over; {amount(done.freed_bytes)} of space given back."
    for why, count in done.waiting.most_common():
        yield f"Not purged yet: {photos(count)} whose grace is over: {why}."
    if done.missed:
        them, names = ("it", "its old name") if done.missed == 1 else ("them", "their old names")
        yield (
            f"Into the trash: {photos(done.missed)}, deleted, moved out of the galleries, or renamed and at once saved over; `restore` "
            f"with {names} gives {them} back for now (`trash`), and `status --trash` lists {them}."
        )
    if done.thrown_away:
        yield f"Thrown away: {photos(done.thrown_away)}, deleted or moved out of the gallery, whose time in the trash is over."
    if done.earlier:
        what = counted(done.earlier, "archive")
        yield f"Thrown away: {what} of photos as they were before they were edited in full, whose time in the trash is over."
    for reason, count in done.left.most_common():
        yield f"Left alone: {photos(count)}: {sentence(reason)}."
    if done.again:
        yield f"Changed meanwhile, next time: {photos(done.again)}."
    if done.postponed:
        yield f"The budget is spent; next time: {photos(done.postponed)}."
    if done.held:
        yield f"Broken off: {done.held}."


def as_json(done: Summary) -> dict[str, Any]:
    """The body of `optimize --json`."""
    return {
        "recovered": done.recovered,
        "archived": done.archived,
        "left": dict(sorted(done.left.items())),
        "failed": [{"photo": name, "why": why} for name, why in done.failed],
        "galleries_passed_by": done.gone,
        "disks_full": done.full,
        "beside_edits": [
            {"photo": each.name, "beside": shown(each.place), "from": "original" if each.original else "copy"} for each in done.beside
        ],
        "followed": done.followed,
        "requested": done.requested,
        "changed_meanwhile": done.again,
        "postponed": done.postponed,
        "held": done.held.reason if done.held else None,
        "purged": done.purged,
        "purge_waits": dict(done.waiting),
        "missed": done.missed,
        "lost": done.lost,
        "thrown_away": done.thrown_away,
        "earlier_versions_thrown_away": done.earlier,
        "freed_bytes": done.freed_bytes,
        "original_bytes": done.original_bytes,
        "archive_bytes": done.archive_bytes,
        "stand_in_bytes": done.stand_in_bytes,
    }


def packed(done: Summary) -> dict[str, Any]:
    """All of it as JSON values; `unpacked` takes it back."""
    values: dict[str, Any] = {each.name: getattr(done, each.name) for each in fields(Summary)}
    values["beside"] = [[each.name, str(each.place), each.original] for each in done.beside]
    values["held"] = None if done.held is None else [done.held.reason, done.held.detail]
    return values


def unpacked(values: dict[str, Any]) -> Summary:
    """Of `packed`. What this version does not know is passed over. Raises TypeError, ValueError for what is something else."""
    known = {each.name for each in fields(Summary)}
    found: dict[str, Any] = {name: value for name, value in values.items() if name in known}
    for name in ("left", "waiting", "by_lane", "by_reason"):
        found[name] = Counter(found.get(name, {}))
    found["failed"] = [(name, why) for name, why in found.get("failed", [])]
    found["beside"] = [Beside(name, Path(place), original) for name, place, original in found.get("beside", [])]
    found["held"] = Hold(*found["held"]) if found.get("held") else None
    return Summary(**found)
