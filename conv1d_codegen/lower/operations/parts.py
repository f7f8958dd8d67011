"""Parts of sequences: steps that are copied from some place of each, or to one. Where these lie, sizes of a call say: `B`
numbers or steps before, `A` behind.

    y[n, i]     := x[n, B + i]              numbers of a longer sequence
    y[n, B + i] := x[n, i]                  and within one, as where sequences are joined
    y[n, t, c]  := x[n, B + t·step, c]      some steps of one
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir import Axis, Kernel, Level, buffer, load, loop, store
from ...symbolic.index import index, minimum, var
from .operation import N, Operation, T, in_blocks, over_channels, over_steps

#: Numbers of a parallel iteration.
_ROW = 16384
#: Sizes of a call beside `N` and `T`.
BESIDE = (("B", 0), ("A", 0))
B, A = var("B"), var("A")


@dataclass(frozen=True, slots=True)
class Copy(Operation):
    """`T` numbers of each sequence, whatever its channels: from within `B + T + A` of the input, or with `into`, to within
    as many of the output, the others of which stay.
    """

    into: bool = False

    def kernel(self) -> Kernel:
        whole = B + T + A
        x = buffer("x", self.dtype, (N, T if self.into else whole), "input")
        y = buffer("y", self.dtype, (N, whole if self.into else T), "output")
        n, at = var("n"), var("block") * _ROW + var("c")
        read, written = (at, at + B) if self.into else (at + B, at)
        count = index(minimum(T - var("block") * _ROW, _ROW))
        row = over_channels(count, lambda c: (store(y, (n, written), load(x, n, read)),))
        blocks = loop("block", 0, (T + (_ROW - 1)) // _ROW, (row,), "parallel", axis=Axis.CHANNEL, level=Level.BLOCK)
        return self.named([x, y], (loop("n", 0, N, (blocks,), "parallel", axis=Axis.SEQUENCE),), 1, BESIDE)

    def __str__(self) -> str:
        return f"copy_{'into' if self.into else 'from'} {self.dtype}"


@dataclass(frozen=True, slots=True)
class EachStep(Operation):
    """`T` steps, each so many steps after the one before, of an input that has `B` steps before and `A` behind."""

    channels: int
    step: int

    def kernel(self) -> Kernel:
        x = self.array("x", B + (T - 1) * self.step + 1 + A, self.channels)
        y = self.array("y", T, self.channels, "output")
        n, t = var("n"), var("t")
        row = over_channels(self.channels, lambda c: (store(y, (n, t, c), load(x, n, t * self.step + B, c)),))
        body = in_blocks(T, self.channels, lambda first, end: (over_steps(first, end, (row,)),))
        return self.named([x, y], (body,), 1, BESIDE)

    def __str__(self) -> str:
        return f"each_step c{self.channels}_s{self.step} {self.dtype}"
