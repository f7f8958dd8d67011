"""Builder: a graph in the making, with tensors as torch sees them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....symbolic.index import Index, index, var
from ...graph import Graph, Node, Source, free_name, plain_name
from ...ops import ChannelSlice, Concat, Op, Reshape, Shape
from ...stored import Stored
from ..runs import MOST_RUNS, runs
from .layout import BATCH, CHANNELS, TIME, Axis, Factor, Tensor, channels, joined, kinds, positions, size, time

Array = NDArray[Any]

BATCH_SIZE = var("N")
BATCH_AXIS: Axis = (Factor(BATCH, BATCH_SIZE),)


@dataclass(frozen=True, slots=True)
class Constant:
    """An array that no input changes. It has torch's name where it is a parameter or a buffer; else it may be `derived`
    from some by the module's code.
    """

    array: Array
    name: str | None = None
    derived: tuple[str, ...] = ()


class Builder:
    """Nodes and weights so far. `place` is the name of what is being read: nodes are named after it."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.place = ""
        self.sources: list[Source] = []
        self.nodes: list[Node] = []
        self.shapes: dict[str, Shape] = {}
        self.weights: dict[str, Array] = {}
        self.stored: dict[str, Stored] = {}

    def graph(self, outputs: Sequence[str]) -> Graph:
        """The graph with these outputs."""
        return Graph(tuple(self.sources), tuple(self.nodes), tuple(outputs), self.dtype)

    # Nodes and weights

    def source(self, name: str, count: int, length: int | None, several: bool) -> str:
        """An input of the network."""
        own = free_name(plain_name(name) or "_", self.shapes)
        self.sources.append(Source(own, count, length))
        self.shapes[own] = Shape(var(f"T_{own}" if several else "T") if length is None else index(length), count)
        return own

    def add(self, op: Op, *inputs: str, weights: Sequence[str] = (), part: str = "") -> str:
        """One more node, named after the place and the `part` of it. Raises ValueError for inputs that don't fit."""
        shape = op.shape(*(self.shapes[name] for name in inputs))
        name = free_name(plain_name(f"{self.place}/{part}" if part else self.place) or "_", self.shapes)
        self.nodes.append(Node(name, op, tuple(inputs), tuple(weights)))
        self.shapes[name] = shape
        return name

    def weight(self, role: str, convert: Callable[..., Array], *parts: Constant, name: str | None = None) -> str:
        """A weight that is made of torch's arrays. It has torch's name, or one after the place and its `role` there; one
        that is made in the same way once more is the same.
        """
        names = tuple(part.name for part in parts if part.name is not None)
        value = convert(*(part.array for part in parts))
        if len(names) < len(parts):
            derived = tuple(sorted({*names, *(other for part in parts for other in part.derived)}))
            return self._kept(name or f"{self.place}/{role}", value, Stored((), (), np.asarray, derived))
        stored = Stored(names, tuple(part.array.shape for part in parts), convert)
        return self._kept(name or names[0], value, stored)

    def fixed(self, role: str, value: Array) -> str:
        """A weight that is a constant of the module's code."""
        return self._kept(f"{self.place}/{role}", value, Stored((), (), np.asarray))

    def _kept(self, name: str, value: Array, stored: Stored) -> str:
        name = plain_name(name) or "_"
        free, number = name, 1
        while free in self.weights:
            known = self.weights[free]
            if (
                self.stored[free].names == stored.names
                and known.shape == value.shape
                and np.array_equal(known, value, equal_nan=True)
            ):
                return free
            number += 1
            free = f"{name}.{number}"
        self.weights[free], self.stored[free] = value, stored
        return free

    # Layouts

    def gathered(self, name: str, wanted: Array) -> str:
        """The channels `wanted` of a tensor, in this order."""
        count = self.shapes[name].channels
        if np.array_equal(wanted, np.arange(count)):
            return name
        if not len(wanted) or wanted.max() >= count:
            raise ValueError(f"takes channels {wanted.tolist()} of {count}")
        found = list(runs(wanted.tolist()))
        if len(found) > MOST_RUNS:
            raise ValueError(f"{count} channels are moved in {len(found)} parts")
        parts = [self.add(ChannelSlice(*run), name, part="take") for run in found]
        return self.add(Concat(), *parts, part="order") if len(parts) > 1 else parts[0]

    def vector(self, x: Tensor) -> Tensor:
        """A tensor whose steps are channels too, the outer ones. Raises ValueError where the length is not known."""
        shape = self.shapes[x.name]
        if shape.steps is None:
            return x
        steps = shape.steps.constant
        if steps is None:
            raise ValueError(
                "steps are taken for channels, which takes an input of a fixed length. Torch made the module one of any length"
            )
        total = steps * shape.channels
        name = self.add(Reshape(None, total), x.name, part="flat")

        def flat(factor: Factor) -> Factor:
            return Factor(CHANNELS, factor.size, shape.channels) if factor.kind == TIME else factor

        return Tensor(name, tuple(joined(tuple(map(flat, axis))) for axis in x.axes))

    def sequence(self, x: Tensor, steps: Axis, across: Axis) -> str:
        """The tensor `(batch, steps, channels)` with these axes of `x`, which has no others. Raises ValueError where it has."""
        others = [axis for axis in x.axes if axis not in (BATCH_AXIS, steps, across) and axis]
        if BATCH_AXIS not in x.axes or others or BATCH in kinds(steps) | kinds(across):
            raise ValueError(f"takes axes of batch, channels and steps. Received: {described(x)}")
        if kinds(steps) <= {TIME} and kinds(across) <= {CHANNELS}:
            name = self.gathered(x.name, positions(across))
            shape = self.shapes[name]
            return name if shape.steps is not None else self.add(Reshape(1, shape.channels), name, part="step")
        if kinds(steps) <= {CHANNELS} and kinds(across) <= {CHANNELS}:
            wanted = (positions(steps)[:, None] + positions(across)).ravel()
        else:
            flat = self.vector(x)
            steps, across = (flat.axes[x.axes.index(axis)] if axis else () for axis in (steps, across))
            return self.sequence(flat, steps, across)
        long, wide = (size(axis).constant or 1 for axis in (steps, across))
        return self.add(Reshape(long, wide), self.gathered(x.name, wanted), part="steps")

    def arranged(self, x: Tensor) -> Tensor:
        """The same, with the channels in the order of the axes, all of which are in one axis."""
        wide = [number for number, axis in enumerate(x.axes) if CHANNELS in kinds(axis)]
        if len(wide) > 1:
            raise ValueError(f"takes channels in one axis. Received: {described(x)}")
        if not wide:
            return x
        (number,) = wide
        if kinds(x.axes[number]) != {CHANNELS}:
            return self.arranged(self.vector(x))
        name = self.gathered(x.name, positions(x.axes[number]))
        axes = list(x.axes)
        axes[number] = channels(self.shapes[name].channels)
        return Tensor(name, tuple(axes))

    def places(self, x: Tensor, shape: Sequence[int]) -> tuple[Tensor, Array]:
        """Which element of a constant of a shape goes with each channel of a tensor that it is broadcast to; of a vector,
        where it differs from step to step. Raises ValueError where it makes the tensor larger.
        """
        axes = x.axes[len(x.axes) - len(shape) :]
        for axis, count in zip(axes, shape, strict=False):
            if count != 1 and TIME in kinds(axis):
                return self.places(self.vector(x), shape)
        fits = all(n == 1 or (kinds(a) == {CHANNELS} and size(a) == n) for a, n in zip(axes, shape, strict=False))
        if len(shape) > len(x.axes) or not fits:
            raise ValueError(f"a constant of shape {tuple(shape)} does not go with {described(x)}")
        data, flat = np.zeros(1, np.intp), np.zeros(1, np.intp)
        strides = [math.prod(shape[n + 1 :]) if shape[n] != 1 else 0 for n in range(len(shape))]
        for axis, stride in zip(x.axes, [0] * (len(x.axes) - len(shape)) + strides, strict=True):
            of_axis = positions(tuple(f for f in axis if f.kind == CHANNELS))
            data = (data[:, None] + of_axis).ravel()
            flat = (flat[:, None] + np.arange(len(of_axis)) * stride).ravel()
        found = np.empty(self.shapes[x.name].channels, np.intp)
        found[data] = flat
        return x, found

    def spread(
        self, x: Tensor, constant: Constant, role: str, shape: Sequence[int] | None = None
    ) -> tuple[Tensor, str]:
        """A tensor, and the weight that has a number of a constant, seen in a shape, for each of its channels. The tensor
        is another where steps had to become channels.
        """
        x, found = self.places(x, constant.array.shape if shape is None else shape)
        return x, self.weight(role, functools.partial(spread, found=found), constant)

    def steps_axis(self, name: str) -> Axis:
        """The axis of a tensor's steps."""
        return time(self.shapes[name].steps)


def spread(array: Array, found: Array) -> Array:
    """The numbers of an array at these places of it, in the order of its memory."""
    result: Array = array.ravel()[found]
    return result


def described(x: Tensor) -> str:
    """A tensor's axes, for messages."""
    return "(" + ", ".join("·".join(f"{f.kind} {f.size}" for f in axis) or "1" for axis in x.axes) + ")"


def check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def whole(value: Any, what: str) -> int:
    """An integer that is known. Raises ValueError for one that only a call knows."""
    known = value.constant if isinstance(value, Index) else value
    if type(known) is not int:
        raise ValueError(f"{what} is {value}, which only a call knows")
    return known
