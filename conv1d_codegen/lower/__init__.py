"""One algorithm a file: each writes a problem's formula as loops, readable, slow and right. The passes make it fast."""

from __future__ import annotations

from ..ir import Kernel
from ..problem import Problem
from . import depthwise, direct, generic

_LOWERINGS = {"direct": direct.lower, "depthwise": depthwise.lower, "generic": generic.lower}


def lower(problem: Problem, algorithm: str) -> Kernel:
    """The formula of `problem` as `algorithm` orders its loops."""
    return _LOWERINGS[algorithm](problem)


def representative(problem: Problem, algorithm: str) -> Problem:
    """The problem that stands for all those that one kernel of `algorithm` computes: itself, but for generic."""
    return generic.representative(problem) if algorithm == "generic" else problem
