"""The bench: the cases of shapes.json against the generic kernel, the limits of the machine and other libraries, and
against the project's targets.

`python -m bench --help`, or `python bench/run.py --help`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __package__ in (None, ""):  # run as a file: Python looks for modules in this folder instead of the one above
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench import shapes
from conv1d_codegen.benchmark import table
from conv1d_codegen.benchmark.arguments import add_layout, no_case
from conv1d_codegen.benchmark.run import add_arguments, check_arguments, run
from conv1d_codegen.parser import Parser


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m bench",
        description="Times compiled Conv1D layers against the generic kernel, the limits of the machine and other libraries.",
        epilog="Other commands: python -m bench networks | compare | constants | compile | calls | scale | plans | accuracy | random, "
        "each with --help.",
    )
    add_arguments(parser)
    add_layout(parser)
    parser.add_argument(
        "--dtype",
        choices=("f32", "f64"),
        default="f32",
        help="default: %(default)s; the peers are measured in f32 only",
    )
    arguments = parser.parse_args(argv)
    if arguments.peers and arguments.dtype != "f32":
        parser.error("argument --peers: the peers are measured in f32 only; leave --peers or --dtype out")
    check_arguments(parser, arguments)
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench. Gives the exit code: 1 where one of our results was wrong or the measuring failed, 2 where no case
    fits.
    """
    arguments = _arguments(argv)
    cases = shapes.load(arguments.layout == "channels_first", arguments.dtype, arguments.filter)
    if not cases:
        return no_case(arguments.filter)
    kind = {"f32": "float32", "f64": "float64"}[arguments.dtype]
    which = f"{arguments.layout}, {kind}, bias and relu"
    options = {"layout": arguments.layout, "dtype": arguments.dtype}
    return run(cases, arguments, which, options, table.summary if arguments.dtype == "f32" else None)


if __name__ == "__main__":
    sys.exit(main())
