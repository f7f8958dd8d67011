"""The bench of networks: whole networks beside other libraries, and beside their own convolutions.

`python -m bench networks --help`
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from bench import network_table, networks
from bench.network_measure import TOLERANCE, Settings
from conv1d_codegen.benchmark import machine, peers
from conv1d_codegen.benchmark.arguments import no_case
from conv1d_codegen.benchmark.command import Report, add_common, check_common, finish, measure, on_cores, speeds
from conv1d_codegen.benchmark.record import NetworkResult, Run
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.parser import Parser


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m bench networks", description="Times whole networks beside other libraries.")
    add_common(parser, peers.NETWORK_NEEDS, "networks")
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.rounds = 3
    check_common(parser, arguments, peers.NETWORK_NEEDS)
    if "torch_compile" in arguments.peers and not has_compiler():
        print("torch_compile is left out: it needs a C++ compiler, g++, clang++ or what CXX names.", file=sys.stderr)
        arguments.peers = tuple(name for name in arguments.peers if name != "torch_compile")
    return arguments


def has_compiler() -> bool:
    """Whether there is a C++ compiler, by the names that torch looks for."""
    names = (os.environ.get("CXX"), "g++", "clang++")
    return any(shutil.which(name) for name in names if name)


def main(argv: Sequence[str]) -> int:
    """Run it. Gives the exit code: 1 where one of our results was wrong or the measuring failed, 2 where no network fits."""
    arguments = _arguments(argv)
    settings = Settings(arguments.filter, arguments.rounds, arguments.peers)
    cases = len(networks.load(settings.filter))
    if not cases:
        return no_case(settings.filter)
    begin, date = time.perf_counter(), datetime.now(timezone.utc).isoformat(timespec="seconds")
    options = {**asdict(settings), "threads": list(arguments.threads)}
    run: Run[NetworkResult] = Run(
        date, machine.describe(), machine.versions(settings.peers), options, [], [], "networks"
    )
    ok = measure(run, settings, cases, arguments, _report)
    return finish(run, arguments, _draw, ("compiled",), begin, ok)


def _report(settings: Settings) -> Report[NetworkResult]:
    names = list(settings.peers)
    return Report(
        lambda limits: (
            f"{resolve(None)}, {on_cores(limits)}, float32, outputs within {TOLERANCE:g} of the largest of the reference's\n"
            f"{speeds(limits)}\n\n{network_table.header(names)}"
        ),
        lambda result: network_table.row(result, names),
        lambda results: network_table.means(results, names),
    )


def _draw(path: Path, run: Run[NetworkResult]) -> None:
    from bench import network_plot

    network_plot.draw(path, run)
