"""Generic: the same formula with every size known only at run time, but for those that the plan makes constants. One
kernel for all configurations of a type, layout and activation.

It is what a library without a code generator runs, and what the specialised kernels are compared with. It goes through
the same passes: packed weights, register tile, vectors over filters, channels unrolled, padding peeled. What it can't
have is what only constants give: a tile that fits the sizes, tails and guards that are known not to be there, addresses
folded into the instructions. What each of these constants is worth is measured by a kernel that has it, and is generic
in all else.
"""

from __future__ import annotations

from collections.abc import Collection

from ..ir import Axis, Block, Kernel, loop
from ..problem import Problem
from ..schedule.plan import RUN_TIME
from ..symbolic.index import Indexable, var
from .formula import Formula, Sizes, identifier

#: The run-time sizes in the order in which the kernel takes them, after batch N and length T, with the least value of
#: each: U outputs, `left` steps of padding, what a plan's `constants` name, and J taps and M channels of a chunk.
SIZES = (("U", 0), ("left", 0), ("K", 1), ("S", 1), ("D", 1), ("G", 1), ("C", 1), ("F", 1), ("J", 1), ("M", 1))
_NAMES = dict(zip(RUN_TIME, ("K", "S", "D", "G", "C", "F"), strict=True))


def numbers(problem: Problem) -> dict[str, int]:
    """What `RUN_TIME` names, of a problem."""
    p = problem
    of_group = (p.group_channels, p.group_filters)
    return dict(zip(RUN_TIME, (p.kernel_size, p.stride, p.dilation, p.groups, *of_group), strict=True))


def sizes(problem: Problem, constants: Collection[str]) -> Sizes:
    """The sizes in the formula: numbers of the problem for `constants`, names for all others."""
    known = numbers(problem)
    size: dict[str, Indexable] = {name: known[name] if name in constants else var(_NAMES[name]) for name in RUN_TIME}
    groups = None if size["groups"] == 1 else size["groups"]
    window = size["kernel_size"], size["stride"], size["dilation"]
    left = var("left")
    return Sizes(size["channels"], size["filters"], *window, groups, var("U"), left, (left, left))


def representative(problem: Problem, constants: Collection[str]) -> Problem:
    """The same problem with every size that is given at run time set to 1, and no padding."""
    size = {name: number if name in constants else 1 for name, number in numbers(problem).items()}
    of_group = {name: size[name] * size["groups"] for name in ("channels", "filters")}
    return problem.with_(padding="valid", **{**size, **of_group})


def lower(problem: Problem, constants: Collection[str]) -> Kernel:
    """The loops of the formula over groups of channels and filters, `U` outputs and `left` steps of padding."""
    formula = Formula(problem, sizes(problem, constants))
    n, t, f = var("n"), var("t"), var("f")
    group = () if formula.sizes.groups is None else (var("g"),)
    steps = loop("t", 0, var("U"), formula.output(n, t, group, f), axis=Axis.STEP)
    nest: Block = (loop("f", 0, formula.sizes.filters, (steps,), axis=Axis.FILTER),)
    if formula.sizes.groups is not None:
        nest = (loop("g", 0, formula.sizes.groups, nest, axis=Axis.GROUP),)
    body = (loop("n", 0, var("N"), nest, "parallel", axis=Axis.SEQUENCE),)
    known = {_NAMES[name]: number for name, number in numbers(problem).items() if name in constants}
    constant = {*known, *("JM" if {"kernel_size", "channels"} <= set(constants) else "")}
    at_run_time = tuple(size for size in SIZES if size[0] not in constant)
    layout = "first" if problem.channels_first else "last"
    bias = "" if problem.use_bias else "_nobias"
    given = "".join(f"{name.lower()}{number}_" for name, number in known.items())
    name = identifier(f"generic_{given}{problem.activation}_{problem.dtype}_{layout}{bias}")
    return Kernel(name, problem.compute, (("N", 1), ("T", 0), *at_run_time), formula.buffers, body)
