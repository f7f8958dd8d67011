"""What every pass may look at beside the kernel: the problem, its plan, and the machine."""

from __future__ import annotations

from dataclasses import dataclass

from ..machine.target import Target
from ..problem import Problem
from ..schedule.plan import Plan


@dataclass(frozen=True, slots=True)
class Context:
    problem: Problem
    plan: Plan
    target: Target
