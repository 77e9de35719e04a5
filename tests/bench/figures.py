"""The curves as a drawing: the same points give the same bytes."""

import math
import statistics
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator

from tests.bench.bdrate import rate_at
from tests.bench.comparison import REFERENCE, SCORE, Curves, in_order
from tests.bench.measures import METRICS
from tests.bench.peers import OURS, TITLES
from tests.bench.points import Point

_COLOURS = {OURS: "#d62728", "jpeg": "#7f7f7f", "jpegli": "#8c564b", "webp": "#2ca02c", "avif": "#1f77b4", "jxl": "#9467bd"}
_SCORES = np.arange(60, 91, 2.0)
_ENOUGH = 0.7
"""Share of the pictures that a codec must bring to a score for its curve to be drawn there."""


def draw(curves: Curves, caption: str, path: Path) -> None:
    """An SVG: on the left bits over SSIMULACRA2; then, for each measure, a codec's bits against the reference peer's at equal quality."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "curves", "svg.fonttype": "none", "font.size": 8, "axes.grid": True, "grid.alpha": 0.3})
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.2), layout="constrained")
    names = in_order(curves)
    first, *others = axes.flat
    for name in names:
        bits = [_mean([rate_at(*_axes(points, SCORE), score) for points in curves[name].values()]) for score in _SCORES]
        first.plot(bits, _SCORES, color=_COLOURS[name], linewidth=2 if name == OURS else 1.2, label=TITLES[name])
    first.set(xlabel="bits a pixel (geometric mean)", ylabel=METRICS[SCORE], title="Bits for a score", xscale="log")
    first.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    first.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:g}"[-1] in "235" else "")
    first.legend(fontsize=7)
    for axis, (metric, named) in zip(others, METRICS.items(), strict=True):
        for name in names:
            ratios = [_mean([_ratio(curves, name, picture, metric, score) for picture in curves[name]]) for score in _SCORES]
            axis.plot(_SCORES, [100 * ratio for ratio in ratios], color=_COLOURS[name], linewidth=2 if name == OURS else 1.2)
        axis.set(title=f"Bits at equal {named}, % of {TITLES[REFERENCE]}'s", xlabel=f"where {TITLES[REFERENCE]} has SSIMULACRA2")
        axis.set_ylim(30, 230)
    figure.suptitle(caption)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)


def _axes(points: list[Point], metric: str) -> tuple[list[float], list[float]]:
    return [point.bpp for point in points], [point.values[metric] for point in points]


def _ratio(curves: Curves, name: str, picture: str, metric: str, score: float) -> float:
    """Bits of a codec over those of the reference, at the quality that the reference has where it reaches a score."""
    theirs = curves[REFERENCE][picture]
    rate = rate_at(*_axes(theirs, SCORE), score)
    if not math.isfinite(rate):
        return math.nan
    if name == REFERENCE:
        return 1.0
    rates, values = _axes(theirs, metric)
    return rate_at(*_axes(curves[name][picture], metric), float(PchipInterpolator(np.log(rates), values)(math.log(rate)))) / rate


def _mean(values: list[float]) -> float:
    """Geometric; nan where too few pictures are there."""
    known = [value for value in values if math.isfinite(value)]
    return statistics.geometric_mean(known) if len(known) >= max(1, _ENOUGH * len(values)) else math.nan
