"""Blocks of steps whose loops are inside the loop over taps.

A number that was one step's becomes an array over the steps of the block, a loop over steps goes around each statement,
and where the taps depend on the step, the two loops change places (Wolfe, High Performance Compilers for Parallel
Computing, 1996: scalar expansion, loop distribution and interchange). Every sum takes its terms in the same order as
before.

Where a tap has one product a step, its block of sums would be loaded and stored for a single multiply-add each. So taps
that all steps of a block have stand `apart`, between those that some lack on either side, and add up in registers:

    for j of those that some lack: for t in the steps of j: sum[t] += x * w
    for t: for j of those that all have:                    sum[t] += x * w
    for j of those that some lack: for t in the steps of j: sum[t] += x * w

Where the blocks of several sequences share the weights, and tiles go `across` them, one loop goes over the steps of all of
them that have a tap, so that a register tile may hold the last steps of one sequence and the first of the next:

    for n, for t in first..last                       for row in 0..together*steps         steps = last - first
      total[n, t] += ...                        →       total[row // steps, first + row % steps] += ...
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
    If,
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
from ...ir.rewrite import map_leaves, rewrite_values, substitute, walk
from ...lower import Sizes
from ...problem import padding as pad
from ...symbolic.index import Index, index, maximum, minimum, var


@dataclass(frozen=True, slots=True)
class Together:
    """A loop over sequences whose steps share the weights, the most that there are of them, and whether register tiles
    go across them.
    """

    sequences: For
    most: int
    across: bool


def in_blocks(
    name: str, size: int, steps: For, inner: For, sizes: Sizes, together: Together | None = None, apart: bool = False
) -> For:
    """Blocks of `size` steps, which share the weights of each tap; of several sequences, where these are `together`.

    The loop `inner` has the same body as `steps`, for a step that has all taps. With `apart`, taps that all steps of a
    block have, and have one product of, stand apart from the others.
    """
    first, last = var("first_step"), var("last_step")
    blocks = (steps.hi - steps.lo + (size - 1)) // size
    start = steps.lo + var(name) * size
    ends: Block = (Let("first_step", start), Let("last_step", index(minimum(first + size, steps.hi))))
    shape = (size,) if together is None else (together.most, size)
    block = _Block(steps, first, last, shape, sizes, together, apart)
    if together is not None and together.across:
        ends = (*ends, Let("together", together.sequences.hi - together.sequences.lo))
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
    together: Together | None
    apart: bool
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
                    if self.apart and len(s.body) == 1 and isinstance(s.body[0], Accumulate):
                        yield from self._apart(s, full)
                    else:
                        yield self._interchanged(s, full)
                case For():
                    assert isinstance(full, For)
                    yield replace(s, body=tuple(self.distributed(s.body, full.body)))
                case _:
                    yield self._around((s,), self.first, self.last)

    def _apart(self, taps: For, all_taps: For) -> Iterator[Statement]:
        """Taps that some steps of the block lack, those that all have, and again some that lack. Where all have one, each
        step takes up all of these at once.
        """
        s, end = self.sizes, all_taps.hi
        before = _tap(taps) - var(taps.var)  # of a chunk
        on_input = (s.length, s.left, s.kernel_size, s.stride, s.dilation)
        first, last = pad.taps_on_input(self.first, *on_input)[0], pad.taps_on_input(self.last - 1, *on_input)[1]
        yield Let("all_first", index(maximum(first - before, 0)))
        yield Let("all_last", index(minimum(last - before, end)))
        some = minimum(var("all_first"), end)
        yield self._interchanged(taps, replace(all_taps, hi=index(some)))
        whole = replace(all_taps, lo=var("all_first"), hi=var("all_last"), body=taps.body)
        yield self._around(self._in_register(whole), self.first, self.last)
        yield self._interchanged(taps, replace(all_taps, lo=index(maximum(some, var("all_last")))))

    def _interchanged(self, taps: For, all_taps: For) -> For:
        """The loop over taps outside; inside, the steps whose tap falls on the input."""
        s = self.sizes
        first, last = pad.steps_of_tap(_tap(taps), s.length, s.left, s.stride, s.dilation)
        begin, end = var("tap_first"), var("tap_last")
        bounds: Block = (
            Let("tap_first", index(maximum(self.first, first))),
            Let("tap_last", index(maximum(begin, minimum(self.last, last)))),
        )
        rows: Block = tuple(self._rows(taps.body, begin, end))
        if (
            self.together is not None and self.together.across
        ):  # a row is divided by the steps, of which there may be none
            rows = (Let("steps", index(maximum(end - begin, 1))), If((end - begin - 1,), rows))
        return replace(all_taps, body=(*bounds, *rows), note="")

    def _rows(self, body: Block, first: Index, last: Index) -> Iterator[Statement]:
        """Loops over steps around the sums of one tap, which are kept in registers."""
        for at, s in enumerate(body):
            if isinstance(s, Alloc):  # of a chunk, or of what is left beside whole chunks
                yield self._over_rows(body[at:], first, last)
                return
            if isinstance(s, For) and any(isinstance(inner, Alloc) for inner in walk(s.body)):
                yield replace(s, body=tuple(self._rows(s.body, first, last)))
            else:
                yield self._over_rows(self._in_register(s), first, last)

    def _over_rows(self, body: Block, first: Index, last: Index) -> For:
        """Statements for the steps of one tap, those of all sequences in one loop where tiles go across these."""
        if self.together is None or not self.together.across:
            return self._around(body, first, last)
        row, steps = var("row"), var("steps")
        sequence, sequences = row // steps, self.together.sequences
        at = {
            sequences.var: sequences.lo + sequence,
            self.steps.var: first + row - sequence * steps,
        }
        inner = substitute(self._redirected_to_own(body), at)
        return replace(self.steps, var="row", lo=index(0), hi=var("together") * steps, body=inner, note="")

    def _in_register(self, s: Statement) -> Block:
        """A statement that adds to one sum, with the sum in a register while it does."""
        target = next(inner.buffer for inner in walk((s,)) if isinstance(inner, Accumulate))
        array = self._own(self.arrays[target])
        return (Alloc(target), store(target, (), array), s, Store(array.buffer, array.index, load(target)))

    def _around(self, body: Block, first: Index, last: Index) -> For:
        """The steps in a loop around statements, in which what belongs to one step is found in its array."""
        steps = replace(self.steps, lo=first, hi=last, body=self._redirected_to_own(body), note="")
        return steps if self.together is None else replace(self.together.sequences, body=(steps,))

    def _redirected_to_own(self, body: Block) -> Block:
        """Statements of one step, which find in arrays what belongs to it, but for what they allocate."""
        own = {s.buffer for s in body if isinstance(s, Alloc)}
        return _redirected(
            body, {scalar: self._own(array) for scalar, array in self.arrays.items() if scalar not in own}
        )

    def _own(self, array: Buffer) -> Load:
        """What belongs to this step, of this sequence."""
        step = var(self.steps.var) - self.first
        if self.together is None:
            return load(array, step)
        sequences = self.together.sequences
        return load(array, var(sequences.var) - sequences.lo, step)


def _tap(taps: For) -> Index:
    """Which tap a loop over taps is at, of all that the weights have."""
    weights = next(s.b for s in walk(taps.body) if isinstance(s, Accumulate))
    assert isinstance(weights, Load)
    return weights.index[0]


def _redirected(body: Block, arrays: dict[Buffer, Load]) -> Block:
    """Stores to and loads from buffers, made to others instead."""

    def written(s: Statement) -> Statement:
        if isinstance(s, Store | Accumulate) and s.buffer in arrays:
            return replace(s, buffer=arrays[s.buffer].buffer, index=arrays[s.buffer].index)
        return s

    def read(node: Value) -> Value:
        return arrays.get(node.buffer, node) if isinstance(node, Load) else node

    return rewrite_values(map_leaves(body, written), read)
