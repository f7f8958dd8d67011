"""What every pass may look at beside the kernel: the problem, its plan, and the machine."""

from __future__ import annotations

from dataclasses import dataclass

from ..lower import Sizes, sizes
from ..machine.target import Target
from ..problem import Problem
from ..problem.folding import folded
from ..schedule.plan import Plan


@dataclass(frozen=True, slots=True)
class Context:
    problem: Problem
    plan: Plan
    target: Target
    own_sizes: Sizes | None = None  # of a nest among several, whose input is not the kernel's

    @property
    def windows(self) -> Problem:
        """The problem that Cook–Toom's windows compute: of rows of steps, where the plan folds these."""
        return folded(self.problem, self.plan.fold)

    @property
    def sizes(self) -> Sizes:
        """The sizes in the formula: numbers, or names."""
        return self.own_sizes or sizes(self.problem, self.plan)
