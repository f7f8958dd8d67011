"""Functions of torch's that are applied element by element, or to each step's channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ....problem import Activation
from ... import ops
from .builder import Builder, Constant, check, described
from .call import Call, Handler
from .layout import CHANNELS, TIME, Tensor, channels, kinds, size


def activated(b: Builder, x: Tensor, name: str, **parameters: float) -> Tensor:
    """What an activation makes of a tensor."""
    op = ops.Activate(Activation(name, tuple(sorted(parameters.items()))))
    return Tensor(b.add(op, x.name), x.axes)


def _plain(name: str, **names: str) -> Handler:
    """An activation without parameters, or with some that torch calls by these names."""

    def read(b: Builder, call: Call) -> Tensor:
        x: Tensor = call.tensor(next(iter(call.arguments)))
        return activated(b, x, name, **{ours: float(call[theirs]) for ours, theirs in names.items()})

    return read


def times(b: Builder, x: Tensor, scale: float, offset: float = 0.0) -> Tensor:
    """`x · scale + offset`."""
    factor = Constant(np.asarray(scale)) if scale != 1 else None
    more = Constant(np.asarray(offset)) if offset != 0 else None
    if factor is None and more is None:
        return x
    count = b.shapes[x.name].channels
    own = [b.fixed(role, np.full(count, c.array)) for role, c in (("scale", factor), ("offset", more)) if c is not None]
    own += [b.fixed("zeros", np.zeros(count)), b.fixed("ones", np.ones(count))]
    op = ops.BatchNorm(0.0, scale=factor is not None, center=more is not None)
    return Tensor(b.add(op, x.name, weights=own, part="scaled"), x.axes)


def _elu(b: Builder, call: Call) -> Tensor:
    check(call["scale"] == 1 and call["input_scale"] == 1, "has factors other than 1")
    return activated(b, call.tensor("self"), "elu", alpha=float(call["alpha"]))


def _gelu(b: Builder, call: Call) -> Tensor:
    tanh = {"approximate": 1.0} if call["approximate"] == "tanh" else {}
    return activated(b, call.tensor("self"), "gelu", **tanh)


def _softplus(b: Builder, call: Call) -> Tensor:
    """Torch's is x above a threshold, where the logarithm is that too but for less than e^-threshold."""
    beta, limit = float(call["beta"]), float(call["threshold"])
    check(beta > 0 and limit >= 15, f"has beta={beta}, threshold={limit}, above which it is another function")
    return times(b, activated(b, times(b, call.tensor("self"), beta), "softplus"), 1 / beta)


def clamped(b: Builder, x: Tensor, least: float | None, most: float | None) -> Tensor:
    """A tensor between bounds, which may be None."""
    if least is None and most is None:
        return x
    if least is None:
        assert most is not None
        return times(b, clamped(b, times(b, x, -1.0), -most, None), -1.0)
    if (least, most) == (-1, 1):
        return activated(b, x, "hard_tanh")
    limit = {} if most is None else {"max_value": most - least}
    check(most is None or most >= least, f"has bounds {least} and {most}")
    return times(b, activated(b, times(b, x, 1.0, -least), "relu", **limit), 1.0, least)


def _bound(value: Any) -> float | None:
    check(value is None or isinstance(value, int | float), "has bounds that are tensors")
    return None if value is None else float(value)


def _clamp(b: Builder, call: Call) -> Tensor:
    low, high = ("min_val", "max_val") if "min_val" in call.arguments else ("min", "max")
    return clamped(b, call.tensor("self"), _bound(call.get(low)), _bound(call.get(high)))


def _rrelu(b: Builder, call: Call) -> Tensor:
    slope = (float(call["lower"]) + float(call["upper"])) / 2
    return activated(b, call.tensor("self"), "leaky_relu", negative_slope=slope)


def _prelu(b: Builder, call: Call) -> Tensor:
    x, weight = call.tensor("self"), call.constant("weight")
    assert weight is not None
    if len(x.axes) > 1 and TIME in kinds(x.axes[1]) and weight.array.size > 1:
        x = b.vector(x)
    shape = (weight.array.size, *[1] * max(len(x.axes) - 2, 0))
    return Tensor(b.add(ops.PRelu(), x.name, weights=[b.spread(x, weight, "weight", shape)[1]]), x.axes)


def _over_all_channels(b: Builder, call: Call) -> tuple[Tensor, int]:
    x = call.tensor("self")
    axis = call.axis("dim", x)
    if TIME in kinds(x.axes[axis]) and b.shapes[x.name].channels == 1 and b.shapes[x.name].steps is not None:
        x = b.vector(x)
    check(
        kinds(x.axes[axis]) <= {CHANNELS} and size(x.axes[axis]) == b.shapes[x.name].channels,
        f"works along axis {axis}, which is not the channels. Received: {described(x)}",
    )
    return x, axis


def _softmax(log: bool) -> Handler:
    def read(b: Builder, call: Call) -> Tensor:
        x, _ = _over_all_channels(b, call)
        return Tensor(b.add(ops.Softmax(log), x.name), x.axes)

    return read


def _glu(b: Builder, call: Call) -> Tensor:
    x, axis = _over_all_channels(b, call)
    x = b.arranged(x)
    name = b.add(ops.Glu(), x.name)
    return Tensor(name, (*x.axes[:axis], channels(b.shapes[name].channels), *x.axes[axis + 1 :]))


def unary(function: str) -> Handler:
    """A function that is no activation."""

    def read(b: Builder, call: Call) -> Tensor:
        x = call.tensor("self")
        return Tensor(b.add(ops.Function(function), x.name), x.axes)

    return read


OPERATIONS: Mapping[str, Handler] = {
    "relu.default": _plain("relu"),
    "relu6.default": _plain("relu6"),
    "hardtanh.default": _clamp,
    "clamp.default": _clamp,
    "clamp_min.default": _clamp,
    "clamp_max.default": _clamp,
    "leaky_relu.default": _plain("leaky_relu", negative_slope="negative_slope"),
    "rrelu.default": _rrelu,
    "elu.default": _elu,
    "selu.default": _plain("selu"),
    "celu.default": _plain("celu", alpha="alpha"),
    "gelu.default": _gelu,
    "silu.default": _plain("silu"),
    "mish.default": _plain("mish"),
    "softplus.default": _softplus,
    "hardswish.default": _plain("hard_silu"),
    "hardsigmoid.default": _plain("hard_sigmoid"),
    "tanh.default": _plain("tanh"),
    "sigmoid.default": _plain("sigmoid"),
    "log_sigmoid.default": _plain("log_sigmoid"),
    "exp.default": _plain("exponential"),
    "softshrink.default": _plain("soft_shrink", threshold="lambd"),
    "hardshrink.default": _plain("hard_shrink", threshold="lambd"),
    "threshold.default": _plain("threshold", threshold="threshold", default_value="value"),
    "prelu.default": _prelu,
    "softmax.int": _softmax(False),
    "_softmax.default": _softmax(False),
    "log_softmax.int": _softmax(True),
    "_log_softmax.default": _softmax(True),
    "glu.default": _glu,
    **{f"{function}.default": unary(function) for function in ops.FUNCTIONS},
}
