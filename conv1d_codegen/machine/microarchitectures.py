"""What the cores of a few microarchitectures do in a cycle: the ports of each kind of micro-operation, and how many are issued.

Beside the rows of `target.py`, which say what code may use and how plans are made: no plan and no instruction depends on a
core's ports, only what is said about a kernel does (`inspection/throughput.py`).

The tables are for these microarchitectures and no others; a target's row is told by LLVM's name of its processor, and
by the row of `target.py` where that names none. Sources: LLVM's scheduling models (llvm/lib/Target/X86/
X86SchedHaswell.td, X86SchedSkylakeServer.td, X86SchedIceLake.td, X86SchedSapphireRapids.td, X86ScheduleZnver4.td,
AArch64SchedNeoverseN1.td, AArch64SchedNeoverseV1.td), for issue widths WikiChip's pages of Haswell, Skylake, Sunny Cove,
Golden Cove and Neoverse N1 (its guide, "Arm Neoverse N1 Software Optimization Guide", has the latencies), and AMD's
"Software Optimization Guide for the AMD Zen4 Microarchitecture", 57647.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .target import Target


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
