"""How many cycles a loop takes at least, on a core as `machine/microarchitectures.py` has it: a small model of throughput.

A micro-operation goes to one of the ports that its kind may use, and each port takes one a cycle. So for every set of
ports, a loop takes at least as many cycles as it has micro-operations that can go nowhere else, ÷ the ports of the set;
at least what the front end issues in; and at least as long as one accumulator's multiply-adds, one after another. The
largest of these is the bound, which real processors come close to in loops like ours, of independent chains that hit
the first cache. What is not modelled: caches, addresses, moves that renaming removes, and how well a scheduler does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from ..machine.microarchitectures import Microarchitecture
from .assembly import Instruction, Loop

#: What compares or counts, and is one micro-operation with the conditional jump behind it.
_FUSES = re.compile(r"(?:cmp|test|add|sub|and|inc|dec)[bwlq]?")


@dataclass(frozen=True, slots=True)
class Pressure:
    """What must go through a set of ports in one round: the kinds, how many micro-operations, and the cycles."""

    ports: tuple[str, ...]
    kinds: tuple[str, ...]
    operations: int
    cycles: float


@dataclass(frozen=True, slots=True)
class Bound:
    """The least cycles of one round, and what they are for: "ports", "issue" or "latency"; with the rows of a table."""

    cycles: float
    by: str
    pressures: tuple[Pressure, ...]  # the kinds that share ports, the tightest first
    issue_cycles: float
    operations: int
    latency_cycles: float
    fma_cycles: float  # what the multiply-adds alone take


def bound(loop: Loop, model: Microarchitecture) -> Bound:
    """What one round of a loop takes at least."""
    counts = _operations(loop.instructions, model)
    issued = _issued(loop.instructions, model)
    chain = max(loop.accumulators.values(), default=0) * model.latency
    return bound_of(counts, model, issued, chain)


def bound_of(
    counts: Mapping[tuple[str, int], int], model: Microarchitecture, issued: int | None = None, chain: int = 0
) -> Bound:
    """The same of micro-operations by kind and bytes of vectors: `issued` by the front end, all of them unless given, and
    a chain of as many cycles.
    """
    pressures = tuple(_pressures(counts, model))
    operations = sum(counts.values()) if issued is None else issued
    found = {
        "ports": max((each.cycles for each in pressures), default=0.0),
        "issue": operations / model.issue,
        "latency": float(chain),
    }
    by = max(found, key=lambda name: found[name])
    multiplying = {key: count for key, count in counts.items() if key[0] == "fma"}
    alone = max((each.cycles for each in _pressures(multiplying, model)), default=0.0)
    return Bound(found[by], by, pressures, found["issue"], operations, found["latency"], alone)


def _pressures(counts: Mapping[tuple[str, int], int], model: Microarchitecture) -> Iterable[Pressure]:
    """What can go nowhere else, for each set of ports that a kind may use, and for the union of such sets that is the
    tightest of all; the tightest first.
    """
    of_set: dict[frozenset[str], Counter[str]] = {}
    for (kind, size), count in counts.items():
        of_set.setdefault(frozenset(model.ports_of(kind, size)), Counter())[kind] += count

    def pressure(ports: frozenset[str]) -> Pressure:
        inside = [(kind, n) for own, kinds in of_set.items() if own <= ports for kind, n in kinds.items()]
        total = sum(n for _, n in inside)
        kinds = tuple(dict.fromkeys(kind for kind, _ in inside))
        return Pressure(tuple(sorted(ports, key=_order)), kinds, total, total / len(ports))

    sets = [frozenset().union(*each) for size in range(1, len(of_set) + 1) for each in combinations(of_set, size)]
    tightest = sorted(map(pressure, dict.fromkeys(sets)), key=lambda each: (-each.cycles, len(each.ports)))
    return [each for each in tightest if each is tightest[0] or frozenset(each.ports) in of_set]


def _order(port: str) -> tuple[int, str]:
    return (int(port), "") if port.isdigit() else (0, port)


def _operations(of: Sequence[Instruction], model: Microarchitecture) -> Counter[tuple[str, int]]:
    """Micro-operations at the ports, by kind and bytes of vectors."""
    counts: Counter[tuple[str, int]] = Counter()
    for number, each in enumerate(of):
        times = 2 if model.cracks and each.bytes == 64 else 1
        if not (each.kind == "branch" and number and _fused(of[number - 1], each, model)):
            counts[each.kind, each.bytes] += times
        if each.reads_memory and each.kind not in ("load", "broadcast", "prefetch"):
            counts["load", each.bytes] += times
        if each.writes_memory and each.kind != "store":
            counts["store", each.bytes] += times
    for number, each in enumerate(of[:-1]):  # what is fused goes where jumps go
        if _fused(each, of[number + 1], model):
            counts[each.kind, each.bytes] -= 1
            counts["branch", 0] += 1
    return +counts


def _issued(of: Sequence[Instruction], model: Microarchitecture) -> int:
    """Micro-operations of the front end: what reads memory and computes is one, and so is what is fused with a jump."""
    times = sum(2 if model.cracks and each.bytes == 64 else 1 for each in of)
    return times - sum(_fused(a, b, model) for a, b in pairwise(of))


def _fused(first: Instruction, then: Instruction, model: Microarchitecture) -> bool:
    jumps = then.kind == "branch" and then.opcode.startswith("j") and then.opcode != "jmp"
    return model.fuses and jumps and bool(_FUSES.fullmatch(first.opcode))
