"""Nodes of a network in the making, from tensors whose axes lie as in ONNX.

Operations here want their input with known axes: `arranged` gives it so, most often by reading the same numbers under
other names of axes, and by moving them only where a file has steps as channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...symbolic.index import Index, index
from ..graph import Node, free_name, plain_name
from ..lengths import Parts
from ..ops import BatchNorm, Conv, Op, Reshape, Shape, Shuffle, Transpose
from .onnx_file import Budget
from .onnx_values import Array, Axis, Factor, Tensor, Unsupported

_EXCHANGED = {"T": "C", "C": "T"}
SWAPPED: Mapping[Factor, Factor] = {"T": 0, 0: "T"}


class Builder:
    """The nodes and weights so far. `moves` counts those that only bring numbers into another order."""

    def __init__(self, dtype: str, batch: Index, budget: Budget, taken: set[str]) -> None:
        self.dtype, self.batch, self.budget = dtype, batch, budget
        self.nodes: list[Node] = []
        self.weights: dict[str, Array] = {}
        self.moves = 0
        #: All lengths that tensors have, with one that has it.
        self.lengths: dict[Index, str] = {}
        #: What the next nodes are named after.
        self.name = ""
        self._taken = taken
        self._formulas = Parts()
        self._known: dict[tuple[Any, ...], tuple[str, Array]] = {}

    def node(self, op: Op, *inputs: Tensor, weights: Mapping[str, Array] | None = None) -> tuple[str, Shape]:
        """A new node: its name and its shape. Raises ValueError where the operation can't be."""
        shapes = [x.shape for x in inputs]
        made = op.shape(*shapes)
        self._formulas.check(made.steps)
        name = free_name(plain_name(self.name) or "node", self._taken)
        self._taken.add(name)
        names = [self._weight(f"{name}/{key}", array) for key, array in (weights or {}).items()]
        wanted = op.weights(*shapes)
        given = {key: np.shape(array) for key, array in (weights or {}).items()}
        if given != dict(wanted):
            raise ValueError(f"{op} has weights {dict(wanted)}. The file has: {given}.")
        self.nodes.append(Node(name, op, tuple(x.node for x in inputs), tuple(names)))
        if made.steps is not None:
            self.lengths.setdefault(made.steps, name)
        return name, made

    def same(self, op: Op, x: Tensor, weights: Mapping[str, Array] | None = None) -> Tensor:
        """What an operation makes of a tensor, whose axes stay."""
        name, shape = self.node(op, x, weights=weights)
        if shape != x.shape:
            raise ValueError(f"{op} makes {shape} of {x.shape}.")
        return replace(x, node=name, hint=None)

    def made(self, op: Op, *inputs: Tensor, axes: Sequence[Axis], weights: Mapping[str, Array] | None = None) -> Tensor:
        """What an operation makes of tensors, with these axes."""
        return Tensor.of(*self.node(op, *inputs, weights=weights), axes)

    def _weight(self, name: str, array: Array) -> str:
        """The name of a weight, which is an earlier one for the same part of the same memory."""
        key = (array.__array_interface__["data"][0], array.shape, array.strides, array.dtype)
        if array.size == 0 or key not in self._known:
            self.budget.take(array.nbytes, f"The weight {name}")
            self._known[key] = name, array
            self.weights[name] = array
        return self._known[key][0]

    def full(self, size: int, value: float) -> Array:
        """A weight of one number, in no more memory than that."""
        return np.broadcast_to(np.float64(value), (size,))

    # axes

    def settled(self, x: Tensor) -> Tensor:
        """The tensor with its channels in one part, and none of its axes made of steps and channels. Raises Unsupported
        where that is not possible.
        """
        order = tuple(factor for axis in x.axes for factor in axis if isinstance(factor, int))
        if (1, 0) in x.axes and len(x.parts) == 2:
            name, shape = self.node(Shuffle(x.parts[0]), x)
            axes = [(0,) if axis == (1, 0) else axis for axis in x.axes]
            x, order = Tensor.of(name, shape, axes), (0,)
        together = any(tuple(f for f in axis if isinstance(f, int)) == tuple(range(len(x.parts))) for axis in x.axes)
        if len(x.parts) > 1 and together:
            axes = [tuple(f for f in axis if not isinstance(f, int) or f == 0) for axis in x.axes]
            x = x.with_axes(axes, (x.shape.channels,))
        elif len(x.parts) == 2 and not any("T" in axis for axis in x.axes) and sorted(order) == [0, 1]:
            self.moves += 1
            outer, inner = x.parts
            new: Mapping[Factor, Factor] = {0: "T", 1: 0}
            axes = [tuple(new.get(f, f) for f in axis) for axis in x.axes]
            x = self.made(Reshape(outer, inner), x, axes=axes)
        elif len(x.parts) > 1:
            raise Unsupported(f"an input with axes {self.text(x)}, where it takes a batch of channels of steps")
        for place, axis in enumerate(x.axes):
            if set(axis) == {"T", 0}:
                x = self.exchanged(x) if axis == (0, "T") else x
                self.moves += 1
                axes = [*x.axes]
                axes[place] = (0,)
                steps = None if x.shape.steps is None else x.shape.steps.constant
                if steps is None:
                    raise Unsupported("steps and channels as one axis, of an input of no known length")
                return self.made(Reshape(None, steps * x.shape.channels), x, axes=axes)
        return x

    def sequence(self, x: Tensor) -> Tensor:
        """The tensor, where it is a vector as a sequence of one step."""
        if x.shape.steps is not None:
            return x
        self.moves += 1
        name, shape = self.node(Reshape(1, x.shape.channels), x)
        return replace(x, node=name, shape=shape, hint=None)

    def vector(self, x: Tensor) -> Tensor:
        """The tensor, where it is a sequence of one step and no axis has it as a vector."""
        if x.shape.steps != 1 or any("T" in axis for axis in x.axes):
            return x
        self.moves += 1
        name, shape = self.node(Reshape(None, x.shape.channels), x)
        return replace(x, node=name, shape=shape, hint=None)

    def exchanged(self, x: Tensor) -> Tensor:
        """The tensor with its steps as channels and its channels as steps, in the same places in ONNX."""
        x = self.sequence(x)
        self.moves += 1
        axes = [tuple(SWAPPED.get(f, f) for f in axis) for axis in x.axes]
        return self.made(Transpose(), x, axes=axes)

    def arranged(self, x: Tensor, *wanted: Sequence[str]) -> Tensor:
        """The tensor with the first of some arrangements of axes that it can have: for each axis "N", "T", "C", "1", of
        length 1, or "?", which stays. Raises Unsupported where it can have none.
        """
        x = self.settled(x)
        roles = roles_of(x)
        sizes = self._sizes(x)
        for places in wanted:
            if _fits(roles, sizes, places):
                return self._renamed(x, places)
        swapped = [_EXCHANGED.get(role, role) for role in roles]
        if sizes["T"].constant not in (None, 0):
            sizes = {**sizes, "T": sizes["C"], "C": sizes["T"]}
            for places in wanted:
                if _fits(swapped, sizes, places):
                    return self._renamed(self.exchanged(x), places)
        raise Unsupported(
            f"an input with axes {self.text(x)}, N the batch, T steps and C channels, where it takes {' or '.join(map(''.join, wanted))}"
        )

    def _sizes(self, x: Tensor) -> dict[str, Index]:
        return {"N": self.batch, "T": x.size("T", self.batch), "C": index(x.shape.channels)}

    def _renamed(self, x: Tensor, places: Sequence[str]) -> Tensor:
        factors: dict[str, Axis] = {"N": ("N",), "T": ("T",), "C": (0,), "1": ()}
        axes = [axis if place == "?" else factors[place] for place, axis in zip(places, x.axes, strict=True)]
        if "T" in places:
            x = self.sequence(x)
        return x.with_axes(axes)

    def text(self, x: Tensor) -> str:
        """The axes of a tensor, for messages."""
        sizes = x.sizes(self.batch)
        return f"({', '.join(f'{r}={s}' for r, s in zip(roles_of(x), sizes, strict=True))})"

    # what several operators are

    def scaled(self, x: Tensor, scale: Array | None, offset: Array | None) -> Tensor:
        """x · scale + offset, by channels."""
        channels = x.shape.channels
        op = BatchNorm(epsilon=0.0, scale=scale is not None, center=offset is not None)
        own = {"gamma": scale, "beta": offset, "mean": self.full(channels, 0.0), "variance": self.full(channels, 1.0)}
        return self.same(op, x, {name: array for name, array in own.items() if array is not None})

    def dense(self, x: Tensor, op: Conv, kernel: Array, bias: Array | None) -> Tensor:
        """A convolution of one tap, from channels to channels, which keeps the axes."""
        weights = {"kernel": kernel} if bias is None else {"kernel": kernel, "bias": bias}
        name, shape = self.node(op, x, weights=weights)
        return Tensor.of(name, shape, x.axes)


def roles_of(x: Tensor) -> list[str]:
    """What each axis is, as one word: "N", "T", "C", "1", or several of them; a part of the channels has its number."""
    single = len(x.parts) == 1
    return ["".join("C" if f == 0 and single else str(f) for f in axis) or "1" for axis in x.axes]


def _fits(roles: Sequence[str], sizes: Mapping[str, Index], wanted: Sequence[str]) -> bool:
    """Whether axes can be named otherwise: those of length 1 can, and what is no axis has length 1."""

    def free(word: str) -> bool:
        return word == "1" or (word in sizes and sizes[word] == 1)

    return len(roles) == len(wanted) and all(
        place in ("?", role) or (free(role) and free(place) and (place == "1" or place not in roles))
        for role, place in zip(roles, wanted, strict=True)
    )
