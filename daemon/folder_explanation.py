"""`explain FOLDER`: what became of all photos of a folder, how much that saved there, and which were left alone, by name."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from daemon.anchor import lacks_vault
from daemon.explanation import NO_VAULT, Explanation
from daemon.galleries import Gallery
from daemon.places import is_folder
from daemon.reasons import in_full, sentence
from daemon.report import NOTHING, STATE_WORDS, GalleryStatus, Name, Status, photos
from daemon.sync_guard import guard
from daemon.sync_roots import QUICK
from daemon.unseen import not_looked_at, not_looked_at_lines
from storage.catalog import Catalog
from storage.errors import shown
from storage.layout import VAULT_NAME

NAMES = 10
"""So many photos of each reason are named, unless all are asked for."""


def explain_folder(gallery: Gallery, path: Path, catalog: Catalog | None, *, every: bool = False) -> Explanation:
    """Of a folder in a gallery, or the gallery itself; `every`: name every photo that was left alone. `catalog` None: there is none."""
    folder = b"" if path == gallery.root else gallery.relative(path)
    totals = NOTHING if catalog is None else catalog.totals_below(gallery.key, folder, gallery.grace_s)
    left = [] if catalog is None else list(catalog.left_below(gallery.key, folder))
    named: dict[str, list[Name]] = {}
    for photo, _, reason, detail in left:
        named.setdefault(reason, []).append(Name(shown(photo) + _beyond(reason, detail)))
    status = Status(totals, (GalleryStatus(shown(path), True, totals, int(gallery.settings.trash.total_seconds())),))
    unseen = not_looked_at(gallery, path)
    refused = guard(gallery.root, gallery.settings, QUICK).refusals
    known = [part for part in status.parts(_shortened(named, every)) if isinstance(part, str)]
    return Explanation(
        (
            Name(f"{shown(path)}, with all below it" + (":" if is_folder(path) else ", which is not there now:")),
            *(known if totals.photos else ['No photo in it is known yet; the next "optimize" looks at it.']),
            *(["", *not_looked_at_lines(unseen)] if unseen else []),
            *(f"Nothing is archived in this gallery yet: {text}" for text in refused),
            *([NO_VAULT] if catalog is not None and lacks_vault(gallery, catalog) else []),
        ),
        {
            "folder": shown(path),
            "vault": False,
            "refused": list(refused),
            **{name: value for name, value in status.as_json().items() if name != "galleries"},
            "not_looked_at": {reason: len(names) for reason, names in sorted(unseen.items())},
            "left": [
                {"photo": shown(photo), "state": state.value, "reason": reason, "why": sentence(reason), "detail": detail or None}
                for photo, state, reason, detail in left
            ],
        },
    )


def _beyond(reason: str, detail: str) -> str:
    """What a detail says that the reason does not."""
    return in_full(reason, detail).removeprefix(sentence(reason))


def _shortened(named: Mapping[str, Sequence[Name]], every: bool) -> dict[str, list[Name]]:
    short = {reason: list(names if every else names[:NAMES]) for reason, names in named.items()}
    for reason, names in named.items():
        if len(names) > len(short[reason]):
            short[reason].append(Name(f"and {len(names) - NAMES} more (--all names them)"))
    return short


def was_folder(gallery: Gallery, path: Path, catalog: Catalog) -> bool:
    """Whether nothing is there now, as where a disk is not mounted, and the catalogue knows of photos below it."""
    return not os.path.lexists(path) and catalog.knows_below(gallery.key, gallery.relative(path))


def in_vault(gallery: Gallery, path: Path) -> bool:
    """Whether a path is the gallery's vault, or in it."""
    return path.is_relative_to(gallery.root / VAULT_NAME)


def explain_vault(gallery: Gallery, path: Path, catalog: Catalog | None) -> Explanation:
    """What would be lost with it: the question of whoever finds a large folder and needs room. `path`: it, or something in it."""
    only_here, of = 0, []
    if catalog is not None:
        only_here = sum(stands_in for _, _, stands_in in catalog.expected(gallery.key)) + len(catalog.without_stand_in(gallery.key))
        digest = path.name.partition(".")[0].partition("-")[0]
        of = [row for row in catalog.by_digest(digest, gallery.key) if row.superseded_at is None]
    root, name = shown(gallery.root), shown(path.relative_to(gallery.root))
    lines = [f"{name}: it belongs to {gallery.shown(row.location)}: {STATE_WORDS[row.state]}." for row in of]
    lines.append(f"{VAULT_NAME} is the vault of {root}: archives, originals in grace, and what is needed to read them.")
    if only_here:
        lines.append(f"In full nowhere but there: {photos(only_here)}. Without it, small pictures are all that remains.")
    lines.append("It belongs into every backup of the gallery. To be rid of it, have every photo put back first:")
    lines.append(Name(f"  gallery-optimizer eject {shlex.quote(root)}"))
    told = [{"photo": gallery.shown(row.location), "state": row.state.value} for row in of]
    return Explanation(tuple(lines), {"folder": root, "vault": True, "only_here": only_here, "related": told})
