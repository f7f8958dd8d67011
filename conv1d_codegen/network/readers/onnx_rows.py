"""Windows of ONNX, and convolutions of two axes of which one is rows of a known number, as electrodes are: these are channels.

A kernel of one row goes over each of them by itself, which is a convolution of as many groups; one of all rows brings
them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...problem import Problem
from ...problem import padding as pad
from ..ops import Conv, Shuffle
from .onnx_builder import Builder
from .onnx_values import Array, Axis, Tensor, Unsupported


@dataclass(frozen=True, slots=True)
class Window:
    """What a node says of one axis."""

    size: int
    stride: int
    dilation: int
    auto_pad: str
    pads: tuple[int, int]

    def padding(self, length: int | None) -> pad.Padding:
        """Its padding, for an input of `length` steps."""
        if self.auto_pad == "VALID":
            return "valid"
        if self.auto_pad == "SAME_UPPER":
            return "same"
        if self.auto_pad == "SAME_LOWER":
            return self.explicit(length)
        return self.pads if any(self.pads) else "valid"

    def explicit(self, length: int | None) -> tuple[int, int]:
        """Its padding as steps before and after."""
        if not self.auto_pad.startswith("SAME"):
            return (0, 0) if self.auto_pad == "VALID" else self.pads
        if length is None and self.stride > 1:
            raise Unsupported(f"padding {self.auto_pad} with strides of {self.stride}, for an input of no known length")
        length = 1 if length is None else length
        steps = pad.ceildiv(length, self.stride)
        total = max(0, (steps - 1) * self.stride + pad.extent(self.size, self.dilation) - length)
        before = total - total // 2 if self.auto_pad == "SAME_LOWER" else total // 2
        return before, total - before


def row_axis(x: Tensor) -> int | None:
    """Which of the last two axes is rows, beside steps; None where no axis is."""
    if len(x.axes) != 4 or x.axes[0] != ("N",) or sorted(map(len, x.axes[2:])) != [1, 1]:
        return None
    for rows in (0, 1):
        channels = (*x.axes[1], *x.axes[2 + rows])
        if x.axes[3 - rows] == ("T",) and sorted(map(str, channels)) == [str(n) for n in range(len(x.parts))]:
            return rows
    return None


def over_rows(
    b: Builder, x: Tensor, rows: int, kernel: Array, bias: Array | None, given: Sequence[Window], groups: int
) -> Tensor:
    """A convolution with a kernel `(filters, channels of a group, height, width)`, of steps and rows."""
    window, across = given[1 - rows], given[rows]
    kernel = np.moveaxis(kernel, 2 + rows, 2)
    filters, own, height, size = kernel.shape
    count = x.parts[int(x.axes[2 + rows][0])]
    channels = x.shape.channels // count
    plain = across.stride == 1 and across.explicit(count) == (0, 0)
    if own * groups != channels or not plain or height not in (1, count):
        raise Unsupported(f"two axes of steps, or a kernel of {height} of {count} rows")
    inner_rows = x.axes[1] == (0,)
    length = None if x.shape.steps is None else x.shape.steps.constant
    each = height == 1 and count > 1
    if inner_rows == each and min(count, channels) > 1:
        name, shape = b.node(Shuffle(x.parts[0]), x)
        x = Tensor(name, shape, x.axes, x.parts[::-1])
    times = count if each else 1
    b.budget.take(kernel.nbytes * times, "A kernel for each row")
    weight = np.tile(np.transpose(kernel, (3, 1, 2, 0)).reshape(size, own * height, filters), times)
    problem = Problem(
        x.shape.channels,
        filters * times,
        size,
        window.stride,
        window.dilation,
        groups * times,
        window.padding(length),
        dtype=b.dtype,
        use_bias=bias is not None,
    )
    weights = {"kernel": weight} if bias is None else {"kernel": weight, "bias": np.tile(bias, times)}
    name, shape = b.node(Conv(problem), x, weights=weights)
    axes: list[Axis] = [("N",), (1,) if each else (0,), x.axes[2], x.axes[3]]
    axes[2 + rows] = (0,) if each else ()
    return Tensor(name, shape, tuple(axes), (count, filters) if each else (filters,))
