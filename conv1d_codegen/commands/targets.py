"""`conv1d-codegen targets`: the machines there is code for."""

from __future__ import annotations

import argparse
from typing import Any

from .. import knobs
from ..errors import CompileError
from ..machine.host import host, resolve, runs_here
from ..machine.target import TARGETS


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to those of a parser."""
    targets = commands.add_parser(
        "targets", help="list the machines there is code for, and which of them fits this one"
    )
    targets.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the table, and give the exit code."""
    try:
        chosen, here = resolve(knobs.target(TARGETS)).name, str(host())
    except CompileError as error:
        chosen, here = "", str(error)
    print(f"{'name':8} {'vectors':>8} {'registers':>10} {'FMA':>4}  {'LLVM CPU':12} on this machine")
    for name, target in TARGETS.items():
        use = (
            "is what layers are compiled for"
            if name == chosen
            else "runs"
            if runs_here(target)
            else "can be dumped, does not run"
        )
        fma = "yes" if target.fma else "no"
        print(f"{name:8} {target.vector_bytes * 8:>4} bit {target.registers:>10} {fma:>4}  {target.cpu:12} {use}")
    print(f"\nhost: {here}")
    return 0
