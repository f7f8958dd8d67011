"""Norms: what makes numbers of mean 0 and variance 1, or of mean square 1.

    y[n, t, c] := (x[n, t, c] − mean) ÷ √(variance + epsilon) · gamma[c] + beta[c]

The variance is the mean square of what is left without the mean, so that a large mean takes no digits from it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from ...ir import Alloc, Axis, Block, Buffer, For, Kernel, Level, Unary, Value, accumulate, buffer, load, loop, store
from ...problem.summation import LONGEST_CHAIN
from ...symbolic.index import Index, index, minimum, var
from .operation import N, Operation, T, accumulator, in_blocks, over_channels, over_steps, steps_as_number

#: Steps of a block, at least: several tiles of steps that are summed up together.
LEAST_STEPS = 64
#: Channels of a parallel iteration that has not all groups: as many as the passes take side by side
#: (`passes/operations.py`), and a whole number of the largest vectors.
_LEAST_CHANNELS, _WHOLE = 64, 16


@dataclass(frozen=True, slots=True)
class Norm(Operation):
    """What norms share: a factor `gamma` and an offset `beta` for each channel, or none."""

    channels: int
    epsilon: float
    scale: bool
    center: bool

    def arrays(self) -> tuple[list[Buffer], Buffer, Buffer]:
        """The weights, the input and the output."""
        wanted = (("gamma", self.scale), ("beta", self.center))
        weights = [buffer(name, self.dtype, (self.channels,), "constant", (Axis.CHANNEL,)) for name, w in wanted if w]
        return weights, self.array("x", T, self.channels), self.array("y", T, self.channels, "output")

    def scaled(self, number: Value, weights: list[Buffer], c: Index) -> Value:
        """A number of a channel, with what the weights make of it."""
        gamma, beta = weights[: self.scale], weights[self.scale :]
        for factor in gamma:
            number = number * load(factor, c)
        for offset in beta:
            number = number + load(offset, c)
        return number

    def factor(self, square: Value) -> Value:
        """What numbers of so large a mean square are multiplied by."""
        return 1.0 / Unary("sqrt", square + self.epsilon)

    def __str__(self) -> str:
        words = "".join(f"_{name}" for name, on in (("gamma", self.scale), ("beta", self.center)) if on)
        return f"{self.word} c{self.channels}_eps{self.epsilon!r}{words} {self.dtype}"

    @property
    @abstractmethod
    def word(self) -> str:
        """Its name."""


@dataclass(frozen=True, slots=True)
class LayerNorm(Norm):
    """The channels of each step."""

    @property
    def word(self) -> str:
        return "layer_norm"

    def kernel(self) -> Kernel:
        weights, x, y = self.arrays()
        n, t, count = var("n"), var("t"), float(self.channels)
        total, start, add = accumulator("sum", self.compute, "total")
        squares, start_squares, _ = accumulator("sum", self.compute, "squares")
        mean, factor = (buffer(name, self.compute, (), "register") for name in ("mean", "factor"))

        def centred(c: Index) -> Value:
            return load(x, n, t, c) - load(mean)

        row: Block = (
            *map(Alloc, (total, squares, mean, factor)),
            start,
            over_channels(self.channels, lambda c: (add(load(x, n, t, c)),)),
            store(mean, (), load(total) / count),
            start_squares,
            over_channels(self.channels, lambda c: (accumulate(squares, (), centred(c), centred(c)),)),
            store(factor, (), self.factor(load(squares) / count)),
            over_channels(
                self.channels, lambda c: (store(y, (n, t, c), self.scaled(centred(c) * load(factor), weights, c)),)
            ),
        )
        return self.named([*weights, x, y], (in_rows(self.channels, row),))


@dataclass(frozen=True, slots=True)
class RmsNorm(Norm):
    """The channels of each step, without a mean: x ÷ √(mean of x² + epsilon) · gamma."""

    @property
    def word(self) -> str:
        return "rms_norm"

    def kernel(self) -> Kernel:
        weights, x, y = self.arrays()
        n, t = var("n"), var("t")
        squares, start, _ = accumulator("sum", self.compute, "squares")
        factor = buffer("factor", self.compute, (), "register")

        def number(c: Index) -> Value:
            return load(x, n, t, c)

        row: Block = (
            *map(Alloc, (squares, factor)),
            start,
            over_channels(self.channels, lambda c: (accumulate(squares, (), number(c), number(c)),)),
            store(factor, (), self.factor(load(squares) / float(self.channels))),
            over_channels(
                self.channels, lambda c: (store(y, (n, t, c), self.scaled(number(c) * load(factor), weights, c)),)
            ),
        )
        return self.named([*weights, x, y], (in_rows(self.channels, row),))


def in_rows(channels: int, row: Block) -> For:
    """What is done with the channels of each step, in blocks."""
    return in_blocks(T, channels, lambda first, end: (over_steps(first, end, row),), LEAST_STEPS)


@dataclass(frozen=True, slots=True)
class GroupNorm(Norm):
    """All steps of a sequence, and the channels of each of some groups.

    Each channel has sums of its own, over at most `LONGEST_CHAIN` steps and of these; those of a group are summed up
    last. A parallel iteration is a sequence, or some groups of one.
    """

    groups: int

    @property
    def word(self) -> str:
        return f"group_norm g{self.groups}"

    def kernel(self) -> Kernel:
        weights, x, y = self.arrays()
        n, t, width = var("n"), var("t"), self._width
        sums, means, factors = (
            buffer(name, self.compute, (width,), "scratch") for name in ("sums", "means", "factors")
        )
        count, counted = steps_as_number(self.compute)

        def number(c: Index) -> Value:
            return load(x, n, t, _channel(c, width))

        def centred(c: Index) -> Value:
            return number(c) - load(means, c)

        def result(c: Index) -> Block:
            of = _channel(c, width)
            return (store(y, (n, t, of), self.scaled(centred(c) * load(factors, c), weights, of)),)

        size = float(self.channels // self.groups)
        body: Block = (
            *counted,
            *map(Alloc, (sums, means, factors)),
            self._sums(sums, "total", number),
            self._of_groups(sums, means, lambda total: total / size / load(count)),
            self._sums(sums, "squares", lambda c: centred(c) * centred(c)),
            self._of_groups(sums, factors, lambda total: self.factor(total / size / load(count))),
            over_steps(0, T, (over_channels(width, result),)),
        )
        blocks = self.channels // width
        parts = loop("some", 0, blocks, body, "parallel", axis=Axis.GROUP, level=Level.BLOCK)
        return self.named([*weights, x, y], (loop("n", 0, N, (parts,), "parallel", axis=Axis.SEQUENCE),))

    @property
    def _width(self) -> int:
        """Channels of a parallel iteration: those of the fewest groups that keep as many vectors busy as all would, and
        are whole vectors.
        """
        size = self.channels // self.groups
        widths = [count * size for count in range(1, self.groups) if self.groups % count == 0]
        return next((width for width in widths if width % _WHOLE == 0 and width >= _LEAST_CHANNELS), self.channels)

    def _sums(self, sums: Buffer, name: str, number: Callable[[Index], Value]) -> For:
        """For each channel, the sum over the steps."""
        total, start, add = accumulator("sum", self.compute, name)
        part, start_part, add_part = accumulator("sum", self.compute, f"{name}_part")
        first = var("chunk") * LONGEST_CHAIN
        end, chunks = index(minimum(first + LONGEST_CHAIN, T)), (T + (LONGEST_CHAIN - 1)) // LONGEST_CHAIN

        def of_channel(c: Index) -> Block:
            steps = loop("t", first, end, (add_part(number(c)),), axis=Axis.TAP)
            in_chunks = loop("chunk", 0, chunks, (Alloc(part), start_part, steps, add(load(part))), axis=Axis.TAP)
            return (Alloc(total), start, in_chunks, store(sums, (c,), load(total)))

        return over_channels(self._width, of_channel)

    def _of_groups(self, sums: Buffer, made: Buffer, what: Callable[[Value], Value]) -> For:
        """For each channel, what is made of the sum over the channels of its group."""
        size = self.channels // self.groups
        channel = var("g") * size + var("k")
        total, start, add = accumulator("sum", self.compute, "of_channels")
        of_group = buffer("of_group", self.compute, (), "register")
        body: Block = (
            *map(Alloc, (total, of_group)),
            start,
            loop("k", 0, size, (add(load(sums, channel)),)),
            store(of_group, (), what(load(total))),
            loop("k", 0, size, (store(made, (channel,), load(of_group)),)),
        )
        return loop("g", 0, self._width // size, body, axis=Axis.GROUP)


def _channel(c: Index, width: int) -> Index:
    """A channel of a part, as one of all."""
    return var("some") * width + c
