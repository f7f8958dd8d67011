"""How the pictures look."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from .record import Limits, Run

FAINT, ROOF, GRID = "#8a96a3", "#2b2b2b", "#e1e5e9"


def logarithmic(axis: Axis) -> None:
    """Plain numbers on a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def finish(axes: Axes) -> None:
    """A grid, and no frame above and to the right."""
    axes.grid(which="major", color=GRID, linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)


def title(run: Run[Any], limits: Limits, what: str) -> str:
    """What was measured, on which machine."""
    threads = "one thread" if limits.threads == 1 else f"{limits.threads} threads"
    return f"{what} on {threads} of {run.machine['cpu']} ({run.machine['llvm_cpu']})"
