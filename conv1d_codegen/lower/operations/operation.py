"""What all operations have: arrays `[N, steps, channels]`, and blocks of steps that threads share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from ...ir import (
    Alloc,
    Axis,
    Binary,
    Block,
    Buffer,
    Const,
    For,
    Kernel,
    Level,
    Part,
    Select,
    Store,
    Value,
    buffer,
    load,
    loop,
    store,
)
from ...number_types import TYPES
from ...problem.summation import LONGEST_CHAIN
from ...symbolic.index import Index, Indexable, index, minimum, var
from ..formula import identifier

#: Numbers of a block of steps: as much as stays in L1 with what it is made from.
_BLOCK = 4096
#: Reductions that are no sums, with what they begin with.
EXTREMES = {"max": -math.inf, "min": math.inf}
AXES = (Axis.SEQUENCE, Axis.STEP, Axis.CHANNEL)
N, T = var("N"), var("T")


@dataclass(frozen=True, slots=True)
class Operation(ABC):
    """One operation on arrays of `dtype`, for any batch `N` and, where it has steps, length `T` of its input."""

    dtype: str

    @property
    def compute(self) -> str:
        """The type that is computed in."""
        return TYPES[self.dtype].compute

    @abstractmethod
    def kernel(self) -> Kernel:
        """The formula, as loops."""

    @abstractmethod
    def __str__(self) -> str:
        """The operation in one line."""

    def array(self, name: str, steps: Indexable, channels: Indexable, space: str = "input") -> Buffer:
        return buffer(name, self.dtype, (N, steps, channels), space, AXES)

    def named(
        self, buffers: list[Buffer], body: Block, least: int = 0, further: tuple[tuple[str, int], ...] = ()
    ) -> Kernel:
        """The kernel of some loops, for lengths from `least` on, and `further` sizes, each with its least value."""
        sizes = (("N", 1), ("T", least), *further)
        return Kernel(identifier(str(self)), self.compute, sizes, tuple(buffers), body)


def over_channels(channels: Indexable, body: Callable[[Index], Block]) -> For:
    """What is done for each channel."""
    return loop("c", 0, channels, body(var("c")), axis=Axis.CHANNEL)


def in_blocks(steps: Index, channels: int, body: Callable[[Index, Index], Block], least: int = 1) -> For:
    """Blocks of steps of all sequences, each of `least` or more, as parallel iterations; `body` takes the first step of
    one and that after its last.
    """
    size = max(least, _BLOCK // channels)
    first = var("block") * size
    end = index(minimum(first + size, steps))
    blocks = loop(
        "block", 0, (steps + (size - 1)) // size, body(first, end), "parallel", axis=Axis.STEP, level=Level.BLOCK
    )
    return loop("n", 0, N, (blocks,), "parallel", axis=Axis.SEQUENCE)


def over_steps(first: Indexable, end: Indexable, body: Block, part: Part = Part.WHOLE) -> For:
    """What is done for each step `t`, or `t_left` … of a part."""
    return loop(f"t{part.value}", first, end, body, axis=Axis.STEP, part=part)


def accumulator(kind: str, compute: str, name: str = "acc") -> tuple[Buffer, Store, Callable[[Value], Store]]:
    """A register, what it begins with, and what takes a number up: for the `max` or the `min`, which with a NaN is NaN, or
    a sum.
    """
    acc = buffer(name, compute, (), "register")

    def add(number: Value) -> Store:
        here = load(acc)
        if kind in EXTREMES:
            return store(acc, (), Select("eq", here, here, Binary(kind, here, number), here))
        return store(acc, (), here + number)

    return acc, store(acc, (), Const(EXTREMES.get(kind, 0.0))), add


def steps_as_number(compute: str) -> tuple[Buffer, Block]:
    """A register, and what makes it the number of steps: whole chunks first, so that float32 counts up to 2**32."""
    count = buffer("count", compute, (), "register")
    chunks = T // LONGEST_CHAIN

    def more(number: int) -> Block:
        return (store(count, (), load(count) + float(number)),)

    return count, (
        Alloc(count),
        store(count, (), Const(0.0)),
        loop("chunk", 0, chunks, more(LONGEST_CHAIN), axis=Axis.TAP),
        loop("t", chunks * LONGEST_CHAIN, T, more(1), axis=Axis.TAP),
    )
