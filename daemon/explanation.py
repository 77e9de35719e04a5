"""`explain`: what the program knows of one photo, in words."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.anchor import lacks_vault
from daemon.backup_check import PurgeGate
from daemon.eligibility import SUFFIXES, is_arriving, obstacle, passed_by
from daemon.galleries import Gallery
from daemon.ignoring import WISHES, Rules, Wishes
from daemon.in_place import is_edited
from daemon.kept import due_at
from daemon.marking import Mark, mark_of
from daemon.measured import findings, quality_lines
from daemon.reasons import STAND_INS, in_full, in_words, sentence
from daemon.report import STATE_WORDS, amount, change, day
from daemon.sync_guard import guard
from daemon.sync_roots import QUICK
from storage.catalog import Catalog
from storage.digest import read_once
from storage.errors import StorageError, shown
from storage.layout import VAULT_NAME
from storage.records import PhotoRow
from storage.states import State

NO_VAULT = f"Nothing can be given back now: {VAULT_NAME} is not there. Is the right disk mounted, or was it deleted?"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Lines for a person, and the same for a program."""

    lines: tuple[str, ...]
    facts: dict[str, Any]


def explain(gallery: Gallery, row: PhotoRow | None, path: Path, catalog: Catalog | None) -> Explanation:
    """Why a photo is as it is. `row` None: the catalogue does not know it (yet); `catalog` None: there is none."""
    name = gallery.shown(path)
    mark, saved_over = _mark(row, path)
    stood_for = _stood_for(gallery, mark, catalog)
    others = _others(gallery, path, stood_for, "It was a stand-in of" if saved_over else "It is a stand-in of", catalog)
    related = [f"{what} {_shown(gallery, other)}: {STATE_WORDS[other.state]}." for what, other in others]
    earlier = [] if catalog is None else catalog.superseded(gallery.key, gallery.relative(path))
    related += [_earlier_line(gallery, old) for old in earlier]
    refused = guard(gallery.root, gallery.settings, QUICK).refusals
    related += [f"Nothing is archived in this gallery yet: {text}" for text in refused]
    if catalog is not None and lacks_vault(gallery, catalog):
        related.append(NO_VAULT)
    beside = {
        "refused": list(refused),
        "related": [{"photo": _shown(gallery, other), "state": other.state.value} for _, other in others],
        "earlier_archives": [old.archive_name for old in earlier],
    }
    original = next(iter(stood_for), None)
    if row is None:
        reason, why = _unknown(gallery, path)
        if mark is not None:
            related += [*([] if others else ["It is a stand-in, or was made from one."]), _original_line(gallery, mark, original)]
        return Explanation((f"{name}: {why}.", *related), {"photo": name, "state": None, "reason": reason, "why": why, **beside})
    seen = _Seen(
        edited=_edited(row),
        wish=_wish(gallery, path),
        **_damage(gallery, row, catalog),
        mark=mark,
        saved_over=saved_over,
        original=original,
        parity_bytes=0 if catalog is None or not row.has_archive else catalog.parity_bytes(gallery.key, row.sha256 or ""),
    )
    lines = (f"{name}: {STATE_WORDS[row.state]}.", *_situation_lines(gallery, row, seen), *related, *_bytes_lines(gallery, row, seen))
    return Explanation(lines, {"photo": name, "state": row.state.value, **beside, **_facts(gallery, row, seen)})


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a row alone does not say."""

    edited: bool
    wish: str | None
    """Why it would be left alone, were it new."""
    damage: str
    original_damage: str
    """By the last `verify`; empty where nothing was found, or what was damaged is no longer there."""
    mark: Mark | None
    """What the file says of itself, where it is no photo but a stand-in in another place than its photo's, or was made from one."""
    saved_over: bool
    """It holds another picture now."""
    original: PhotoRow | None
    """Whose stand-in that is, where the catalogue knows it."""
    parity_bytes: int


def _damage(gallery: Gallery, row: PhotoRow, catalog: Catalog | None) -> dict[str, str]:
    damage, original_damage = ("", "") if catalog is None else catalog.damage(gallery.key, row.sha256 or "")
    kept = row.state is State.RETIRED or row.kept_since_at
    return {"damage": damage if row.has_archive else "", "original_damage": original_damage if kept else ""}


def _situation_lines(gallery: Gallery, row: PhotoRow, seen: _Seen) -> Iterator[str]:
    """Why it is as it is, and what will become of it."""
    if row.state in (State.LEFT, State.FAILED):
        yield f"Why: {in_full(row.reason or '', row.detail or '')}."
        if row.reason in WISHES:
            yield "It is left alone as long as that stands there."
        elif row.reason not in ("gone", "restored-copy", *STAND_INS):
            yield 'It is tried again when it changes, when the settings change, or with "optimize" and its name.'
    if seen.wish and row.has_archive and row.state is not State.LEFT:
        yield f"Were it new, it would be left alone: {sentence(seen.wish)}. It stays archived until you restore it."
    if seen.edited:
        yield (
            "The file that has its name now is not its stand-in: it was edited or replaced. It stays; "
            'the next "optimize" puts the full photo beside it.'
        )
    if row.missed_at is not None:
        yield from _missed_lines(gallery, row, row.missed_at)
    if row.came_from is not None:
        yield f"It was {shown(row.came_from)} before: its stand-in there was edited, renamed or moved."


def _missed_lines(gallery: Gallery, row: PhotoRow, missed_at: int) -> Iterator[str]:
    """Of a photo that is not in its place: what still gives it back, and for how long."""
    when = f"noticed on {day(missed_at)}"
    place, aside = gallery.vault.archive_path(row.sha256 or ""), gallery.vault.aside_path(row.location, row.sha256 or "")
    if not place.exists() and not aside.exists():
        yield (
            f"It is gone from its place ({when}), and what there was of it in the vault is missing: nothing here gives it back. "
            "Look for it, and for its archive, in a backup."
        )
        return
    until = missed_at + int(gallery.settings.trash.total_seconds())
    what = "its original" if row.replaced else "its archive"
    gone = "It was deleted, or renamed and at once saved over"
    yield f"{gone} ({when}): {what} goes after {day(until)}, unless you restore it, by the name that it had."
    if row.binned_as is not None:
        yield f"Its stand-in lies in a bin ({shown(row.binned_as)}), and {what} stays as long as it does."


def _bytes_lines(gallery: Gallery, row: PhotoRow, seen: _Seen) -> Iterator[str]:
    """What there is of it, and how well that is."""
    if seen.mark is not None:
        now = "; another picture was saved over the stand-in, whose archive stays as long as there is a file" if seen.saved_over else ""
        yield f"This file: {amount(_file_bytes(row))}{now}."
        yield _original_line(gallery, seen.mark, seen.original)
    else:
        what = "This file" if _is_stray_copy(row) else "Original"
        yield f"{what}: {amount(row.size_bytes)}" + (f", SHA-256 {row.sha256}" if row.sha256 else "")
    if seen.damage and not gallery.vault.archive_path(row.sha256 or "").exists():
        yield "Its archive is missing. Take that one file out of your backup."
    elif seen.damage:
        yield f"Its archive is damaged, by the last `verify`: {seen.damage}. Take that one file out of your backup."
    if seen.original_damage:
        yield f"Its set-aside original is damaged, by the last `verify`: {seen.original_damage}."
    if row.has_archive:
        yield from _archive_lines(gallery, row)
    elif row.replaced:
        yield from _replaced_lines(gallery, row)
    if seen.parity_bytes:
        yield f"Parity: {amount(seen.parity_bytes)} beside the archive, out of which `verify` mends damaged sectors."


def _original_line(gallery: Gallery, mark: Mark, original: PhotoRow | None) -> str:
    """Of the photo that a file in another place stands for."""
    if original is not None:
        return f"Its original: {amount(original.size_bytes)}, SHA-256 {mark.original}"
    if not mark.vault:
        where = "No archive of it is known here"
    elif mark.vault == gallery.vault.id:
        where = "Its archive was made in this gallery's vault, and the catalogue knows of none"
    else:
        where = f"Its archive is in the vault {mark.vault}, which is none that is known here"
    return f"Its original: SHA-256 {mark.original}. {where}."


def _file_bytes(row: PhotoRow) -> int:
    """As it is now: where no run looks again, what the catalogue knows may be old."""
    try:
        return row.location.lstat().st_size
    except OSError:
        return row.size_bytes


def _is_stray_copy(row: PhotoRow) -> bool:
    return row.reason == "restored-copy" and not row.has_archive


_TOLD = (
    *("reason", "detail", "archive_bytes", "archive_sha256", "lane", "quality", "importance", "model"),
    *("score_whole", "score_worst_tile", "score_copy", "choice", "choice_why", "encoded_at", "retired_at", "purged_at", "restored_at"),
    *("pinned_until_at", "missed_at", "relabelled_at", "kept_since_at"),
)
"""Columns of a row that are told to programs as they are."""


def _facts(gallery: Gallery, row: PhotoRow, seen: _Seen) -> dict[str, Any]:
    sha256, original_bytes, stand_in_bytes = row.sha256, None if _is_stray_copy(row) else row.size_bytes, row.stand_in_bytes
    if seen.mark is not None:
        known = seen.original
        sha256, original_bytes, stand_in_bytes = seen.mark.original, None if known is None else known.size_bytes, _file_bytes(row)
    return {
        **{name: getattr(row, name) for name in _TOLD},
        "sha256": sha256,
        "stand_in_bytes": stand_in_bytes,
        "why": sentence(row.reason) if row.reason else None,
        "edited": seen.edited,
        "came_from": None if row.came_from is None else shown(row.came_from),
        "original_bytes": original_bytes,
        "wish": seen.wish,
        "damage": seen.damage or None,
        "original_damage": seen.original_damage or None,
        "parity_bytes": seen.parity_bytes,
        "checks": None if row.checks is None else dict(row.checks),
        "findings": findings(row),
        "purge_after_at": _due(gallery, row),
    }


def _unknown(gallery: Gallery, path: Path) -> tuple[str | None, str]:
    """Why a path has no row: the reason's slug, where there is one, and the sentence."""
    try:
        status = os.lstat(path)
    except OSError:
        return None, "there is no such file, and none is known by that name"
    reason = passed_by(gallery.relative(path), Rules(gallery.settings.exclude))
    if reason is None and is_arriving(path):
        reason = "in-sync"
    reason = reason or _wish(gallery, path) or obstacle(status, gallery.root.stat().st_dev)
    return reason, sentence(reason) if reason else 'not looked at yet; the next "optimize" will'


def _wish(gallery: Gallery, path: Path) -> str | None:
    """Whether the user wants it left alone now: a slug of `reasons`, or None."""
    relative = gallery.relative(path)
    return Wishes.of(gallery.root, gallery.settings.keep, relative.rpartition(b"/")[0]).reason(relative)


_COMES_BACK = {"exact": "it comes back from the archive, bit for bit", "pixel-exact": "every pixel of it comes back from the archive"}
"""Of a purged original, in the lanes that lose nothing."""


def _archive_lines(gallery: Gallery, row: PhotoRow) -> list[str]:
    archive, stand_in = row.archive_bytes or 0, row.stand_in_bytes or 0
    share = 1 - (archive + stand_in) / row.size_bytes if row.size_bytes else 0.0
    lines = [
        f"Archive: {amount(archive)} in the {row.lane} lane{f', model {row.model}' if row.model else ''}: {shown(_place(gallery, row))}",
        f"Stand-in: {amount(stand_in)}. Archive and stand-in together: {change(share)}.",
        *_lane_line(row),
        *quality_lines(row),
    ]
    if row.checked_at is not None:
        lines.append(f"Proven on {day(row.checked_at)}: read back from the disk, decoded and compared by another process.")
    due = _due(gallery, row)
    if row.state is State.RETIRED and due is not None:
        there = gallery.vault.aside_path(row.location, row.sha256 or "").exists()
        back = f"the original itself can be restored until {day(due)}" if there else "the set-aside original is missing"
        lines.append(f"Retired on {day(row.retired_at or 0)}; {back}.")
        condition = PurgeGate(gallery, guard(gallery.root, gallery.settings, QUICK)).condition(row)
        lines += [f"It is not purged before this holds: {condition}."] if condition else []
    if row.state is State.PURGED:
        how = _COMES_BACK.get(row.lane or "", "a copy can be restored from the archive")
        back = f"; {how}" if gallery.vault.archive_path(row.sha256 or "").exists() else ""
        lines.append(f"The original was purged on {day(row.purged_at or 0)}{back}.")
    if row.relabelled_at is not None and row.state in (State.RETIRED, State.PURGED):
        lines.append(f"Its stand-in was found with other labels on {day(row.relabelled_at)}; a restored photo gets them, too.")
    if row.state is State.RESTORED:
        picture = "its own picture with its stand-in's labels" if row.kept_since_at else "a copy"
        what = picture if row.copy_sha256 else "the original"
        lines.append(f"Restored on {day(row.restored_at or 0)} ({what}); left alone until {day(row.pinned_until_at or 0)}.")
    if row.kept_since_at is not None:
        lines.append(
            f"The original without those labels stays in the vault until {day(due_at(gallery, row))} (`export --originals` copies it)."
        )
    return lines


def _lane_line(row: PhotoRow) -> list[str]:
    return [f"Lane: {row.lane}. {in_words(row.choice_why[:1].upper() + row.choice_why[1:])}."] if row.choice_why else []


def _replaced_lines(gallery: Gallery, row: PhotoRow) -> list[str]:
    """Of a PNG that was packed anew: there is neither an archive nor a stand-in."""
    lines = [
        f"Packed anew without loss: {amount(row.stand_in_bytes or 0)}. The photo itself is in its place; nothing has to be restored.",
        *_lane_line(row),
    ]
    due = _due(gallery, row)
    if row.state is State.RETIRED and due is not None:
        lines.append(f"The bytes as they were wait in the vault until {day(due)}.")
    return lines


def _due(gallery: Gallery, row: PhotoRow) -> int | None:
    """When it may be purged, by the grace in force: the next run writes that into the catalogue."""
    dated = row.state is State.RETIRED or row.kept_since_at is not None
    return row.purge_after_at if not dated or row.retired_at is None else due_at(gallery, row)


def _edited(row: PhotoRow) -> bool:
    try:
        return is_edited(row)
    except StorageError:
        return False


def _mark(row: PhotoRow | None, path: Path) -> tuple[Mark | None, bool]:
    """What a file that is no photo says of itself, or what was noted of it; and whether that holds no longer, since it says nothing now."""
    if row is not None and (row.has_archive or (row.reason not in STAND_INS and row.stands_for is None)):
        return None, False
    noted = Mark(row.stands_for) if row is not None and row.stands_for else None
    if row is None and not os.fsencode(path.name).lower().endswith(SUFFIXES):
        return None, False
    try:
        mark = mark_of(read_once(path).data)
    except StorageError:
        return noted, False
    return mark or noted, mark is None and noted is not None


def _stood_for(gallery: Gallery, mark: Mark | None, catalog: Catalog | None) -> list[PhotoRow]:
    """Archived photos that a stand-in may be of: in this gallery or, where there is none, in others."""
    same = [] if catalog is None or mark is None else catalog.by_digest(mark.original)
    archived = [row for row in same if row.has_archive and row.superseded_at is None]
    return [row for row in archived if row.gallery == gallery.key] or archived


def _others(gallery: Gallery, path: Path, stood_for: list[PhotoRow], how: str, catalog: Catalog | None) -> list[tuple[str, PhotoRow]]:
    """Photos that have to do with this path, each with how: archived under its name before, or what its file is a stand-in of."""
    before = [] if catalog is None else catalog.moved_from(gallery.key, gallery.relative(path))
    found = [("The photo that was archived under this name before is", other) for other in before]
    return found or [(how, other) for other in stood_for]


def _earlier_line(gallery: Gallery, old: PhotoRow) -> str:
    place = gallery.vault.archive_path(old.sha256 or "")
    what = f"An earlier version was archived on {day(old.encoded_at or 0)}"
    if not place.exists():
        return f"{what}; its archive is missing."
    kept = ""
    if old.may_go:
        kept = f", which stays until {day((old.superseded_at or 0) + int(gallery.settings.trash.total_seconds()))} at least"
    return f'{what}: "restore {shown(place)} --to DIR" gives it out of its archive{kept}.'


def _shown(gallery: Gallery, row: PhotoRow) -> str:
    """Within its gallery by its name there, elsewhere by its whole path."""
    return gallery.shown(row.location) if row.gallery == gallery.key else shown(row.location)


def _place(gallery: Gallery, row: PhotoRow) -> Path:
    return gallery.vault.archive_path(row.sha256 or "").relative_to(gallery.root)
