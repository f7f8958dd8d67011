"""What a run found, as text that can be sent to the authors, and the line that shows how far it is."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..machine import jit
from ..machine.host import host
from ..runtime import processors
from ..version import __version__
from .driver import Outcome


@dataclass(slots=True)
class Totals:
    """What was counted."""

    cases: int = 0
    outputs: int = 0
    seconds: float = 0.0
    slowest: Outcome | None = None
    failures: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count a case."""
        self.cases += 1
        self.outputs += outcome.outputs
        if self.slowest is None or outcome.seconds > self.slowest.seconds:
            self.slowest = outcome
        if outcome.failure:
            self.failures.append(outcome)


def cause(failure: str) -> str:
    """A failure without its numbers: failures of one cause have one, most often."""
    return re.sub(r"-?\d[\d.e+-]*|\bnan\b|\binf\b", "#", failure)


def header(targets: Sequence[str], seed: int, jobs: int) -> str:
    """The versions, the machine, and what was asked for."""
    python = f"Python {platform.python_version()}, NumPy {np.__version__}, LLVM {jit.version()}"
    return (
        f"conv1d_codegen {__version__} selftest, {python}\n"
        f"{platform.system()} {platform.release()} {platform.machine()}, {jit.host_machine().cpu}, {processors.usable()} processors\n"
        f"host: {host()}; targets {', '.join(targets)}; seed {seed}; {jobs} processes"
    )


def progress(totals: Totals, pairs: tuple[int, int], left: float) -> str:
    """One line."""
    share = f"{pairs[0] / pairs[1]:.1%} of pairs"
    return f"{totals.cases} layers, {totals.outputs:.2e} outputs, {share}, {len(totals.failures)} failures, {max(left, 0):.0f} s left"


def text(totals: Totals, pairs: tuple[int, int], triples: tuple[int, int], shrunk: Sequence[Outcome]) -> str:
    """The report: what was covered, then every failure with the line that reproduces it, the first of each cause made
    small.
    """
    lines = [
        f"{totals.cases} layers in {totals.seconds:.0f} s, {totals.outputs} outputs compared",
        f"pairs of features {pairs[0]} of {pairs[1]}, triples {triples[0]} of {triples[1]} ({triples[0] / triples[1]:.1%})",
    ]
    if totals.slowest is not None:
        lines.append(f"slowest: {totals.slowest.seconds:.2f} s, {totals.slowest.case}")
    lines.append(f"{len(totals.failures)} failures" + (f" of {len(shrunk)} kinds:" if shrunk else ""))
    for outcome in shrunk:
        lines += ["", f"  python -m conv1d_codegen selftest --case '{outcome.case}'", f"    {outcome.failure}"]
    others = [outcome for outcome in totals.failures if str(outcome.case) not in {str(each.case) for each in shrunk}]
    if shrunk and others:
        lines += ["", "as they were drawn:", *(f"  {outcome.case}\n    {outcome.failure}" for outcome in others)]
    return "\n".join(lines)
