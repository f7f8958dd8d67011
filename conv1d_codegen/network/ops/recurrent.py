"""Operations that go through the steps with a state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from ...problem import Activation
from ..reach import Reach
from .op import Op, Shape, steps_of


@dataclass(frozen=True, slots=True)
class Recurrent(Op):
    """What recurrent cells share. With `sequences` the output has each step's state, at that step, also where the steps
    are gone through `backwards`; without, it is the last state.
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
        (x,) = inputs
        steps = steps_of(self, x)
        return Shape(steps if self.sequences else None, self.units)

    def reach(self) -> Reach | None:
        return None


@dataclass(frozen=True, slots=True)
class Lstm(Recurrent):
    """Gates i, f, the candidate c and gate o, in this order: s = f·s + i·act(c), h = o·act(s)."""

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
