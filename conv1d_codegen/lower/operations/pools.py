"""Pools: the maximum or the average of some steps, or of all, of each channel, or of all channels.

    y[n, t, c] := max, or sum ÷ count, of x[n, t·stride + j·dilation − left, c] for the j < size that fall on the input

Steps all of whose taps fall on the input have a loop of their own, with no count. A maximum with a NaN is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir import Alloc, Axis, Block, Buffer, Const, Kernel, Let, Load, Part, buffer, load, loop, store
from ...problem import padding as pad
from ...problem.summation import LONGEST_CHAIN
from ...symbolic.index import Index, Indexable, index, maximum, minimum, var
from .norms import in_rows
from .operation import N, Operation, T, accumulator, in_blocks, over_channels, over_steps, steps_as_number

#: Taps that are written out one after another.
_WRITTEN_OUT = 8


@dataclass(frozen=True, slots=True)
class Pool(Operation):
    """Windows of `size` steps, `dilation` apart, each `stride` after the one before. Averages count the steps of padding
    with `count_padding`. With `ceil` there is one more window where steps are left at the end, if it begins on the input
    or before it.
    """

    channels: int
    kind: str  # "max" | "average"
    size: int
    stride: int
    padding: pad.Padding
    count_padding: bool = False
    dilation: int = 1
    ceil: bool = False

    def kernel(self) -> Kernel:
        windows = self.size, self.stride, self.dilation, self.padding
        outputs = index(pad.pooled_length(T, *windows, self.ceil))
        least, most = pad.left_paddings(*windows)
        left: Indexable = least
        named: Block = ()
        if least < most:
            left, named = var("left"), (Let("left", pad.left_padding(T, *windows)),)
        x, y = self.array("x", T, self.channels), self.array("y", outputs, self.channels, "output")

        def parts(first: Index, end: Index) -> Block:
            if self.padding in ("valid", (0, 0)) and not self.ceil:
                return (over_steps(first, end, self._inner(x, y, left)),)
            inner = pad.interior(T, (least, most), self.size, self.stride, self.dilation)
            begin, last = var("inner_first"), var("inner_last")
            return (
                Let("inner_first", index(maximum(first, inner[0]))),
                Let("inner_last", index(maximum(begin, minimum(end, inner[1])))),
                over_steps(first, minimum(end, begin), self._edge(x, y, left, Part.BEFORE), Part.BEFORE),
                over_steps(begin, last, self._inner(x, y, left)),
                over_steps(minimum(end, last), end, self._edge(x, y, left, Part.AFTER), Part.AFTER),
            )

        return self.named([x, y], (*named, in_blocks(outputs, self.channels, parts)))

    def _inner(self, x: Buffer, y: Buffer, left: Indexable) -> Block:
        kind = "unrolled" if self.size <= _WRITTEN_OUT else "serial"

        def of_channel(c: Index) -> Block:
            acc, start, add = accumulator(self.kind, self.compute)
            taps = loop("j", 0, self.size, (add(self._read(x, var("t"), left, c)),), kind, axis=Axis.TAP)
            total = load(acc) / float(self.size) if self.kind == "average" else load(acc)
            return (Alloc(acc), start, taps, store(y, (var("n"), var("t"), c), total))

        return (over_channels(self.channels, of_channel),)

    def _edge(self, x: Buffer, y: Buffer, left: Indexable, part: Part) -> Block:
        t = var(f"t{part.value}")
        taps = pad.taps_on_input(t, T, left, self.size, self.stride, self.dilation)
        counted = taps
        if self.count_padding:
            counted = 0, self._counted(t)

        def of_channel(c: Index) -> Block:
            acc, start, add = accumulator(self.kind, self.compute)
            terms = loop("j", *taps, (add(self._read(x, t, left, c)),), axis=Axis.TAP)
            if self.kind == "max":
                return (Alloc(acc), start, terms, store(y, (var("n"), t, c), load(acc)))
            count = buffer("count", self.compute, (), "register")
            one = loop("j", *counted, (store(count, (), load(count) + 1.0),), axis=Axis.TAP)
            total = store(y, (var("n"), t, c), load(acc) / load(count))
            return (Alloc(acc), start, terms, Alloc(count), store(count, (), Const(0.0)), one, total)

        return (over_channels(self.channels, of_channel),)

    def _counted(self, t: Index) -> Indexable:
        """How many taps of an average count: those on the input and its padding, which the last window may overlook."""
        if self.padding in ("same", "causal"):
            return self.size
        steps = T + (sum(self.padding) if isinstance(self.padding, tuple) else 0) - t * self.stride
        return minimum(self.size, pad.ceildiv(steps, self.dilation))

    def _read(self, x: Buffer, t: Index, left: Indexable, c: Index) -> Load:
        return load(x, var("n"), t * self.stride + var("j") * self.dilation - left, c)

    def __str__(self) -> str:
        padding = self.padding if isinstance(self.padding, str) else "pad{}x{}".format(*self.padding)
        flags = (("_counted", self.count_padding), (f"_d{self.dilation}", self.dilation > 1), ("_ceil", self.ceil))
        words = "".join(word for word, on in flags if on)
        return f"{self.kind}_pool c{self.channels}_k{self.size}_s{self.stride}_{padding}{words} {self.dtype}"


@dataclass(frozen=True, slots=True)
class GlobalPool(Operation):
    """All steps: their "max", "min", "average" or "sum". A sum is one of sums of at most `LONGEST_CHAIN` steps."""

    channels: int
    kind: str

    def kernel(self) -> Kernel:
        x, y = self.array("x", T, self.channels), self.array("y", 1, self.channels, "output")
        chunk = var("chunk") * LONGEST_CHAIN
        count, counted = steps_as_number(self.compute)

        def of_channel(c: Index) -> Block:
            acc, start, add = accumulator(self.kind, self.compute)
            part, start_part, add_part = accumulator(self.kind, self.compute, "part")
            first, end = chunk, index(minimum(chunk + LONGEST_CHAIN, T))
            steps = loop("t", first, end, (add_part(load(x, var("n"), var("t"), c)),), axis=Axis.TAP)
            chunks = loop(
                "chunk",
                0,
                (T + (LONGEST_CHAIN - 1)) // LONGEST_CHAIN,
                (Alloc(part), start_part, steps, add(load(part))),
                axis=Axis.TAP,
            )
            total = load(acc) / load(count) if self.kind == "average" else load(acc)
            return (Alloc(acc), start, chunks, store(y, (var("n"), 0, c), total))

        body = (*(counted if self.kind == "average" else ()), over_channels(self.channels, of_channel))
        return self.named([x, y], (loop("n", 0, N, body, "parallel", axis=Axis.SEQUENCE),), least=1)

    def __str__(self) -> str:
        return f"global_{self.kind}_pool c{self.channels} {self.dtype}"


@dataclass(frozen=True, slots=True)
class ChannelPool(Operation):
    """All channels of each step: their "max", "min", "average" or "sum", as one channel."""

    channels: int
    kind: str

    def kernel(self) -> Kernel:
        x, y = self.array("x", T, self.channels), self.array("y", T, 1, "output")
        n, t = var("n"), var("t")
        acc, start, add = accumulator(self.kind, self.compute)
        total = load(acc) / float(self.channels) if self.kind == "average" else load(acc)
        row: Block = (
            Alloc(acc),
            start,
            over_channels(self.channels, lambda c: (add(load(x, n, t, c)),)),
            store(y, (n, t, 0), total),
        )
        return self.named([x, y], (in_rows(self.channels, row),))

    def __str__(self) -> str:
        return f"channel_{self.kind} c{self.channels} {self.dtype}"
