"""What the lowerings share: sizes, buffers and the sum over taps and channels.

    y[n, t, f] = act( b[f] + Σ_{j<k, c<C/g} x[n, t·s + j·d − left, group(f)·C/g + c] · w[j, c, f] )

where `x` is zero outside its length: the tap loop runs over the taps that fall on the input, so that padding
contributes nothing.

Channels and filters are seen as [groups, channels of a group] and [groups, filters of a group], which is the
same memory; with one group, that axis is left out. Any size may be an integer or the name of a run-time size.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace

from ..ir import (
    STORED,
    SUM,
    Activate,
    Alloc,
    Axis,
    Block,
    Buffer,
    Const,
    Expression,
    Load,
    Operand,
    Rows,
    Store,
    Value,
    View,
    accumulate,
    also_names,
    buffer,
    input_names,
    load,
    loop,
    store,
    weight_names,
)
from ..problem import Problem
from ..problem import padding as pad
from ..symbolic.index import Index, Indexable, var
from .placement import Placement

#: Steps of a kernel's input, known at run time.
LENGTH = var("T")


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a convolution, constant or not. `groups` is None where there is one, known as the kernel is made."""

    channels: Indexable  # of a group
    filters: Indexable  # of a group
    kernel_size: Indexable
    stride: Indexable
    dilation: Indexable
    groups: Indexable | None
    outputs: Index
    left: Indexable
    lefts: tuple[Indexable, Indexable]  # the least and the most that `left` is, for all lengths
    length: Index = LENGTH  # of the input


def identifier(text: str) -> str:
    """A problem's text form as a symbol: letters, digits and `_` only."""
    return "".join(character if character.isalnum() else "_" for character in text)


class Formula:
    """The buffers of one convolution and the statements that compute one output.

    With an `epilogue`, an expression, that makes the output of what the problem says, `sum`, and of further inputs; and
    what it also makes of the output is stored beside it, in further arrays. With a `placement`, input and output are parts
    of larger arrays.
    """

    def __init__(
        self, problem: Problem, sizes: Sizes, epilogue: Expression | None = None, placement: Placement | None = None
    ) -> None:
        self.problem, self.sizes, self.epilogue = problem, sizes, epilogue
        batch, length = var("N"), sizes.length
        group = () if sizes.groups is None else (sizes.groups,)
        groups = () if sizes.groups is None else (Axis.GROUP,)

        if placement is not None and problem.channels_first:
            raise ValueError(f"Rows of steps that lie apart are channels-last. Received: {problem}.")
        read = None if placement is None else placement.input(length, problem.channels)
        written = None if placement is None else placement.output(length)

        def array(name: str, steps: Indexable, count: Indexable, axis: Axis, space: str, rows: Rows | None) -> View:
            inner = (*group, count, steps) if problem.channels_first else (steps, *group, count)
            axes = (*groups, axis, Axis.STEP) if problem.channels_first else (Axis.STEP, *groups, axis)
            return View.of(buffer(name, problem.dtype, (batch, *inner), space, (Axis.SEQUENCE, *axes), rows))

        self.x = array("x", length, sizes.channels, Axis.CHANNEL, "input", read)
        also = () if epilogue is None else epilogue.also
        self.y = array("y", sizes.outputs, sizes.filters, Axis.FILTER, "update" if also else "output", written)
        taps = (sizes.kernel_size, sizes.channels, *group, sizes.filters)
        self.w = buffer("w", problem.dtype, taps, "constant", (Axis.TAP, Axis.CHANNEL, *groups, Axis.FILTER))
        self.b = buffer("b", problem.dtype, (*group, sizes.filters), "constant", (*groups, Axis.FILTER))
        further = None if placement is None else placement.further(length)
        self.also = [
            array(name, sizes.outputs, sizes.filters, Axis.FILTER, "output", further) for name in also_names(len(also))
        ]
        inputs = () if epilogue is None else epilogue.inputs
        self.inputs = [
            buffer(
                name,
                problem.dtype,
                (batch, sizes.outputs if given.steps else 1, given.channels),
                "input",
                rows=further,
            )
            for name, given in zip(input_names(len(inputs)), inputs, strict=True)
        ]
        self.of_channels = [
            buffer(name, problem.dtype, (*group, sizes.filters), "constant", (*groups, Axis.FILTER))
            for name in weight_names(0 if epilogue is None else epilogue.weights)
        ]
        bias = [self.b] if problem.use_bias else []
        outputs = [view.buffer for view in (*self.also, self.y)]
        self.buffers = (self.x.buffer, self.w, *bias, *self.of_channels, *self.inputs, *outputs)

    def renamed(self, name: str, x: View, y: View) -> Formula:
        """The same from one view to another, with weights and bias of other names."""
        other = copy(self)
        other.x, other.y = x, y
        other.w, other.b = (replace(array, name=f"{array.name}_{name}") for array in (self.w, self.b))
        return other

    def place(self, n: Index, t: Index, group: tuple[Index, ...], channel: Indexable) -> tuple[Indexable, ...]:
        """Where step `t` and channel or filter `channel` of a group lie in `x` or `y`."""
        return (n, *group, channel, t) if self.problem.channels_first else (n, t, *group, channel)

    def output(self, n: Index, t: Index, group: tuple[Index, ...], f: Index) -> Block:
        """One output: the accumulator takes every tap and channel in order, and with the bias is
        activated and stored.
        """
        s = self.sizes
        j, c = var("j"), var("c")
        acc = buffer("acc", self.problem.compute, (), "register")
        first, last = pad.taps_on_input(t, s.length, s.left, s.kernel_size, s.stride, s.dilation)
        step = t * s.stride + j * s.dilation - s.left
        one_channel = isinstance(s.channels, int) and s.channels == 1
        x = self.x.load(*self.place(n, step, group, 0 if one_channel else c))
        w = load(self.w, j, 0 if one_channel else c, *group, f)
        term: Block = (accumulate(acc, (), x, w),)
        terms = term if one_channel else (loop("c", 0, s.channels, term, axis=Axis.CHANNEL),)
        return (
            Alloc(acc),
            store(acc, (), Const(0.0)),
            loop("j", first, last, terms, note="taps that fall on the input", axis=Axis.TAP),
            *self.results(load(acc), n, t, group, f),
        )

    def results(self, total: Value, n: Index, t: Index, group: tuple[Index, ...], f: Index) -> tuple[Store, ...]:
        """Stores what becomes of the sum over taps and channels, and what is made of that."""
        if self.problem.use_bias:
            total = total + load(self.b, *group, f)
        result: Value = Activate(self.problem.activation, total)
        place = self.place(n, t, group, f)
        if self.epilogue is None:
            return (self.y.store(place, result),)
        given = self._given(self.epilogue, n, t, group, f)
        stored = self.y.store(place, self.epilogue.of({**given, SUM.name: result}))
        if not self.also:
            return (stored,)
        also = self.epilogue.also_of({**given, STORED.name: self.y.load(*place)})
        return (stored, *(view.store(place, value) for view, value in zip(self.also, also, strict=True)))

    def _given(self, epilogue: Expression, n: Index, t: Index, group: tuple[Index, ...], f: Index) -> dict[str, Value]:
        """What an epilogue reads of further inputs and of weights for each channel."""
        channel = group[0] * self.sizes.filters + f if group else f
        given: dict[str, Value] = {}
        for array, operand in zip(self.inputs, epilogue.inputs, strict=True):
            given[array.name] = read(array, operand, n, t, channel)
        for array in self.of_channels:
            given[array.name] = load(array, *group, f)
        return given


def read(array: Buffer, operand: Operand, n: Index, t: Index, channel: Index) -> Load:
    """An operand's number for step `t` and a channel."""
    return load(array, n, t if operand.steps else 0, 0 if operand.channels == 1 else channel + operand.first)
