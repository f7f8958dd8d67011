"""A network as a function of JAX, channels last, as ours are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...network import ops
from ...network.graph import Graph, Weights
from ...problem import Activation
from ..translations import (
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

Tensor = Any
_DIMENSIONS = ("NWC", "WIO", "NWC")


def function(graph: Graph, weights: Weights, batch: int, length: int) -> Callable[[Tensor], Tensor]:
    """The function, of an input `(batch, length, channels)`. Raises ValueError for what `works` refuses; called,
    Untranslated for what JAX has no words for.
    """
    nodes = works(graph, weights, batch, length)

    def network(x: Tensor) -> Tensor:
        tensors = {graph.sources[0].name: x}
        for work in nodes:
            tensors[work.name] = operation_of(OPERATIONS, work.op)(work, *(tensors[name] for name in work.inputs))
        return tensors[graph.outputs[0]]

    return network


def _activated(kind: Activation, x: Tensor) -> Tensor:
    return activation_of(ACTIVATIONS, kind)(kind, x)


def _with_bias(work: Work, x: Tensor) -> Tensor:
    return x + work.weights["bias"] if "bias" in work.weights else x


def _conv(work: Work, x: Tensor) -> Tensor:
    p, kernel = work.op.problem, work.weights["kernel"]
    if work.steps[0] is None:
        sums = jnp.matmul(x, kernel[0], precision=lax.Precision.HIGHEST)
    else:
        sums = lax.conv_general_dilated(
            x,
            jnp.asarray(kernel),
            window_strides=(p.stride,),
            padding=[sides_of(p, work.length)],
            rhs_dilation=(p.dilation,),
            dimension_numbers=_DIMENSIONS,
            feature_group_count=p.groups,
            precision=lax.Precision.HIGHEST,
        )
    return _activated(p.activation, _with_bias(work, sums))


def _conv_transpose(work: Work, x: Tensor) -> Tensor:
    """A convolution of an input with zeros between its steps, by the taps in reverse."""
    op, around = work.op, (work.op.kernel_size - 1) * work.op.dilation
    sums = lax.conv_general_dilated(
        x,
        jnp.asarray(work.weights["kernel"][::-1].transpose(0, 2, 1)),
        window_strides=(1,),
        padding=[(around - op.left, around - op.right)],
        lhs_dilation=(op.stride,),
        rhs_dilation=(op.dilation,),
        dimension_numbers=_DIMENSIONS,
        precision=lax.Precision.HIGHEST,
    )
    return _with_bias(work, sums)


def _stepped(
    work: Work, x: Tensor, wide: Tensor, step: Callable[[Any, Tensor], tuple[Any, Tensor]], state: Any
) -> Tensor:
    """The states of a cell that goes through the steps; `wide` are the products of its inputs."""
    usual_gates(work.op)
    _, states = lax.scan(step, state, wide.transpose(1, 0, 2), reverse=work.op.backwards)
    if work.op.sequences:
        return states.transpose(1, 0, 2)
    return states[0 if work.op.backwards else -1]


def _lstm(work: Work, x: Tensor) -> Tensor:
    recurrent, zeros = work.weights["recurrent_kernel"], jnp.zeros((work.batch, work.op.units))

    def step(state: tuple[Tensor, Tensor], wide: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        h, s = state
        i, f, c, o = jnp.split(wide + h @ recurrent, 4, -1)
        s = jax.nn.sigmoid(f) * s + jax.nn.sigmoid(i) * jnp.tanh(c)
        h = jax.nn.sigmoid(o) * jnp.tanh(s)
        return (h, s), h

    return _stepped(work, x, _with_bias(work, x @ work.weights["kernel"]), step, (zeros, zeros))


def _gru(work: Work, x: Tensor) -> Tensor:
    op, recurrent, cut = work.op, work.weights["recurrent_kernel"], 2 * work.op.units
    bias = np.broadcast_to(work.weights.get("bias", np.zeros(1, np.float32)), (2, 3 * op.units))

    def step(h: Tensor, wide: Tensor) -> tuple[Tensor, Tensor]:
        of_gates = h @ recurrent[:, :cut] + (bias[1, :cut] if op.reset_after else 0)
        z, r = jnp.split(jax.nn.sigmoid(wide[:, :cut] + of_gates), 2, -1)
        if op.reset_after:
            candidate = wide[:, cut:] + r * (h @ recurrent[:, cut:] + bias[1, cut:])
        else:
            candidate = wide[:, cut:] + (r * h) @ recurrent[:, cut:]
        h = z * h + (1 - z) * jnp.tanh(candidate)
        return h, h

    return _stepped(work, x, x @ work.weights["kernel"] + bias[0], step, jnp.zeros((work.batch, op.units)))


def _scaled(work: Work, x: Tensor) -> Tensor:
    return x * work.row("gamma", 1) + work.row("beta", 0)


def _normal(x: Tensor, axes: int | tuple[int, ...], epsilon: float) -> Tensor:
    centred = x - x.mean(axes, keepdims=True)
    return centred * lax.rsqrt((centred * centred).mean(axes, keepdims=True) + epsilon)


def _batch_norm(work: Work, x: Tensor) -> Tensor:
    scale = work.row("gamma", 1) / np.sqrt(work.weights["variance"] + np.float32(work.op.epsilon))
    return x * scale + (work.row("beta", 0) - work.weights["mean"] * scale)


def _group_norm(work: Work, x: Tensor) -> Tensor:
    grouped = x.reshape(work.batch, -1, work.op.groups, work.channels[0] // work.op.groups)
    return _scaled(work, _normal(grouped, (1, 3), work.op.epsilon).reshape(x.shape))


def _rms_norm(work: Work, x: Tensor) -> Tensor:
    return x * lax.rsqrt((x * x).mean(-1, keepdims=True) + work.op.epsilon) * work.weights["gamma"]


_COMBINED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": jnp.add,
    "average": jnp.add,
    "subtract": jnp.subtract,
    "multiply": jnp.multiply,
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "divide": jnp.divide,
}


def _combine(work: Work, *inputs: Tensor) -> Tensor:
    rank = max(x.ndim for x in inputs)
    made = functools.reduce(_COMBINED[work.op.kind], (x[:, None] if x.ndim < rank else x for x in inputs))
    return made / len(inputs) if work.op.kind == "average" else made


def _pad(work: Work, x: Tensor) -> Tensor:
    mode = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[work.op.mode]
    return jnp.pad(x, ((0, 0), (work.op.left, work.op.right), (0, 0)), mode)


def _pool(work: Work, x: Tensor) -> Tensor:
    op, around = work.op, ((0, 0), pool_sides(work), (0, 0))
    window = ((1, op.size, 1), (1, op.stride, 1), around)
    if op.kind == "max":
        return lax.reduce_window(x, -jnp.inf, lax.max, *window)
    sums = lax.reduce_window(x, 0.0, lax.add, *window)
    if op.count_padding:
        return sums / op.size
    return sums / lax.reduce_window(np.ones((1, work.length, 1), np.float32), np.float32(0), lax.add, *window)


def _reshape(work: Work, x: Tensor) -> Tensor:
    op = work.op
    return x.reshape(work.batch, *(() if op.steps is None else (op.steps,)), op.channels)


OPERATIONS: dict[type[ops.Op], Callable[..., Tensor]] = {
    ops.Conv: _conv,
    ops.ConvTranspose: _conv_transpose,
    ops.Lstm: _lstm,
    ops.Gru: _gru,
    ops.Activate: lambda work, x: _activated(work.op.activation, x),
    ops.PRelu: lambda work, x: jnp.where(x > 0, x, work.weights["alpha"] * x),
    ops.Softmax: lambda work, x: (jax.nn.log_softmax if work.op.log else jax.nn.softmax)(x, -1),
    ops.Glu: lambda work, x: jax.nn.glu(x, -1),
    ops.ChannelSlice: lambda work, x: x[..., chosen(work)],
    ops.Function: lambda work, x: getattr(jnp, work.op.kind)(x),
    ops.BatchNorm: _batch_norm,
    ops.LayerNorm: lambda work, x: _scaled(work, _normal(x, -1, work.op.epsilon)),
    ops.GroupNorm: _group_norm,
    ops.RmsNorm: _rms_norm,
    ops.Combine: _combine,
    ops.Concat: lambda work, *inputs: jnp.concatenate(inputs, -1),
    ops.Pad: _pad,
    ops.Crop: lambda work, x: x[:, work.op.left : work.length - work.op.right],
    ops.Pool: _pool,
    ops.GlobalPool: lambda work, x: (jnp.max if work.op.kind == "max" else jnp.mean)(x, 1, keepdims=work.op.keep),
    ops.Repeat: lambda work, x: jnp.repeat(x, work.op.times, 1),
    ops.Reshape: _reshape,
}


def _plain(formula: Callable[..., Tensor], **defaults: float) -> Callable[[Activation, Tensor], Tensor]:
    """A function with the same parameters, by position."""
    return lambda activation, x: formula(x, *parameters(activation, **defaults).values())


def _soft_shrink(x: Tensor, threshold: float) -> Tensor:
    return jnp.sign(x) * jnp.maximum(jnp.abs(x) - threshold, 0)


ACTIVATIONS: dict[str, Callable[[Activation, Tensor], Tensor]] = {
    "linear": lambda activation, x: x,
    "relu": _plain(jax.nn.relu),
    "relu6": _plain(jax.nn.relu6),
    "leaky_relu": _plain(jax.nn.leaky_relu, negative_slope=0.2),
    "elu": _plain(jax.nn.elu, alpha=1.0),
    "selu": _plain(jax.nn.selu),
    "celu": _plain(jax.nn.celu, alpha=1.0),
    "softplus": _plain(jax.nn.softplus),
    "softsign": _plain(jax.nn.soft_sign),
    "soft_shrink": _plain(_soft_shrink, threshold=0.5),
    "hard_shrink": _plain(lambda x, threshold: jnp.where(jnp.abs(x) <= threshold, 0, x), threshold=0.5),
    "tanh_shrink": _plain(lambda x: x - jnp.tanh(x)),
    "silu": _plain(jax.nn.silu),
    "gelu": _plain(lambda x, approximate: jax.nn.gelu(x, approximate=bool(approximate)), approximate=0),
    "tanh": _plain(jnp.tanh),
    "sigmoid": _plain(jax.nn.sigmoid),
    "exponential": _plain(jnp.exp),
    "hard_sigmoid": _plain(jax.nn.hard_sigmoid),
    "hard_silu": _plain(jax.nn.hard_silu),
    "hard_tanh": _plain(jax.nn.hard_tanh),
    "mish": _plain(jax.nn.mish),
    "log_sigmoid": _plain(jax.nn.log_sigmoid),
}
