"""`conv1d-codegen demo`: heartbeats in a recorded ECG."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to those of a parser."""
    demo = commands.add_parser(
        "demo",
        help="find the heartbeats in a recorded ECG with compiled layers",
        description="Finds the heartbeats in a recorded ECG with compiled Conv1D layers, checks and times them, and saves a picture.",
    )
    demo.add_argument(
        "--output", type=Path, metavar="PICTURE", default=Path("conv1d_codegen_demo.png"), help="default: %(default)s"
    )
    demo.add_argument("--no-picture", action="store_true", help="print only; does not need matplotlib")
    demo.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo, and give the exit code. Raises ImportError where it lacks a library."""
    from ..demo.run import run

    return run(None if arguments.no_picture else arguments.output)
