"""Delegated: what a part of an ONNX model makes that no operation here computes, and ONNX Runtime does.

A part is a model of its own. Its inputs are tensors of the network, numbers that follow from the lengths, and what other
parts make that is no tensor of a network. How axes lie in ONNX is written as `readers/onnx_values.py` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...symbolic.index import Index, index, var
from ..reach import Reach
from .op import Op, Shape


@dataclass(frozen=True, slots=True)
class Axes:
    """How the axes of a tensor `(batch, steps, channels)` lie in ONNX: each the product of "N", "T" and the numbers of parts
    of the channels, which have these sizes.
    """

    axes: tuple[tuple[str | int, ...], ...]
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """An input that is a tensor of the network, by its name."""

    tensor: str
    axes: Axes


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """An input that follows from the lengths: an array of `Index`, or one number in a `shape` of these."""

    values: NDArray[Any]
    dtype: np.dtype[Any]
    shape: tuple[Index, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MadeBy:
    """An input that is what another part makes under a name."""

    part: Part
    name: str


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a model, as ONNX reads it. `layers` says what is in it, and why it is there; `tensors` are those of the
    network that it needs, also for what other parts make of them. Where the file fixes the batch, it takes no other.
    """

    number: int
    model: bytes
    inputs: Mapping[str, Read | Computed | MadeBy]
    outputs: tuple[str, ...]
    layers: tuple[str, ...]
    tensors: tuple[str, ...]
    batch: int | None


@dataclass(frozen=True, slots=True)
class Delegated(Op):
    """An output of a part, by its name there: a sequence whose steps are a number, or a size that only a call knows."""

    part: Part
    output: str
    axes: Axes
    length: int | str
    channels: int

    def shape(self, *inputs: Shape) -> Shape:
        steps = var(self.length) if isinstance(self.length, str) else index(self.length)
        return Shape(steps, self.channels)

    def reach(self) -> Reach | None:
        return None  # nobody knows

    def __str__(self) -> str:
        return f"onnxruntime(part={self.part.number}, output={self.output})"
