"""`python -m bench compare OLD NEW`: what moved, between two runs, by more than the noise.

Between runs the clock rate of a core differs. So a time is compared in units of the FMA peak of its own rounds, as long
as both runs had the same processor, target and dtype. It moved where it differs by more than the noise of both runs
together, and by more than _LEAST.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

from ..parser import Parser
from . import record
from .record import Run, Timed

# Two runs of one version on a machine with other work on it: with one sweep 41 of 118 times moved; with three, and
# arrays at fixed places, 3.
_LEAST = 0.05
_LIMITS = ("peak", "write", "copy")


@dataclass(frozen=True, slots=True)
class Change:
    """One time in both runs: seconds, the factor between them at the same clock rate, and the factor that noise can
    explain.
    """

    name: str
    threads: int
    candidate: str
    old: float
    new: float
    factor: float
    noise: float

    @property
    def moved(self) -> bool:
        return max(self.factor, 1 / self.factor) > 1 + self.noise

    def __str__(self) -> str:
        word = "slower" if self.factor > 1 else "faster"
        by = f"{100 * (max(self.factor, 1 / self.factor) - 1):.1f} %"
        times = f"{1e6 * self.old:.1f} to {1e6 * self.new:.1f} µs"
        return f"{self.name:34} {self.threads:>2} {self.candidate:11} {word} by {by:>8} (noise {100 * self.noise:.1f} %): {times}"


def changes(old: Run[Any], new: Run[Any]) -> Iterator[Change]:
    """Every time that both runs have of the same problem."""
    before = {(result.name, result.threads): result for result in old.results}
    same_clock = _comparable(old) == _comparable(new)
    for result in new.results:
        was = before.get((result.name, result.threads))
        if was is not None and was.text == result.text:
            yield from _of_case(was, result, result.peak / was.peak if same_clock else 1.0)


def _comparable(run: Run[Any]) -> tuple[object, ...]:
    """What must be the same for a peak to be a measure of the clock."""
    return (run.machine.get("llvm_cpu"), run.options.get("target"), run.options.get("dtype"))


def _of_case(old: Timed, new: Timed, clock: float) -> Iterator[Change]:
    for candidate, timing in new.timings.items():
        was = old.timings.get(candidate)
        if was is not None and candidate not in _LIMITS:
            noise = max(_LEAST, was.noise + timing.noise)
            yield Change(
                new.name,
                new.threads,
                candidate,
                was.seconds,
                timing.seconds,
                clock * timing.seconds / was.seconds,
                noise,
            )


def warnings(old: Run[Any], new: Run[Any]) -> list[str]:
    """What else differs between the runs."""
    found = []
    for what in ("machine", "versions", "options"):
        a, b = getattr(old, what), getattr(new, what)
        differing = [key for key in {**a, **b} if a.get(key) != b.get(key)]
        found += [f"{what}: {key} was {a.get(key)!r} and is {b.get(key)!r}" for key in differing]
    ids = [{(result.name, result.threads, result.text) for result in run.results} for run in (old, new)]
    for run, only in (("old", ids[0] - ids[1]), ("new", ids[1] - ids[0])):
        if only:
            names = ", ".join(f"{name} ({threads})" for name, threads, _ in sorted(only)[:4])
            found.append(f"only the {run} run has {names}{' and others' if len(only) > 4 else ''}, {len(only)} in all")
    return found


def report(old: Run[Any], new: Run[Any]) -> tuple[str, bool]:
    """The comparison as text, and whether a compiled layer or network got slower by more than the noise."""
    every = list(changes(old, new))
    lines = [f"warning: {text}" for text in warnings(old, new)]
    if not every:
        return "\n".join([*lines, "The runs have no time in common."]), False
    peak = median(result.peak for result in new.results) / median(result.peak for result in old.results)
    if abs(peak - 1) > _LEAST:
        lines.append(f"warning: the FMA peak is {peak:.2f} times what it was; times bound by memory don't follow it")
    moved = sorted((change for change in every if change.moved), key=lambda change: -change.factor)
    lines += [str(change) for change in moved]
    ours = [change for change in every if change.candidate == "compiled"]
    lines.append(f"{len(moved)} of {len(every)} times moved by more than the noise")
    if ours:
        mean = geometric_mean(change.factor for change in ours)
        lines.append(f"compiled {new.kind}: {mean:.3f} times the time, geometric mean of {len(ours)}")
    return "\n".join(lines), any(change.moved and change.factor > 1 for change in ours)


def main(argv: Sequence[str], program: str = "python -m bench compare") -> int:
    """Compares two files. Gives the exit code: 1 where a compiled layer or network got slower by more than the noise, 2 where a
    file can't be read.
    """
    parser = Parser(prog=program, description="Says what moved by more than the noise.")
    parser.add_argument("old", type=Path, help="what the bench's --json wrote")
    parser.add_argument("new", type=Path, help="... and wrote later")
    arguments = parser.parse_args(argv)
    try:
        text, slower = report(record.read(arguments.old), record.read(arguments.new))
    except (record.RecordError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    print(text)
    return 1 if slower else 0
