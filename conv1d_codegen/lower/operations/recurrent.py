"""Recurrent cells, step after step: of what a convolution made of the inputs, the state and its products.

    LSTM   i, f, c, o := x[n, t] + h·U;       s := gate(f)·s + gate(i)·act(c);   h := gate(o)·act(s)
    GRU    z, r, c    := x[n, t] + h·U + b;   h := gate(z)·h + (1 − gate(z))·act(c)
    simple h          := act(x[n, t] + h·U)

where the candidate `c` of a GRU is x + gate(r)·(h·U + b), or without `reset_after` x + (gate(r)·h)·U.

`x` has the products of the inputs, with their bias: for each step all gates of all units, gate by gate. Units are in the
lanes, and the sums of all gates of a unit are kept together, so that `U` is gone through once for each step. A sequence
is one parallel iteration.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...ir import (
    Activate,
    Alloc,
    Axis,
    Block,
    Buffer,
    Const,
    For,
    Kernel,
    Let,
    Value,
    accumulate,
    buffer,
    input_names,
    load,
    loop,
    store,
)
from ...problem import Activation
from ...symbolic.index import Index, Indexable, var
from .operation import N, Operation, T, over_channels


@dataclass(frozen=True, slots=True)
class Cell(Operation):
    """What cells share. With `sequences` the output has each step's state, at that step, also where the steps are gone
    through `backwards`; without, it is the last state. The first state is zero, or `given`: one array `[N, 1, units]` for
    each that the cell keeps.
    """

    units: int
    activation: Activation
    gate: Activation
    sequences: bool = False
    backwards: bool = False
    given: bool = field(default=False, kw_only=True)

    @property
    @abstractmethod
    def gates(self) -> int:
        """How many products with the state a unit has."""

    @property
    def weights(self) -> list[Buffer]:
        return [self.recurrent]

    @property
    def kept(self) -> list[Buffer]:
        """What a cell keeps from step to step, the state first."""
        return [self.of_units("h")]

    @property
    def shown(self) -> Buffer:
        """What of it is the output."""
        return self.kept[0]

    @property
    def first(self) -> list[Buffer]:
        """The arrays of the first state."""
        count = len(self.kept) if self.given else 0
        return [self.array(name, 1, self.units) for name in input_names(count)]

    @abstractmethod
    def step(self, h: Buffer) -> Block:
        """What makes the state after a step from the one before."""

    @property
    def recurrent(self) -> Buffer:
        axes = (Axis.TAP, Axis.GROUP, Axis.CHANNEL)
        return buffer("recurrent_kernel", self.dtype, (self.units, self.gates, self.units), "constant", axes)

    @property
    def x(self) -> Buffer:
        return self.array("x", T, self.gates * self.units)

    def of_units(self, name: str) -> Buffer:
        """An array of a number for each unit."""
        return buffer(name, self.compute, (self.units,), "scratch")

    def kernel(self) -> Kernel:
        y = self.array("y", T if self.sequences else 1, self.units, "output")
        kept, first = self.kept, self.first

        def output(t: Indexable) -> For:
            return over_channels(self.units, lambda c: (store(y, (var("n"), t, c), load(self.shown, c)),))

        def begun(c: Index) -> Block:
            numbers: list[Value] = [load(array, var("n"), 0, c) for array in first]
            given = zip(kept, numbers or [Const(0.0)] * len(kept), strict=True)
            return tuple(store(array, (c,), number) for array, number in given)

        one = (*self.step(kept[0]), *((output(var("t")),) if self.sequences else ()))
        if self.backwards:
            steps = loop("step", 0, T, (Let("t", T - 1 - var("step")), *one), axis=Axis.STEP)
        else:
            steps = loop("t", 0, T, one, axis=Axis.STEP)
        body: Block = (
            *map(Alloc, kept),
            over_channels(self.units, begun),
            steps,
            *(() if self.sequences else (output(0),)),
        )
        sequences = loop("n", 0, N, body, "parallel", axis=Axis.SEQUENCE)
        return self.named([*self.weights, self.x, *first, y], (sequences,), least=1)

    def input(self, gate: int, c: Index) -> Value:
        """The products of the inputs for one gate of a unit."""
        return load(self.x, var("n"), var("t"), c + gate * self.units)

    def gated(self, number: Value) -> Value:
        return Activate(self.gate, number)

    def activated(self, number: Value) -> Value:
        return Activate(self.activation, number)

    def sums(self, starts: Sequence[tuple[int, Value]], state: Buffer, c: Index) -> tuple[list[Value], Block]:
        """Of some gates of a unit, each with what it begins with: the sums with the products of a state, and the
        statements that make them.
        """
        accs = [buffer(f"acc{gate}", self.compute, (), "register") for gate, _ in starts]
        begun = [store(acc, (), start) for acc, (_, start) in zip(accs, starts, strict=True)]
        terms = [
            accumulate(acc, (), load(state, var("j")), load(self.recurrent, var("j"), gate, c))
            for acc, (gate, _) in zip(accs, starts, strict=True)
        ]
        products = loop("j", 0, self.units, tuple(terms), axis=Axis.TAP)
        return [load(acc) for acc in accs], (*map(Alloc, accs), *begun, products)

    def copied(self, source: Buffer, target: Buffer) -> For:
        return over_channels(self.units, lambda c: (store(target, (c,), load(source, c)),))

    def words(self) -> str:
        """All that the cell is, but for its name."""
        on = (("sequences", self.sequences), ("backwards", self.backwards), ("given", self.given))
        flags = "".join(f"_{name}" for name, is_on in on if is_on)
        return f"c{self.units}_{self.activation}_{self.gate}{flags} {self.dtype}"


@dataclass(frozen=True, slots=True)
class Lstm(Cell):
    """Gates i and f, the candidate c, and gate o, in this order. The output is h, or with `cell` s."""

    cell: bool = field(default=False, kw_only=True)

    @property
    def gates(self) -> int:
        return 4

    @property
    def shown(self) -> Buffer:
        return self.kept[int(self.cell)]

    @property
    def kept(self) -> list[Buffer]:
        return [self.of_units("h"), self.of_units("s")]

    def step(self, h: Buffer) -> Block:
        following, s = self.of_units("following"), self.of_units("s")

        def of_unit(c: Index) -> Block:
            (i, f, candidate, o), made = self.sums([(gate, self.input(gate, c)) for gate in range(4)], h, c)
            state = self.gated(f) * load(s, c) + self.gated(i) * self.activated(candidate)
            return (
                *made,
                store(s, (c,), state),
                store(following, (c,), self.gated(o) * self.activated(load(s, c))),
            )

        return (Alloc(following), over_channels(self.units, of_unit), self.copied(following, h))

    def __str__(self) -> str:
        return f"lstm{'_cell' if self.cell else ''} {self.words()}"


@dataclass(frozen=True, slots=True)
class SimpleRnn(Cell):
    """The state alone, without gates."""

    @property
    def gates(self) -> int:
        return 1

    def step(self, h: Buffer) -> Block:
        following = self.of_units("following")

        def of_unit(c: Index) -> Block:
            (total,), made = self.sums([(0, self.input(0, c))], h, c)
            return (*made, store(following, (c,), self.activated(total)))

        return (Alloc(following), over_channels(self.units, of_unit), self.copied(following, h))

    def __str__(self) -> str:
        return f"simple_rnn {self.words()}"


@dataclass(frozen=True, slots=True)
class Gru(Cell):
    """Gates z and r, and the candidate c, in this order. With a `bias`, the products of the state have one."""

    reset_after: bool = True
    bias: bool = False

    @property
    def gates(self) -> int:
        return 3

    @property
    def weights(self) -> list[Buffer]:
        return [self.recurrent, *([self.biases] if self.bias else [])]

    @property
    def biases(self) -> Buffer:
        return buffer("recurrent_bias", self.dtype, (self.gates, self.units), "constant", (Axis.GROUP, Axis.CHANNEL))

    def step(self, h: Buffer) -> Block:
        return self._reset_after(h) if self.reset_after else self._reset_before(h)

    def _reset_after(self, h: Buffer) -> Block:
        following = self.of_units("following")

        def of_unit(c: Index) -> Block:
            biases: list[Value] = [load(self.biases, gate, c) if self.bias else Const(0.0) for gate in range(3)]
            starts = [self.input(gate, c) + biases[gate] if self.bias else self.input(gate, c) for gate in range(2)]
            (z, r, product), made = self.sums([*enumerate(starts), (2, biases[2])], h, c)
            candidate = self.input(2, c) + self.gated(r) * product
            return (*made, store(following, (c,), self._next(self.gated(z), candidate, h, c)))

        return (Alloc(following), over_channels(self.units, of_unit), self.copied(following, h))

    def _reset_before(self, h: Buffer) -> Block:
        kept, update = self.of_units("kept"), self.of_units("update")

        def of_gates(c: Index) -> Block:
            (z, r), made = self.sums([(gate, self.input(gate, c)) for gate in range(2)], h, c)
            return (*made, store(update, (c,), self.gated(z)), store(kept, (c,), self.gated(r) * load(h, c)))

        def of_candidate(c: Index) -> Block:
            (candidate,), made = self.sums([(2, self.input(2, c))], kept, c)
            return (*made, store(h, (c,), self._next(load(update, c), candidate, h, c)))

        return (
            *map(Alloc, (kept, update)),
            over_channels(self.units, of_gates),
            over_channels(self.units, of_candidate),
        )

    def _next(self, z: Value, candidate: Value, h: Buffer, c: Index) -> Value:
        return z * load(h, c) + (1.0 - z) * self.activated(candidate)

    def __str__(self) -> str:
        words = f"{'_after' if self.reset_after else '_before'}{'_bias' if self.bias else ''}"
        return f"gru{words} {self.words()}"
