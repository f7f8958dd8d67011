"""Norms of torch's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ....number_types import TYPES
from ... import ops
from .builder import BATCH_AXIS, Builder, Constant, check, described
from .call import Call, Handler
from .layout import CHANNELS, TIME, Tensor, kinds, size


def scaled(b: Builder, x: Tensor, scale: Constant | None, offset: Constant | None) -> Tensor:
    """`x · scale + offset`, of constants that are broadcast: a norm of mean 0 and variance 1, which a convolution can
    take in.
    """
    weights: list[str] = []
    for constant, role in ((scale, "weight"), (offset, "bias")):
        if constant is not None:
            x, name = b.spread(x, constant, role)
            weights.append(name)
    if len({b.weights[name].shape for name in weights}) > 1:  # the second made steps to channels
        return scaled(b, x, scale, offset)
    count = b.shapes[x.name].channels
    weights += [b.fixed("zeros", np.zeros(count)), b.fixed("ones", np.ones(count))]
    op = ops.BatchNorm(0.0, scale=scale is not None, center=offset is not None)
    return Tensor(b.add(op, x.name, weights=weights), x.axes)


def _batch_norm(b: Builder, call: Call) -> Tensor:
    x = call.tensor("input")
    parts = [call.constant(name) for name in ("weight", "bias", "running_mean", "running_var")]
    own = parts[2] is not None and parts[3] is not None and not call.get("training")
    check(own, "has no mean and variance of its own, but those of its input")
    if TIME in kinds(x.axes[1]):
        x = b.vector(x)
    roles = ("weight", "bias", "running_mean", "running_var")
    shape = (-1, *[1] * (len(x.axes) - 2))
    names = [
        b.spread(x, part, role, part.array.reshape(shape).shape)[1]
        for part, role in zip(parts, roles, strict=True)
        if part is not None
    ]
    op = ops.BatchNorm(float(call["eps"]), parts[0] is not None, parts[1] is not None)
    return Tensor(b.add(op, x.name, weights=names), x.axes)


def _affine(b: Builder, call: Call, x: Tensor, shape: tuple[int, ...]) -> tuple[list[str], bool, bool]:
    """The weights of a norm, seen in a shape."""
    names, there = [], []
    for role in ("weight", "bias"):
        part = call.constant(role) if role in call.arguments else None
        there.append(part is not None)
        if part is not None:
            names.append(b.spread(x, part, role, shape)[1])
    return names, there[0], there[1]


def _over_channels(b: Builder, x: Tensor, count: int) -> Tensor:
    """The tensor, whose last `count` axes are all of its channels. Raises ValueError where they are not."""
    if any(TIME in kinds(axis) for axis in x.axes[-count:]):
        x = b.vector(x)
    last = x.axes[-count:]
    total = math.prod(size(axis).constant or 1 for axis in last)
    check(
        all(kinds(axis) <= {CHANNELS} for axis in last) and total == b.shapes[x.name].channels,
        f"takes the mean of the last {count} axes, which are not the channels. Received: {described(x)}",
    )
    return x


def _layer_norm(b: Builder, call: Call) -> Tensor:
    shape = tuple(call["normalized_shape"])
    x = _over_channels(b, call.tensor("input"), len(shape))
    names, scale, center = _affine(b, call, x, shape)
    return Tensor(b.add(ops.LayerNorm(float(call["eps"]), scale, center), x.name, weights=names), x.axes)


def _rms_norm(b: Builder, call: Call) -> Tensor:
    shape = tuple(call["normalized_shape"])
    x = _over_channels(b, call.tensor("input"), len(shape))
    names, scale, _ = _affine(b, call, x, shape)
    if not scale:
        names = [b.fixed("ones", np.ones(b.shapes[x.name].channels))]
    given: Any = call["eps"]
    epsilon = float(np.finfo(TYPES[TYPES[b.dtype].compute].numpy).eps) if given is None else float(given)
    return Tensor(b.add(ops.RmsNorm(epsilon), x.name, weights=names), x.axes)


def _group_norm(b: Builder, call: Call, groups: int | None = None) -> Tensor:
    x = call.tensor("input")
    check(
        len(x.axes) > 1 and x.axes[0] == BATCH_AXIS and all(kinds(a) <= {TIME} for a in x.axes[2:]),
        f"takes (batch, channels, steps). Received: {described(x)}",
    )
    x = b.arranged(x)
    count = b.shapes[x.name].channels
    names, scale, center = _affine(b, call, x, (count, *[1] * (len(x.axes) - 2)))
    op = ops.GroupNorm(float(call["eps"]), scale, center, groups or call["num_groups"])
    return Tensor(b.add(op, x.name, weights=names), x.axes)


def _instance_norm(b: Builder, call: Call) -> Tensor:
    if call["use_input_stats"]:
        x = call.tensor("input")
        return _group_norm(b, call, groups=b.shapes[x.name].channels)
    return _batch_norm(b, call)


OPERATIONS: Mapping[str, Handler] = {
    "_native_batch_norm_legit_no_training.default": lambda b, call: (_batch_norm(b, call), None, None),
    "batch_norm.default": _batch_norm,
    "layer_norm.default": _layer_norm,
    "rms_norm.default": _rms_norm,
    "group_norm.default": _group_norm,
    "instance_norm.default": _instance_norm,
}
