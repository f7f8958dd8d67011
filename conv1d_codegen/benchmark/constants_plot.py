"""The picture of what constants are worth: for each case a bar for each kernel, longer as it is faster."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import style
from .record import ConstantsResult, Run

_BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
_BASE, _CONSTANT, _SCHEDULE, _ALGORITHM = "#c9d1d9", "#7fb3d5", "#1f6fb2", "#17a589"


def draw(path: Path, run: Run[ConstantsResult]) -> None:
    """Draws all cases, one below the other, and saves the picture; the file's ending says in which format."""
    count = len(run.results)
    figure = Figure(figsize=(10, 0.9 + 3.6 * count), dpi=120, layout="constrained")
    for number, result in enumerate(run.results):
        _case(figure.add_subplot(count, 1, number + 1), result)
    title = style.title(run, run.limits[0], "what each constant is worth")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    figure.savefig(path)


def _colour(name: str) -> str:
    if name in ("nothing", "generic"):
        return _BASE
    return {"direct": _SCHEDULE, "compiled": _ALGORITHM}.get(name, _CONSTANT)


def _case(axes: Axes, result: ConstantsResult) -> None:
    kernels = result.kernels
    speeds = [result.flops / result.timings[name].seconds / 1e9 for _, name in kernels]
    places = range(len(kernels), 0, -1)
    axes.barh(places, speeds, color=[_colour(name) for _, name in kernels], height=0.72)
    axes.set_yticks(list(places), [what for what, _ in kernels])
    for place, speed, (_, name) in zip(places, speeds, kernels, strict=True):
        ratio = result.ratio("generic", name)
        axes.text(speed, place, f"  {speed:.0f}   {ratio:.2f}×", va="center", fontsize=9, bbox=_BEHIND)
    axes.axvline(result.peak / 1e9, color=style.ROOF, linewidth=1.2)
    axes.text(result.peak / 1e9, len(kernels) + 0.62, " FMA peak", fontsize=8, color=style.ROOF)
    axes.set_xlim(right=1.18 * max(*speeds, result.peak / 1e9))
    axes.set_xlabel("GFLOP/s, and times as fast as the generic kernel", fontsize=9)
    axes.set_title(result.text, loc="left", fontsize=10)
    style.finish(axes)
    axes.grid(visible=False, axis="y")
