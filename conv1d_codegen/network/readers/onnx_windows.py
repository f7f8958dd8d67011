"""Convolutions and pools of ONNX, of one axis or of several of which all but one have length 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...problem import Activation, Problem
from ...problem import padding as pad
from ..ops import Activate, Concat, Conv, ConvTranspose, GlobalPool, Pad, Pool, Slice
from .onnx_builder import Builder
from .onnx_node import OnnxNode
from .onnx_rows import Window, over_rows, row_axis
from .onnx_values import Array, Tensor, Unsupported, Value, numbers


def windows(node: OnnxNode, sizes: Sequence[int]) -> list[Window]:
    """The windows of each axis, for a kernel of these sizes."""
    rank = len(sizes)
    strides, dilations = (node.attribute(name, None) or [1] * rank for name in ("strides", "dilations"))
    pads = node.attribute("pads", None) or [0] * (2 * rank)
    auto = node.attribute("auto_pad", "NOTSET")
    given = node.attribute("kernel_shape", None)
    if (
        len(strides) != rank
        or len(dilations) != rank
        or len(pads) != 2 * rank
        or (given and list(given) != list(sizes))
    ):
        raise ValueError(f"sizes that do not fit each other, with a kernel of {list(sizes)}")
    if auto not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise ValueError(f"auto_pad {auto!r}")
    if min(*sizes, *strides, *dilations, 1) < 1 or min(pads) < 0 or rank < 1:
        raise Unsupported("sizes of 0 or less")
    return [Window(sizes[i], strides[i], dilations[i], auto, (pads[i], pads[rank + i])) for i in range(rank)]


def placed(b: Builder, x: Tensor, sizes: Sequence[int]) -> tuple[Tensor, int]:
    """The tensor as a batch of channels of steps, and which of the last axes has the steps: the one of the largest
    kernel, where several may.
    """
    rank = len(sizes)
    if len(x.axes) != rank + 2:
        raise ValueError(f"a kernel of {rank} axes on an input of {len(x.axes) - 2}")
    order = sorted(range(rank), key=lambda i: -sizes[i])
    wanted = ["NC" + "1" * i + "T" + "1" * (rank - 1 - i) for i in order]
    x = b.arranged(x, *wanted)
    return b.sequence(x), next(i for i in range(rank) if x.axes[2 + i] == ("T",))


def _only(window: Window) -> int:
    """On an axis of length 1, with an output of length 1: the tap that is on it."""
    before, after = window.explicit(1)
    if pad.output_length(1, window.size, window.stride, window.dilation, (before, after)) != 1:
        raise Unsupported("two axes of steps")
    tap, rest = divmod(before, window.dilation)
    if rest or tap >= window.size:
        raise Unsupported("a kernel that misses an axis of length 1")
    return tap


def _on_steps(kernel: Array, along: int, given: Sequence[Window]) -> Array:
    """A kernel with the taps along one axis, and those of the others that are on it."""
    for axis in reversed(range(len(given))):
        if axis != along:
            kernel = np.take(kernel, _only(given[axis]), 2 + axis)
    return kernel


def _length(x: Tensor) -> int | None:
    return None if x.shape.steps is None else x.shape.steps.constant


def _conv(b: Builder, node: OnnxNode, inputs: Sequence[Value | None]) -> Tensor:
    x, kernel, bias = _parts(inputs)
    given = windows(node, kernel.shape[2:])
    rows = row_axis(x)
    if rows is not None and len(given) == 2:
        return over_rows(b, x, rows, kernel, bias, given, node.attribute("group", 1))
    x, along = placed(b, x, kernel.shape[2:])
    kernel = _on_steps(kernel, along, given)
    window = given[along]
    problem = Problem(
        kernel.shape[1] * node.attribute("group", 1),
        kernel.shape[0],
        window.size,
        window.stride,
        window.dilation,
        node.attribute("group", 1),
        window.padding(_length(x)),
        dtype=b.dtype,
        use_bias=bias is not None,
    )
    return b.made(Conv(problem), x, axes=x.axes, weights=_weights(np.transpose(kernel, (2, 1, 0)), bias))


def _parts(inputs: Sequence[Value | None]) -> tuple[Tensor, Array, Array | None]:
    x, kernel, *rest = inputs
    if not isinstance(x, Tensor):
        raise Unsupported("a constant as its input")
    bias = rest[0] if rest and rest[0] is not None else None
    return x, numbers(kernel, "a kernel"), None if bias is None else numbers(bias, "a bias")


def _weights(kernel: Array, bias: Array | None) -> dict[str, Array]:
    return {"kernel": kernel} if bias is None else {"kernel": kernel, "bias": bias}


def _conv_transpose(b: Builder, node: OnnxNode, inputs: Sequence[Value | None]) -> Tensor:
    x, kernel, bias = _parts(inputs)
    given = windows(node, kernel.shape[2:])
    x, along = placed(b, x, kernel.shape[2:])
    groups, rank = node.attribute("group", 1), len(given)
    extra = node.attribute("output_padding", None) or [0] * rank
    wanted = node.attribute("output_shape", None)
    if wanted is not None:
        wanted = list(wanted)[-rank:]
    for axis in range(rank):
        if axis != along:
            before, steps = _cropped(given[axis], extra[axis], wanted and wanted[axis], 1)
            if steps(1) != 1 or before % given[axis].dilation or before // given[axis].dilation >= given[axis].size:
                raise Unsupported("two axes of steps")
            kernel = np.take(kernel, [before // given[axis].dilation], 2 + axis)
    kernel = kernel.reshape(*kernel.shape[:2], -1)
    window = given[along]
    left, steps = _cropped(window, extra[along], wanted and wanted[along], _length(x))
    right = -int(steps(0) - (pad.extent(window.size, window.dilation) - window.stride) + left)
    if left < 0:
        raise Unsupported(f"an output that begins {-left} steps before the first product")
    channels, filters = kernel.shape[0], kernel.shape[1] * groups
    own = np.ascontiguousarray if groups > 1 else np.asarray
    # ONNX: (channels, filters of a group, taps); here: taps, filters, channels of a group
    split = kernel.reshape(groups, channels // groups, kernel.shape[1], window.size)
    weight = own(np.transpose(split, (3, 0, 2, 1))).reshape(window.size, filters, channels // groups)
    op = ConvTranspose(
        channels, filters, window.size, window.stride, window.dilation, left, right, bias is not None, groups
    )
    return b.made(op, x, axes=x.axes, weights=_weights(weight, bias))


def _cropped(window: Window, extra: int, wanted: int | None, length: int | None) -> tuple[int, Any]:
    """Steps cut off before a transposed convolution's products, and its output's steps for those of the input."""
    extent = pad.extent(window.size, window.dilation)
    if wanted is None and not window.auto_pad.startswith("SAME"):
        before, after = window.explicit(length)
        return before, lambda steps: (steps - 1) * window.stride + extent + extra - before - after
    if wanted is None:
        total = extent + extra - window.stride
    elif length is None:
        raise Unsupported("output_shape, for an input of no known length")
    else:
        total = window.stride * (length - 1) + extra + extent - wanted
    before = total // 2 if window.auto_pad == "SAME_UPPER" else total - total // 2
    return before, lambda steps: (steps - 1) * window.stride + extent + extra - total


def _pool(b: Builder, node: OnnxNode, inputs: Sequence[Value | None]) -> Tensor:
    x = inputs[0]
    if not isinstance(x, Tensor):
        raise Unsupported("a constant as its input")
    if len([name for name in node.outputs if name]) > 1:
        raise Unsupported("an output of indices")
    sizes = list(node.attribute("kernel_shape", []))
    given = windows(node, sizes)
    kind = {"MaxPool": "max", "AveragePool": "average"}[node.op_type]
    counted, ceil = bool(node.attribute("count_include_pad", 0)), bool(node.attribute("ceil_mode", 0))
    along = _alone(x, given)
    if along is None:
        x, along = placed(b, x, sizes)
    for axis, window in enumerate(given):
        if axis != along and (_only(window) or window.size > 1) and counted and kind == "average":
            raise Unsupported("two axes of steps")
    window = given[along]
    padding = window.padding(_length(x))
    if padding == "same" and counted:
        padding = window.explicit(_length(x))
    op = Pool(kind, window.size, window.stride, padding, counted, window.dilation, ceil and window.auto_pad == "NOTSET")
    name, shape = b.node(op, x)
    return Tensor(name, shape, x.axes, x.parts)


def _alone(x: Tensor, given: Sequence[Window]) -> int | None:
    """The axis with the steps, where nothing is done along the others, so that these may be any; else None."""
    axes = [i for i, axis in enumerate(x.axes[2:]) if axis == ("T",)]
    trivial = [w.size == 1 and w.stride == 1 and w.explicit(1) == (0, 0) for w in given]
    if len(axes) != 1 or len(trivial) != len(x.axes) - 2 or len(x.parts) < 2:
        return None
    return axes[0] if all(t for i, t in enumerate(trivial) if i != axes[0]) else None


def _global_pool(b: Builder, node: OnnxNode, inputs: Sequence[Value | None]) -> Tensor:
    x = inputs[0]
    if not isinstance(x, Tensor):
        raise Unsupported("a constant as its input")
    x, _ = placed(b, x, [1] * (len(x.axes) - 2))
    return b.made(GlobalPool("max" if node.op_type == "GlobalMaxPool" else "average", True), x, axes=x.axes)


def _causal_conv(b: Builder, node: OnnxNode, inputs: Sequence[Value | None]) -> tuple[Tensor, ...]:
    """A depthwise convolution of what came before, or zeros, and its input; and the end of these, for the next call."""
    x, kernel, bias = _parts(inputs[:3])
    past = inputs[3] if len(inputs) > 3 else None
    taps, activation = kernel.shape[2], node.attribute("activation", "none")
    if activation not in ("none", "silu", "swish"):
        raise Unsupported(f"the activation {activation!r}")
    x = b.sequence(b.arranged(x, "NCT"))
    if past is None:
        name, shape = b.node(Pad(taps - 1, 0), x)
    elif isinstance(past, Tensor):
        name, shape = b.node(Concat(steps=True), b.sequence(b.arranged(past, "NCT")), x)
    else:
        raise Unsupported("a past_state that is a constant")
    whole = Tensor.of(name, shape, x.axes)
    channels = x.shape.channels
    problem = Problem(channels, channels, taps, groups=channels, dtype=b.dtype, use_bias=bias is not None)
    y = b.made(Conv(problem), whole, axes=x.axes, weights=_weights(np.transpose(kernel, (2, 1, 0)), bias))
    made = [y if activation == "none" else b.same(Activate(Activation("silu")), y)]
    if len(node.outputs) > 1:
        made.append(b.made(Slice(1 - taps, 0), whole, axes=x.axes))
    return tuple(made)


OPERATORS: dict[str, Callable[[Builder, OnnxNode, Sequence[Value | None]], Tensor | tuple[Tensor, ...]]] = {
    "CausalConvWithState": _causal_conv,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalMaxPool": _global_pool,
    "GlobalAveragePool": _global_pool,
}
