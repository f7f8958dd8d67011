"""One algorithm a file: each writes a problem's formula as loops, readable, slow and right. The passes make it fast.

Cook–Toom's loops come in blocks already, as what a block keeps in scratch memory is part of the algorithm.
`transposed.py` makes a transposed convolution several problems, each with a `placement.py` for its part of the output.
Activations and other functions of numbers are straight-line programs (`activations.py`, `functions.py`, `programs.py`).
`nest.py` and `instructions.py` are for kernels of several formulas, and for machine instructions that no layer needs yet.
"""

from __future__ import annotations

from ..errors import CompileError
from ..ir import Expression, Kernel
from ..problem import Problem
from ..problem.summation import LONGEST_CHAIN
from ..schedule.plan import Plan
from . import cook_toom, depthwise, direct, generic
from .formula import Sizes
from .placement import Placement


def lower(
    problem: Problem, plan: Plan, epilogue: Expression | None = None, placement: Placement | None = None
) -> Kernel:
    """The formula of `problem` as the plan's algorithm orders its loops, or rewrites it. With an `epilogue`, which
    generic kernels can't have, its outputs are what that makes of the problem's. With a `placement`, which these
    can't have either, its arrays are parts of others. Raises CompileError for an epilogue of several convolutions,
    unless the algorithm is direct, and for sums of more products than one chain adds up.
    """
    if epilogue is not None and epilogue.convolutions > 1:
        _check_convolutions(problem, plan, epilogue.terms)
    match plan.algorithm:
        case "cook_toom":
            return cook_toom.lower(problem, plan, epilogue, placement)
        case "depthwise":
            if plan.turned and epilogue is not None and epilogue.also:
                raise CompileError(f"A depthwise kernel that is turned stores one output. Received: `{plan}`.")
            return depthwise.lower(problem, plan.parts, epilogue, placement)
        case "direct":
            return direct.lower(problem, epilogue, placement)
    return generic.lower(problem, plan.constants)


def _check_convolutions(problem: Problem, plan: Plan, terms: int) -> None:
    products = problem.kernel_size * problem.group_channels * terms
    if plan.algorithm != "direct" or plan.sums_in_lanes:
        raise CompileError(
            f"A {plan.algorithm} kernel has one convolution; those of several are direct. Received: `{plan}`."
        )
    if products > LONGEST_CHAIN:
        raise CompileError(
            f"Kernels of several convolutions have up to {LONGEST_CHAIN} products of an output. Received: {problem}, {terms} "
            f"times, with {products} products."
        )


def sizes(problem: Problem, plan: Plan) -> Sizes:
    """The sizes in the formula that `lower` writes: numbers, or the names of run-time sizes."""
    if plan.algorithm == "generic":
        return generic.sizes(problem, plan.constants)
    return direct.constant_sizes(problem, grouped=False)[0]


def representative(problem: Problem, plan: Plan) -> Problem:
    """The problem that stands for all those that one kernel of `plan` computes: itself, but for generic."""
    return generic.representative(problem, plan.constants) if plan.algorithm == "generic" else problem


__all__ = ["Placement", "Sizes", "lower", "representative", "sizes"]
