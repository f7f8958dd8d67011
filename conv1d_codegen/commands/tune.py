"""`conv1d-codegen tune`: the fastest plan for a convolution on this machine, by measurement."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .. import knobs
from ..machine.host import resolve
from ..machine.target import TARGETS
from ..problem import parse_case
from .arguments import EXAMPLE, case_of


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to those of a parser."""
    tune = commands.add_parser(
        "tune",
        help="search the fastest plan for a convolution on this machine",
        description="Measures plans on this machine. With a directory, the best one is kept in a file there, and layers compiled with "
        "CONV1D_CODEGEN_CACHE_DIR set to it use it.",
        epilog=f"Example: conv1d-codegen tune {EXAMPLE}@8x1000 --directory ~/.cache/conv1d_codegen",
    )
    tune.add_argument(
        "case",
        metavar="DESCRIPTOR@BATCHxLENGTH",
        help="the problem, as of `dump`, and the size of the inputs to measure with",
    )
    tune.add_argument("--seconds", type=float, default=10.0, help="about how long to search (default: %(default)s)")
    tune.add_argument("--threads", type=int, default=1, help="threads of a call (default: %(default)s)")
    tune.add_argument(
        "--target", choices=["host", *TARGETS], help="the machine to compile for, as far as this one can run it"
    )
    tune.add_argument(
        "--directory",
        type=Path,
        metavar="PATH",
        help="default: CONV1D_CODEGEN_CACHE_DIR; without either no file is written",
    )
    tune.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Search, print what was found, and give the exit code. Raises ValueError, CompileError and OSError for what is wrong."""
    from ..tuning import Workbench, keep, search

    case_of(arguments.case)
    problem, batch, length = parse_case(arguments.case)
    bench = Workbench(problem, resolve(arguments.target or knobs.target(TARGETS)), batch, length, arguments.threads)
    result = search(bench, arguments.seconds)
    print(f"{arguments.case}, {bench.target}, {arguments.threads} thread(s), {result.tried} plans tried")
    print(f"cost model {result.seconds * result.speedup * 1e6:10.1f} µs  {result.chosen}")
    print(f"best found {result.seconds * 1e6:10.1f} µs  {result.best}", flush=True)
    file = keep(bench, result, arguments.directory)
    print("kept in no file: name a --directory, or set CONV1D_CODEGEN_CACHE_DIR" if file is None else f"kept in {file}")
    return 0
