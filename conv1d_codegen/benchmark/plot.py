"""The picture of a run: every case beside the machine's roofline, the direct algorithm where another was chosen, and
the best peer at each.

A point stands at its arithmetic intensity (FLOP of the direct formula ÷ bytes of input, weights, bias and output) and
its speed. Above the FMA peak gets only an algorithm with fewer multiplications, and above the slope only what stays in
the caches. Left of a point is the direct algorithm, and right of it the best peer, for the same case: they have its
intensity, where they would cover each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from . import style
from .record import Limits, Result, Run

_COLOURS = {
    "dense": "#1f4e79",
    "dilated": "#2e86c1",
    "strided": "#17a589",
    "pointwise": "#7d3c98",
    "odd": "#7d6608",
    "narrow": "#e67e22",
    "grouped": "#6e2c00",
    "depthwise": "#c0392b",
    "tiny": "#5d6d7e",
}
_FAR = 1 / 3  # of the roof
_ABOVE = 2.5  # times the peak: how far the picture goes
_ASIDE = 1.02  # times the intensity: how far right of its point the best peer is, and how far left the direct algorithm


@dataclass(frozen=True, slots=True)
class Roof:
    """GFLOP/s of all cores, and GB/s of a copy."""

    peak: float
    bandwidth: float

    @classmethod
    def of(cls, limits: Limits, results: list[Result]) -> Roof:
        """The peak is the median of all cases' rounds: one measurement may fall into a bad moment."""
        return cls(limits.threads * median(result.peak for result in results) / 1e9, limits.bandwidth / 1e9)


def draw(path: Path, run: Run[Result]) -> None:
    """Draws the cases of the run's smallest number of threads, and saves the picture; the file's ending says in which
    format.
    """
    limits = min(run.limits, key=lambda each: each.threads)
    results = [each for each in run.results if each.threads == limits.threads and "compiled" in each.timings]
    roof, peers = Roof.of(limits, results), list(run.options["peers"])
    figure = Figure(figsize=(12, 7.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.set(xscale="log", yscale="log", xlim=_range(map(_intensity, results)))
    for result in results:
        _case(axes, result, result.best(peers))
    _roofs(axes, roof)
    _names(axes, roof, results)
    _words(axes, run, limits, results, peers)
    figure.draw_without_rendering()  # puts everything in its place
    _slope(axes, roof)
    figure.savefig(path)


def _intensity(result: Result) -> float:
    return result.flops / result.bytes


def _gigaflops(result: Result, name: str) -> float:
    return result.flops / result.timings[name].seconds / 1e9


def _range(values: map[float]) -> tuple[float, float]:
    """Room around some positive values on a logarithmic axis."""
    found = list(values)
    return min(found) / 1.6, max(found) * 1.6


def _case(axes: Axes, result: Result, best: str | None) -> None:
    """Our point, and joined to it the direct algorithm's as a diamond, where ours is another, and the best peer's as a
    ring.
    """
    colour, x, y = _COLOURS.get(result.kind, style.ROOF), _intensity(result), _gigaflops(result, "compiled")
    others = [("D", 4.5, x / _ASIDE, "direct"), ("o", 5.5, x * _ASIDE, best)]
    for marker, size, beside, name in others:
        if name in result.timings:
            other = _gigaflops(result, name)
            axes.plot([beside, x], [other, y], color=colour, linewidth=0.9, alpha=0.6, zorder=2)
            axes.plot(
                beside,
                other,
                marker,
                markersize=size,
                markerfacecolor="white",
                markeredgecolor=colour,
                markeredgewidth=1.1,
                zorder=3,
            )
    axes.plot(x, y, "o", markersize=7, color=colour, markeredgecolor="white", markeredgewidth=0.6, zorder=4)


def _roofs(axes: Axes, roof: Roof) -> None:
    """The FMA peak of all cores, and the bandwidth of a copy, up to where they meet."""
    peak, bandwidth = roof.peak, roof.bandwidth
    low, high = axes.get_xlim()
    bottom, top = min(axes.get_ylim()[0], 0.5 * peak), max(axes.get_ylim()[1], _ABOVE * peak)
    ridge = min(max(low, peak / bandwidth), high)
    heights = [min(peak, bandwidth * x) for x in (low, ridge, high)]
    axes.plot([low, ridge, high], heights, color=style.ROOF, linewidth=1.6, zorder=1)
    axes.fill_between([low, ridge, high], heights, top, color="#f3f4f6", zorder=0)
    axes.set(xlim=(low, high), ylim=(bottom, top))
    axes.text(
        1.005,
        peak,
        f"FMA peak\n{peak:.0f}\nGFLOP/s",
        transform=axes.get_yaxis_transform(),
        va="center",
        color=style.ROOF,
    )


def _slope(axes: Axes, roof: Roof) -> None:
    """Says what the slope is, along it. Everything else must have its place already: the angle depends on it."""
    peak, bandwidth = roof.peak, roof.bandwidth
    low, high = axes.get_xlim()
    middle = low**0.62 * min(high, peak / bandwidth) ** 0.38  # left of where cases crowd
    if middle < low:
        return
    (x0, y0), (x1, y1) = axes.transData.transform([(middle, bandwidth * middle), (2 * middle, 2 * bandwidth * middle)])
    angle = math.degrees(math.atan2(y1 - y0, x1 - x0))
    text = f"np.copyto between large arrays, {bandwidth:.1f} GB/s"
    axes.text(
        middle,
        1.06 * bandwidth * middle,
        text,
        ha="center",
        va="bottom",
        color=style.ROOF,
        rotation=angle,
        rotation_mode="anchor",
        in_layout=False,
    )


def _names(axes: Axes, roof: Roof, results: list[Result]) -> None:
    """Names the cases that are far below the roof, but for tiny ones: those are below it for the call."""
    peak, bandwidth = roof.peak, roof.bandwidth
    for result in results:
        x, y = _intensity(result), _gigaflops(result, "compiled")
        if result.kind != "tiny" and y < _FAR * min(peak, bandwidth * x):
            colour = _COLOURS.get(result.kind, style.ROOF)
            axes.annotate(result.name, (x, y), (6, -4), textcoords="offset points", va="top", fontsize=8, color=colour)


def _words(axes: Axes, run: Run[Result], limits: Limits, results: list[Result], peers: list[str]) -> None:
    axes.set_xlabel("arithmetic intensity, FLOP a byte of input, weights and output")
    axes.set_ylabel("GFLOP/s")
    for axis in (axes.xaxis, axes.yaxis):
        style.logarithmic(axis)
    style.finish(axes)
    axes.set_title(style.title(run, limits, f"{len(results)} convolutions"), loc="left", fontsize=13)
    kinds = dict.fromkeys(result.kind for result in results)
    handles = [
        Line2D([], [], marker="o", linestyle="", color=_COLOURS.get(kind, style.ROOF), label=kind) for kind in kinds
    ]
    if any("direct" in result.timings for result in results):
        handles.append(_hollow("D", "direct, beside Cook–Toom"))
        why = "beyond the peak: Cook–Toom, with fewer multiplications than are counted; beyond the slope: in the caches"
        axes.text(0.008, 0.985, why, transform=axes.transAxes, va="top", color=style.FAINT, fontsize=9)
    if peers:
        handles.append(_hollow("o", "best peer"))
        axes.text(
            1,
            -0.09,
            f"best peer: of {', '.join(peers)}",
            transform=axes.transAxes,
            ha="right",
            va="top",
            color=style.FAINT,
            fontsize=9,
        )
    axes.legend(handles=handles, loc="lower right", ncols=2, frameon=True, framealpha=0.9, edgecolor=style.GRID)


def _hollow(marker: str, label: str) -> Line2D:
    """What the legend shows for something beside the points."""
    return Line2D(
        [], [], marker=marker, linestyle="", markerfacecolor="white", markeredgecolor=style.FAINT, label=label
    )
