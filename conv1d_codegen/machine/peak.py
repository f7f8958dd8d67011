"""The peak of one core: a loop of fused multiply-adds in registers, and nothing else."""

from __future__ import annotations

import ctypes

import numpy as np

from ..number_types import TYPES
from . import jit
from .target import Target

ITERATIONS = 2000
# two pipes with a latency of 4 or 5 cycles need 8 or 10 independent chains; more do no harm while registers last
_MOST_CHAINS = 24


def chains(target: Target) -> int:
    """Accumulators of the loop: as many as registers can hold beside the two operands, and some to spare."""
    return min(_MOST_CHAINS, target.registers - 4)


def loop_ir(target: Target, dtype: str = "f32", iterations: int = ITERATIONS) -> str:
    """LLVM IR of a loop that multiplies and adds in registers only; it reads two numbers before, and writes the sums
    after.
    """
    lanes, width = range(chains(target)), target.lanes(dtype)
    number, item = ("double", 8) if dtype == "f64" else ("float", 4)
    vector, intrinsic = f"<{width} x {number}>", f"@llvm.fmuladd.v{width}{dtype}"
    splat = f"shufflevector {vector} {{}}, {vector} poison, <{width} x i32> zeroinitializer"
    lines = [f"declare {vector} {intrinsic}({vector}, {vector}, {vector})", "define void @peak(ptr %data) {", "entry:"]
    for name, offset in (("factor", 0), ("term", item)):
        lines += [
            f"  %{name}.at = getelementptr i8, ptr %data, i64 {offset}",
            f"  %{name}.one = load {number}, ptr %{name}.at",
            f"  %{name}.in = insertelement {vector} poison, {number} %{name}.one, i64 0",
            f"  %{name} = {splat.format(f'%{name}.in')}",
        ]
    # Sums that start apart can't be merged into one.
    start = [f"<{', '.join(f'{number} {chain + 1}.0' for _ in range(width))}>" for chain in lanes]
    lines += ["  br label %loop", "loop:", "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]"]
    lines += [f"  %a{c} = phi {vector} [ {start[c]}, %entry ], [ %b{c}, %loop ]" for c in lanes]
    # The sum is the addend, as in a convolution, where there is one instruction for both. Where there are two, the
    # product would leave the loop then, so the sum is a factor.
    operands = "{v} %factor, {v} %term, {v} %a{c}" if target.fma else "{v} %a{c}, {v} %factor, {v} %term"
    lines += [f"  %b{c} = call {vector} {intrinsic}({operands.format(v=vector, c=c)})" for c in lanes]
    lines += [
        "  %next = add i64 %i, 1",
        f"  %more = icmp ult i64 %next, {iterations}",
        "  br i1 %more, label %loop, label %done",
        "done:",
    ]
    for c in lanes:
        lines += [
            f"  %p{c} = getelementptr i8, ptr %data, i64 {item * (2 + width * c)}",
            f"  store {vector} %b{c}, ptr %p{c}, align {item}",
        ]
    return "\n".join([*lines, "  ret void", "}", ""])


class FmaPeak:
    """A call that does nothing but `flops` multiplications and additions, in vectors of the target's width. It releases
    the GIL.
    """

    def __init__(self, target: Target, dtype: str = "f32", iterations: int = ITERATIONS) -> None:
        numbers = chains(target) * target.lanes(dtype)
        self.flops = 2 * iterations * numbers
        self._code = jit.load(loop_ir(target, dtype, iterations), "peak", target)  # keeps the machine code mapped
        self._function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self._code.address)
        self._data = np.full(2 + numbers, 0.5, TYPES[dtype].keras)
        self._address = self._data.ctypes.data

    def __call__(self) -> None:
        self._function(self._address)

    @property
    def sums(self) -> np.ndarray:
        """What the last call computed: one number a lane of each chain."""
        return self._data[2:]
