"""Softmax over the channels of each step, or over the steps of each channel, and its logarithm.

    y[n, t, c] := exp(x[n, t, c] − most) ÷ total,  or  x[n, t, c] − most − log(total)

with `most` the largest of the row and `total` the sum of the exponentials, which is 1 or more. A row with a NaN or with
+inf is NaN, and so is one of −inf alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir import Activate, Alloc, Axis, Block, Buffer, Kernel, Store, Value, buffer, load, loop, store
from ...problem import Activation
from ...problem.summation import LONGEST_CHAIN
from ...symbolic.index import Index, index, minimum, var
from .. import programs
from .norms import in_rows
from .operation import N, Operation, T, accumulator, over_channels


@dataclass(frozen=True, slots=True)
class Softmax(Operation):
    """exp(x) ÷ its sum over the channels, or with `log` the logarithm of that."""

    channels: int
    log: bool = False

    def kernel(self) -> Kernel:
        x, y = self.array("x", T, self.channels), self.array("y", T, self.channels, "output")
        n, t = var("n"), var("t")
        most, start_most, larger = accumulator("max", self.compute, "most")
        total, start_total, add = accumulator("sum", self.compute, "total")
        powers = buffer("powers", self.compute, (self.channels,), "scratch")

        def moved(c: Index) -> Value:
            return load(x, n, t, c) - load(most)

        def power(c: Index) -> Store:
            return store(powers, (c,), Activate(Activation("exponential"), moved(c)))

        logarithm, named = self._logarithm(total) if self.log else (total, ())

        def result(c: Index) -> Value:
            return moved(c) - load(logarithm) if self.log else load(powers, c) / load(total)

        row: Block = (
            *map(Alloc, (most, total, powers, *((logarithm,) if self.log else ()))),
            start_most,
            over_channels(self.channels, lambda c: (larger(load(x, n, t, c)),)),
            over_channels(self.channels, lambda c: (power(c),)),
            start_total,
            over_channels(self.channels, lambda c: (add(load(powers, c)),)),
            *named,
            over_channels(self.channels, lambda c: (store(y, (n, t, c), result(c)),)),
        )
        return self.named([x, y], (in_rows(self.channels, row),))

    def _logarithm(self, total: Buffer) -> tuple[Buffer, Block]:
        """A register, and what makes it the logarithm of the total, which is no larger than the channels are many."""
        logarithm = buffer("logarithm", self.compute, (), "register")
        binds, value = programs.logarithm(self.compute, load(total), self.channels)
        return logarithm, (*binds, store(logarithm, (), value))

    def __str__(self) -> str:
        return f"{'log_' if self.log else ''}softmax c{self.channels} {self.dtype}"


@dataclass(frozen=True, slots=True)
class SoftmaxOfSteps(Operation):
    """The same over all steps of each channel. A sum is one of sums of at most `LONGEST_CHAIN` steps."""

    channels: int
    log: bool = False

    def kernel(self) -> Kernel:
        x, y = self.array("x", T, self.channels), self.array("y", T, self.channels, "output")
        n, t = var("n"), var("t")
        most, start_most, larger = accumulator("max", self.compute, "most")
        total, start_total, add = accumulator("sum", self.compute, "total")
        part, start_part, add_part = accumulator("sum", self.compute, "part")
        first = var("chunk") * LONGEST_CHAIN
        end, chunks = index(minimum(first + LONGEST_CHAIN, T)), (T + (LONGEST_CHAIN - 1)) // LONGEST_CHAIN

        def of_channel(c: Index) -> Block:
            moved = load(x, n, t, c) - load(most)
            power = Activate(Activation("exponential"), moved)
            steps = loop("t", first, end, (add_part(power),), axis=Axis.TAP)
            in_chunks = loop("chunk", 0, chunks, (Alloc(part), start_part, steps, add(load(part))), axis=Axis.TAP)
            logarithm = Activate(Activation("log"), load(total))
            made = (store(total, (), logarithm),) if self.log else ()
            result = moved - load(total) if self.log else power / load(total)
            return (
                *(Alloc(most), start_most, loop("t", 0, T, (larger(load(x, n, t, c)),), axis=Axis.TAP)),
                *(Alloc(total), start_total, in_chunks, *made),
                loop("t", 0, T, (store(y, (n, t, c), result),), axis=Axis.TAP),
            )

        row = over_channels(self.channels, of_channel)
        return self.named([x, y], (loop("n", 0, N, (row,), "parallel", axis=Axis.SEQUENCE),))

    def __str__(self) -> str:
        return f"{'log_' if self.log else ''}softmax_of_steps c{self.channels} {self.dtype}"
