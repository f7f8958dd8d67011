"""A kernel's point under the limits of a core: the roofline of one core, in FLOP a cycle.

The limits are those of `microarchitectures.py`: multiply-adds a cycle, and bytes that loads bring from the first cache.
A point lies where the innermost loop would be if it took no more than its least cycles, at the FLOP for each byte that it
loads; and one where the whole call would be if it took its multiplications' share of that, counted as the direct
algorithm. So Cook–Toom lies above the peak, and what fills no whole vectors below. What was measured lies at the FLOP
for each byte of the arrays, under what a copy of large ones moves.

S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52(4), 2009; bytes of the first cache as in A. Ilic, F. Pratas and L. Sousa,
"Cache-aware roofline model", IEEE Computer Architecture Letters 13(1), 2014.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..executable import Executable
from ..machine.target import Target
from ..number_types import TYPES
from ..problem import Problem
from .assembly import Instruction, inner_loop
from .census import census
from .facts import Measurement
from .microarchitectures import Bound, bound, microarchitecture, peak


def roofline(
    program: Executable,
    assembly: str,
    problem: Problem,
    sizes: Mapping[str, int],
    moved: int,
    measurement: Measurement | None = None,
) -> dict[str, Any] | None:
    """The limits and the points, for run-time `sizes` by name; None where no loop multiplies. `moved`: bytes of all
    arrays, for what was measured.
    """
    loop = inner_loop(assembly)
    compute, target = problem.compute, program.target
    if loop is None or not _flops(loop.instructions, target, compute):
        return None
    model = microarchitecture(target)
    least = bound(loop, model)
    flops, loaded = _flops(loop.instructions, target, compute), _bytes(loop.instructions, problem)
    counted = census(program.scheduled, sizes)
    # A multiply-add of the loops is one of whole vectors, whatever lanes are in use.
    executed = 2 * counted.products * target.lanes(compute)
    direct = problem.flops(sizes["N"], sizes["T"])
    intensity = flops / (loaded or flops)
    rate = flops / least.cycles
    words = f"at least {least.cycles:g} cycles a round, bound by {_words(least)}"
    points = [{"name": "innermost loop", "rate": rate, "intensity": intensity, "words": words}]
    if executed and direct:
        whole = rate * direct / executed
        points.append({"name": "whole call, counted as direct", "rate": whole, "intensity": intensity, "words": ""})
    if measurement is not None:
        seconds, clock = measurement.seconds, measurement.clock
        words = f"{direct / seconds / 1e9:.4g} GFLOP/s, at {clock / 1e9:.3g} GHz if the model's peak is right"
        rate = direct / seconds / clock
        points.append({"name": "measured", "rate": rate, "intensity": direct / moved, "words": words, "measured": True})
    return {
        "model": model.name,
        "unit": "FLOP a cycle",
        "axis": f"FLOP a byte that the innermost loop loads{'' if measurement is None else '; ◆ a byte of the arrays'}",
        "peak": peak(target, compute),
        "bandwidth": len(model.ports_of("load", target.vector_bytes)) * target.vector_bytes,
        "from": "loads from L1",
        "memory": None if measurement is None else measurement.bandwidth / measurement.clock,
        "points": points,
    }


def _words(least: Bound) -> str:
    ports = least.pressures[0].ports if least.pressures else ()
    return {
        "ports": f"port{'s' * (len(ports) > 1)} {' and '.join(ports)}",
        "issue": "what is issued in a cycle",
        "latency": "the latency of additions one after another",
    }[least.by]


def _flops(of: Iterable[Instruction], target: Target, compute: str) -> int:
    """What the vectors of a loop multiply and add."""
    size = TYPES[compute].bytes
    total = 0
    for each in of:
        numbers = max(1, each.bytes // size)
        if each.kind == "fma":
            total += 2 * numbers
        elif not target.fma and each.kind == "arithmetic" and each.opcode.startswith(("mul", "add")):
            total += numbers
    return total


def _bytes(of: Iterable[Instruction], problem: Problem) -> int:
    """What a loop loads: whole vectors, or one number for all lanes."""
    return sum(
        (TYPES[problem.compute].bytes if each.broadcasts else each.bytes or TYPES[problem.compute].bytes)
        for each in of
        if each.reads_memory and each.kind != "prefetch"
    )
