"""Target: what the compiler knows of a machine. The only file with vector widths, registers and cache sizes.

A row is a family of machines; `host()` (`host.py`) is the row that fits the machine at hand, with its exact CPU name
and features. Widths and registers: Intel SDM vol. 1, §14-15; Arm ARM, A1.4. Cache sizes are those of one core of a
common server part, and only steer the choice of blocks. Zen 3 has 512 KiB of L2, Skylake-SP and Zen 4 1 MiB, Golden
Cove 2 MiB: the smallest that a row covers is assumed. Of L1, AVX-512's processors of today have 48 KiB (Ice Lake,
Golden Cove, Zen 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ..number_types import TYPES

LINE = 64  # bytes of a cache line: of all x86-64, and of Arm's usual cores
PAGE = 4096  # bytes of a page, and of one way of most L1 caches


@dataclass(frozen=True, slots=True)
class Target:
    """One machine: LLVM's names for it, and the facts that the plan and the emitter need.

    `features` names all that `cpu` has beyond the baseline of its architecture, each with a `+`, as LLVM may use them.
    """

    name: str
    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    masked: bool  # has masked loads and stores of vectors
    masked_stores: bool  # ... that are as fast as plain ones
    l1_bytes: int
    l2_bytes: int

    @property
    def required(self) -> frozenset[str]:
        """The processor's features that code for this target needs, by LLVM's names."""
        return _required(self.features)

    @property
    def fma(self) -> bool:
        """Whether an instruction multiplies and adds, with one rounding."""
        return not self.required.isdisjoint(("fma", "neon"))

    def converts(self, dtype: str) -> bool:
        """Whether kernels can read and write numbers of a type: float16 takes an instruction."""
        return dtype != "f16" or not self.required.isdisjoint(("f16c", "neon"))

    def lanes(self, compute: str) -> int:
        """Numbers of the compute type in one vector."""
        return self.vector_bytes // TYPES[compute].bytes

    def __str__(self) -> str:
        return f"{self.name} ({self.cpu}, {self.vector_bytes * 8}-bit vectors, {self.registers} registers)"


@cache  # this machine has some seventy, and every product asks
def _required(features: str) -> frozenset[str]:
    return frozenset(feature[1:] for feature in features.split(",") if feature.startswith("+"))


_X86, _ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
_V3 = "+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+popcnt,+sse4.2"  # x86-64-v3 of the psABI
_V4 = f"{_V3},+avx512bw,+avx512cd,+avx512dq,+avx512f,+avx512vl"  # x86-64-v4

TARGETS = {
    target.name: target
    for target in (
        Target(
            name="sse2",
            triple=_X86,
            cpu="x86-64",
            features="+sse2",
            vector_bytes=16,
            registers=16,
            masked=False,
            masked_stores=False,
            l1_bytes=32 << 10,
            l2_bytes=256 << 10,
        ),
        Target(
            name="avx2",
            triple=_X86,
            cpu="x86-64-v3",
            features=_V3,
            vector_bytes=32,
            registers=16,
            masked=True,
            masked_stores=False,
            l1_bytes=32 << 10,
            l2_bytes=512 << 10,
        ),
        Target(
            name="avx512",
            triple=_X86,
            cpu="x86-64-v4",
            features=_V4,
            vector_bytes=64,
            registers=32,
            masked=True,
            masked_stores=True,
            l1_bytes=48 << 10,
            l2_bytes=1 << 20,
        ),
        Target(
            name="neon",
            triple=_ARM,
            cpu="generic",
            features="+neon",
            vector_bytes=16,
            registers=32,
            masked=False,
            masked_stores=False,
            l1_bytes=64 << 10,
            l2_bytes=512 << 10,
        ),
    )
}
