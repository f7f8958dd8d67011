"""`python -m bench constants`: what knowing each constant is worth, of the cases of shapes.json."""

from __future__ import annotations

from collections.abc import Sequence

from bench import shapes
from conv1d_codegen.benchmark import constants
from conv1d_codegen.benchmark.arguments import add_layout, no_case
from conv1d_codegen.benchmark.command import check_files
from conv1d_codegen.parser import Parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints. Gives the exit code: 1 where a kernel gave a wrong output, 2 where no case fits."""
    parser = Parser(
        prog="python -m bench constants", description="Says what knowing each constant of the cases is worth."
    )
    constants.add_arguments(parser)
    add_layout(parser)
    arguments = parser.parse_args(argv)
    check_files(parser, arguments)
    cases = shapes.load(arguments.layout == "channels_first", text=arguments.filter)
    return constants.run(cases, arguments) if cases else no_case(arguments.filter)
