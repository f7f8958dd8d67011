"""What a few microarchitectures do in a cycle, and how many cycles a loop takes at least: a small model of throughput.

A micro-operation goes to one of the ports that its kind may use, and each port takes one a cycle. So for every set of
ports, a loop takes at least as many cycles as it has micro-operations that can go nowhere else, ÷ the ports of the set;
at least what the front end issues in; and at least as long as one accumulator's multiply-adds, one after another. The
largest of these is the bound, which real processors come close to in loops like ours, of independent chains that hit
the first cache. What is not modelled: caches, addresses, moves that renaming removes, and how well a scheduler does.

The tables are for these microarchitectures and no others; a target's row is told by LLVM's name of its processor, and
by the row of `machine/target.py` where that names none. Sources: LLVM's scheduling models (llvm/lib/Target/X86/
X86SchedHaswell.td, X86SchedSkylakeServer.td, X86SchedIceLake.td, X86SchedSapphireRapids.td, X86ScheduleZnver4.td,
AArch64SchedNeoverseN1.td, AArch64SchedNeoverseV1.td), for issue widths WikiChip's pages of Haswell, Skylake, Sunny Cove,
Golden Cove and Neoverse N1 (its guide, "Arm Neoverse N1 Software Optimization Guide", has the latencies), and AMD's
"Software Optimization Guide for the AMD Zen4 Microarchitecture", 57647.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from ..machine.target import Target
from .assembly import Instruction, Loop


@dataclass(frozen=True, slots=True)
class Microarchitecture:
    """One: micro-operations that are issued in a cycle, the ports of each kind, and the cycles of a multiply-add.

    `wide` has the ports of vectors of 64 bytes where these are others. A kind that is not named goes where `integer`
    goes. `cracks` says whether a vector of 64 bytes takes two micro-operations.
    """

    name: str
    issue: int
    latency: int
    ports: Mapping[str, str]
    wide: Mapping[str, str]
    cracks: bool = False
    fuses: bool = True  # whether comparing and jumping is one micro-operation

    def ports_of(self, kind: str, size: int = 0) -> tuple[str, ...]:
        """The ports that a kind may use, in vectors of `size` bytes."""
        at = self.wide.get(kind, self.ports.get(kind, self.ports["integer"])) if size == 64 else ""
        return tuple((at or self.ports.get(kind, self.ports["integer"])).split())


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


def _intel(store: str, load: str, integer: str, fma: str = "0 1", shuffle: str = "5") -> dict[str, str]:
    return {
        "fma": fma,
        "arithmetic": fma,
        "divide": "0",
        "load": load,
        "broadcast": load,
        "prefetch": load,
        "store": store,
        "shuffle": shuffle,
        "move": "0 1 5",
        "integer": integer,
        "branch": "0 6",
    }


_WIDE = {"fma": "0 5", "arithmetic": "0 5", "move": "0 5", "shuffle": "5"}
_ZEN = {
    "fma": "FP0 FP1",
    "arithmetic": "FP0 FP1 FP2 FP3",
    "divide": "FP1",
    "load": "LD0 LD1",
    "broadcast": "LD0 LD1",
    "prefetch": "LD0 LD1",
    "store": "ST",
    "shuffle": "FP1 FP2",
    "move": "FP0 FP1 FP2 FP3",
    "integer": "ALU0 ALU1 ALU2 ALU3",
    "branch": "ALU0 BR",
}


def _arm(vectors: str, integer: str, branch: str) -> dict[str, str]:
    return {
        **dict.fromkeys(("fma", "arithmetic", "shuffle", "move"), vectors),
        **dict.fromkeys(("load", "broadcast", "prefetch", "store"), "L0 L1"),
        "divide": "V0",
        "integer": integer,
        "branch": branch,
    }


MICROARCHITECTURES = {
    each.name: each
    for each in (
        Microarchitecture("Haswell", 4, 5, _intel("4", "2 3", "0 1 5 6"), {}),
        Microarchitecture("Skylake", 4, 4, _intel("4", "2 3", "0 1 5 6"), {}),
        Microarchitecture("Skylake-SP", 4, 4, _intel("4", "2 3", "0 1 5 6"), _WIDE),
        Microarchitecture("Sunny Cove", 5, 4, _intel("4 9", "2 3", "0 1 5 6", shuffle="1 5"), {**_WIDE, "store": "4"}),
        Microarchitecture(
            "Golden Cove",
            6,
            4,
            _intel("4 9", "2 3 11", "0 1 5 6 10", shuffle="1 5"),
            {**_WIDE, "store": "4", "load": "2 3", "broadcast": "2 3"},
        ),
        Microarchitecture("Zen 3", 6, 4, _ZEN, {}),
        Microarchitecture("Zen 4", 6, 4, _ZEN, {}, cracks=True),
        Microarchitecture("Zen 5", 8, 4, _ZEN, {}),
        Microarchitecture("Neoverse N1", 4, 4, _arm("V0 V1", "S0 S1 M", "B"), {}, fuses=False),
        Microarchitecture("Neoverse V1", 8, 4, _arm("V0 V1 V2 V3", "S0 S1 M0 M1", "B0 B1"), {}, fuses=False),
    )
}
#: What compares or counts, and is one micro-operation with the conditional jump behind it.
_FUSES = re.compile(r"(?:cmp|test|add|sub|and|inc|dec)[bwlq]?")
#: LLVM's names of processors; what is not named is the row of the table of targets.
_BY_CPU = {
    "haswell": "Haswell",
    "broadwell": "Haswell",
    "skylake": "Skylake",
    "skylake-avx512": "Skylake-SP",
    "cascadelake": "Skylake-SP",
    "cooperlake": "Skylake-SP",
    "icelake-client": "Sunny Cove",
    "icelake-server": "Sunny Cove",
    "tigerlake": "Sunny Cove",
    "rocketlake": "Sunny Cove",
    "alderlake": "Golden Cove",
    "raptorlake": "Golden Cove",
    "sapphirerapids": "Golden Cove",
    "emeraldrapids": "Golden Cove",
    "graniterapids": "Golden Cove",
    "znver2": "Zen 3",
    "znver3": "Zen 3",
    "znver4": "Zen 4",
    "znver5": "Zen 5",
    "neoverse-n1": "Neoverse N1",
    "cortex-a76": "Neoverse N1",
    "neoverse-v1": "Neoverse V1",
}
_BY_TARGET = {"sse2": "Skylake", "avx2": "Skylake", "avx512": "Sunny Cove", "neon": "Neoverse N1"}


def microarchitecture(target: Target) -> Microarchitecture:
    """The one that a target's code is looked at for."""
    if "amx-tile" in target.required:  # virtual machines have names of older processors
        return MICROARCHITECTURES["Golden Cove"]
    return MICROARCHITECTURES[_BY_CPU.get(target.cpu, _BY_TARGET[target.name])]


def peak(target: Target, compute: str) -> float:
    """Products and additions, of one number each, that a core does in a cycle."""
    model = microarchitecture(target)
    each = len(model.ports_of("fma", target.vector_bytes)) / (2 if model.cracks and target.vector_bytes == 64 else 1)
    return each * target.lanes(compute) * (2 if target.fma else 1)


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
