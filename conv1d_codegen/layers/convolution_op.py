"""Keras 2.9's hook `convolution_op`: the convolution alone, which a subclass of Conv1D may change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..problem import Activation, Problem
from . import activations
from .arrays import as_array
from .execution import output_shape, padded

Array = NDArray[Any]


def problem_of(layer: Problem, x: Array, kernel: Array, channel_axis: int, name: str) -> Problem:
    """The convolution of `x` with `kernel`, which a subclass may have changed: as the layer's, but without bias and
    activation, and without padding other than "same". Raises ValueError for shapes that don't fit each other.
    """
    channels = x.shape[channel_axis]
    if kernel.ndim != 3 or 0 in kernel.shape or channels % kernel.shape[1]:
        raise ValueError(
            f"Layer '{name}' convolves inputs of {channels} channels with a kernel of shape "
            f"(kernel_size, {channels} // groups, filters). Received kernel of shape {kernel.shape} and input of shape {x.shape}."
        )
    return layer.with_(
        channels=channels,
        filters=kernel.shape[2],
        kernel_size=kernel.shape[0],
        groups=channels // kernel.shape[1],
        padding="same" if layer.padding == "same" else "valid",
        activation=Activation(),
        use_bias=False,
    )


def through(
    op: Callable[[Array, Array], Any], problem: Problem, kernel: Array, bias: Array | None, x: Array, name: str
) -> Array:
    """The layer's output before the activation, of a convolution that a subclass changed: `x` padded, through `op`, and
    the bias added. Raises ValueError where no output exists, TypeError where `op` makes no plain array.
    """
    shape = output_shape(problem, x.shape, activations.linear)
    if 0 in shape:
        y = np.empty([size or 0 for size in shape], x.dtype)
    else:
        rule = f"The `convolution_op` of layer '{name}' must make an array of plain numbers"
        y = as_array(op(padded(problem, x), kernel), rule)
    if bias is None:
        return y
    result: Array = y + (bias[:, None] if problem.channels_first else bias)
    return result
