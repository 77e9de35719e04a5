"""The tables of a comparison, as Markdown, so that what is printed can be put into a document."""

import math
from collections.abc import Iterator, Sequence

from tests.bench.comparison import (
    RANGE,
    REFERENCE,
    SCORE,
    SCORES,
    Curves,
    artefacts_at,
    difference,
    gaps,
    in_order,
    places,
    rates_at,
)
from tests.bench.measures import ARTEFACTS, METRICS
from tests.bench.peers import OURS, TITLES

CLOSE = 15.0
"""Points between a peer's BD-rates in two measures up to which our place counts as the same."""


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they must be; the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [[head[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(head[1:], widths[1:], strict=True))]]
    lines += [["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]]
    lines += [[row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def number(value: float, digits: int = 1, sign: bool = True) -> str:
    """A dash where nothing could be measured."""
    return "-" if not math.isfinite(value) else f"{value:{'+' if sign else ''}.{digits}f}"


def report(curves: Curves) -> Iterator[str]:
    """Paragraphs and tables for one set of pictures."""
    names = in_order(curves)
    peers = [name for name in names if name != OURS]
    yield (
        f"BD-rate in percent, mean over the pictures (worst picture): what ours needs against each. SSIMULACRA2 {RANGE[0]:.0f} to "
        f"{RANGE[1]:.0f}, the other measures over the same range of the peer."
    )
    yield markdown(["ours against", *METRICS.values(), "pictures"], [_against(curves, peer) for peer in peers])
    if REFERENCE in curves:
        yield f"Everyone against {TITLES[REFERENCE]}, BD-rate in percent, and the place among {len(names)}."
        yield markdown(["", *METRICS.values()], _placed(curves, names))
    yield (
        "How far the measure furthest from SSIMULACRA2 is from it. Where the distance is at most "
        f"{CLOSE:.0f} points, our place is the same in all of them."
    )
    yield markdown(
        ["ours against", METRICS[SCORE], "furthest", "BD-rate there", "distance"],
        [[TITLES[g.peer], number(g.trained_on), METRICS[g.metric], number(g.other), number(g.points)] for g in gaps(curves)],
    )
    yield (
        "Bits a pixel at a SSIMULACRA2 score, mean over the pictures that all codecs bring there (how many). A codec that brings fewer "
        "than half has none, and the others do not wait for it."
    )
    yield markdown(["", *(f"{score:.0f}" for score in SCORES)], _rates(curves, names))
    yield (
        "Artefacts on smooth ground beyond the original's, in levels, at SSIMULACRA2 70 and 80: seams of 16 x 16, dots of 4 x 4, the band "
        "near Nyquist. Negative: less there than elsewhere."
    )
    head = ["", *(f"{title} at {score:.0f}" for score in SCORES[:2] for title in ARTEFACTS.values())]
    found = {name: [artefacts_at(curves, name, score) for score in SCORES[:2]] for name in names}
    yield markdown(head, [[TITLES[name], *(number(at[kind], 2) for at in found[name] for kind in ARTEFACTS)] for name in names])


def _against(curves: Curves, peer: str) -> list[str]:
    found = [difference(curves, OURS, peer, metric) for metric in METRICS]
    return [TITLES[peer], *(f"{number(one.mean)} ({number(one.worst)})" for one in found), str(min(one.pictures for one in found))]


def _placed(curves: Curves, names: Sequence[str]) -> list[list[str]]:
    table = places(curves)
    return [[TITLES[name], *(f"{number(found[name])} ({list(found).index(name) + 1}.)" for found in table.values())] for name in names]


def _rates(curves: Curves, names: Sequence[str]) -> list[list[str]]:
    columns = [rates_at(curves, score) for score in SCORES]
    return [[TITLES[name], *(f"{number(column[name][0], 3, sign=False)} ({column[name][1]})" for column in columns)] for name in names]
