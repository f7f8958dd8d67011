"""Blocks of steps whose loops are inside the loop over taps.

A number that was one step's becomes an array over the steps of the block, a loop over steps goes around each statement,
and where the taps depend on the step, the two loops change places (Wolfe, High Performance Compilers for Parallel
Computing, 1996: scalar expansion, loop distribution and interchange). Every sum takes its terms in the same order as
before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ...ir import (
    Accumulate,
    Alloc,
    Axis,
    Block,
    Buffer,
    For,
    Let,
    Level,
    Load,
    Statement,
    Store,
    Value,
    buffer,
    load,
    loop,
    store,
)
from ...ir.rewrite import map_leaves, rewrite_values, walk
from ...lower import Sizes
from ...problem import padding as pad
from ...symbolic.index import Index, index, maximum, minimum, var


def in_blocks(
    name: str, size: int, steps: For, inner: For, sizes: Sizes, sequences: For | None = None, most: int = 1
) -> For:
    """Blocks of `size` steps, which share the weights of each tap; with `sequences`, those of all of these, `most` at a
    time, do.

    The loop `inner` has the same body as `steps`, for a step that has all taps.
    """
    first, last = var("first_step"), var("last_step")
    blocks = (steps.hi - steps.lo + (size - 1)) // size
    start = steps.lo + var(name) * size
    ends: Block = (Let("first_step", start), Let("last_step", index(minimum(first + size, steps.hi))))
    block = _Block(steps, first, last, (size,) if sequences is None else (most, size), sizes, sequences)
    statements = (*ends, *block.distributed(steps.body, inner.body))
    return loop(name, 0, blocks, statements, note=steps.note, axis=Axis.STEP, level=Level.BLOCK, part=steps.part)


@dataclass
class _Block:
    """One block of steps, from `first` to before `last`, of one sequence or of several; `shape` has
    at most how many.
    """

    steps: For
    first: Index
    last: Index
    shape: tuple[int, ...]
    sizes: Sizes
    sequences: For | None
    arrays: dict[Buffer, Buffer] = field(default_factory=dict)

    def distributed(self, body: Block, inner: Block) -> Iterator[Statement]:
        """The statements of one step, each for all steps of the block. `inner` are those of a step
        that has all taps.
        """
        for s, full in zip(body, inner, strict=True):
            match s:
                case Alloc(scalar):
                    self.arrays[scalar] = buffer(f"{scalar.name}_of_step", scalar.dtype, self.shape, "scratch")
                    yield Alloc(self.arrays[scalar])
                case For(
                    axis=Axis.TAP, level=Level.ELEMENT
                ):  # also where no step lacks any of these taps, as in some chunks of a long kernel
                    assert isinstance(full, For)
                    yield self._interchanged(s, full)
                case For():
                    assert isinstance(full, For)
                    yield replace(s, body=tuple(self.distributed(s.body, full.body)))
                case _:
                    yield self._around((s,), self.first, self.last)

    def _interchanged(self, taps: For, all_taps: For) -> For:
        """The loop over taps outside; inside, the steps whose tap falls on the input."""
        s = self.sizes
        weights = next(s.b for s in walk(taps.body) if isinstance(s, Accumulate))
        assert isinstance(weights, Load)
        tap = weights.index[0]
        first, last = pad.steps_of_tap(tap, s.length, s.left, s.stride, s.dilation)
        begin, end = var("tap_first"), var("tap_last")
        bounds: Block = (
            Let("tap_first", index(maximum(self.first, first))),
            Let("tap_last", index(maximum(begin, minimum(self.last, last)))),
        )
        return replace(all_taps, body=(*bounds, *self._rows(taps.body, begin, end)), note="")

    def _rows(self, body: Block, first: Index, last: Index) -> Iterator[Statement]:
        """Loops over steps around the sums of one tap, which are kept in registers."""
        for at, s in enumerate(body):
            if isinstance(s, Alloc):  # of a chunk, or of what is left beside whole chunks
                yield self._around(body[at:], first, last)
                return
            if isinstance(s, For) and any(isinstance(inner, Alloc) for inner in walk(s.body)):
                yield replace(s, body=tuple(self._rows(s.body, first, last)))
            else:
                yield self._around(self._in_register(s), first, last)

    def _in_register(self, s: Statement) -> Block:
        """A statement that adds to one sum, with the sum in a register while it does."""
        target = next(inner.buffer for inner in walk((s,)) if isinstance(inner, Accumulate))
        array = self._own(self.arrays[target])
        return (Alloc(target), store(target, (), array), s, Store(array.buffer, array.index, load(target)))

    def _around(self, body: Block, first: Index, last: Index) -> For:
        """The steps in a loop around statements, in which what belongs to one step is found in its array."""
        own = {s.buffer for s in body if isinstance(s, Alloc)}
        arrays = {scalar: self._own(array) for scalar, array in self.arrays.items() if scalar not in own}
        steps = replace(self.steps, lo=first, hi=last, body=_redirected(body, arrays), note="")
        return steps if self.sequences is None else replace(self.sequences, body=(steps,))

    def _own(self, array: Buffer) -> Load:
        """What belongs to this step, of this sequence."""
        step = var(self.steps.var) - self.first
        return (
            load(array, step)
            if self.sequences is None
            else load(array, var(self.sequences.var) - self.sequences.lo, step)
        )


def _redirected(body: Block, arrays: dict[Buffer, Load]) -> Block:
    """Stores to and loads from buffers, made to others instead."""

    def written(s: Statement) -> Statement:
        if isinstance(s, Store | Accumulate) and s.buffer in arrays:
            return replace(s, buffer=arrays[s.buffer].buffer, index=arrays[s.buffer].index)
        return s

    def read(node: Value) -> Value:
        return arrays.get(node.buffer, node) if isinstance(node, Load) else node

    return rewrite_values(map_leaves(body, written), read)
