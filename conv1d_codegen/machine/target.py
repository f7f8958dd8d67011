"""Target: what the compiler knows of a machine. The only file with vector widths, registers and cache sizes.

A row is a family of machines; `host()` (`host.py`) is the row that fits the machine at hand, with its exact CPU name
and features. Widths and registers: Intel SDM vol. 1, §14-15; Arm ARM, A1.4. Cache sizes are those of one core of a
common server part, and only steer the choice of blocks. Zen 3 has 512 KiB of L2, Skylake-SP and Zen 4 1 MiB, Golden
Cove 2 MiB: the smallest that a row covers is assumed. Of L1, AVX-512's processors of today have 48 KiB (Ice Lake,
Golden Cove, Zen 5).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..number_types import TYPES

LINE = 64  # bytes of a cache line: of all x86-64, and of Arm's usual cores
PAGE = 4096  # bytes of a page, and of one way of most L1 caches


@dataclass(frozen=True, slots=True)
class Target:
    """One machine: LLVM's names for it, and the facts that the plan and the emitter need."""

    name: str
    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    fma: bool
    masked: bool  # has masked loads and stores of vectors
    masked_stores: bool  # ... that are as fast as plain ones
    half: bool  # converts float16 in hardware
    l1_bytes: int
    l2_bytes: int

    @property
    def required(self) -> frozenset[str]:
        """The processor's features that code for this target needs, by LLVM's names."""
        return frozenset(feature[1:] for feature in self.features.split(",") if feature.startswith("+"))

    def lanes(self, compute: str) -> int:
        """Numbers of the compute type in one vector."""
        return self.vector_bytes // TYPES[compute].bytes

    def __str__(self) -> str:
        return f"{self.name} ({self.cpu}, {self.vector_bytes * 8}-bit vectors, {self.registers} registers)"


_X86, _ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
_AVX512 = "+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx2,+fma,+f16c"

TARGETS = {
    target.name: target
    for target in (
        Target("sse2", _X86, "x86-64", "+sse2", 16, 16, False, False, False, False, 32 << 10, 256 << 10),
        Target("avx2", _X86, "x86-64-v3", "+avx2,+fma,+f16c", 32, 16, True, True, False, True, 32 << 10, 512 << 10),
        Target("avx512", _X86, "x86-64-v4", _AVX512, 64, 32, True, True, True, True, 48 << 10, 1 << 20),
        Target("neon", _ARM, "generic", "+neon", 16, 32, True, False, False, True, 64 << 10, 512 << 10),
    )
}
