"""Operations that go through the steps with a state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from ...problem import Activation
from ..reach import Reach
from .op import Op, Shape, check, steps_of


@dataclass(frozen=True, slots=True)
class Recurrent(Op):
    """What recurrent cells share. With `sequences` the output has each step's state, at that step, also where the steps
    are gone through `backwards`; without, it is the last state. The first state is zero, or given: vectors of `units`, as
    many as the cell has, after the sequence.
    """

    units: int
    activation: Activation
    gate: Activation
    use_bias: bool = True
    sequences: bool = False
    backwards: bool = False

    @property
    @abstractmethod
    def wide(self) -> int:
        """The gates of all units."""

    def shape(self, *inputs: Shape) -> Shape:
        x, *states = inputs
        steps = steps_of(self, x)
        check(
            len(states) in (0, self.states) and all(s == Shape(None, self.units) for s in states),
            f"{self} takes a sequence, and no first state or {self.states} vectors of {self.units}. "
            f"Received: {', '.join(map(str, inputs))}.",
        )
        return Shape(steps if self.sequences else None, self.units)

    @property
    def states(self) -> int:
        """How many vectors its state has."""
        return 1

    def reach(self) -> Reach | None:
        return None


@dataclass(frozen=True, slots=True)
class SimpleRnn(Recurrent):
    """h = act(x·kernel + h·recurrent_kernel + bias); it has no gates."""

    @property
    def wide(self) -> int:
        return self.units

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        own = {"kernel": (inputs[0].channels, self.units), "recurrent_kernel": (self.units, self.units)}
        return {**own, "bias": (self.units,)} if self.use_bias else own


@dataclass(frozen=True, slots=True)
class Lstm(Recurrent):
    """Gates i, f, the candidate c and gate o, in this order: s = f·s + i·act(c), h = o·act(s). The state is h, s; the
    output is h, or with `cell` s.
    """

    cell: bool = False

    @property
    def states(self) -> int:
        return 2

    @property
    def wide(self) -> int:
        return 4 * self.units

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        own = {"kernel": (inputs[0].channels, self.wide), "recurrent_kernel": (self.units, self.wide)}
        return {**own, "bias": (self.wide,)} if self.use_bias else own


@dataclass(frozen=True, slots=True)
class Gru(Recurrent):
    """Gates z and r, and the candidate c, in this order: h = z·h + (1 − z)·act(c).

    With `reset_after`, r multiplies the recurrent product of c, else the state before it; then there are two biases, one
    of the input's products and one of the state's.
    """

    reset_after: bool = True

    @property
    def wide(self) -> int:
        return 3 * self.units

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        own = {"kernel": (inputs[0].channels, self.wide), "recurrent_kernel": (self.units, self.wide)}
        return {**own, "bias": (2, self.wide) if self.reset_after else (self.wide,)} if self.use_bias else own
