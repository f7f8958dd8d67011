"""An expression of the numbers at one place: y[n, t, c] := e(in0[n, t, c], in1[n, t, c] …, channel0[c] …), and what is
also made of that: y1[n, t, c] := e1(y[n, t, c], in0[n, t, c] …).

Where all arrays are alike, they are gone through as one row of numbers, so that few channels fill vectors too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...ir import (
    STORED,
    Axis,
    Block,
    Buffer,
    Expression,
    Kernel,
    Level,
    Value,
    also_names,
    buffer,
    input_names,
    load,
    loop,
    store,
    weight_names,
)
from ...symbolic.index import Index, index, minimum, var
from ..formula import read
from ..placement import Placement
from .operation import Operation, T, in_blocks, over_channels, over_steps

#: Numbers of a parallel iteration over rows.
_ROW = 16384


@dataclass(frozen=True, slots=True)
class Map(Operation):
    """An expression for each number of a tensor of so many channels. `flat` arrays are rows of `T` numbers. With a
    `placement`, the output is a part of another array, and so may be the other arrays.
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
        outputs = [buffer(name, self.dtype, (T,), space) for name, space in self._outputs()]
        at = var("block") * _ROW + var("c")
        stores = self._stores(outputs, (at,), {array.name: load(array, at) for array in inputs})
        count = index(minimum(T - var("block") * _ROW, _ROW))
        row = over_channels(count, lambda c: stores)
        blocks = loop("block", 0, (T + (_ROW - 1)) // _ROW, (row,), "parallel", axis=Axis.CHANNEL, level=Level.BLOCK)
        return self.named([*inputs, *outputs], (blocks,))

    def _by_channels(self) -> Kernel:
        expression, placed = self.expression, self.placement
        own, further = (None, None) if placed is None else (placed.output(T), placed.further(T))
        inputs = [
            replace(self.array(name, T if operand.steps else 1, operand.channels), rows=further)
            for name, operand in zip(input_names(len(expression.inputs)), expression.inputs, strict=True)
        ]
        weights = [
            buffer(name, self.dtype, (self.channels,), "constant", (Axis.CHANNEL,))
            for name in weight_names(expression.weights)
        ]
        outputs = [
            replace(self.array(name, T, self.channels, space), rows=own if name == "y" else further)
            for name, space in self._outputs()
        ]
        n, t, c = var("n"), var("t"), var("c")
        given = {
            array.name: read(array, operand, n, t, c) for array, operand in zip(inputs, expression.inputs, strict=True)
        } | {array.name: load(array, c) for array in weights}
        row = over_channels(self.channels, lambda c: self._stores(outputs, (n, t, c), given))
        body = in_blocks(T, self.channels, lambda first, end: (over_steps(first, end, (row,)),))
        return self.named([*weights, *inputs, *outputs], (body,))

    def _outputs(self) -> list[tuple[str, str]]:
        """The arrays that are written, the first of which is then read where others are made of it."""
        also = also_names(len(self.expression.also))
        return [("y", "update" if also else "output"), *((name, "output") for name in also)]

    def _stores(self, outputs: list[Buffer], place: tuple[Index, ...], given: Mapping[str, Value]) -> Block:
        """Stores the numbers at one place."""
        y, *also = outputs
        stored = store(y, place, self.expression.of(given))
        if not also:
            return (stored,)
        values = self.expression.also_of({**given, STORED.name: load(y, *place)})
        return (stored, *(store(array, place, value) for array, value in zip(also, values, strict=True)))

    def __str__(self) -> str:
        placed = "" if self.placement is None else f" in {self.placement}"
        return f"map c{self.channels} {self.expression} {self.dtype}{placed}"
