"""What knowing each size of a convolution is worth: the generic kernel is given one constant more at a time, until all are
known, then a schedule that is made for them, then an algorithm that needs them.

A generic kernel goes through the same passes as a specialised one, so what a constant gives is what the compiler makes of
it: loops and addresses that are known, tails that are known not to be there. The layout comes first: who does not know it
has kernels for one, and converts what comes in the other.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial

import numpy as np

from ..compiler import compile_problem
from ..layers.conv1d import Conv1D
from ..machine import timing
from ..machine.host import resolve
from ..machine.peak import FmaPeak
from ..machine.timing import Timing
from ..options import CompileOptions
from ..parser import Parser
from ..schedule.plan import RUN_TIME, Plan
from . import check, machine
from .arguments import add_filter, add_target, count
from .cases import Array, Case
from .cells import line, times
from .command import add_files, check_files
from .own import add_cases, cases_of
from .record import ConstantsResult, Limits, Run

_COLUMNS = (
    ("known", "<44"),
    ("µs", ">9"),
    ("GFLOP/s", ">8"),
    ("vs generic", ">10"),
    ("this one", ">8"),
    ("alone", ">6"),
)
_NOTE = (
    "vs generic: times as fast as the kernel that knows the layout only; this one: as the row above; alone: as the generic\n"
    "kernel, where it knows nothing but this and the layout"
)


def main(argv: Sequence[str], program: str) -> int:
    """Measures and prints. Gives the exit code: 1 where a kernel gave a wrong output."""
    parser = Parser(
        prog=program,
        description="Says what knowing each constant of your layers is worth: the generic kernel is given one more at a time.",
    )
    add_cases(parser)
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    check_files(parser, arguments)
    return run(cases_of(parser, arguments), arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those beside which cases it is of."""
    add_filter(parser)
    add_target(parser)
    parser.add_argument(
        "--rounds", type=count, default=15, help="times that each takes its turn (default: %(default)s)"
    )
    add_files(parser)


def run(cases: Sequence[Case], arguments: argparse.Namespace) -> int:
    """Measures cases, one after another, and writes the files that were asked for. Gives the exit code."""
    begin, cores = time.perf_counter(), timing.pin(1)
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    options = {"rounds": arguments.rounds, "target": arguments.target, "threads": [1], "peers": []}
    found: Run[ConstantsResult] = Run(date, machine.describe(), machine.versions([]), options, [], [], "constants")
    for case in cases:
        result = measure(case, arguments.target, arguments.rounds)
        found.results.append(result)
        found.limits[:] = found.limits or [Limits(1, cores, result.peak, 0.0)]
        print(f"{table(result, str(resolve(arguments.target)))}\n", flush=True)
    print(_NOTE)
    if arguments.json:
        found.write(arguments.json)
    if arguments.plot:
        from . import constants_plot

        constants_plot.draw(arguments.plot, found)
    for path in (arguments.json, arguments.plot):
        if path:
            print(f"written: {path}")
    wrong = [result.name for result in found.results if result.faults]
    print(f"{len(cases)} cases in {time.perf_counter() - begin:.0f} s{f', WRONG: {wrong}' if wrong else ''}")
    return 1 if wrong else 0


def measure(case: Case, target: str | None, rounds: int) -> ConstantsResult:
    """All kernels of a case, checked, then timed by turns."""
    peak = FmaPeak(resolve(target), case.problem.compute)
    x, y = case.inputs(), case.output()
    faults: dict[str, str] = {}
    calls: dict[str, timing.Call] = {"peak": peak}
    plans = plans_of(case, target)
    for name, plan in plans.items():
        layer = case.layer(target=target, plan=plan)
        y.fill(np.nan)
        layer(x, out=y)
        fault = check.wrong(case, layer, x, y)
        if fault:
            faults[name] = fault
        else:
            calls[name] = partial(layer, x, out=y)
    calls["nothing"] = _converting(case, target, x, y)
    timings = {name: Timing.of(seconds) for name, seconds in timing.samples(calls, rounds).items()}
    measured = peak.flops / timings["peak"].seconds
    return ConstantsResult(case.name, str(case), 1, case.flops, measured, timings, faults, str(plans["compiled"]))


def plans_of(case: Case, target: str | None) -> dict[str, Plan]:
    """The schedule of each kernel, by the names of `ConstantsResult`."""

    def chosen(algorithm: str, accuracy: str = "strict") -> Plan:
        options = CompileOptions(algorithm=algorithm, accuracy=accuracy, target=target)
        return compile_problem(case.problem, options, case.length).plan

    generic = chosen("generic")
    plans = {"generic": generic}
    for number, name in enumerate(RUN_TIME):
        plans[f"to {name}"] = replace(generic, constants=RUN_TIME[: number + 1])
        plans[f"only {name}"] = replace(generic, constants=(name,))
    return {**plans, "direct": chosen("auto"), "compiled": chosen("auto", "standard")}


def _converting(case: Case, target: str | None, x: Array, y: Array) -> timing.Call:
    """A call of the generic kernel of the other layout, with input and output converted."""
    problem = case.problem
    other = replace(case, problem=problem.with_(channels_first=not problem.channels_first))
    layer: Conv1D = other.layer("generic", target)
    inputs, outputs = other.inputs(), other.output()

    def call() -> None:
        np.copyto(inputs, x.transpose(0, 2, 1))
        layer(inputs, out=outputs)
        np.copyto(y, outputs.transpose(0, 2, 1))

    return call


def table(result: ConstantsResult, target: str) -> str:
    """One case as text."""
    lines = [
        f"{result.text}, {target}, FMA peak {result.peak / 1e9:.1f} GFLOP/s",
        line([t for t, _ in _COLUMNS], _COLUMNS),
    ]
    before: str | None = None
    for what, name in result.kernels:
        seconds = result.timings[name].seconds
        step = None if before is None else result.ratio(before, name)
        alone = result.ratio("generic", name.replace("to ", "only ")) if name.startswith("to ") else None
        cells = [
            what,
            f"{1e6 * seconds:.1f}",
            f"{result.flops / seconds / 1e9:.1f}",
            times(result.ratio("generic", name)),
        ]
        lines.append(line([*cells, times(step), times(alone)], _COLUMNS).rstrip())
        before = name
    return "\n".join([*lines, *(f"WRONG: {name}: {fault}" for name, fault in result.faults.items())])
