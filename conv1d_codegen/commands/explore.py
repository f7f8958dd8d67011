"""`conv1d-codegen explore`: a page about a kernel, or about two beside each other."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..machine.host import runs_here
from ..machine.target import TARGETS
from ..options import CompileOptions
from ..schedule.plan import ALGORITHMS, Plan
from .arguments import EXAMPLE, add_kernel, case_of, is_network, length_of, network_of, options_of

#: Of the input, where no case says how many, that tiles are drawn for: enough for blocks, tails and edges to show.
_USUAL_STEPS = 250


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to those of a parser."""
    explore = commands.add_parser(
        "explore",
        help="make a page of HTML that shows a kernel from the loops to the assembly",
        description="Makes one page of HTML, which needs no network: loops, LLVM IR and assembly linked line by line, the loops after each "
        "pass, the tiles of the output, and the roofline. With --against, of two kernels beside each other.",
        epilog=f"Example: conv1d-codegen explore {EXAMPLE}@1x1000 --against generic --output page.html",
    )
    add_kernel(explore, "also time what runs on this machine, on one thread, for the roofline")
    explore.add_argument(
        "--kernel",
        type=int,
        metavar="N",
        default=1,
        help="which of the layer's kernels, if it has several (default: 1)",
    )
    explore.add_argument(
        "--against",
        metavar="PLAN",
        help=f"a second kernel of the same problem: {', '.join(('auto', *ALGORITHMS))}, or a plan",
    )
    explore.add_argument("--against-target", choices=["host", *TARGETS], help="the machine of the second kernel")
    explore.add_argument(
        "-o", "--output", type=Path, metavar="PAGE", default=Path("kernel.html"), help="default: %(default)s"
    )
    explore.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the page, and give the exit code. Raises ValueError, CompileError and OSError for what is wrong."""
    from ..inspection.page import page

    network = is_network(arguments)
    options = options_of(arguments, network)
    chosen = [options]
    if arguments.against is not None or arguments.against_target is not None:
        other: str | None = arguments.against
        target = arguments.against_target or arguments.target
        if other is None:
            chosen.append(replace(options, target=target))
        elif other in ("auto", *ALGORITHMS):
            chosen.append(CompileOptions(algorithm=other, accuracy=arguments.accuracy, target=target))
        else:
            chosen.append(CompileOptions(plan=Plan.parse(other), accuracy=arguments.accuracy, target=target))
    sides = [(_side_of_layer if network else _side)(arguments, each) for each in chosen]
    title = arguments.what if arguments.layer is None else f"{arguments.layer} of {Path(arguments.what).name}"
    arguments.output.write_text(page(title, sides), encoding="utf-8")
    print(f"wrote {arguments.output}")
    return 0


def _side(arguments: argparse.Namespace, options: CompileOptions) -> dict[str, Any]:
    """One kernel of a page: a problem's."""
    from ..compiler import compile_problem
    from ..inspection.explain import explain
    from ..inspection.page_data import side

    problem, sizes = case_of(arguments.what)
    batch, length = sizes or (1, None)
    made = compile_problem(problem, options, length)
    measure = arguments.measure and runs_here(made.target)
    explanation = explain(made, batch, length, options.accuracy, measure)
    return side(made, explanation, _USUAL_STEPS if length is None else length)


def _side_of_layer(arguments: argparse.Namespace, options: CompileOptions) -> dict[str, Any]:
    """One of those of a network's layer."""
    from ..inspection.page_data import side

    layer, number, length = arguments.layer, arguments.kernel, length_of(arguments)
    network = network_of(arguments, options)
    tasks = network.tasks(layer, length)
    if not 1 <= number <= len(tasks):
        raise ValueError(f"{layer} has {len(tasks)} kernel(s): --kernel is 1 to {len(tasks)}. Received: {number}.")
    task = tasks[number - 1]
    explanation = network.explain(layer, length)[number - 1]
    return side(task.kernel, explanation, sizes=lambda steps: {**task.sizes, "T": steps})
