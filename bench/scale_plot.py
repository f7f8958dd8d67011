"""The picture of `bench scale`: the share of the FMA peak against the steps, of one sequence and of many short ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.scale import points, share, steps
from conv1d_codegen.benchmark import style
from conv1d_codegen.benchmark.record import Limits, Result, Run

_COLOURS = ("#1f4e79", "#e67e22", "#17a589", "#7d3c98", "#c0392b", "#7d6608", "#5d6d7e", "#2e86c1")


def draw(path: Path, run: Run[Result]) -> None:
    """Draws the points of the run's smallest number of threads, and saves the picture; the file's ending says in which
    format.
    """
    limits = min(run.limits, key=lambda each: each.threads)
    results = [each for each in run.results if each.threads == limits.threads and "compiled" in each.timings]
    figure = Figure(figsize=(13, 6.5), dpi=120, layout="constrained")
    whole = figure.subplots(1, 2, sharey=True)
    names = {"length": "steps of one sequence", "batch": f"steps of sequences of {run.options['steps']}"}
    for axes, (kind, said) in zip(whole, names.items(), strict=True):
        axes.axhline(100, color=style.ROOF, linewidth=1.6, zorder=1)
        for number, text in enumerate(dict.fromkeys(str(each.problem) for each in results)):
            _line(axes, points(results, text, kind), limits, text, _COLOURS[number % len(_COLOURS)])
        axes.set(xscale="log", xlabel=said)
        axes.set_ylim(bottom=0)
        style.finish(axes)
    whole[0].set_ylabel("% of the FMA peak; above it: Cook–Toom")
    what = "Rate against length and batch (dotted: what np.copyto's bandwidth allows)"
    figure.suptitle(style.title(run, limits, what), x=0.01, ha="left", fontsize=13)
    figure.legend(*whole[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path)


def _line(axes: Axes, results: Sequence[Result], limits: Limits, text: str, colour: str) -> None:
    """The points of a problem; and, where it falls into the picture, the rate at which a copy moves its bytes."""
    if not results:
        return
    ordered = sorted(results, key=steps)
    axes.plot([*map(steps, ordered)], [100 * share(each) for each in ordered], "o-", color=colour, label=text, zorder=3)
    last = ordered[-1]
    allowed = 100 * last.flops / last.bytes * limits.bandwidth / (last.peak * last.threads)
    if allowed < 300:
        axes.axhline(allowed, color=colour, linewidth=1, linestyle=":", zorder=2)
