"""The picture of a run of networks: a line a network, on which each peer stands where it is, beside ours at 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from conv1d_codegen.benchmark import style
from conv1d_codegen.benchmark.record import NetworkResult, Run

_COLOURS = ("#1f4e79", "#e67e22", "#17a589", "#7d3c98", "#c0392b")


def draw(path: Path, run: Run[NetworkResult]) -> None:
    """Draws the networks of the run's smallest number of threads, and saves the picture; the file's ending says in which
    format.
    """
    limits = min(run.limits, key=lambda each: each.threads)
    results = [each for each in run.results if each.threads == limits.threads and "compiled" in each.timings][::-1]
    figure = Figure(figsize=(12, 1.8 + 0.45 * len(results)), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.set(xscale="log")
    axes.set_axisbelow(True)
    axes.axvline(1, color=style.ROOF, linewidth=1.6, zorder=1)
    for peer, colour in zip(run.options["peers"], _COLOURS, strict=False):
        _points(axes, results, peer, label=peer, color=colour, zorder=3)
    _points(
        axes, results, "convolutions", label="its convolutions alone, ours", color=style.FAINT, marker="D", zorder=2
    )
    axes.set_yticks(range(len(results)), [f"{each.name}\n{_milliseconds(each)}" for each in results])
    axes.set_xlabel("time ÷ our time: right of the line, ours is faster")
    style.logarithmic(axes.xaxis)
    axes.yaxis.set_minor_locator(NullLocator())
    style.finish(axes)
    axes.set_title(style.title(run, limits, f"{len(results)} networks"), loc="left", fontsize=13)
    figure.legend(loc="outside lower center", ncols=6, frameon=False)
    figure.savefig(path)


def _points(axes: Axes, results: list[NetworkResult], name: str, marker: str = "o", **how: Any) -> None:
    ratios = [(row, result.ratio(name, "compiled")) for row, result in enumerate(results)]
    known = [(row, ratio) for row, ratio in ratios if ratio is not None]
    axes.plot([ratio for _, ratio in known], [row for row, _ in known], marker, markersize=7, **how)


def _milliseconds(result: NetworkResult) -> str:
    return f"{1e3 * result.timings['compiled'].seconds:.3g} ms"
