"""Dense layers, norms, softmax and reductions of ONNX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...problem import Problem
from ..ops import (
    BatchNorm,
    ChannelPool,
    Combine,
    Conv,
    Function,
    GlobalPool,
    GroupNorm,
    LayerNorm,
    RmsNorm,
    Softmax,
)
from .onnx_arrays import axes_of
from .onnx_axes import place, without
from .onnx_builder import Builder
from .onnx_elementwise import Inputs, by_channel, of_two, tensor_of
from .onnx_node import OnnxNode
from .onnx_values import Array, Hint, Tensor, Unsupported, numbers


def _with_channels(b: Builder, x: Tensor, axis: int) -> Tensor:
    """The tensor with channels on an axis, wherever its other axes are."""
    rank = len(x.axes)
    axis = place(axis, rank)
    return b.arranged(x, ["C" if i == axis else "?" for i in range(rank)])


def _product(b: Builder, x: Tensor, matrix: Array, bias: Array | None, axis: int = -1) -> Tensor:
    """The product of the channels, on an axis, with a matrix (channels, filters)."""
    x = _with_channels(b, x, axis)
    channels, filters = matrix.shape
    problem = Problem(channels, filters, 1, dtype=b.dtype, use_bias=bias is not None)
    return b.dense(x, Conv(problem), matrix.reshape(1, channels, filters), bias)


def _matmul(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    first, second = inputs
    if isinstance(first, Tensor) and isinstance(second, np.ndarray):
        return _product(b, first, _matrix(second), None)
    if isinstance(second, Tensor) and isinstance(first, np.ndarray) and len(second.axes) > 1:
        return _product(b, second, _matrix(first).T, None, -2)
    raise Unsupported("two factors that are computed while it runs")


def _matrix(array: Array) -> Array:
    if array.ndim < 2 or array.size != array.shape[-1] * array.shape[-2]:
        raise Unsupported(f"a factor of shape {array.shape}, which is no matrix")
    return array.reshape(array.shape[-2:])


def _gemm(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x, matrix = tensor_of(inputs), numbers(inputs[1], "a factor")
    if len(x.axes) != 2 or matrix.ndim != 2:
        raise ValueError("factors that are no matrices")
    if node.attribute("transA", 0):
        x = x.with_axes(x.axes[::-1])
    matrix = matrix.T if node.attribute("transB", 0) else matrix
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    if alpha != 1:
        b.budget.take(matrix.nbytes, "A matrix")
        matrix = matrix * np.asarray(alpha, matrix.dtype)
    bias = None
    if len(inputs) > 2 and inputs[2] is not None:
        given = numbers(inputs[2], "a bias")
        if given.ndim > 2 or (given.ndim == 2 and len(given) != 1):
            raise Unsupported(f"a bias of shape {given.shape}")
        b.budget.take(matrix.shape[1] * 8, "A bias")
        bias = np.broadcast_to(given.reshape(-1) * beta, (matrix.shape[1],))
    return _product(b, x, matrix, bias)


def _batch_norm(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    if node.attribute("training_mode", 0) or not node.attribute("spatial", 1) or node.outputs[1:]:
        raise Unsupported("training_mode, spatial=0, or outputs beside the first")
    x = tensor_of(inputs)
    gamma, beta, mean, variance = (numbers(v, "a weight") for v in inputs[1:5])
    given = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
    if len(x.parts) > 1:
        shape = [-1] + [1] * (len(x.axes) - 2)
        given = {name: by_channel(b, x, array.reshape(shape))[1] for name, array in given.items()}
        given = {name: np.broadcast_to(array, (x.shape.channels,)) for name, array in given.items()}
    else:
        x = _with_channels(b, x, 1)
    return b.same(BatchNorm(node.attribute("epsilon", 1e-5)), x, given)


def _instance_norm(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x, gamma, beta = tensor_of(inputs), *(numbers(v, "a weight") for v in inputs[1:3])
    epsilon = node.attribute("epsilon", 1e-5)
    if len(x.parts) == 2 and len(x.axes) == 3 and x.axes[1] == (0,) and set(x.axes[2]) == {1, "T"}:
        if (gamma != 1).any() or (beta != 0).any() or len(gamma) != x.parts[0]:
            raise Unsupported("weights of groups of channels")
        return b.same(GroupNorm(epsilon, False, False, x.parts[0]), x)
    x = _sequenced(b, _with_channels(b, x, 1))
    return b.same(GroupNorm(epsilon, groups=x.shape.channels), x, {"gamma": gamma, "beta": beta})


def _sequenced(b: Builder, x: Tensor) -> Tensor:
    """A tensor whose channels' mean is taken over all other axes: these are the steps alone."""
    roles = {f for axis in x.axes for f in axis}
    if not roles <= {"N", "T", 0}:
        raise Unsupported(f"an input with axes {b.text(x)}")
    return b.sequence(x)


def _group_norm(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x, gamma, beta = tensor_of(inputs), *(numbers(v, "a weight") for v in inputs[1:3])
    x = _sequenced(b, _with_channels(b, x, 1))
    groups, channels = node.attribute("num_groups", 0), x.shape.channels
    if groups < 1 or channels % groups:
        raise ValueError(f"{groups} groups of {channels} channels")
    if node.opset < 21:
        gamma, beta = (np.repeat(v, channels // groups) for v in (gamma, beta))
    op = GroupNorm(node.attribute("epsilon", 1e-5), groups=groups)
    return b.same(op, x, {"gamma": gamma, "beta": beta})


def _layer_norm(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x = tensor_of(inputs)
    gamma, beta = (None if v is None else numbers(v, "a weight").reshape(-1) for v in [*inputs[1:], None, None][:2])
    rms = node.op_type == "RMSNormalization"
    if node.outputs[1:]:
        raise Unsupported("outputs beside the first")
    x = _over(b, x, place(node.attribute("axis", -1), len(x.axes)))
    channels = x.shape.channels
    if rms:
        gamma = b.full(channels, 1.0) if gamma is None else np.broadcast_to(gamma, (channels,))
        return b.same(RmsNorm(node.attribute("epsilon", 1e-5)), x, {"gamma": gamma})
    given = {"gamma": gamma, "beta": beta}
    weights = {name: np.broadcast_to(v, (channels,)) for name, v in given.items() if v is not None}
    op = LayerNorm(node.attribute("epsilon", 1e-5), gamma is not None, beta is not None)
    return b.same(op, x, weights)


def _over(b: Builder, x: Tensor, axis: int) -> Tensor:
    """The tensor, from one axis on nothing but channels: the others there have length 1."""
    rank = len(x.axes)
    wanted = [["?"] * axis + ["C" if i == c else "1" for i in range(axis, rank)] for c in reversed(range(axis, rank))]
    return b.arranged(x, *wanted)


def _softmax(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x = tensor_of(inputs)
    if node.opset >= 13 and x.axes[place(node.attribute("axis", -1), len(x.axes))] == ("T",):
        return b.same(Softmax(node.op_type == "LogSoftmax", True), b.sequence(x))
    old = node.opset < 13
    x = (
        _over(b, x, place(node.attribute("axis", 1), len(x.axes)))
        if old
        else _with_channels(b, x, node.attribute("axis", -1))
    )
    return b.same(Softmax(node.op_type == "LogSoftmax"), x)


_KINDS = {"ReduceMean": "average", "ReduceMax": "max", "ReduceMin": "min", "ReduceSum": "sum"}


def _reduce(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x = tensor_of(inputs)
    given = axes_of(node, inputs)
    if not given and node.attribute("noop_with_empty_axes", 0):
        return x
    axes = set(range(len(x.axes))) if not given else {place(a, len(x.axes)) for a in given}
    kind = _KINDS.get(node.op_type, "sum")
    if node.op_type in ("ReduceSumSquare", "ReduceL2"):
        x = of_two(b, Combine("multiply"), x, x)
    elif node.op_type == "ReduceL1":
        x = b.same(Function("abs"), x)
    if any(len(x.axes[axis]) > 1 or not set(x.axes[axis]) <= {"T", 0} for axis in axes):
        x = b.settled(x)
    reduced = {f for axis in axes for f in x.axes[axis]}
    if not reduced <= {"T", 0} or (len(x.parts) > 1 and 0 in reduced):
        raise Unsupported(f"an input with axes {b.text(x)}, of which it takes {sorted(axes)} together")
    start = x
    kept = [() if set(axis) & reduced else axis for axis in x.axes]
    if 0 in reduced:
        x = b.made(ChannelPool(kind), x, axes=[() if 0 in axis else axis for axis in x.axes])
    if "T" in reduced:
        name, shape = b.node(GlobalPool(kind, False), x)
        x = Tensor(name, shape, tuple(kept), x.parts)
    if node.op_type == "ReduceL2":
        x = b.same(Function("sqrt"), x)
    x = x.with_axes(kept)
    if not node.attribute("keepdims", 1):
        return without(x, axes)
    if kind == "average" and reduced == {0} and start.hint is not None and start.hint.kind == "square":
        return replace(x, hint=replace(start.hint, kind="variance"))
    return replace(x, hint=Hint("mean", start.node)) if kind == "average" and reduced == {0} else x


OPERATORS: dict[str, Callable[[Builder, OnnxNode, Inputs], Tensor]] = {
    "MatMul": _matmul,
    "Gemm": _gemm,
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _layer_norm,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    **dict.fromkeys([*_KINDS, "ReduceL1", "ReduceL2", "ReduceSumSquare"], _reduce),
}
