"""What every operation has: the shape of its output, the shapes of its weights, and which steps an output step reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real

from ...layers.registry import snake_case
from ...symbolic.index import Index
from ..reach import Reach


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a tensor that a network knows: its steps, in the lengths of the inputs, and its channels. A vector has
    no steps.
    """

    steps: Index | None
    channels: int

    def __str__(self) -> str:
        return f"[N, {self.channels}]" if self.steps is None else f"[N, {self.steps}, {self.channels}]"


@dataclass(frozen=True, slots=True)
class Op:
    """An operation. Raises ValueError, with the numbers, for parameters or inputs that it can't have."""

    def shape(self, *inputs: Shape) -> Shape:
        """The shape of the output."""
        (x,) = inputs
        return x

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        """The weights by name, in order, with their shapes."""
        return {}

    def reach(self) -> Reach | None:
        """The steps that an output step reads; None: all of them."""
        return Reach()

    @classmethod
    def word(cls) -> str:
        """Its name in texts and files."""
        return snake_case(cls.__name__)

    def __str__(self) -> str:
        given = [f"{f.name}={_text(getattr(self, f.name))}" for f in fields(self) if getattr(self, f.name) != f.default]
        return self.word() + (f"({', '.join(given)})" if given else "")


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def check_sizes(what: str, *sizes: object, least: int = 1) -> None:
    """Raises ValueError unless they are integers of `least` or more."""
    check(
        all(isinstance(size, Integral) and int(size) >= least for size in sizes),
        f"{what}. Received: {', '.join(map(str, sizes))}.",
    )


def check_epsilon(epsilon: object) -> None:
    check(
        isinstance(epsilon, Real) and 0 <= float(epsilon) < math.inf,
        f"A norm's epsilon is a number of 0 or more. Received: {epsilon!r}.",
    )


def steps_of(op: Op, x: Shape) -> Index:
    """The steps of an input that must have some."""
    if x.steps is None:
        raise ValueError(f"{op} takes a sequence [N, steps, channels]. Received: {x}.")
    return x.steps
