"""The machine at hand: which row of the table of targets fits it, and whether code for a target can run here."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from ..errors import CompileError
from ..locks import COMPILING
from .target import TARGETS, Target

if TYPE_CHECKING:
    from .jit import Machine


@cache
def host() -> Target:
    """The row of the table that fits this machine, of those the one with the longest vectors, then the one that asks for
    most, with the machine's own triple, CPU and features.
    """
    machine = _machine()
    for row in sorted(TARGETS.values(), key=lambda row: (row.vector_bytes, row.fma, len(row.required)), reverse=True):
        if runs_here(row):
            return replace(row, triple=machine.triple, cpu=machine.cpu, features=machine.flat_features)
    raise CompileError(
        f"No target fits this machine ({machine.triple}, {machine.cpu}): x86-64 and aarch64 with NEON are supported. "
        f"Name one of {', '.join(TARGETS)} with CompileOptions(target=...) to look at its code."
    )


def resolve(target: Target | str | None) -> Target:
    """A target by name; None, or "host", is the machine at hand. Raises CompileError for an unknown name."""
    if isinstance(target, Target):
        return target
    if target is None or target == "host":
        return host()
    if target not in TARGETS:
        raise CompileError(f"No target is named {target!r}. Known: host, {', '.join(TARGETS)}.")
    return TARGETS[target]


def runs_here(target: Target) -> bool:
    """Whether code for `target` can run on this machine."""
    machine = _machine()
    return target.triple.split("-")[0] == machine.architecture and all(
        machine.features.get(feature, False) for feature in target.required
    )


def _machine() -> Machine:
    with COMPILING:  # a fork in the middle of an import leaves the module locked in the child
        from . import jit

        return jit.host_machine()
