"""What several commands take: a problem, and what its kernel is compiled for."""

from __future__ import annotations

import argparse

from ..machine.target import TARGETS
from ..problem import Problem, parse_case
from ..schedule.plan import ALGORITHMS
from ..schedule.window_forms import ACCURACIES

#: For help.
EXAMPLE = "c16_f32_k3_d2_causal_gelu_f32"


def add_choice(command: argparse.ArgumentParser) -> None:
    """What a kernel is compiled for, and who chooses its plan."""
    command.add_argument("--target", choices=["host", *TARGETS], help="the machine to compile for (default: this one)")
    command.add_argument(
        "--algorithm", choices=("auto", *ALGORITHMS), default="auto", help="default: the one that the cost model picks"
    )
    command.add_argument(
        "--accuracy",
        choices=ACCURACIES,
        default="",
        help="how exact Cook–Toom must be to be picked (default: strict, so never)",
    )


def problem_of(descriptor: str) -> Problem:
    """The problem that a descriptor, or a case (`PROBLEM@BATCHxLENGTH`), names. Raises ValueError
    where it names none.
    """
    from ..reference import activations

    try:
        problem = parse_case(descriptor)[0] if "@" in descriptor else Problem.parse(descriptor)
        activations.check(problem.activation)
    except ValueError as error:
        raise ValueError(str(error) if descriptor in str(error) else f"{descriptor}: {error}") from error
    return problem
