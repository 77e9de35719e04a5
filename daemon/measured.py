"""What the guard measured of an archived photo, in words."""

from typing import Any

from codec.checks import CHECKS, Measured
from codec.levels import LEVELS
from storage.records import PhotoRow


def quality_lines(row: PhotoRow) -> list[str]:
    """Scores, second metric and findings of an archive's proof."""
    if row.lane != "neural":
        return [f"Quality {row.quality}: nothing is lost in the {row.lane} lane."]
    better = f", one level better since it is {row.importance}" if row.importance else ""
    lines = [
        f"Quality {row.quality}{better}: whole photo {_points(row.score_whole)} (at least {_points(row.whole_at_least)}), "
        f"worst tile {_points(row.score_worst_tile)} (at least {_points(row.worst_tile_at_least)}), "
        f"restored copy {_points(row.score_copy)}; in points of SSIMULACRA2, 100 is identical."
    ]
    checks = row.checks or {}
    if "second-metric" in checks and "second-metric-tile" in checks:
        lines.append(f"Second metric: PSNR-HVS-M {checks['second-metric']:.1f} dB, worst tile {checks['second-metric-tile']:.1f} dB.")
    found, nearest = findings(row), _nearest(row)
    if found:
        lines.append("Distortions: " + "; ".join(each["why"] for each in found) + ".")
    elif nearest is not None:
        lines.append(f"Distortions: none beyond what {row.quality} allows. Nearest to it: {nearest}.")
    return lines


def findings(row: PhotoRow) -> list[dict[str, Any]]:
    """What this version's thresholds would not let pass; an archive that was proven under other ones may have some."""
    level = LEVELS.get(row.quality or "")
    if level is None:
        return []
    return [
        {"check": each.name, "value": each.value, "limit": CHECKS[each.name].limits[level.name], "why": each.sentence(level)}
        for each in _known(row)
        if each.headroom(level) < 0
    ]


def _nearest(row: PhotoRow) -> str | None:
    level = LEVELS.get(row.quality or "")
    known = _known(row)
    return min(known, key=lambda each: each.headroom(level)).sentence(level) if level is not None and known else None


def _known(row: PhotoRow) -> list[Measured]:
    return [Measured(name, value) for name, value in (row.checks or {}).items() if name in CHECKS]


def _points(score: float | None) -> str:
    return "?" if score is None else f"{score:.1f}"
