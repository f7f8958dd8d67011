"""The picture of random problems: each beside the best that could have been asked for, by how much it computes and by
what auto chose.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bench.random_problems import SLOWER, Comparison
from conv1d_codegen.benchmark import style

_COLOURS = {
    "direct": "#1f4e79",
    "one level": "#17a589",
    "nested": "#e67e22",
    "depthwise": "#c0392b",
    "generic": "#7d6608",
}


def draw(path: Path, found: Sequence[Comparison], title: str) -> None:
    """Draws and saves the picture; the file's ending says in which format."""
    figure = Figure(figsize=(12, 6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.set(xscale="log", yscale="log")
    axes.axhline(1, color=style.ROOF, linewidth=1.6, zorder=1)
    axes.axhline(SLOWER, color=style.ROOF, linewidth=0.8, linestyle=":", zorder=1)
    for kind, colour in _COLOURS.items():
        points = [(each.case.flops / 1e6, each.ratio) for each in found if _kind(each) == kind]
        if points:
            axes.plot(*zip(*points, strict=True), "o", markersize=6, color=colour, label=f"auto took {kind}", zorder=3)
    for each in found:
        if each.ratio < SLOWER:
            where = (each.case.flops / 1e6, each.ratio)
            axes.annotate(str(each.case), where, (6, -4), textcoords="offset points", va="top", fontsize=7)
    axes.set_xlabel("MFLOP of the direct formula")
    axes.set_ylabel(f"speed ÷ best that can be asked for (dotted: {SLOWER})")
    for axis in (axes.xaxis, axes.yaxis):
        style.logarithmic(axis)
    style.finish(axes)
    axes.set_title(f"{len(found)} problems: {title}", loc="left", fontsize=11)
    axes.legend(loc="upper left", frameon=True, framealpha=0.9, edgecolor=style.GRID)
    figure.savefig(path)


def _kind(found: Comparison) -> str:
    plan = found.plan
    return plan.algorithm if plan.algorithm != "cook_toom" else "nested" if plan.nested else "one level"
