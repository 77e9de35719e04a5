"""What `status` tells: sums of the catalogue -> a frozen Status -> text or JSON. Saved is only what is purged; the rest is reclaimable."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from daemon.listing import Listing
from daemon.reasons import sentence
from daemon.scores import scores_as_json, scores_line
from storage.errors import shown
from storage.records import Scores, Share, Totals
from storage.states import State

STATE_WORDS: dict[State, str] = {
    State.QUEUED: "waiting for their turn",
    State.ENCODING: "being encoded",
    State.COMMITTED: "archived, original still in place",
    State.RETIRED: "archived, original in grace",
    State.PURGED: "archived, space given back",
    State.RESTORED: "restored",
    State.LEFT: "left alone",
    State.FAILED: "failed, will be tried again",
}
LANE_WORDS = {"neural": "measured loss", "exact": "bit for bit", "pixel-exact": "every pixel kept"}

NOTHING = Totals(
    photos=0,
    original_bytes=0,
    by_state=dict.fromkeys(State, 0),
    by_lane={},
    by_reason={},
    retired=Share(),
    purged=Share(),
    restored=Share(),
    kept=Share(),
    trash=0,
    scores=Scores({}),
)
"""Where there is no catalogue yet."""


class Name(str):
    """A line with a path in it that somebody may copy: it is not wrapped."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class GalleryStatus:
    """One gallery's sums."""

    path: str
    present: bool
    """Whether its folder is there now."""
    totals: Totals
    trash_s: int = 0
    """How long what is deleted stays in the trash, in seconds."""

    @property
    def trash_goes_at(self) -> int | None:
        """From when on the first photo in the trash may be thrown away; None where there is none."""
        return self._after(self.totals.missed.since_at)

    @property
    def binned_goes_at(self) -> int | None:
        """Likewise of what lies in a bin, once that is emptied."""
        return self._after(self.totals.binned.since_at)

    @property
    def earlier_goes_at(self) -> int | None:
        """Likewise of archives of earlier versions."""
        return self._after(self.totals.earlier.since_at)

    def _after(self, since_at: int | None) -> int | None:
        return None if since_at is None else since_at + self.trash_s


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that `status` shows, of one moment."""

    totals: Totals
    galleries: tuple[GalleryStatus, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            **_totals_as_json(self.totals),
            **_waste_as_json(self.totals, *self._dates),
            "galleries": [
                {
                    "path": each.path,
                    "present": each.present,
                    **_totals_as_json(each.totals),
                    **_waste_as_json(each.totals, each.trash_goes_at, each.binned_goes_at, each.earlier_goes_at),
                }
                for each in self.galleries
            ],
        }

    @property
    def _dates(self) -> tuple[int | None, int | None, int | None]:
        """From when on the first may be thrown away of the trash, of what lies in bins, and of earlier versions."""
        dates = [(each.trash_goes_at, each.binned_goes_at, each.earlier_goes_at) for each in self.galleries]
        trash, binned, earlier = (min((date for date in some if date is not None), default=None) for some in zip(*dates, strict=True))
        return trash, binned, earlier

    def parts(self, named: Mapping[str, Sequence[Name]] = MappingProxyType({})) -> list[str | Listing]:
        """Lines, and a table, for a rich console; `named`: photos to be named below the reason for which they were left alone."""
        totals = self.totals
        parts: list[str | Listing] = [f"{photos(totals.photos)}, {amount(totals.original_bytes)}"]
        for state, words in STATE_WORDS.items():
            if totals.by_state[state]:
                parts.append(f"{totals.by_state[state]:>6}  {words}")
            if state is State.FAILED:  # after the last two, since both are told why
                by_count = sorted(totals.by_reason.items(), key=lambda item: -item[1])
                for reason, count in by_count:
                    parts.append(f"        {count:>6}  {sentence(reason)}")
                    parts += [Name(f"                  {name}") for name in named.get(reason, ())]
        parts += ["", *_savings(totals)]
        if totals.kept.photos:
            parts.append(_kept_text(totals.kept))
        parts += _waste(totals, *self._dates)
        if totals.damaged_archives or totals.damaged_originals:
            found = ((totals.damaged_archives, "archive", ""), (totals.damaged_originals, "original", " in grace"))
            what = [counted(count, name) + where for count, name, where in found if count]
            parts.append(f"DAMAGED:     {' and '.join(what)}, when last looked at; verify tells their names")
        if totals.parities:
            parts.append(f"Parity:      {amount(totals.parity_bytes)} more, beside {counted(totals.parities, 'archive')}")
        if totals.by_lane:
            parts.append("Lanes:       " + ", ".join(f"{count} {lane} ({LANE_WORDS[lane]})" for lane, count in totals.by_lane.items()))
        if totals.scores.by_points:
            parts.append(f"Quality:     {scores_line(totals.scores)}")
        if len(self.galleries) > 1 or not all(each.present for each in self.galleries):
            parts += ["", _gallery_table(self.galleries)]
        return parts


def amount(size_bytes: int) -> str:
    """A size for people, in decimal units: 1234567 -> '1.23 MB'."""
    import humanfriendly

    sign = "-" if size_bytes < 0 else ""
    return sign + str(humanfriendly.format_size(abs(size_bytes)))


def change(share: float) -> str:
    """What became of a size, by the share that is saved: 0.68 -> '68% smaller', -0.34 -> '34% larger'."""
    if abs(share) < 0.005:
        return "as large as before"
    return f"{share:.0%} smaller" if share > 0 else f"{-share:.0%} larger"


def span(seconds: float) -> str:
    """A duration for people: 3725 -> '1 h 02 min'."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def days(duration: timedelta) -> str:
    """As people say it: "30 days", not "4 weeks and 2 days"."""
    if duration == timedelta(days=duration.days):
        return counted(duration.days, "day")
    import humanfriendly

    return str(humanfriendly.format_timespan(duration))


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 archive`, `2 archives`; `plural` where that is not the noun with an s."""
    import humanfriendly.text

    return str(humanfriendly.text.pluralize(count, noun, plural or None))


def photos(count: int) -> str:
    return counted(count, "photo")


def day(seconds: int) -> str:
    """A date in the local zone: '2026-11-30'."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d")


def _savings(totals: Totals) -> list[str]:
    lines = []
    purged, retired = totals.purged, totals.retired
    if purged.photos:
        lines.append(f"Saved:       {_share_text(purged)}")
    if retired.photos:
        first, last = day(retired.earliest_at or 0), day(retired.latest_at or 0)
        when = f"on {first}" if first == last else f"from {first} to {last}"
        if (retired.latest_at or 0) <= time.time():  # a date that is over must not look like one to come
            when = f"by the next run; the grace was over on {last}"
        lines.append(f"Reclaimable: {_share_text(retired)}, {when}")
    if purged.photos and retired.photos:
        saving = purged.saving_bytes + retired.saving_bytes
        lines.append(f"Together:    {amount(saving)} ({saving / (purged.original_bytes + retired.original_bytes):.0%})")
    if totals.restored.photos:
        lines.append(f"Restored:    {photos(totals.restored.photos)}; archives kept: {amount(totals.restored.archive_bytes)}")
    if not lines:
        lines.append("Nothing is saved yet.")
    return lines


def _waste(totals: Totals, trash_goes_at: int | None, binned_goes_at: int | None, earlier_goes_at: int | None) -> list[str]:
    """What waits to be thrown away."""
    lines = []
    trash, earlier = totals.trash - totals.lost, totals.earlier
    if trash:
        what = f", {amount(totals.missed.archive_bytes)} of archives" if totals.missed.archive_bytes else ""
        until = "" if trash_goes_at is None else f"; `restore` works for all until {day(trash_goes_at)}"
        lines.append(f"Trash:       {photos(trash)}{what}, deleted or moved out of the gallery{until} (--trash lists them)")
    if totals.binned.photos:
        binned, one = totals.binned, shown(totals.binned_as or b"")
        when = "" if binned_goes_at is None else f" after {day(binned_goes_at)}"
        lines.append(
            f"In bins:     {photos(binned.photos)} of these, {amount(binned.archive_bytes)} of archives, which stay as long as the "
            f"stand-ins lie in a bin ({one}); empty it, and they go{when}"
        )
    if totals.lost:
        them = "it" if totals.lost == 1 else "them"
        lines.append(
            f"LOST:        {photos(totals.lost)}, gone from the gallery, with no whole archive left: nothing here gives {them} back, "
            f"a backup may; doctor names {them}"
        )
    if earlier.photos:
        until = "" if earlier_goes_at is None else f"; the first goes after {day(earlier_goes_at)}"
        what = counted(earlier.photos, "archive")
        lines.append(f"Earlier:     {what} ({amount(earlier.archive_bytes)}) of photos as they were before they were edited in full{until}")
    return lines


def _kept_text(kept: Share) -> str:
    first, last = day(kept.earliest_at or 0), day(kept.latest_at or 0)
    when = f"until {first}" if first == last else f"until {first} to {last}"
    what = counted(kept.photos, "original")
    return f"Kept:        {what} ({amount(kept.original_bytes)}) of photos that came back with other labels, {when}"


def _share_text(share: Share) -> str:
    ratio = share.saving_bytes / share.original_bytes if share.original_bytes else 0.0
    return (
        f"{amount(share.saving_bytes)} ({ratio:.0%}) of {photos(share.photos)}:"
        f" {amount(share.original_bytes)} -> {amount(share.archive_bytes)} archives + {amount(share.stand_in_bytes)} stand-ins"
    )


def _gallery_table(galleries: tuple[GalleryStatus, ...]) -> Listing:
    table = Listing(("Gallery", "photos", "size", "saved", "reclaimable"))
    for each in galleries:
        totals = each.totals
        table.rows.append(
            (
                each.path + ("" if each.present else " (not there now)"),
                str(totals.photos),
                amount(totals.original_bytes),
                amount(totals.purged.saving_bytes),
                amount(totals.retired.saving_bytes),
            )
        )
    return table


def _totals_as_json(totals: Totals) -> dict[str, Any]:
    return {
        "photos": totals.photos,
        "original_bytes": totals.original_bytes,
        "by_state": {state.value: count for state, count in totals.by_state.items()},
        "by_lane": dict(totals.by_lane),
        "by_reason": dict(totals.by_reason),
        "saved": _share_as_json(totals.purged),
        "reclaimable": {
            **_share_as_json(totals.retired),
            "earliest": _iso(totals.retired.earliest_at),
            "latest": _iso(totals.retired.latest_at),
        },
        "restored": _share_as_json(totals.restored),
        "kept": {
            "photos": totals.kept.photos,
            "original_bytes": totals.kept.original_bytes,
            "earliest": _iso(totals.kept.earliest_at),
            "latest": _iso(totals.kept.latest_at),
        },
        "trash": totals.trash,
        "parity": {"archives": totals.parities, "bytes": totals.parity_bytes},
        "damaged": {"archives": totals.damaged_archives, "originals": totals.damaged_originals},
        "scores": scores_as_json(totals.scores),
    }


def _waste_as_json(totals: Totals, trash_goes_at: int | None, binned_goes_at: int | None, earlier_goes_at: int | None) -> dict[str, Any]:
    binned, earlier = totals.binned, totals.earlier
    return {
        "trash_earliest": _iso(trash_goes_at),
        "trash_bytes": totals.missed.archive_bytes,
        "in_bins": {"photos": binned.photos, "archive_bytes": binned.archive_bytes, "earliest": _iso(binned_goes_at)},
        "lost": totals.lost,
        "earlier_versions": {"archives": earlier.photos, "archive_bytes": earlier.archive_bytes, "earliest": _iso(earlier_goes_at)},
    }


def _share_as_json(share: Share) -> dict[str, Any]:
    return {
        "photos": share.photos,
        "bytes": share.saving_bytes,
        "original_bytes": share.original_bytes,
        "archive_bytes": share.archive_bytes,
        "stand_in_bytes": share.stand_in_bytes,
    }


def _iso(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
