"""What every pass may look at beside the kernel: the problem, its plan, and the machine."""

from __future__ import annotations

from dataclasses import dataclass

from ..plan import Plan
from ..problem import Problem
from ..target import Target


@dataclass(frozen=True, slots=True)
class Context:
    problem: Problem
    plan: Plan
    target: Target
