"""Weights in a kernel's panels, as loops: what `ir/packing.py` describes, for weights that change often.

    for block, for j, for c, for l < panel:    wp[block, j, c, l] := w[j, c, panel*block + l]
    for block, for q, for c, for l < panel:    for p: wtp[block, p, q, c, l] := Σ_i matrix[p][i] * w[tap(q, i), c, panel*block + l]
    for q, for e:                              for p: wtp[0, p, q, e]        := Σ_i matrix[p][i] * w[steps*tap(q, i) + steps - 1 - e]

The second line is a mixing, which reads each tap once for all p, and rounds what NumPy rounds; the third is one of the
diagonals of folded steps, where what is no tap of the source is zero. Numbers of a panel after
the last one of its axis are zeros. A panel's numbers are in the lanes where they lie beside each other in the source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import groupby
from operator import add

from ...ir import Alloc, Axis, Block, Buffer, Const, For, If, Kernel, Level, Statement, Value, buffer, load, loop, store
from ...ir.packing import Mixing, Packing
from ...symbolic.index import Index, index, var
from ..formula import identifier
from .operation import Operation, over_channels

#: The axes of transformed weights before those of the weights' channels and filters: the point, and the term.
_POINT_AND_TERM = 2


@dataclass(frozen=True, slots=True)
class Pack(Operation):
    """Arrays of `dtype` laid out as `into`. All sizes are constants, and what mixings make, packings take."""

    into: str
    packings: tuple[Packing | Mixing, ...]

    @property
    def compute(self) -> str:
        return "f64" if any(isinstance(made, Mixing) for made in self.packings) else self.into

    def kernel(self) -> Kernel:
        mixings = {made.target: made for made in self.packings if isinstance(made, Mixing)}
        matrices = [_matrix(mixing) for mixing in mixings.values()]
        sources: dict[str, Buffer] = {}
        targets: list[Buffer] = []
        body: list[Statement] = []
        for packing in self.packings:
            if isinstance(packing, Packing):
                mixing = mixings.get(packing.source)
                origin = mixing or packing
                source = sources.setdefault(origin.source, self._source(origin.source, origin.source_shape))
                targets.append(buffer(packing.target, self.into, packing.shape, "output"))
                body += _Panels(packing, mixing, source, targets[-1]).loops()
        once = loop("once", 0, 1, tuple(body), "parallel", axis=Axis.GROUP, level=Level.BLOCK)
        buffers = (*sources.values(), *matrices, *targets)
        return Kernel(identifier(f"pack_{self.dtype}_as_{self.into}"), self.compute, (), buffers, (once,))

    def _source(self, name: str, shape: tuple[Index, ...]) -> Buffer:
        """An array without the axes of one number: the numbers of its last axis lie beside each other."""
        return buffer(name, self.dtype, tuple(size for size in shape if size != 1), "input")

    def __str__(self) -> str:
        return f"pack {self.dtype} as {self.into}: {'; '.join(map(str, self.packings))}"


class _Panels:
    """The loops of one packing, and of the mixing that makes what it takes, if one does."""

    def __init__(self, packing: Packing, mixing: Mixing | None, source: Buffer, target: Buffer) -> None:
        self._packing, self._mixing, self._source, self._target = packing, mixing, source, target
        self._sizes = {name: size.evaluate({}) for name, size in zip(packing.axes, packing.source_shape, strict=True)}
        self._own = packing.axes[0 if mixing is None else _POINT_AND_TERM :]  # what source and target share
        after = packing.axes[packing.axes.index(packing.axis) + 1 :]
        self._folds = mixing is not None and mixing.steps > 1
        self._in_lanes = all(self._sizes[name] == 1 for name in after) and not self._folds

    def loops(self) -> Block:
        """Whole panels, and one that is not full."""
        full, rest = divmod(self._sizes[self._packing.axis], self._packing.panel)
        body: Block = ()
        if full:
            panels = self._panel(var("block"), self._packing.panel)
            body = (loop("block", 0, full, panels, axis=Axis.FILTER, level=Level.PANEL),)
        if rest:
            body = (*body, *self._panel(index(full), rest))
        return self._over(self._packing.outer, body)

    def _panel(self, block: Index, count: int) -> Block:
        """A panel, `count` of whose numbers are the source's."""
        if self._mixing is None:
            return self._rows(block, count, partial(self._copied, block))
        terms: list[Statement] = []
        for first, end, taps in _runs(self._mixing):
            rows = self._rows(block, count, partial(self._mixed, self._mixing, taps, block))
            terms.append(self._loop(self._packing.axes[1], first, end, rows))
        return tuple(terms)

    def _rows(self, block: Index, count: int, numbers: Callable[[Index], Block]) -> Block:
        """All rows of a panel: `count` numbers, and zeros behind them."""
        panel = self._packing.panel
        row: Block = (over_channels(count, numbers) if self._in_lanes else loop("c", 0, count, numbers(var("c"))),)
        if count < panel:
            zeros = over_channels(panel - count, lambda lane: self._stored(block, lane + count, Const(0.0)))
            row = (*row, zeros if self._mixing is None else self._over_points(self._mixing, (zeros,)))
        return self._over([name for name in self._packing.inner if name in self._own], row)

    def _copied(self, block: Index, lane: Index) -> Block:
        return self._stored(block, lane, self._here(block, lane))

    def _mixed(self, mixing: Mixing, count: int, block: Index, lane: Index) -> Block:
        """All sums of a number of so many taps. They are NumPy's: products are rounded, and then what is added up."""
        point, term = self._packing.axes[:_POINT_AND_TERM]
        taps = [buffer(f"tap{i}", "f64", (), "register") for i in range(count)]
        places = [mixing.first_tap(_at(term)) + i * mixing.phases for i in range(count)]
        read = [
            s for tap, at in zip(taps, places, strict=True) for s in self._read(mixing, tap, {term: at}, block, lane)
        ]
        products: list[Value] = [load(_matrix(mixing), _at(point), i) * load(tap) for i, tap in enumerate(taps)]
        sums = self._over_points(mixing, self._stored(block, lane, reduce(add, products)))
        return (*map(Alloc, taps), *read, sums)

    def _read(self, mixing: Mixing, tap: Buffer, term: Mapping[str, Index], block: Index, lane: Index) -> Block:
        """A tap of a number, or of its diagonal, which may have none there."""
        if not self._folds:
            return (store(tap, (), self._here(block, lane, term)),)
        (row,) = term.values()
        at = row * mixing.steps + (mixing.steps - 1) - lane
        number = load(self._source, at, *(_at(name) for name in self._own[:-1]))
        on_source = at, mixing.source_shape[0] - 1 - at
        return store(tap, (), Const(0.0)), If(on_source, (store(tap, (), number),))

    def _over(self, names: Sequence[str], body: Block) -> Block:
        for name in reversed(names):
            body = (self._loop(name, 0, self._sizes[name], body),)
        return body

    def _over_points(self, mixing: Mixing, body: Block) -> For:
        return self._loop(self._packing.axes[0], 0, len(mixing.matrix), body)

    def _loop(self, name: str, first: int, end: int, body: Block) -> For:
        return loop(f"at_{name}", first, end, body)

    def _here(self, block: Index, lane: Index, taps: Mapping[str, Index] | None = None) -> Value:
        """A number of the source, whose axes of one number are left out; `taps`: where, for the axis of terms."""
        at = {self._packing.axis: block * self._packing.panel + lane, **(taps or {})}
        place = [at.get(name, _at(name)) for name in (*(taps or {}), *self._own)]
        sizes = (self._mixing or self._packing).source_shape
        return load(self._source, *(i for i, size in zip(place, sizes, strict=True) if size != 1))

    def _stored(self, block: Index, lane: Index, number: Value) -> Block:
        outer, inner = (map(_at, names) for names in (self._packing.outer, self._packing.inner))
        return (store(self._target, (*outer, block, *inner, lane), number),)


def _matrix(mixing: Mixing) -> Buffer:
    """The array of a mixing's matrix: as many numbers as it has are no code."""
    return buffer(matrix_name(mixing), "f64", (len(mixing.matrix), len(mixing.matrix[0])), "input")


def matrix_name(mixing: Mixing) -> str:
    """What a kernel calls the matrix of a mixing, which it is given as an array."""
    return f"{mixing.target}_matrix"


def _at(name: str) -> Index:
    """The variable of the loop over an axis."""
    return var(f"at_{name}")


def _runs(mixing: Mixing) -> Iterator[tuple[int, int, int]]:
    """The first term, that after the last one, and the number of taps, of terms one after another that have as many."""
    for taps, terms in groupby(range(mixing.terms), mixing.count):
        run = list(terms)
        yield run[0], run[-1] + 1, taps
