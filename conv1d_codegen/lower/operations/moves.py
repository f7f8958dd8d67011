"""Operations that move numbers: channels side by side, padding, repetition, channels in another order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ...ir import Axis, Block, Buffer, Const, Kernel, Statement, load, loop, store
from ...symbolic.index import Index, Indexable, index, maximum, minimum, var
from .operation import Operation, T, in_blocks, over_channels, over_steps


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
class Repeat(Moved):
    """Each step several times."""

    times: int

    def kernel(self) -> Kernel:
        return self.moved(T * self.times, [(0, T * self.times, var("t") // self.times)])

    def __str__(self) -> str:
        return f"repeat c{self.channels}_{self.times} {self.dtype}"


@dataclass(frozen=True, slots=True)
class EachChannel(Operation):
    """`count` channels: `start`, and each `step`-th after it."""

    channels: int
    start: int
    count: int
    step: int

    def kernel(self) -> Kernel:
        x, y = self.array("x", T, self.channels), self.array("y", T, self.count, "output")
        n, t = var("n"), var("t")
        row = over_channels(self.count, lambda c: (store(y, (n, t, c), load(x, n, t, c * self.step + self.start)),))
        return self.named([x, y], (in_blocks(T, self.count, lambda first, end: (over_steps(first, end, (row,)),)),))

    def __str__(self) -> str:
        return f"each_channel c{self.channels}_{self.count}from{self.start}_s{self.step} {self.dtype}"


@dataclass(frozen=True, slots=True)
class Shuffle(Operation):
    """The first channel of each of some groups, then the second of each, and so on."""

    channels: int
    groups: int

    def kernel(self) -> Kernel:
        x, y = self.array("x", T, self.channels), self.array("y", T, self.channels, "output")
        n, t, k, size = var("n"), var("t"), var("k"), self.channels // self.groups
        groups = over_channels(
            self.groups, lambda c: (store(y, (n, t, k * self.groups + c), load(x, n, t, c * size + k)),)
        )
        row = loop("k", 0, size, (groups,), axis=Axis.GROUP)
        return self.named([x, y], (in_blocks(T, self.channels, lambda first, end: (over_steps(first, end, (row,)),)),))

    def __str__(self) -> str:
        return f"shuffle c{self.channels}_g{self.groups} {self.dtype}"


@dataclass(frozen=True, slots=True)
class Transpose(Operation):
    """Steps as channels and channels as steps, of so many `steps`."""

    channels: int
    steps: int

    def kernel(self) -> Kernel:
        x, y = self.array("x", self.steps, self.channels), self.array("y", self.channels, self.steps, "output")
        n, t = var("n"), var("t")
        row = over_channels(self.steps, lambda c: (store(y, (n, t, c), load(x, n, c, t)),))
        body = in_blocks(index(self.channels), self.steps, lambda first, end: (over_steps(first, end, (row,)),))
        return self.named([x, y], (body,))

    def __str__(self) -> str:
        return f"transpose c{self.channels}_t{self.steps} {self.dtype}"
