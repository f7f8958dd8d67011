"""Generic: the same formula with every size known only at run time. One kernel for all configurations of a type, layout
and activation.

It is what a library without a code generator runs, and what the specialised kernels are compared with. It goes through
the same passes: packed weights, register tile, vectors over filters, channels unrolled, padding peeled. What it can't
have is what only constants give: a tile that fits the sizes, tails and guards that are known not to be there, addresses
folded into the instructions.
"""

from __future__ import annotations

from ..ir import Axis, Kernel, loop
from ..problem import Problem
from ..symbolic.index import var
from .formula import Formula, Sizes, identifier

#: The run-time sizes in the order in which the kernel takes them, after batch N and length T, with the least value of
#: each.
SIZES = (("U", 0), ("left", 0), ("K", 1), ("S", 1), ("D", 1), ("G", 1), ("C", 1), ("F", 1), ("J", 1), ("M", 1))

SIZES_AS_NAMES = Sizes(
    var("C"), var("F"), var("K"), var("S"), var("D"), var("G"), var("U"), var("left"), (var("left"), var("left"))
)


def representative(problem: Problem) -> Problem:
    """The same problem with every size that is given at run time set to 1, and no padding."""
    return problem.with_(channels=1, filters=1, kernel_size=1, stride=1, dilation=1, groups=1, padding="valid")


def lower(problem: Problem) -> Kernel:
    """The loops of the formula over `G` groups of `C` channels and `F` filters, `U` outputs and `left` steps of
    padding.

    `J` and `M` are the taps and channels of a chunk, for `passes/chunk_reduction.py`.
    """
    formula = Formula(problem, SIZES_AS_NAMES)
    n, t, f, g = var("n"), var("t"), var("f"), var("g")
    per_step = loop("t", 0, var("U"), formula.output(n, t, (g,), f), axis=Axis.STEP)
    per_filter = loop("f", 0, var("F"), (per_step,), axis=Axis.FILTER)
    per_group = loop("g", 0, var("G"), (per_filter,), axis=Axis.GROUP)
    body = (loop("n", 0, var("N"), (per_group,), "parallel", axis=Axis.SEQUENCE),)
    layout = "first" if problem.channels_first else "last"
    bias = "" if problem.use_bias else "_nobias"
    name = identifier(f"generic_{problem.activation}_{problem.dtype}_{layout}{bias}")
    return Kernel(name, problem.compute, (("N", 1), ("T", 0), *SIZES), formula.buffers, body)
