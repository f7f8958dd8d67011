"""`conv1d-codegen selftest`: random layers, checked on this machine."""

from __future__ import annotations

import argparse
import math
from typing import Any

from ..machine.target import TARGETS


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to those of a parser."""
    selftest = commands.add_parser(
        "selftest",
        help="check random layers on this machine, and write a report",
        description="Checks random layers on this machine against a float64 reference, between guard pages, bit by bit for threads, "
        "batches and lengths. What fails is printed with a line that reproduces it; the exit code is 1 then.",
        epilog="Example: conv1d-codegen selftest --seconds 3600 --jobs 2 --seed 7",
    )
    selftest.add_argument(
        "--seconds",
        type=float,
        default=10.0,
        help="how long to run, though for one layer at least (default: %(default)s)",
    )
    selftest.add_argument("--layers", type=int, help="at most so many layers (default: as many as there is time for)")
    selftest.add_argument("--seed", type=int, default=0, help="another one draws others (default: %(default)s)")
    selftest.add_argument(
        "--target",
        action="append",
        choices=["host", *TARGETS],
        help="default: all that run here; may be given several times",
    )
    selftest.add_argument("--jobs", type=int, default=1, help="processes at a time (default: %(default)s)")
    selftest.add_argument("--case", metavar="LINE", help="run one case, of a report's lines, and nothing else")
    selftest.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run it, and give the exit code: 1 where something failed. Raises ValueError for what is wrong."""
    from ..selftest.run import run, run_case

    if arguments.case is not None:
        return run_case(arguments.case)
    if arguments.jobs < 1 or (arguments.layers or 1) < 1:
        raise ValueError(f"--jobs and --layers are 1 or more. Received: {arguments.jobs}, {arguments.layers}.")
    if not 0 < arguments.seconds < math.inf:
        raise ValueError(f"--seconds is a number above 0. Received: {arguments.seconds}.")
    return run(arguments.seconds, arguments.seed, arguments.target or (), arguments.jobs, arguments.layers)
