"""What became of a photo, and how much that saved, for somebody who uses no terminal."""

from dataclasses import dataclass
from datetime import UTC, datetime

from daemon.explanation import Explanation
from daemon.kept import due_at
from daemon.reasons import STAND_INS, sentence
from daemon.report import STATE_WORDS, amount, change, day, days
from daemon.web.library import Found
from daemon.web.trouble import sentence as whole
from storage.records import PhotoRow
from storage.states import State

BADGES: dict[State, str] = {
    State.QUEUED: "waiting",
    State.ENCODING: "at work",
    State.COMMITTED: "at work",
    State.RETIRED: "in grace",
    State.PURGED: "archived",
    State.RESTORED: "full",
    State.LEFT: "full",
    State.FAILED: "waiting",
}
"""One or two words for an album: what is in the photo's place."""
_LOSSLESS = {
    "exact": "Nothing is lost: it comes back bit for bit.",
    "pixel-exact": "Nothing is lost: every pixel comes back as it was.",
}
_LANES = {"exact": "without loss, bit for bit", "pixel-exact": "without loss"}
_LEVELS = {
    "visually-lossless": "even flickering between the two shows no difference",
    "high": "side by side shows no difference",
    "compact": "it may differ a little where one looks closely",
}


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    text: str


def story(found: Found) -> list[str]:
    """Sentences: what this photo is now."""
    row = found.row
    if row.replaced:
        return ["It was packed anew without any loss, and is the photo itself. Nothing has to be given back."]
    match row.state:
        case State.RETIRED:
            return [
                _archived(row),
                f"The original itself is still kept, until {day(due_at(found.gallery, row))} at least: until then you get exactly that.",
            ]
        case State.PURGED:
            return [_archived(row), _loss(row)]
        case State.RESTORED:
            since = "" if row.restored_at is None else f" since {day(row.restored_at)}"
            until = "" if row.pinned_until_at is None else f" It is left alone until {day(row.pinned_until_at)}."
            return [f"The full photo is back in its place{since}.{until}"]
        case State.LEFT | State.FAILED if row.reason in STAND_INS:
            return [f"{whole(sentence(row.reason or ''))}"]
        case State.LEFT:
            return [f"The photo is as it always was: {sentence(row.reason or '')}."]
        case State.FAILED:
            return [f"The photo is as it always was. Archiving it failed, and will be tried again: {sentence(row.reason or '')}."]
        case _:
            return [f"The photo is as it always was; it is {STATE_WORDS[row.state]}."]


def _archived(row: PhotoRow) -> str:
    if row.stand_in_sha256 is None:
        return "The photo is archived, and nothing is in its place: its gallery is set up that way."
    return "The photo is archived, and a small preview is in its place."


def warnings(found: Found, known: Explanation) -> list[str]:
    """What is not as it should be."""
    told = []
    if known.facts.get("edited"):
        told.append("The picture in its place was edited since; it stays. The photo as it was comes back beside it.")
    if known.facts.get("damage"):
        told.append(f"Its archive is damaged: {known.facts['damage']}.")
    if known.facts.get("original_damage"):
        told.append(f"The original that is kept of it is damaged: {known.facts['original_damage']}.")
    if found.row.missed_at is not None:
        until = day(found.row.missed_at + int(found.gallery.settings.trash.total_seconds()))
        told.append(f"Its preview was deleted. The archive stays until {until}, and then goes as well, unless you put it back.")
    return told


def _loss(row: PhotoRow) -> str:
    if row.lane in _LOSSLESS:
        return _LOSSLESS[row.lane]
    level = _LEVELS.get(row.quality or "", "as it was set")
    return f"What you open is rebuilt from its archive, and was measured before the original went: {level}."


def facts(found: Found) -> list[Fact]:
    """Lane, quality, bytes and dates, as far as there are any."""
    row = found.row
    told = [Fact("Date", f"{_moment(row.fingerprint.mtime_ns)}"), Fact("Size", amount(row.size_bytes))]
    if row.has_archive and row.state in (State.RETIRED, State.PURGED):
        kept = (row.archive_bytes or 0) + (row.stand_in_bytes or 0)
        share = 1 - kept / row.size_bytes if row.size_bytes else 0.0
        told.append(Fact("Archive and preview", f"{amount(kept)}, {change(share)}"))
        saved = amount(row.size_bytes - kept)
        told.append(Fact("Saved", saved if row.state is State.PURGED else f"{saved}, once the original goes"))
    if row.state is State.RESTORED:
        told.append(Fact("In its place", _restored(row)))
    elif row.lane is not None and row.has_archive:
        told.append(Fact("Archived", _LANES.get(row.lane, "with a measured loss")))
        if row.lane == "neural" and row.score_whole is not None:
            told.append(Fact("Quality", f"{row.quality}: {row.score_whole:.0f} of 100 points, {row.whole_at_least or 0:.0f} are asked for"))
    if row.state is State.RETIRED:
        told.append(Fact("Original goes", f"on {day(due_at(found.gallery, row))} or later"))
    if row.state is State.PURGED and row.purged_at is not None:
        told.append(Fact("Original went", f"on {day(row.purged_at)}"))
    return told


def _restored(row: PhotoRow) -> str:
    """What a restore gave."""
    if row.copy_sha256 is None:
        return "the original, bit for bit"
    return "the original's picture, with what was written on its preview" if row.kept_since_at is not None else "a copy out of its archive"


def after_restore(found: Found) -> str:
    """What the button does."""
    place = "goes back to its place" if found.row.stand_in_sha256 is None else "takes the place of its preview"
    return f"The full photo {place}, with its name and dates. It is not archived again for {days(found.gallery.settings.idle_for)}."


def _moment(ns: int) -> str:
    try:
        return datetime.fromtimestamp(ns // 10**9, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return "unknown"
