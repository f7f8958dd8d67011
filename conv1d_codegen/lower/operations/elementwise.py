"""An expression of the numbers at one place: y[n, t, c] := e(in0[n, t, c], in1[n, t, c] …, channel0[c] …).

Where all arrays are alike, they are gone through as one row of numbers, so that few channels fill vectors too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...ir import Axis, Expression, Kernel, Level, buffer, input_names, load, loop, store, weight_names
from ...symbolic.index import index, minimum, var
from ..formula import read
from ..placement import Placement
from .operation import Operation, T, in_blocks, over_channels, over_steps

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

    @property
    def flat(self) -> bool:
        alike = all(operand.steps and operand.channels == self.channels for operand in self.expression.inputs)
        return alike and not self.expression.weights and self.placement is None

    def kernel(self) -> Kernel:
        return self._flat() if self.flat else self._by_channels()

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
        weights = [
            buffer(name, self.dtype, (self.channels,), "constant", (Axis.CHANNEL,))
            for name in weight_names(expression.weights)
        ]
        y = replace(self.array("y", T, self.channels, "output"), rows=None if placed is None else placed.output(T))
        n, t, c = var("n"), var("t"), var("c")
        given = {
            array.name: read(array, operand, n, t, c) for array, operand in zip(inputs, expression.inputs, strict=True)
        } | {array.name: load(array, c) for array in weights}
        row = over_channels(self.channels, lambda c: (store(y, (n, t, c), expression.of(given)),))
        body = in_blocks(T, self.channels, lambda first, end: (over_steps(first, end, (row,)),))
        return self.named([*weights, *inputs, y], (body,))

    def __str__(self) -> str:
        placed = "" if self.placement is None else f" in {self.placement}"
        return f"map c{self.channels} {self.expression} {self.dtype}{placed}"
