"""`conv1d-codegen bench`: a user's own layers, measured."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to those of a parser."""
    bench = commands.add_parser(
        "bench",
        add_help=False,  # its own parsers read what stands behind it
        help="time your own layers against the generic kernel and other libraries; what each constant is worth",
    )
    bench.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Hand over to the parsers of the measurements, and give their exit code."""
    from ..benchmark import own

    return own.main(arguments.behind)
