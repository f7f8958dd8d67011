"""What several commands take: a problem, and what its kernel is compiled for."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..machine.target import TARGETS
from ..options import CompileOptions
from ..problem import Problem, parse_case
from ..schedule.plan import ALGORITHMS, Plan
from ..schedule.window_forms import ACCURACIES

#: For help.
EXAMPLE = "c16_f32_k3_d2_causal_gelu_f32"
#: Steps of a network's input, where neither its file nor the user says how many.
USUAL_LENGTH = 1000


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
        help="how exact Cook–Toom must be to be picked (default: strict, so never; of a network, standard)",
    )
    command.add_argument("--plan", metavar="PLAN", help="the schedule, as `dump --stage plan` prints it")


def options_of(arguments: argparse.Namespace, network: bool = False) -> CompileOptions:
    """What the arguments of `add_choice` ask for, of a problem or of a network. Raises ValueError and CompileError for what is
    no plan, or excludes each other.
    """
    return CompileOptions(
        algorithm=arguments.algorithm,
        accuracy=arguments.accuracy or ("standard" if network else ""),
        target=arguments.target,
        plan=None if arguments.plan is None else Plan.parse(arguments.plan),
    )


def is_network(text: str, layer: str | None, length: int | None) -> bool:
    """Whether a network's file is meant, there or not, instead of a problem. Raises ValueError for a layer, or a length behind
    `--length`, of what is none.
    """
    from ..network.readers import SUFFIXES

    path = Path(text)
    if path.is_file() or path.suffix in SUFFIXES:
        return True
    if layer is not None:
        raise ValueError(f"--layer names a layer of a saved network, and {text} is no file.")
    if length is not None:
        raise ValueError(
            f"--length is that of a network's input: of one convolution, write {text.split('@')[0]}@1x{length}."
        )
    return False


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
