"""A network as a module of torch.fx, channels first: straight calls of torch's functions, as `torch.export` would leave
them, without a trace of the graph that it was made from.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ...network import ops
from ...network.graph import Graph, Weights
from ...problem import Activation
from ..translations import (
    Array,
    Untranslated,
    Work,
    activation_of,
    chosen,
    operation_of,
    parameters,
    pool_sides,
    sides_of,
    usual_gates,
    works,
)

Tensor = Any  # torch has types, where it is installed


def module(graph: Graph, weights: Weights, batch: int, length: int) -> Any:
    """The module, which takes a tensor `(batch, channels, length)`, and gives the output. Raises ValueError for what
    `works` refuses, Untranslated for what torch has no words for.
    """
    made = [(work, operation_of(OPERATIONS, work.op)(work)) for work in works(graph, weights, batch, length)]

    def network(x: Tensor) -> Tensor:
        tensors = {graph.sources[0].name: x}
        for work, function in made:
            tensors[work.name] = function(*(tensors[name] for name in work.inputs))
        return tensors[graph.outputs[0]]

    return torch.fx.symbolic_trace(network)


def _tensor(array: Array) -> Tensor:
    return torch.tensor(np.ascontiguousarray(array))


def _optional(work: Work, name: str) -> Tensor:
    return _tensor(work.weights[name]) if name in work.weights else None


def _activation(kind: Activation) -> Callable[[Tensor], Tensor]:
    return activation_of(ACTIVATIONS, kind)(kind)


def _conv(work: Work) -> Callable[[Tensor], Tensor]:
    p, bias = work.op.problem, _optional(work, "bias")
    activated = _activation(p.activation)
    if work.steps[0] is None:
        matrix = _tensor(work.weights["kernel"][0].T)
        return lambda x: activated(F.linear(x, matrix, bias))
    kernel = _tensor(work.weights["kernel"].transpose(2, 1, 0))
    left, right = sides_of(p, work.length)
    own = left if left == right else 0  # conv1d pads both sides alike
    prepared = _padded(0 if own else left, 0 if own else right)
    return lambda x: activated(F.conv1d(prepared(x), kernel, bias, p.stride, own, p.dilation, p.groups))


def _padded(left: int, right: int, value: float = 0.0) -> Callable[[Tensor], Tensor]:
    return (lambda x: F.pad(x, (left, right), value=value)) if left or right else lambda x: x


def _conv_transpose(work: Work) -> Callable[[Tensor], Tensor]:
    op, bias = work.op, _optional(work, "bias")
    kernel = _tensor(work.weights["kernel"].transpose(2, 1, 0))
    more = op.left - op.right
    if 0 <= more < max(op.stride, op.dilation):
        return lambda x: F.conv_transpose1d(x, kernel, bias, op.stride, op.left, more, 1, op.dilation)
    whole = (work.length - 1) * op.stride + (op.kernel_size - 1) * op.dilation + 1
    if op.right < 0:  # steps without products have the bias alone
        offset = 0 if bias is None else bias[:, None]
        return lambda x: (
            F.pad(F.conv_transpose1d(x, kernel, None, op.stride, 0, 0, 1, op.dilation), (0, -op.right))[..., op.left :]
            + offset
        )
    return lambda x: F.conv_transpose1d(x, kernel, bias, op.stride, 0, 0, 1, op.dilation)[
        ..., op.left : whole - op.right
    ]


def _recurrent(kind: str) -> Callable[[Work], Callable[[Tensor], Tensor]]:
    """A cell; torch goes forwards only, so steps are turned around."""

    def translated(work: Work) -> Callable[[Tensor], Tensor]:
        op = work.op
        usual_gates(op)
        gates, order = (4, (0, 1, 2, 3)) if kind == "lstm" else (3, (1, 0, 2))
        if isinstance(op, ops.Gru) and not op.reset_after:
            raise Untranslated(f"{op}: torch has the cell that resets after its product")

        def turned(weight: Array) -> Tensor:
            split = np.split(weight, gates, -1)
            return _tensor(np.concatenate([split[gate] for gate in order], -1).T)

        kernels = [turned(work.weights["kernel"]), turned(work.weights["recurrent_kernel"])]
        if op.use_bias:
            both = np.zeros((2, gates * op.units), np.float32)
            bias = work.weights["bias"]
            both[: 2 if bias.ndim == 2 else 1] = bias
            kernels += [turned(both[0]), turned(both[1])]
        zeros = torch.zeros(1, work.batch, op.units)

        def run(x: Tensor) -> Tensor:
            x = x.permute(2, 0, 1)
            x = x.flip(0) if op.backwards else x
            how = (kernels, op.use_bias, 1, 0.0, False, False, False)
            made = torch.lstm(x, (zeros, zeros), *how) if kind == "lstm" else torch.gru(x, zeros, *how)
            if not op.sequences:
                return made[1][0]
            states = made[0].flip(0) if op.backwards else made[0]
            return states.permute(1, 2, 0)

        return run

    return translated


def _batch_norm(work: Work) -> Callable[[Tensor], Tensor]:
    mean, variance = _tensor(work.weights["mean"]), _tensor(work.weights["variance"])
    gamma, beta = _optional(work, "gamma"), _optional(work, "beta")
    return lambda x: F.batch_norm(x, mean, variance, gamma, beta, False, 0.0, work.op.epsilon)


def _layer_norm(work: Work) -> Callable[[Tensor], Tensor]:
    gamma, beta, shape = _tensor(work.row("gamma", 1)), _optional(work, "beta"), (work.channels[0],)

    def norm(x: Tensor) -> Tensor:
        return F.layer_norm(x, shape, gamma, beta, work.op.epsilon)

    return norm if work.steps[0] is None else lambda x: norm(x.transpose(1, 2)).transpose(1, 2)


def _group_norm(work: Work) -> Callable[[Tensor], Tensor]:
    gamma, beta = _optional(work, "gamma"), _optional(work, "beta")
    return lambda x: F.group_norm(x, work.op.groups, gamma, beta, work.op.epsilon)


def _rms_norm(work: Work) -> Callable[[Tensor], Tensor]:
    gamma = _tensor(work.column("gamma"))
    return lambda x: x * torch.rsqrt((x * x).mean(1, keepdim=True) + work.op.epsilon) * gamma


_COMBINED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "average": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "divide": torch.div,
}


def _combine(work: Work) -> Callable[..., Tensor]:
    sequences = any(steps is not None for steps in work.steps)
    narrow = [sequences and steps is None for steps in work.steps]

    def run(*inputs: Tensor) -> Tensor:
        of_one_rank = (x[..., None] if is_vector else x for x, is_vector in zip(inputs, narrow, strict=True))
        made = functools.reduce(_COMBINED[work.op.kind], of_one_rank)
        return made / len(inputs) if work.op.kind == "average" else made

    return run


def _pad(work: Work) -> Callable[[Tensor], Tensor]:
    op = work.op
    mode = {"zeros": "constant"}.get(op.mode, op.mode)
    return lambda x: F.pad(x, (op.left, op.right), mode=mode)


def _pool(work: Work) -> Callable[[Tensor], Tensor]:
    op, (left, right) = work.op, pool_sides(work)
    if op.kind == "max":
        wide = _padded(left, right, -float("inf"))
        return lambda x: F.max_pool1d(wide(x), op.size, op.stride)
    wide = _padded(left, right)
    if op.count_padding or not (left or right):
        return lambda x: F.avg_pool1d(wide(x), op.size, op.stride)
    counted = F.avg_pool1d(wide(torch.ones(1, 1, work.length)), op.size, op.stride)
    return lambda x: F.avg_pool1d(wide(x), op.size, op.stride) / counted


def _global_pool(work: Work) -> Callable[[Tensor], Tensor]:
    pool = torch.amax if work.op.kind == "max" else torch.mean
    return lambda x: pool(x, 2, work.op.keep)


def _reshape(work: Work) -> Callable[[Tensor], Tensor]:
    op, sequence = work.op, work.steps[0] is not None

    def run(x: Tensor) -> Tensor:
        last = x.transpose(1, 2) if sequence else x
        if op.steps is None:
            return last.reshape(work.batch, op.channels)
        return last.reshape(work.batch, op.steps, op.channels).transpose(1, 2)

    return run


def _softmax(work: Work) -> Callable[[Tensor], Tensor]:
    softmax = torch.log_softmax if work.op.log else torch.softmax
    return lambda x: softmax(x, 1)


def _prelu(work: Work) -> Callable[[Tensor], Tensor]:
    alpha = _tensor(work.weights["alpha"])
    return lambda x: F.prelu(x, alpha)


def _channels(work: Work) -> Callable[[Tensor], Tensor]:
    own = chosen(work)
    if own.step > 0:
        return lambda x: x[:, own]
    taken = torch.arange(own.start, -1 if own.stop is None else own.stop, own.step)  # a slice can't go down
    return lambda x: x.index_select(1, taken)


OPERATIONS: dict[type[ops.Op], Callable[[Work], Callable[..., Tensor]]] = {
    ops.Conv: _conv,
    ops.ConvTranspose: _conv_transpose,
    ops.Lstm: _recurrent("lstm"),
    ops.Gru: _recurrent("gru"),
    ops.Activate: lambda work: _activation(work.op.activation),
    ops.PRelu: _prelu,
    ops.Softmax: _softmax,
    ops.Glu: lambda work: lambda x: F.glu(x, 1),
    ops.ChannelSlice: _channels,
    ops.Function: lambda work: getattr(torch, work.op.kind),
    ops.BatchNorm: _batch_norm,
    ops.LayerNorm: _layer_norm,
    ops.GroupNorm: _group_norm,
    ops.RmsNorm: _rms_norm,
    ops.Combine: _combine,
    ops.Concat: lambda work: lambda *inputs: torch.cat(inputs, 1),
    ops.Pad: _pad,
    ops.Crop: lambda work: lambda x: x[..., work.op.left : work.length - work.op.right],
    ops.Pool: _pool,
    ops.GlobalPool: _global_pool,
    ops.Repeat: lambda work: lambda x: x.repeat_interleave(work.op.times, 2),
    ops.Reshape: _reshape,
}


def _plain(function: Callable[..., Tensor], **defaults: float) -> Callable[[Activation], Callable[[Tensor], Tensor]]:
    """A function with the same parameters, by position."""

    def translated(activation: Activation) -> Callable[[Tensor], Tensor]:
        values = tuple(parameters(activation, **defaults).values())
        return lambda x: function(x, *values)

    return translated


def _gelu(activation: Activation) -> Callable[[Tensor], Tensor]:
    kind = "tanh" if parameters(activation, approximate=0)["approximate"] else "none"
    return lambda x: F.gelu(x, approximate=kind)


ACTIVATIONS: dict[str, Callable[[Activation], Callable[[Tensor], Tensor]]] = {
    "linear": lambda activation: lambda x: x,
    "relu": _plain(F.relu),
    "relu6": _plain(F.relu6),
    "leaky_relu": _plain(F.leaky_relu, negative_slope=0.2),
    "elu": _plain(F.elu, alpha=1.0),
    "selu": _plain(F.selu),
    "celu": _plain(F.celu, alpha=1.0),
    "softplus": _plain(F.softplus),
    "softsign": _plain(F.softsign),
    "soft_shrink": _plain(F.softshrink, threshold=0.5),
    "hard_shrink": _plain(F.hardshrink, threshold=0.5),
    "tanh_shrink": _plain(F.tanhshrink),
    "silu": _plain(F.silu),
    "gelu": _gelu,
    "tanh": _plain(torch.tanh),
    "sigmoid": _plain(torch.sigmoid),
    "exponential": _plain(torch.exp),
    "hard_sigmoid": _plain(F.hardsigmoid),
    "hard_silu": _plain(F.hardswish),
    "hard_tanh": _plain(F.hardtanh),
    "mish": _plain(F.mish),
    "log_sigmoid": _plain(F.logsigmoid),
}
