"""Of a Cook–Toom kernel: what its windows save, the matrices, and where the error comes from."""

from __future__ import annotations

from dataclasses import dataclass

from ..problem import Problem
from ..problem.folding import folded
from ..schedule.plan import Plan
from ..schedule.window_forms import error_of, form_of
from ..toom.algorithm import Algorithm
from ..toom.error import amplification, sources


@dataclass(frozen=True, slots=True)
class Windows:
    """One use of F(m, r): products of one channel and filter, and of the formula for as many outputs; how taps are split;
    the largest error to be expected as a share of the direct algorithm's bound; the factor by which errors may grow; and
    the shares of the error's variance at the worst output, by where it comes from.
    """

    algorithm: Algorithm
    outputs: int
    products: int
    directly: int
    terms: int
    phases: int
    sequences: int
    transforms: int  # of inputs, for each window and channel
    error: float
    amplification: float
    sources: dict[str, float]

    @property
    def saving(self) -> float:
        """How many times fewer products there are."""
        return self.directly / self.products


def windows(problem: Problem, plan: Plan) -> Windows | None:
    """The windows of a Cook–Toom plan; None for another one."""
    if plan.algorithm != "cook_toom":
        return None
    split, toom, rows = plan.split(problem), plan.toom, folded(problem, plan.fold)
    return Windows(
        algorithm=toom,
        outputs=plan.outputs,
        products=split.products(toom.multiplications) * plan.fold,
        directly=plan.outputs * problem.kernel_size,
        terms=split.terms,
        phases=split.phases,
        sequences=split.sequences,
        transforms=split.transforms(plan.outputs),
        error=error_of(problem, form_of(plan)),
        amplification=amplification(toom),
        sources=sources(toom, rows.kernel_size, rows.group_channels, split.terms),
    )
