"""`conv1d-codegen explain`: what a kernel does, by which plan and why, and what bounds its speed."""

from __future__ import annotations

import argparse
from typing import Any

from .arguments import EXAMPLE, add_kernel, case_of, is_network, length_of, network_of, options_of


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to those of a parser."""
    explain = commands.add_parser(
        "explain",
        help="say what a kernel does, by which plan and why, and what bounds its speed",
        description="Explains the kernel of one convolution, or of a layer of a saved network: its plan and those that were not taken, "
        "registers, the innermost loop and its least cycles, padding, sizes and errors. In colours on a terminal with "
        "`conv1d-codegen[inspect]`.",
        epilog=f"Example: conv1d-codegen explain {EXAMPLE}@8x1000 --measure",
    )
    add_kernel(explain, "also call it, and time it on one thread beside the limits of the core")
    explain.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation, and give the exit code. Raises ValueError, CompileError and OSError for what is wrong."""
    from ..compiler import compile_problem
    from ..inspection.explain import explain
    from ..inspection.terminal import show
    from ..inspection.wording import sections

    if is_network(arguments):
        network = network_of(arguments, options_of(arguments, network=True))
        for each in network.explain(arguments.layer, length_of(arguments)):
            show(sections(each))
        return 0
    problem, sizes = case_of(arguments.what)
    batch, length = sizes or (1, None)
    options = options_of(arguments)
    made = compile_problem(problem, options, length)
    show(sections(explain(made, batch, length, options.accuracy, arguments.measure)))
    return 0
