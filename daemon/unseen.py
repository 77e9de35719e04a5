"""Files that no run looks at, and why: what there is to say of a place in which a run found nothing."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from daemon.eligibility import passed_by, walk
from daemon.errors import GalleryGone
from daemon.galleries import Gallery
from daemon.ignoring import Rules
from daemon.reasons import sentence
from daemon.report import counted
from storage.errors import shown

MOST = 20_000
"""So many names are looked at after a run that found nothing; what is said of them is an example then."""

KINDS = 4
"""So many endings are told apart."""


def why_nothing(chosen: Mapping[Gallery, Sequence[Path]]) -> Iterator[str]:
    """A line for each place, of those in `chosen` (none: the whole gallery), that holds no photo, and one for each kind of file there."""
    for gallery, starts in chosen.items():
        for start in starts or [gallery.root]:
            try:
                if next(walk(gallery.root, gallery.settings.exclude, start), None) is not None:
                    continue
            except GalleryGone:
                continue  # the run has said so
            if start.is_dir():
                yield f"There is no photo in {shown(start)}."
            yield from not_looked_at_lines(not_looked_at(gallery, start, MOST))


def not_looked_at(gallery: Gallery, start: Path, most: int | None = None) -> dict[str, list[str]]:
    """Names of files at or below `start`, of the first `most` if given, by the reason for which no run looks at them."""
    rules = Rules(gallery.settings.exclude)
    seen: dict[str, list[str]] = {}
    for path in islice(_files(start), most):
        reason = passed_by(gallery.relative(path), rules) or ("not-a-file" if path.is_symlink() or not path.is_file() else None)
        if reason is not None:
            seen.setdefault(reason, []).append(path.name)
    return seen


def not_looked_at_lines(seen: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The same for people, the most first."""
    for reason, names in sorted(seen.items(), key=lambda item: -len(item[1])):
        example = f", such as {shown(names[0])}" if len(names) > 1 else f", {shown(names[0])}"
        kinds = _kinds(names) if reason == "other-name" and len(names) > 1 else ""
        yield f"{counted(len(names), 'file')}{kinds}{example}: {sentence(reason)}."


def _kinds(names: Sequence[str]) -> str:
    """How many of which ending, the most first: a gallery of HEIC looks like one of photos to its owner."""
    found = Counter(os.path.splitext(name)[1].lower() for name in names)  # noqa: PTH122  # a name, no path
    told = [f"{count} {shown(ending) if ending else 'without an ending'}" for ending, count in found.most_common(KINDS)]
    rest = len(names) - sum(count for _, count in found.most_common(KINDS))
    return f" ({', '.join([*told, *([f'{rest} others'] if rest else [])])})"


def _files(start: Path) -> Iterator[Path]:
    """At or below `start`, in a steady order; hidden folders, the vault among them, are nobody's photos."""
    if not start.is_dir():
        yield start
        return
    for folder, folders, names in os.walk(start):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            yield Path(folder, name)
