"""A kernel's points under the limits of a core: the roofline of one core, in FLOP a cycle.

The limits are those of `machine/microarchitectures.py`: multiply-adds a cycle, and bytes that loads bring from the first cache.
One point lies where the innermost loop would be if it took no more than its least cycles, at the FLOP for each byte that
it loads; one where the whole call would be, counted as the direct algorithm, if all data were near. So Cook–Toom lies
above the peak, and what fills no whole vectors below. What was measured lies at the FLOP for each byte of the arrays,
under what a copy of large ones moves.

S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52(4), 2009; bytes of the first cache as in A. Ilic, F. Pratas and L. Sousa,
"Cache-aware roofline model: upgrading the loft", IEEE Computer Architecture Letters 13(1), 2014.
"""

from __future__ import annotations

from typing import Any

from ..machine.microarchitectures import microarchitecture, peak
from ..machine.target import Target
from ..number_types import TYPES
from .facts import Facts, InnerLoop
from .throughput import Bound


def roofline(facts: Facts, target: Target, compute: str) -> dict[str, Any] | None:
    """The limits and the points of a kernel that computes in the type `compute`; None where no loop multiplies."""
    inner, work = facts.inner, facts.work
    if inner is None or not inner.products:
        return None
    model = microarchitecture(target)
    flops = 2 * inner.products * target.lanes(compute)
    intensity = flops / (_loaded(inner, TYPES[compute].bytes) or flops)
    words = f"at least {inner.bound.cycles:g} cycles a round, bound by {_words(inner.bound)}"
    points = [_point("innermost loop", flops / inner.bound.cycles, intensity, words)]
    if facts.prediction is not None and work is not None and work.flops:
        rate = work.flops / facts.prediction.cycles
        points.append(_point("whole call, if all data were near", rate, intensity, "counted as the direct algorithm"))
    timed = facts.measurement
    if timed is not None and work is not None:
        rate = work.flops / timed.seconds
        words = f"{rate / 1e9:.4g} GFLOP/s, at {timed.clock / 1e9:.3g} GHz if the model's peak is right"
        points.append(_point("measured", rate / timed.clock, work.intensity, words))
    return {
        "model": model.name,
        "unit": "FLOP a cycle",
        "axis": f"FLOP a byte that the innermost loop loads{'' if timed is None else '; ◆ a byte of the arrays'}",
        "peak": peak(target, compute),
        "bandwidth": len(model.ports_of("load", target.vector_bytes)) * target.vector_bytes,
        "from": "loads from L1",
        "memory": None if timed is None else timed.bandwidth / timed.clock,
        "points": points,
    }


def _point(name: str, rate: float, intensity: float, words: str) -> dict[str, Any]:
    return {"name": name, "rate": rate, "intensity": intensity, "words": words, "measured": name == "measured"}


def _words(least: Bound) -> str:
    ports = least.pressures[0].ports if least.pressures else ()
    return {
        "ports": f"port{'s' * (len(ports) > 1)} {' and '.join(ports)}",
        "issue": "what is issued in a cycle",
        "latency": "the latency of additions one after another",
    }[least.by]


def _loaded(inner: InnerLoop, item: int) -> int:
    """Bytes that a round loads: whole vectors, or one number for all lanes."""
    loads = (each for each in inner.loop.instructions if each.reads_memory and each.kind != "prefetch")
    return sum(item if each.broadcasts else each.bytes or item for each in loads)
