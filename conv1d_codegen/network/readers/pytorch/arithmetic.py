"""Sums, products and the like of tensors, and of tensors and constants."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ... import ops
from .activations import times
from .builder import Builder, Constant, check, described
from .call import Call, Fill, Handler
from .layout import CHANNELS, TIME, Axis, Factor, Tensor, positions
from .norms import scaled

_KINDS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "div": "divide",
    "maximum": "maximum",
    "minimum": "minimum",
}


def combined(b: Builder, kind: str, x: Tensor, y: Tensor) -> Tensor:
    """Two tensors, element by element, broadcast as torch does. Raises ValueError where their axes are not the same."""

    def same(z: Tensor) -> Tensor:
        return z

    for of_x, of_y in (
        (same, same),
        (b.arranged, b.arranged),
        (same, b.vector),
        (b.vector, same),
        (b.vector, b.vector),
    ):
        try:
            a, c = of_x(x), of_y(y)
        except ValueError:
            continue
        more = b.shapes[a.name].channels >= b.shapes[c.name].channels
        axes = _broadcast(a, c) if more else _broadcast(c, a)
        if axes is None:
            continue
        parts = [f.count for axis in axes for f in axis if f.kind == CHANNELS]
        if math.prod(parts) == max(b.shapes[z.name].channels for z in (a, c)):
            names = [_repeated(b, z, axes) for z in (a, c)]
            return Tensor(b.add(ops.Combine(kind), *names), axes)
    raise ValueError(f"takes tensors with the same axes. Received: {described(x)} and {described(y)}")


def _repeated(b: Builder, x: Tensor, axes: Sequence[Axis]) -> str:
    """A tensor with as many channels as one of these axes, along which it is broadcast; one channel is all of them."""
    if b.shapes[x.name].channels == 1:
        return x.name
    wide, own = np.zeros(1, np.intp), np.zeros(1, np.intp)
    for axis, mine in zip(axes, ((),) * (len(axes) - len(x.axes)) + x.axes, strict=True):
        places, of_mine = (positions(tuple(f for f in z if f.kind == CHANNELS)) for z in (axis, mine))
        wide = (wide[:, None] + places).ravel()
        own = (own[:, None] + np.broadcast_to(of_mine, len(places))).ravel()
    found = np.empty_like(own)
    found[wide] = own
    return b.gathered(x.name, found)


def _broadcast(x: Tensor, y: Tensor) -> tuple[Axis, ...] | None:
    """The axes of both together, as they lie in the first; None where one has other ones than the other."""
    rank = max(len(x.axes), len(y.axes))
    axes: list[Axis] = []
    for a, c in zip(*(((),) * (rank - len(z.axes)) + z.axes for z in (x, y)), strict=True):
        if a and c and [_kind(f) for f in a] != [_kind(f) for f in c]:
            return None
        axes.append(a or c)
    return tuple(axes)


def _kind(factor: Factor) -> tuple[Any, ...]:
    """What must be the same of two factors; lengths that a call knows are compared then."""
    return (factor.kind,) if factor.kind == TIME else (factor.kind, factor.size)


def _constant(value: Any) -> float | Constant | None:
    """A number, or a constant of more than one; None for a tensor."""
    if isinstance(value, Fill):
        return value.value
    if isinstance(value, Constant):
        return float(value.array) if value.array.ndim == 0 and value.name is None else value
    return float(value) if isinstance(value, bool | int | float) else None


def _arithmetic(kind: str) -> Handler:
    def read(b: Builder, call: Call) -> Tensor:
        first, second = list(call.arguments)[:2]
        x, y = call[first], call[second]
        if kind == "rsub":
            x, y = y, x
        alpha = float(call.get("alpha", 1))
        check(call.get("rounding_mode") is None, "rounds")
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            return combined(b, _KINDS[kind.removeprefix("r")], x, times(b, y, alpha))
        tensor, swapped = (x, False) if isinstance(x, Tensor) else (y, True)
        other = _constant(y if not swapped else x)
        check(isinstance(tensor, Tensor) and other is not None, "takes tensors and numbers")
        if kind == "rsub":  # y − alpha·x: alpha belongs to the tensor that torch names first
            check(alpha == 1, "has alpha other than 1")
        return _with_constant(b, kind.removeprefix("r"), tensor, other, swapped, alpha)

    return read


def _with_constant(b: Builder, kind: str, x: Tensor, other: Any, swapped: bool, alpha: float) -> Tensor:
    if kind in ("add", "sub"):
        sign = -1.0 if kind == "sub" else 1.0
        if isinstance(other, float):
            return times(b, x, 1.0, sign * alpha * other) if not swapped else times(b, x, sign * alpha, other)
        if swapped:
            return scaled(b, times(b, x, sign * alpha), None, other)
        return scaled(b, x, None, _changed(other, sign * alpha))
    if kind == "mul":
        return times(b, x, other) if isinstance(other, float) else scaled(b, x, other, None)
    if kind == "div" and not swapped:
        return times(b, x, 1 / other) if isinstance(other, float) and other else scaled(b, x, _inverse(other), None)
    raise ValueError("takes tensors that depend on the input")


def _changed(constant: Constant, factor: float) -> Constant:
    """A constant times a number; with a factor of 1 it is torch's own."""
    return constant if factor == 1 else Constant(constant.array * factor)


def _inverse(constant: Any) -> Constant:
    with np.errstate(all="ignore"):
        return Constant(1 / np.asarray(constant.array if isinstance(constant, Constant) else constant))


def _pow(b: Builder, call: Call) -> Tensor:
    x, exponent = call.tensor("self"), call["exponent"]
    if exponent == 0.5:
        return Tensor(b.add(ops.Function("sqrt"), x.name), x.axes)
    check(exponent in (1, 2, 3, 4), f"has the exponent {exponent}. 1 to 4 and 0.5 are read")
    return x if exponent == 1 else Tensor(b.add(ops.Combine("multiply"), *[x.name] * int(exponent)), x.axes)


OPERATIONS: Mapping[str, Handler] = {
    **{
        f"{kind}.{overload}": _arithmetic(kind)
        for kind in ("add", "sub", "mul", "div", "rsub")
        for overload in ("Tensor", "Scalar", "Tensor_mode")
    },
    **{f"{kind}.default": _arithmetic(kind) for kind in ("maximum", "minimum")},
    "max.other": _arithmetic("maximum"),
    "min.other": _arithmetic("minimum"),
    "pow.Tensor_Scalar": _pow,
    "square.default": lambda b, call: Tensor(
        b.add(ops.Combine("multiply"), *[call.tensor("self").name] * 2), call.tensor("self").axes
    ),
    "neg.default": lambda b, call: times(b, call.tensor("self"), -1.0),
}
