"""The tiles of a kernel: which outputs it stores together, found by going through the loops that run.

What stores nothing to the output is left out, so that long sums take no time. A tile is what one iteration stores of
the innermost loop over tiles, blocks or single steps; rows, vectors and lanes lie within it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..ir import Axis, Block, Buffer, For, If, Kernel, Let, Level, Nest, Statement, Storage, Store
from ..ir.rewrite import told_apart, walk

#: Of loops within a tile.
_WITHIN = (Level.ROW, Level.VECTOR, Level.LANE, Level.UNROLLED)


@dataclass(frozen=True, slots=True)
class Tile:
    """Output steps, and filters from and to, that are stored together; the filters of all groups are numbered through. Where
    a window's outputs lie apart, as with a dilation, so do the steps.

    `idle` are the filters or steps for which its vectors have lanes that are not stored. `lines` are those of the kernel's
    text that store it, counted from 0.
    """

    steps: frozenset[int]
    filters: tuple[int, int]
    idle: int
    lines: tuple[int, ...]

    def joined(self, other: Tile) -> Tile:
        """The least tile that has both."""
        return Tile(
            self.steps | other.steps,
            (min(self.filters[0], other.filters[0]), max(self.filters[1], other.filters[1])),
            max(self.idle, other.idle),
            tuple(sorted({*self.lines, *other.lines})),
        )

    def runs(self) -> list[tuple[int, int]]:
        """The steps as ranges, from and to."""
        found: list[tuple[int, int]] = []
        for step in sorted(self.steps):
            if found and found[-1][1] == step:
                found[-1] = (found[-1][0], step + 1)
            else:
                found.append((step, step + 1))
        return found


class TooManyTilesError(Exception):
    """There are more tiles than were asked for."""


def tiles(kernel: Kernel, sizes: Mapping[str, int], most: int) -> list[Tile]:
    """The tiles of the first sequence, in the order in which they are stored by one thread, for the run-time `sizes` by
    name. None where the kernel's output has no steps. Raises TooManyTilesError for more than `most`.
    """
    apart = kernel.with_body(told_apart(kernel.body))
    output = next((b for b in apart.buffers if b.storage is Storage.ARGUMENT and b.is_written), None)
    if output is None or Axis.STEP not in output.axes:
        return []
    lines = {id(s): number for number, (_, shown) in enumerate(apart.lines()) for s in shown}
    search = _Search(apart, output, lines, most)
    for _ in search.block(apart.body, dict(sizes), 0):
        pass
    return search.found


class _Search:
    """Goes through loops, with the values of the variables around."""

    def __init__(self, kernel: Kernel, output: Buffer, lines: Mapping[int, int], most: int) -> None:
        self.found: list[Tile] = []
        self._output = output
        self._lines = lines
        self._most = most
        self._storing = {id(s) for s in _storing(kernel.body, output)}
        self._in_steps = {id(s) for s in walk(kernel.body) if isinstance(s, For) and _moves_along_steps(s, output)}

    def block(self, body: Block, known: dict[str, int], idle: int) -> Iterator[Tile]:
        """What is stored within the tile around; what is stored in loops over tiles is found on the way."""
        known = dict(known)
        for statement in body:
            if isinstance(statement, Let):
                known[statement.name] = statement.value.evaluate(known)
            elif id(statement) in self._storing:
                yield from self._statement(statement, known, idle)

    def _statement(self, statement: Statement, known: dict[str, int], idle: int) -> Iterator[Tile]:
        match statement:
            case For(lo=lo, hi=hi):
                first, last = lo.evaluate(known), hi.evaluate(known)
                if statement.level in _WITHIN:
                    idle += statement.width - last if statement.kind == "lanes" else 0
                    values = range(first, last)
                    if id(statement) not in self._in_steps:
                        values = values[:: max(1, len(values) - 1)]  # a corner on either side
                    for value in values:
                        yield from self.block(statement.body, {**known, statement.var: value}, idle)
                else:
                    for value in range(first, min(last, first + 1) if statement.axis is Axis.SEQUENCE else last):
                        self._tile(statement.body, {**known, statement.var: value})
            case If(conditions, inner):
                if all(condition.evaluate(known) >= 0 for condition in conditions):
                    yield from self.block(inner, known, idle)
            case Nest(_, inner):
                yield from self.block(inner, known, idle)
            case Store():
                yield self._stored(statement, known, idle)

    def _tile(self, body: Block, known: dict[str, int]) -> None:
        whole: Tile | None = None
        for part in self.block(body, known, 0):
            whole = part if whole is None else whole.joined(part)
        if whole is not None:
            self.found.append(whole)
            if len(self.found) > self._most:
                raise TooManyTilesError(f"more than {self._most} tiles")

    def _stored(self, store: Store, known: dict[str, int], idle: int) -> Tile:
        step = number = 0
        for axis, place, size in zip(self._output.axes, store.index, self._output.shape, strict=True):
            if axis is Axis.STEP:
                step = place.evaluate(known)
            elif axis is not Axis.SEQUENCE:
                number = number * size.evaluate(known) + place.evaluate(known)
        return Tile(frozenset((step,)), (number, number + 1), idle, (self._lines[id(store)],))


def _storing(body: Block, output: Buffer) -> Iterator[Statement]:
    """The statements that store to the output, and those that have such within."""
    for statement in body:
        stores = isinstance(statement, Store) and statement.buffer.name == output.name
        if stores or (
            isinstance(statement, For | If | Nest) and any(_stores_to(output, s) for s in walk(statement.body))
        ):
            yield statement
        if isinstance(statement, For | If | Nest):
            yield from _storing(statement.body, output)


def _moves_along_steps(loop: For, output: Buffer) -> bool:
    """Whether what is stored in a loop goes from step to step with its variable."""
    axis = output.axes.index(Axis.STEP)
    stores = (s for s in walk(loop.body) if isinstance(s, Store) and s.buffer.name == output.name)
    return any(loop.var in store.index[axis].variables() for store in stores)


def _stores_to(output: Buffer, statement: Statement) -> bool:
    return isinstance(statement, Store) and statement.buffer.name == output.name
