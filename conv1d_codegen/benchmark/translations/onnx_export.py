"""A network as a model of ONNX: channels first, weights as float32 initialisers, operator set 17."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ...network import ops
from ...network.graph import Graph, Weights
from ...problem import Activation
from ..translations import (
    Array,
    Work,
    activation_of,
    chosen,
    operation_of,
    output_shape,
    parameters,
    pool_sides,
    sides_of,
    usual_gates,
    works,
)


def exported(graph: Graph, weights: Weights, batch: int, length: int) -> onnx.ModelProto:
    """The model, for inputs `(batch, channels, length)`. Raises ValueError for what `works` refuses, Untranslated for what
    ONNX has no words for.
    """
    writer, source = Writer(), graph.sources[0]
    tensors = {source.name: "x"}
    nodes = works(graph, weights, batch, length)
    for work in nodes:
        tensors[work.name] = operation_of(OPERATIONS, work.op)(writer, work, *(tensors[name] for name in work.inputs))
    inputs = helper.make_tensor_value_info("x", TensorProto.FLOAT, (batch, source.channels, length))
    outputs = helper.make_tensor_value_info(
        writer("Identity", tensors[graph.outputs[0]]), TensorProto.FLOAT, output_shape(graph, batch, length)
    )
    whole = helper.make_graph(writer.nodes, "network", [inputs], [outputs], writer.constants)
    # An operator set and a file format that readers have known for long; nothing newer is used.
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class Writer:
    """The nodes and constants of a model in the making. Called, it adds a node, and gives the name of what that makes."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def __call__(self, kind: str, *inputs: str | Array | float | None, **attributes: Any) -> str:
        """Of a node of one output. Arrays and numbers become constants, None is an optional input that is left out."""
        return self.several(1, kind, *inputs, **attributes)[0]

    def several(self, outputs: int, kind: str, *inputs: str | Array | float | None, **attributes: Any) -> list[str]:
        """The same of a node of several outputs."""
        names = [self._name(value) for value in (inputs if inputs[-1] is not None else inputs[:-1])]
        made = [f"t{len(self.nodes)}_{n}" for n in range(outputs)]
        self.nodes.append(helper.make_node(kind, names, made, **attributes))
        return made

    def _name(self, value: str | Array | float | None) -> str:
        if isinstance(value, str) or value is None:
            return value or ""
        array = value if isinstance(value, np.ndarray) else np.asarray(value, np.float32)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name


def _sizes(*sizes: int) -> Array:
    return np.array(sizes, np.int64)


def _activated(g: Writer, kind: Activation, x: str) -> str:
    return activation_of(ACTIVATIONS, kind)(g, x, kind)


def _conv(g: Writer, work: Work, x: str) -> str:
    p = work.op.problem
    kernel, bias = work.weights["kernel"], work.weights.get("bias")
    if work.steps[0] is None:
        made = g("Gemm", x, kernel[0], bias)
    else:
        made = g(
            "Conv",
            x,
            kernel.transpose(2, 1, 0),
            bias,
            kernel_shape=[p.kernel_size],
            strides=[p.stride],
            dilations=[p.dilation],
            pads=sides_of(p, work.length),
            group=p.groups,
        )
    return _activated(g, p.activation, made)


def _conv_transpose(g: Writer, work: Work, x: str) -> str:
    op = work.op
    return g(
        "ConvTranspose",
        x,
        work.weights["kernel"].transpose(2, 1, 0),
        work.weights.get("bias"),
        kernel_shape=[op.kernel_size],
        strides=[op.stride],
        dilations=[op.dilation],
        pads=[op.left, max(op.right, 0)],
        output_padding=[max(-op.right, 0)],
    )


def _recurrent(kind: str, order: tuple[int, ...]) -> Callable[[Writer, Work, str], str]:
    """A cell whose gates ONNX has in another order."""

    def translated(g: Writer, work: Work, x: str) -> str:
        op = work.op
        usual_gates(op)

        def gates(weight: Array) -> Array:
            """`(…, gates·units)` as ONNX has it: the first axis, gates in its order."""
            split = np.split(weight, len(order), -1)
            return np.concatenate([split[gate] for gate in order], -1).T

        both = np.zeros((2, len(order) * op.units), np.float32)
        if op.use_bias:
            bias = work.weights["bias"]
            both[: 2 if bias.ndim == 2 else 1] = bias
        every, *last = g.several(
            1 if op.sequences else 2,
            kind,
            g("Transpose", x, perm=[2, 0, 1]),
            gates(work.weights["kernel"])[None],
            gates(work.weights["recurrent_kernel"])[None],
            np.concatenate([gates(each) for each in both])[None],
            hidden_size=op.units,
            direction="reverse" if op.backwards else "forward",
            **({"linear_before_reset": int(op.reset_after)} if isinstance(op, ops.Gru) else {}),
        )
        if op.sequences:  # (steps, 1, batch, units)
            return g("Transpose", g("Squeeze", every, _sizes(1)), perm=[1, 2, 0])
        return g("Squeeze", last[0], _sizes(0))

    return translated


def _batch_norm(g: Writer, work: Work, x: str) -> str:
    gamma, beta = work.row("gamma", 1), work.row("beta", 0)
    mean, variance = work.weights["mean"], work.weights["variance"]
    return g("BatchNormalization", x, gamma, beta, mean, variance, epsilon=work.op.epsilon)


def _layer_norm(g: Writer, work: Work, x: str) -> str:
    gamma, beta = work.row("gamma", 1), work.row("beta", 0)

    def norm(x: str) -> str:
        return g("LayerNormalization", x, gamma, beta, axis=-1, epsilon=work.op.epsilon)

    return norm(x) if work.steps[0] is None else _turned(g, norm(_turned(g, x)))


def _turned(g: Writer, x: str) -> str:
    """Channels first to channels last, or back."""
    return g("Transpose", x, perm=[0, 2, 1])


def _group_norm(g: Writer, work: Work, x: str) -> str:
    op, channels, one = work.op, work.channels[0], np.ones(work.op.groups, np.float32)
    grouped = g("Reshape", x, _sizes(work.batch, op.groups, -1))
    normal = g("InstanceNormalization", grouped, one, 0 * one, epsilon=op.epsilon)
    whole = g("Reshape", normal, _sizes(work.batch, channels, *(() if work.steps[0] is None else (work.length,))))
    return g("Add", g("Mul", whole, work.column("gamma", 1)), work.column("beta", 0))


def _rms_norm(g: Writer, work: Work, x: str) -> str:
    mean = g("ReduceMean", g("Mul", x, x), axes=[1], keepdims=1)
    return g("Mul", g("Div", x, g("Sqrt", g("Add", mean, work.op.epsilon))), work.column("gamma"))


def _combine(g: Writer, work: Work, *inputs: str) -> str:
    kind = {
        "add": "Add",
        "average": "Add",
        "subtract": "Sub",
        "multiply": "Mul",
        "divide": "Div",
        "maximum": "Max",
        "minimum": "Min",
    }
    sequences = any(steps is not None for steps in work.steps)
    of_one_rank = [
        g("Unsqueeze", x, _sizes(2)) if sequences and steps is None else x
        for x, steps in zip(inputs, work.steps, strict=True)
    ]
    made = functools.reduce(lambda a, b: g(kind[work.op.kind], a, b), of_one_rank)
    return g("Mul", made, 1 / len(inputs)) if work.op.kind == "average" else made


def _slice(g: Writer, x: str, axis: int, first: int, last: int) -> str:
    return g("Slice", x, _sizes(first), _sizes(last), _sizes(axis))


def _glu(g: Writer, work: Work, x: str) -> str:
    half = work.channels[0] // 2
    return g("Mul", _slice(g, x, 1, 0, half), g("Sigmoid", _slice(g, x, 1, half, 2 * half)))


def _channels(g: Writer, work: Work, x: str) -> str:
    own = chosen(work)
    end = -(1 << 30) if own.stop is None else own.stop  # far before the first channel, which is then the last one taken
    return g("Slice", x, _sizes(own.start), _sizes(end), _sizes(1), _sizes(own.step))


def _pad(g: Writer, work: Work, x: str) -> str:
    op = work.op
    if op.mode == "circular":
        length = work.length
        return g("Concat", _slice(g, x, 2, length - op.left, length), x, _slice(g, x, 2, 0, op.right), axis=2)
    mode = {"zeros": "constant", "reflect": "reflect", "replicate": "edge"}[op.mode]
    return g("Pad", x, _sizes(0, 0, op.left, 0, 0, op.right), mode=mode)


def _pool(g: Writer, work: Work, x: str) -> str:
    op = work.op
    window = {"kernel_shape": [op.size], "strides": [op.stride], "pads": pool_sides(work)}
    if op.kind == "max":
        return g("MaxPool", x, **window)
    return g("AveragePool", x, count_include_pad=int(op.count_padding), **window)


def _global_pool(g: Writer, work: Work, x: str) -> str:
    one = g("GlobalMaxPool" if work.op.kind == "max" else "GlobalAveragePool", x)
    return one if work.op.keep else g("Squeeze", one, _sizes(2))


def _repeat(g: Writer, work: Work, x: str) -> str:
    scales = np.array([1, 1, work.op.times], np.float32)
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return g("Resize", x, None, scales, **how)


def _reshape(g: Writer, work: Work, x: str) -> str:
    op = work.op
    last = x if work.steps[0] is None else _turned(g, x)
    if op.steps is None:
        return g("Reshape", last, _sizes(work.batch, op.channels))
    return _turned(g, g("Reshape", last, _sizes(work.batch, op.steps, op.channels)))


OPERATIONS: dict[type[ops.Op], Callable[..., str]] = {
    ops.Conv: _conv,
    ops.ConvTranspose: _conv_transpose,
    ops.Lstm: _recurrent("LSTM", (0, 3, 1, 2)),
    ops.Gru: _recurrent("GRU", (0, 1, 2)),
    ops.Activate: lambda g, work, x: _activated(g, work.op.activation, x),
    ops.PRelu: lambda g, work, x: g("PRelu", x, work.column("alpha")),
    ops.Softmax: lambda g, work, x: g("LogSoftmax" if work.op.log else "Softmax", x, axis=1),
    ops.Glu: _glu,
    ops.ChannelSlice: _channels,
    ops.Function: lambda g, work, x: g(work.op.kind.capitalize(), x),
    ops.BatchNorm: _batch_norm,
    ops.LayerNorm: _layer_norm,
    ops.GroupNorm: _group_norm,
    ops.RmsNorm: _rms_norm,
    ops.Combine: _combine,
    ops.Concat: lambda g, work, *inputs: g("Concat", *inputs, axis=1),
    ops.Pad: _pad,
    ops.Crop: lambda g, work, x: _slice(g, x, 2, work.op.left, work.length - work.op.right),
    ops.Pool: _pool,
    ops.GlobalPool: _global_pool,
    ops.Repeat: _repeat,
    ops.Reshape: _reshape,
}


def _plain(
    kind: str, names: dict[str, str] | None = None, **defaults: float
) -> Callable[[Writer, str, Activation], str]:
    """An operator with the same parameters, which ONNX has under other `names`."""

    def translated(g: Writer, x: str, activation: Activation) -> str:
        return g(kind, x, **{(names or {})[name]: value for name, value in parameters(activation, **defaults).items()})

    return translated


def _made(formula: Callable[[Writer, str], str]) -> Callable[[Writer, str, Activation], str]:
    """Several operators, without parameters."""

    def translated(g: Writer, x: str, activation: Activation) -> str:
        parameters(activation)
        return formula(g, x)

    return translated


def _gelu(g: Writer, x: str, activation: Activation) -> str:
    if parameters(activation, approximate=0)["approximate"]:
        cube = g("Mul", g("Mul", x, x), g("Mul", x, 0.044715))
        share = g("Tanh", g("Mul", g("Add", x, cube), math.sqrt(2 / math.pi)))
    else:
        share = g("Erf", g("Div", x, math.sqrt(2)))
    return g("Mul", g("Mul", x, g("Add", share, 1.0)), 0.5)


def _shrink(kept: float) -> Callable[[Writer, str, Activation], str]:
    """Zero between the thresholds; outside, x is moved by `kept` times the threshold."""

    def translated(g: Writer, x: str, activation: Activation) -> str:
        threshold = parameters(activation, threshold=0.5)["threshold"]
        return g("Shrink", x, lambd=threshold, bias=kept * threshold)

    return translated


ACTIVATIONS: dict[str, Callable[[Writer, str, Activation], str]] = {
    "linear": lambda g, x, activation: x,
    "relu": _plain("Relu"),
    "relu6": _made(lambda g, x: g("Clip", x, 0.0, 6.0)),
    "leaky_relu": _plain("LeakyRelu", {"negative_slope": "alpha"}, negative_slope=0.2),
    "elu": _plain("Elu", {"alpha": "alpha"}, alpha=1.0),
    "selu": _plain("Selu"),
    "celu": _plain("Celu", {"alpha": "alpha"}, alpha=1.0),
    "softplus": _plain("Softplus"),
    "softsign": _plain("Softsign"),
    "soft_shrink": _shrink(1),
    "hard_shrink": _shrink(0),
    "tanh_shrink": _made(lambda g, x: g("Sub", x, g("Tanh", x))),
    "silu": _made(lambda g, x: g("Mul", x, g("Sigmoid", x))),
    "gelu": _gelu,
    "tanh": _plain("Tanh"),
    "sigmoid": _plain("Sigmoid"),
    "exponential": _plain("Exp"),
    "hard_sigmoid": _made(lambda g, x: g("HardSigmoid", x, alpha=1 / 6, beta=0.5)),
    "hard_silu": _plain("HardSwish"),
    "hard_tanh": _made(lambda g, x: g("Clip", x, -1.0, 1.0)),
    "mish": _made(lambda g, x: g("Mul", x, g("Tanh", g("Softplus", x)))),
    "log_sigmoid": _made(lambda g, x: g("Neg", g("Softplus", g("Neg", x)))),
}
