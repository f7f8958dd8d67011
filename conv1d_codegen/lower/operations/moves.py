"""Operations that move numbers: channels side by side, padding, cropping, repetition, the other layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ...ir import Block, Buffer, Const, Kernel, Statement, buffer, load, loop, store
from ...symbolic.index import Index, Indexable, index, maximum, minimum, var
from .operation import N, Operation, T, in_blocks, over_channels, over_steps


@dataclass(frozen=True, slots=True)
class Concat(Operation):
    """Arrays of so many channels each, beside each other; those that are not `written` there already."""

    channels: tuple[int, ...]
    written: tuple[int, ...] = ()  # numbers of inputs

    def kernel(self) -> Kernel:
        total = sum(self.channels)
        y = self.array("y", T, total, "output")
        inputs: list[Buffer] = []
        row: list[Statement] = []
        before = 0
        for number, count in enumerate(self.channels):
            if number not in self.written:
                inputs.append(self.array(f"in{len(inputs)}", T, count))
                row.append(over_channels(count, partial(_beside, inputs[-1], y, before)))
            before += count
        body = in_blocks(T, total, lambda first, end: (over_steps(first, end, tuple(row)),))
        return self.named([*inputs, y], (body,))

    def __str__(self) -> str:
        written = "".join(f"_without{number}" for number in self.written)
        return f"concat c{'_'.join(map(str, self.channels))}{written} {self.dtype}"


@dataclass(frozen=True, slots=True)
class Turn(Operation):
    """The numbers of an array with its channels before its steps, if these are to be `first`, or behind them."""

    channels: int
    first: bool

    def kernel(self) -> Kernel:
        last = self.array("x" if self.first else "y", T, self.channels, "input" if self.first else "output")
        first = buffer(
            "y" if self.first else "x", self.dtype, (N, self.channels, T), "output" if self.first else "input"
        )
        x, y = (last, first) if self.first else (first, last)
        n, c = var("n"), var("channel")

        def places(t: Index) -> tuple[tuple[Index, ...], tuple[Index, ...]]:
            behind, before = (n, t, c), (n, c, t)
            return (behind, before) if self.first else (before, behind)

        def turned(begin: Index, end: Index) -> Block:
            def one(t: Index) -> Block:
                read, written = places(begin + t)
                return (store(y, written, load(x, *read)),)

            return (loop("channel", 0, self.channels, (over_channels(end - begin, one),)),)

        return self.named([x, y], (in_blocks(T, self.channels, turned),))

    def __str__(self) -> str:
        return f"turn_{'first' if self.first else 'last'} c{self.channels} {self.dtype}"


#: Output steps from one to before another, and the input step that each is a copy of; None: zeros.
Range = tuple[Indexable, Indexable, Index | None]


def _beside(x: Buffer, y: Buffer, before: int, c: Index) -> Block:
    n, t = var("n"), var("t")
    return (store(y, (n, t, c + before), load(x, n, t, c)),)


@dataclass(frozen=True, slots=True)
class Moved(Operation):
    """What gives each step of its output from one of its input, or from none: a subclass says from which."""

    channels: int

    def moved(self, outputs: Index, ranges: Sequence[Range], least: int = 0) -> Kernel:
        """The kernel that copies, for the output steps `t` of each range, the step of the input, or writes zeros."""
        x, y = self.array("x", T, self.channels), self.array("y", outputs, self.channels, "output")

        def parts(first: Index, end: Index) -> Block:
            return tuple(
                over_steps(
                    index(maximum(first, begin)),
                    index(minimum(end, stop)),
                    (over_channels(self.channels, partial(_copied, x, y, step)),),
                )
                for begin, stop, step in ranges
            )

        return self.named([x, y], (in_blocks(outputs, self.channels, parts),), least)


def _copied(x: Buffer, y: Buffer, step: Index | None, c: Index) -> Block:
    n, t = var("n"), var("t")
    return (store(y, (n, t, c), Const(0.0) if step is None else load(x, n, step, c)),)


@dataclass(frozen=True, slots=True)
class Pad(Moved):
    """Steps before and after: zeros, or a reflection, the first and last step again, or the other end.

    A reflection and the other end are of an input that has as many steps; with fewer, these are some steps of it.
    """

    left: int
    right: int
    mode: str

    def kernel(self) -> Kernel:
        t, left = var("t"), self.left
        outputs = T + (left + self.right)
        steps: dict[str, tuple[Index, Index]] = {
            "reflect": (left - t, T * 2 - 2 + left - t),
            "replicate": (index(0), T - 1),
            "circular": (t - left + T, t - left - T),
        }
        within: list[Index | None] = [None, None]
        if self.mode != "zeros":
            within = [index(maximum(minimum(step, T - 1), 0)) for step in steps[self.mode]]
        ranges: list[Range] = [(0, left, within[0]), (left, T + left, t - left), (T + left, outputs, within[1])]
        return self.moved(outputs, ranges, least=0 if self.mode == "zeros" else 1)

    def __str__(self) -> str:
        return f"pad_{self.mode} c{self.channels}_{self.left}x{self.right} {self.dtype}"


@dataclass(frozen=True, slots=True)
class Crop(Moved):
    """Without the first steps and the last."""

    left: int
    right: int

    def kernel(self) -> Kernel:
        outputs = T - (self.left + self.right)
        return self.moved(outputs, [(0, outputs, var("t") + self.left)], least=self.left + self.right)

    def __str__(self) -> str:
        return f"crop c{self.channels}_{self.left}x{self.right} {self.dtype}"


@dataclass(frozen=True, slots=True)
class Repeat(Moved):
    """Each step several times."""

    times: int

    def kernel(self) -> Kernel:
        return self.moved(T * self.times, [(0, T * self.times, var("t") // self.times)])

    def __str__(self) -> str:
        return f"repeat c{self.channels}_{self.times} {self.dtype}"
