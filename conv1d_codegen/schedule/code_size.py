"""How much code a plan makes, and plans that make less: what decides how long LLVM takes.

Most of it are the products of register tiles that are written out: of every height, in panels that are full and in a
last one that is not, for the steps that have all taps and for those at each edge; as often as the plan unrolls the sum,
and once more for what that leaves over.
"""

from __future__ import annotations

from dataclasses import replace

from ..problem import Problem
from ..problem import padding as pad
from ..problem.folding import folded
from .plan import Plan

#: Products that may be written out: more than in any kernel of the bench. Unrolled by 2 and not by 4,
#: c1_f63_k514_d16_same_sigmoid_first takes 550 ms to compile and not 670, c31_f340_k338_s8_same_relu_f64 560 and not
#: 680, and both are as fast (avx512).
_MOST_PRODUCTS = {"direct": 1500, "cook_toom": 900}


def shortened(problem: Problem, plan: Plan) -> Plan:
    """The plan, unrolled less where it makes too much code. The bits of results stay."""
    most = _MOST_PRODUCTS.get(plan.algorithm)
    if most is None or plan.lanes != "filters":
        return plan
    plans = [plan, *(replace(plan, unroll=unroll) for unroll in (2, 1) if unroll < plan.unroll)]
    return next((each for each in plans if products_written_out(problem, each) <= most), plans[-1])


def products_written_out(problem: Problem, plan: Plan) -> int:
    """Of vectors, in the register tiles of a plan with filters in the lanes."""
    edges = pad.edges(problem.padding)
    problem = folded(problem, plan.fold)
    whole, rest = divmod(problem.group_filters, plan.panel)
    vectors = (plan.vectors if whole else 0) + -(-rest // plan.width)
    of_sum = _unrolled(problem.group_channels, problem.kernel_size, plan.unroll)
    tiles = sum(plan.rows) * (1 if problem.kernel_size == 1 else 1 + edges)
    if plan.algorithm == "cook_toom":  # the sums of windows, and steps without one
        tiles = sum(plan.rows) * (2 if plan.stream else 1) + (plan.rows[0] + 1) * min(1 + edges, 2)
    return of_sum * tiles * vectors


def _unrolled(channels: int, taps: int, factor: int) -> int:
    """The products of one sum that are written out: see `passes/unroll_reduction.py`."""
    if channels >= factor:
        return factor + channels % factor
    some_taps = min(factor // channels, taps)
    return channels * (some_taps + taps % some_taps)
