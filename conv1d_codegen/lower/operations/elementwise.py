"""An expression of the numbers at one place: y[n, t, c] := e(in0[n, t, c], in1[n, t, c] …, channel0[c] …).

Where all arrays are alike, they are gone through as one row of numbers, so that few channels fill vectors too. With
channels first, steps lie side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...ir import (
    Axis,
    Block,
    Buffer,
    Expression,
    For,
    Kernel,
    Level,
    buffer,
    input_names,
    load,
    loop,
    store,
    weight_names,
)
from ...symbolic.index import Index, index, minimum, var
from ..formula import operand_buffer, read
from ..placement import Placement
from .operation import N, Operation, T, in_blocks, over_channels, over_steps

#: Numbers of a parallel iteration over rows.
_ROW = 16384


@dataclass(frozen=True, slots=True)
class Map(Operation):
    """An expression for each number of a tensor of so many channels. `flat` arrays are rows of `T` numbers. With a
    `placement`, the output is a part of another array, and so may be the inputs.
    """

    channels: int
    expression: Expression
    placement: Placement | None = None
    channels_first: bool = False

    @property
    def flat(self) -> bool:
        alike = all(operand.steps and operand.channels == self.channels for operand in self.expression.inputs)
        return alike and not self.expression.weights and self.placement is None

    def kernel(self) -> Kernel:
        if self.flat:
            return self._flat()
        return self._by_steps() if self.channels_first else self._by_channels()

    def _flat(self) -> Kernel:
        inputs = [buffer(name, self.dtype, (T,), "input") for name in input_names(len(self.expression.inputs))]
        y = buffer("y", self.dtype, (T,), "output")
        at = var("block") * _ROW + var("c")
        value = self.expression.of({array.name: load(array, at) for array in inputs})
        count = index(minimum(T - var("block") * _ROW, _ROW))
        row = over_channels(count, lambda c: (store(y, (at,), value),))
        blocks = loop("block", 0, (T + (_ROW - 1)) // _ROW, (row,), "parallel", axis=Axis.CHANNEL, level=Level.BLOCK)
        return self.named([*inputs, y], (blocks,))

    def _by_channels(self) -> Kernel:
        expression = self.expression
        placed = self.placement
        inputs = [
            replace(
                self.array(name, T if operand.steps else 1, operand.channels),
                rows=None if placed is None else placed.further(T),
            )
            for name, operand in zip(input_names(len(expression.inputs)), expression.inputs, strict=True)
        ]
        weights = self._weights()
        y = replace(self.array("y", T, self.channels, "output"), rows=None if placed is None else placed.output(T))
        n, t, c = var("n"), var("t"), var("c")
        given = {
            array.name: read(array, operand, n, t, c) for array, operand in zip(inputs, expression.inputs, strict=True)
        } | {array.name: load(array, c) for array in weights}
        row = over_channels(self.channels, lambda c: (store(y, (n, t, c), expression.of(given)),))
        body = in_blocks(T, self.channels, lambda first, end: (over_steps(first, end, (row,)),))
        return self.named([*weights, *inputs, y], (body,))

    def _by_steps(self) -> Kernel:
        """Channels written out, as each has weights of its own."""
        operands = self.expression.inputs
        inputs = [
            operand_buffer(name, operand, self.dtype, N, T, first=True)
            for name, operand in zip(input_names(len(operands)), operands, strict=True)
        ]
        weights = self._weights()
        y = buffer("y", self.dtype, (N, self.channels, T), "output")
        n = var("n")

        def row(c: Index, begin: Index, end: Index) -> For:
            def one(step: Index) -> Block:
                t = begin + step
                given = {array.name: load(array, c) for array in weights} | {
                    array.name: read(array, operand, n, t, c, first=True)
                    for array, operand in zip(inputs, operands, strict=True)
                }
                return (store(y, (n, c, t), self.expression.of(given)),)

            return over_channels(end - begin, one)

        def rows(begin: Index, end: Index) -> Block:
            return tuple(row(index(c), begin, end) for c in range(self.channels))

        return self.named([*weights, *inputs, y], (in_blocks(T, self.channels, rows),))

    def _weights(self) -> list[Buffer]:
        names = weight_names(self.expression.weights)
        return [buffer(name, self.dtype, (self.channels,), "constant", (Axis.CHANNEL,)) for name in names]

    def __str__(self) -> str:
        placed = "" if self.placement is None else f" in {self.placement}"
        first = "_first" if self.channels_first else ""
        return f"map c{self.channels} {self.expression} {self.dtype}{first}{placed}"
