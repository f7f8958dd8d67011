"""What a name of an ONNX graph stands for while it is read.

    NDArray    numbers that are known
    Symbols    integers in the sizes of the inputs, as shapes are
    Fill       one number in a shape that depends on those
    Tensor     what a node of the network makes, and how its axes lie in ONNX

ONNX has the axes of a tensor in any order, and split or merged; ours are `(batch, steps, channels)`. An axis of a Tensor
is the product of *factors*: "N" the batch, "T" the steps, and numbers, which are the parts that the channels are split
into, the first the outermost. An axis of length 1 has none. A factor of length 1 may be no axis at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...symbolic.index import Index, Var, index, parts
from ..ops import Shape

_MOST_PARTS = 1000  # of a formula in the arithmetic of shapes
Array = NDArray[Any]
Factor = str | int
Axis = tuple[Factor, ...]


class Unsupported(ValueError):
    """What a node is that no network here has. The message completes "it has …" or says what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Symbols:
    """An array of `Index`, and the dtype that it has in ONNX."""

    values: Array
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Fill:
    """One number in each place of a shape."""

    value: Any
    shape: tuple[Index, ...]


@dataclass(frozen=True, slots=True)
class Hint:
    """What a tensor is in terms of another one: the first half of a pattern."""

    kind: str
    of: str
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Tensor:
    """The output of a node, with the axes that it has in ONNX."""

    node: str
    shape: Shape
    axes: tuple[Axis, ...]
    parts: tuple[int, ...]
    hint: Hint | None = None

    @classmethod
    def of(cls, node: str, shape: Shape, axes: Sequence[Axis]) -> Tensor:
        """A tensor whose channels are not split."""
        return cls(node, shape, tuple(axes), (shape.channels,))

    def size(self, factor: Factor, batch: Index) -> Index:
        """The length of a factor."""
        if factor == "N":
            return batch
        if factor == "T":
            return index(1) if self.shape.steps is None else self.shape.steps
        return index(self.parts[int(factor)])

    def sizes(self, batch: Index) -> tuple[Index, ...]:
        """The shape in ONNX."""
        return tuple(math.prod((self.size(f, batch) for f in axis), start=index(1)) for axis in self.axes)

    def with_axes(self, axes: Sequence[Axis], parts: tuple[int, ...] | None = None) -> Tensor:
        return replace(self, axes=tuple(axes), parts=self.parts if parts is None else parts)


Known = Array | Symbols | Fill
Value = Known | Tensor


def simplest(values: Array, dtype: np.dtype[Any]) -> Array | Symbols:
    """An array of indices: as numbers, where all are constant."""
    if not all(isinstance(value, int) or _is_short(value) for value in values.flat):
        raise Unsupported("arithmetic of lengths that is too long to follow")
    constants = [value if isinstance(value, int) else value.constant for value in values.flat]
    if all(c is not None for c in constants):
        return np.array(constants, dtype).reshape(values.shape)
    return Symbols(values, dtype)


def _is_short(length: Index) -> bool:
    """Whether a formula has at most `_MOST_PARTS` parts, those within it counted each time."""
    waiting, count = [length], 0
    while waiting:
        for monomial, _ in waiting.pop().terms:
            count += 1 + len(monomial)
            if count > _MOST_PARTS:
                return False
            waiting += [part for atom in monomial if not isinstance(atom, Var) for part in parts(atom)]
    return True


def as_symbols(value: Known) -> Array:
    """Numbers as an array of indices. Raises Unsupported where they are none."""
    if isinstance(value, Symbols):
        return value.values
    if isinstance(value, Fill):
        raise Unsupported("an array of unknown size among the numbers of a shape")
    if value.dtype.kind not in "iub" and not (value == np.floor(value)).all():
        raise Unsupported("broken numbers in arithmetic with a length that is not known")
    return objects([index(int(v)) for v in value.flat], value.shape)


def objects(values: Sequence[Any], shape: tuple[int, ...]) -> Array:
    """An array of indices."""
    made = np.empty(len(values), object)
    made[:] = values
    return made.reshape(shape)


def integers(value: Value | None, what: str) -> list[int]:
    """Known integers. Raises Unsupported for others."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu":
        raise Unsupported(f"{what} that is computed while it runs")
    return [int(v) for v in value.reshape(-1)]


def numbers(value: Value | None, what: str) -> Array:
    """A known array. Raises Unsupported for another."""
    if not isinstance(value, np.ndarray):
        raise Unsupported(f"{what} that is computed while it runs")
    return value
