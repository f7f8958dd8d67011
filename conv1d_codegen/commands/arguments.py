"""What several commands take: a problem, and what its kernel is compiled for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..machine.target import TARGETS
from ..options import CompileOptions
from ..problem import Problem, parse_case
from ..schedule.plan import ALGORITHMS, Plan
from ..schedule.window_forms import ACCURACIES

if TYPE_CHECKING:
    from ..network import Network

#: For help.
EXAMPLE = "c16_f32_k3_d2_causal_gelu_f32"
#: Steps of a network's input, where neither its file nor the user says how many.
_USUAL_LENGTH = 1000


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


def add_kernel(command: argparse.ArgumentParser, measure: str) -> None:
    """Which kernel: of a problem, or of a layer of a saved network; and whether it is timed, with that option's help."""
    command.add_argument(
        "what",
        metavar="DESCRIPTOR",
        help="the problem's text form, as of `dump`, with `@BATCHxLENGTH` for inputs of that size; or the file of a network, of our own, "
        "Keras or ONNX, with --layer",
    )
    command.add_argument("--layer", metavar="NAME", help="of a network: which of its layers")
    command.add_argument(
        "--length", type=int, metavar="STEPS", help=f"of a network's input, if not fixed (default: {_USUAL_LENGTH})"
    )
    add_choice(command)
    command.add_argument("--measure", action="store_true", help=measure)


def is_network(arguments: argparse.Namespace) -> bool:
    """Whether the arguments of `add_kernel` mean a network's file, there or not, instead of a problem. Raises ValueError for
    those that go with a network only, or with a problem only, and aren't with one.
    """
    from ..network.readers import SUFFIXES

    text, layer, length = arguments.what, arguments.layer, arguments.length
    path = Path(text)
    if path.is_file() or path.suffix in SUFFIXES:
        if arguments.measure:
            raise ValueError("--measure is for one convolution: a network's kernels take more than one has.")
        return True
    if layer is not None:
        raise ValueError(f"--layer names a layer of a saved network, and {text} is no file.")
    if length is not None:
        raise ValueError(
            f"--length is that of a network's input: of one convolution, write {text.split('@')[0]}@1x{length}."
        )
    return False


def network_of(arguments: argparse.Namespace, options: CompileOptions) -> Network:
    """The network that the arguments of `add_kernel` name. Raises ValueError, with its layers, where they name none of them."""
    from ..network import load

    network = load(arguments.what, options=options)
    if arguments.layer is None:
        names = ", ".join(node.name for node in network.graph.nodes)
        raise ValueError(f"Name a layer of the network with --layer. It has {names}.")
    return network


def length_of(arguments: argparse.Namespace) -> int:
    """The steps of a network's input, of which the arguments of `add_kernel` say how many, or nothing."""
    return _USUAL_LENGTH if arguments.length is None else int(arguments.length)


def case_of(descriptor: str) -> tuple[Problem, tuple[int, int] | None]:
    """The problem that a descriptor, or a case (`PROBLEM@BATCHxLENGTH`), names, with the case's batch and length. Raises
    ValueError where it names none.
    """
    from ..reference import activations

    try:
        if "@" in descriptor:
            problem, batch, length = parse_case(descriptor)
            sizes: tuple[int, int] | None = (batch, length)
        else:
            problem, sizes = Problem.parse(descriptor), None
        activations.check(problem.activation)
    except ValueError as error:
        raise ValueError(str(error) if descriptor in str(error) else f"{descriptor}: {error}") from error
    return problem, sizes
