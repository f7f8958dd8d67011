"""Activations and arithmetic of ONNX, number by number."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ...layers import activations
from ...problem import Problem
from ...symbolic.index import index
from ..ops import Activate, Clip, Combine, Conv, Function, LayerNorm, Op, Power, PRelu
from .onnx_builder import SWAPPED, Builder
from .onnx_node import OnnxNode
from .onnx_values import Array, Axis, Fill, Hint, Tensor, Unsupported, Value, numbers

Inputs = Sequence[Value | None]


def tensor_of(inputs: Inputs) -> Tensor:
    """The first input, which is no constant."""
    x = inputs[0]
    if not isinstance(x, Tensor):
        raise Unsupported("a constant as its input")
    return x


def activation(name: str, **parameters: float) -> Activate:
    """An activation by name, with parameters. Raises ValueError for those that are no numbers."""
    found = activations.fusable(functools.partial(activations.get(name), **parameters))
    if found is None:
        raise ValueError(f"an activation {name} with {parameters}")
    return Activate(found)


def _activate(op: Callable[[OnnxNode], Op], hint: str = "") -> Callable[[Builder, OnnxNode, Inputs], Tensor]:
    """An operation without weights; `hint` is the pattern that it may begin."""

    def made(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
        x = tensor_of(inputs)
        y = b.same(op(node), x)
        return replace(y, hint=Hint(hint, x.node)) if hint else y

    return made


def _selu(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x, alpha = tensor_of(inputs), node.attribute("alpha", 1.67326319217681884765625)
    gamma = node.attribute("gamma", 1.05070102214813232421875)
    if math.isclose(alpha, 1.6732632, rel_tol=1e-6) and math.isclose(gamma, 1.050701, rel_tol=1e-6):
        return b.same(activation("selu"), x)
    return b.scaled(b.same(activation("elu", alpha=alpha), x), b.full(x.shape.channels, gamma), None)


def _hard_sigmoid(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x = tensor_of(inputs)
    alpha, beta = node.attribute("alpha", 0.2), node.attribute("beta", 0.5)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5:
        return replace(b.same(activation("hard_sigmoid"), x), hint=Hint("hard_sigmoid", x.node))
    line = b.scaled(x, b.full(x.shape.channels, alpha), b.full(x.shape.channels, beta))
    return b.same(Clip(0.0, 1.0), line)


def _swish(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x, alpha = tensor_of(inputs), node.attribute("alpha", 1.0)
    if alpha == 1:
        return b.same(activation("silu"), x)
    gate = b.same(activation("sigmoid"), b.scaled(x, b.full(x.shape.channels, alpha), None))
    return of_two(b, Combine("multiply"), x, gate)


def _shrink(node: OnnxNode) -> Op:
    bias, limit = node.attribute("bias", 0.0), node.attribute("lambd", 0.5)
    if bias not in (0.0, limit):
        raise Unsupported(f"a bias of {bias}, which is neither 0 nor lambd, {limit}")
    return activation("soft_shrink" if bias else "hard_shrink", threshold=limit)


def _gelu(node: OnnxNode) -> Op:
    return activation("gelu", **({"approximate": 1.0} if node.attribute("approximate", "none") == "tanh" else {}))


def clipped(b: Builder, x: Tensor, low: float, high: float) -> Tensor:
    """At least `low`, at most `high`, as an activation where there is one."""
    known = {(0.0, 6.0): "relu6", (-1.0, 1.0): "hard_tanh", (0.0, math.inf): "relu"}
    if (low, high) in known:
        return b.same(activation(known[low, high]), x)
    return b.same(Clip(low, high), x)


def _clip(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x = tensor_of(inputs)
    if node.opset < 11:
        return clipped(b, x, node.attribute("min", -math.inf), node.attribute("max", math.inf))
    ends = [*inputs[1:], None, None][:2]
    low, high = (
        default if end is None else float(numbers(end, "a bound").reshape(()))
        for end, default in zip(ends, (-math.inf, math.inf), strict=True)
    )
    return clipped(b, x, low, high)


def _tanh(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x = tensor_of(inputs)
    hint = Hint("tanh_softplus", x.hint.of) if x.hint and x.hint.kind == "softplus" else None
    return replace(b.same(activation("tanh"), x), hint=hint)


def _erf(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x = tensor_of(inputs)
    scaled = (
        x.hint is not None and x.hint.kind == "scaled" and math.isclose(x.hint.factor, math.sqrt(0.5), rel_tol=1e-5)
    )
    return replace(b.same(Function("erf"), x), hint=Hint("erf", x.hint.of) if scaled and x.hint else None)


def _prelu(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x, slope = tensor_of(inputs), numbers(inputs[1], "a slope")
    x, alpha = by_channel(b, x, slope)
    return b.same(PRelu(), x, {"alpha": np.broadcast_to(alpha, (x.shape.channels,))})


def by_channel(b: Builder, x: Tensor, array: Array) -> tuple[Tensor, Array]:
    """The tensor, and a constant that it is broadcast with as one number, or as one for each channel; one channel becomes
    as many as the constant has.

    Raises Unsupported for constants that differ from step to step.
    """
    rank = max(len(x.axes), array.ndim)
    x = x.with_axes([()] * (rank - len(x.axes)) + list(x.axes))
    array = array.reshape((1,) * (rank - array.ndim) + array.shape)
    varied = [axis for axis in range(rank) if array.shape[axis] != 1]
    sizes = x.sizes(b.batch)
    if array.size and all(sizes[axis] == array.shape[axis] for axis in varied) and (array == array.flat[0]).all():
        return x, array.reshape(-1)[:1]
    if len(x.parts) == 1 and len(varied) == 1 and x.axes[varied[0]] != (0,):
        (axis,) = varied
        x = b.arranged(x, ["C" if place == axis else "?" for place in range(rank)])
    if not all(x.axes[axis] and all(isinstance(f, int) for f in x.axes[axis]) for axis in varied):
        raise Unsupported(
            f"a constant of shape {array.shape} on axes {b.text(x)}, which differs along others than the channels"
        )
    if x.shape.channels == 1:
        (count,) = [array.shape[axis] for axis in varied] or [1]
        kernel = b.full(count, 1.0).reshape(1, 1, count)
        problem = Problem(1, count, 1, dtype=b.dtype, use_bias=False)
        return b.dense(x, Conv(problem), kernel, None), array.reshape(-1)
    b.budget.take(x.shape.channels * array.itemsize, "A constant by channels")
    return x, _by_parts(x, array)


def _by_parts(x: Tensor, array: Array) -> Array:
    """A constant along the axes of a tensor that are channels, in the order of these."""
    order = [f for axis in x.axes for f in axis if isinstance(f, int)]
    sizes = [
        x.parts[f] if size > 1 else 1
        for axis, size in zip(x.axes, array.shape, strict=True)
        for f in axis
        if isinstance(f, int)
    ]
    sorted_ = array.reshape(sizes).transpose([order.index(f) for f in sorted(order)])
    return np.broadcast_to(sorted_, [x.parts[f] for f in sorted(order)]).reshape(-1)


def arithmetic(kind: str) -> Callable[[Builder, OnnxNode, Inputs], Tensor]:
    """An operation on two or more tensors or constants."""

    def made(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
        xs = [x for x in inputs if x is not None]
        if len(xs) == 1:
            return tensor_of(xs)
        if kind == "average":
            total = _folded_up(b, "add", xs)
            return _with_constant(b, "multiply", total, np.array(1 / len(xs)), False)
        return _folded_up(b, kind, xs)

    return made


def _folded_up(b: Builder, kind: str, xs: Inputs) -> Tensor:
    first, *rest = xs
    for other in rest:
        if isinstance(first, Tensor) and isinstance(other, Tensor):
            first = _pattern(b, kind, first, other) or of_two(b, Combine(kind), first, other)
        elif isinstance(first, Tensor):
            first = _with_constant(b, kind, first, _array(b, other, first), False)
        elif isinstance(other, Tensor):
            first = _with_constant(b, kind, other, _array(b, first, other), True)
        else:
            raise Unsupported("arithmetic with sizes that are not known")
    assert isinstance(first, Tensor)  # folding has taken what has constants alone
    return first


def _array(b: Builder, value: Value | None, x: Tensor) -> Array:
    if isinstance(value, Fill):
        sizes = x.sizes(b.batch)[-len(value.shape) :] if value.shape else ()
        if len(value.shape) > len(x.axes) or any(
            s not in (index(1), t) for s, t in zip(value.shape, sizes, strict=True)
        ):
            raise Unsupported("a constant that is larger than its other input")
        return np.asarray(value.value)
    return numbers(value, "a number")


def _with_constant(b: Builder, kind: str, x: Tensor, array: Array, first: bool) -> Tensor:
    """`kind` of a tensor and a constant, which is the `first` of the two, or the second."""
    array = np.asarray(array, np.float64 if array.size < 1 << 16 else array.dtype)
    start = x
    x, values = by_channel(b, x, array)
    if kind in ("maximum", "minimum"):
        if len(values) > 1:
            raise Unsupported("a limit for each channel")
        limit = float(values[0])
        return clipped(b, x, *((limit, math.inf) if kind == "maximum" else (-math.inf, limit)))
    if kind == "divide" and first:
        x, kind = b.same(Function("reciprocal"), x), "multiply"
    elif kind == "divide":
        values, kind = 1 / values, "multiply"
    elif kind == "subtract" and not first:
        values, kind = -values, "add"
    wide = np.broadcast_to(values, (x.shape.channels,))
    if kind == "multiply":
        if len(values) == 1 and (found := _times(b, x, float(values[0]))):
            return found
        y = b.scaled(x, wide, None)
        return replace(y, hint=Hint("scaled", start.node, float(values[0]))) if len(values) == 1 else y
    if kind == "subtract":
        return b.scaled(x, b.full(x.shape.channels, -1.0), wide)
    y = b.scaled(x, None, wide)
    if len(values) == 1 and x.hint is not None and x.hint.kind == "variance":
        return replace(y, hint=replace(x.hint, kind="variance+", factor=float(values[0])))
    one = len(values) == 1 and values[0] == 1 and x.hint is not None and x.hint.kind == "erf"
    return replace(y, hint=Hint("1+erf", x.hint.of)) if one and x.hint else y


def _times(b: Builder, x: Tensor, factor: float) -> Tensor | None:
    """The end, or the middle, of x · (1 + erf(x ÷ √2)) ÷ 2."""
    if x.hint is None or x.hint.kind not in ("1+erf", "x(1+erf)"):
        return None
    hint = replace(x.hint, factor=x.hint.factor * factor)
    y = b.scaled(x, b.full(x.shape.channels, factor), None)
    if hint.kind == "x(1+erf)" and hint.factor == 0.5:
        return b.same(activation("gelu"), replace(x, node=hint.of))
    return replace(y, hint=hint)


#: What x · f(x) is.
_GATED = {"sigmoid": "silu", "hard_sigmoid": "hard_silu", "tanh_softplus": "mish"}


def _pattern(b: Builder, kind: str, x: Tensor, y: Tensor) -> Tensor | None:
    """A product that is an activation, or the last of the steps of a norm of the channels."""
    first, second = x.hint, y.hint
    if (
        first
        and second
        and (kind, first.kind, second.kind) == ("divide", "centred", "deviation")
        and first.of == second.of
    ):
        return b.same(LayerNorm(second.factor, False, False), replace(x, node=first.of))
    if kind == "subtract" and y.hint == Hint("mean", x.node):
        return replace(of_two(b, Combine(kind), x, y), hint=Hint("centred", x.node))
    if kind == "multiply" and x.node == y.node and x.axes == y.axes and x.hint is not None and x.hint.kind == "centred":
        return replace(of_two(b, Combine(kind), x, y), hint=replace(x.hint, kind="square"))
    for a, gate in ((x, y), (y, x)):
        if kind != "multiply" or gate.hint is None or a.axes != gate.axes:
            continue
        hint = gate.hint
        scaled = a.hint.factor if a.hint is not None and a.hint.kind == "scaled" and a.hint.of == hint.of else None
        if hint.kind in _GATED and hint.of == a.node:
            return b.same(activation(_GATED[hint.kind]), a)
        if hint.kind == "1+erf" and (hint.of == a.node or scaled is not None):
            factor = hint.factor * (1.0 if scaled is None or hint.of == a.node else scaled)
            if factor == 0.5:
                return b.same(activation("gelu"), replace(a, node=hint.of))
            return replace(of_two(b, Combine("multiply"), x, y), hint=Hint("x(1+erf)", hint.of, factor))
    return None


def of_two(b: Builder, op: Op, x: Tensor, y: Tensor) -> Tensor:
    """An operation on two tensors that are broadcast against each other."""
    x, y = aligned(b, x, y)
    name, shape = b.node(op, x, y)
    axes = [one or other for one, other in zip(x.axes, y.axes, strict=True)]
    if x.parts == y.parts:
        return replace(x, node=name, shape=shape, axes=tuple(axes), hint=None)
    return Tensor.of(name, shape, axes)


def aligned(b: Builder, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Two tensors with the same axes, but for those that one of them lacks."""
    rank = max(len(x.axes), len(y.axes))
    x, y = (t.with_axes([()] * (rank - len(t.axes)) + list(t.axes)) for t in (x, y))
    if x.parts != y.parts:
        x, y = b.settled(x), b.settled(y)
    if _agree(x.axes, y.axes):
        return x, y
    for one, other in ((x, y), (y, x)):
        turned = [tuple(SWAPPED.get(f, f) for f in axis) for axis in other.axes]
        if len(other.parts) == 1 and _agree(one.axes, turned) and other.size("T", b.batch).constant:
            made = b.exchanged(other)
            return (one, made) if other is y else (made, one)
    raise Unsupported(f"inputs with axes {b.text(x)} and {b.text(y)}")


def _agree(xs: Sequence[Axis], ys: Sequence[Axis]) -> bool:
    merged = [one or other for one, other in zip(xs, ys, strict=True)]
    factors = [f for axis in merged for f in axis]
    return len(factors) == len(set(factors)) and all(not a or not b or a == b for a, b in zip(xs, ys, strict=True))


def _pow(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x, exponent = tensor_of(inputs), numbers(inputs[1], "an exponent")
    if exponent.size != 1:
        raise Unsupported("an exponent for each channel")
    value = float(exponent.reshape(()))
    x = x.with_axes([()] * (exponent.ndim - len(x.axes)) + list(x.axes))
    if value == 2:
        return _pattern(b, "multiply", x, x) or of_two(b, Combine("multiply"), x, x)
    return _rooted(b, x) if value == 0.5 else b.same(Power(value), x)


def _rooted(b: Builder, x: Tensor) -> Tensor:
    y = b.same(Function("sqrt"), x)
    return replace(y, hint=replace(x.hint, kind="deviation")) if x.hint and x.hint.kind == "variance+" else y


def _sqrt(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    return _rooted(b, tensor_of(inputs))


def _neg(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x = tensor_of(inputs)
    return b.scaled(x, b.full(x.shape.channels, -1.0), None)


def _with(name: str, **attributes: tuple[str, float]) -> Callable[[OnnxNode], Op]:
    """An activation whose parameters are attributes, with ONNX's defaults."""

    def op(node: OnnxNode) -> Op:
        return activation(name, **{own: node.attribute(key, default) for own, (key, default) in attributes.items()})

    return op


def _function(kind: str) -> Callable[[Builder, OnnxNode, Inputs], Tensor]:
    return _activate(lambda node: Function(kind))


OPERATORS: dict[str, Callable[[Builder, OnnxNode, Inputs], Tensor]] = {
    "Relu": _activate(_with("relu")),
    "LeakyRelu": _activate(_with("leaky_relu", negative_slope=("alpha", 0.01))),
    "Elu": _activate(_with("elu", alpha=("alpha", 1.0))),
    "Celu": _activate(_with("celu", alpha=("alpha", 1.0))),
    "ThresholdedRelu": _activate(
        lambda node: activation("threshold", threshold=node.attribute("alpha", 1.0), default_value=0.0)
    ),
    "Sigmoid": _activate(_with("sigmoid"), "sigmoid"),
    "Softplus": _activate(_with("softplus"), "softplus"),
    "Softsign": _activate(_with("softsign")),
    "HardSwish": _activate(_with("hard_silu")),
    "Mish": _activate(_with("mish")),
    "Exp": _activate(_with("exponential")),
    "Gelu": _activate(_gelu),
    "Swish": _swish,
    "Shrink": _activate(_shrink),
    "Selu": _selu,
    "HardSigmoid": _hard_sigmoid,
    "Tanh": _tanh,
    "Erf": _erf,
    "PRelu": _prelu,
    "Clip": _clip,
    "Add": arithmetic("add"),
    "Sum": arithmetic("add"),
    "Sub": arithmetic("subtract"),
    "Mul": arithmetic("multiply"),
    "Div": arithmetic("divide"),
    "Max": arithmetic("maximum"),
    "Min": arithmetic("minimum"),
    "Mean": arithmetic("average"),
    "Pow": _pow,
    "Neg": _neg,
    "Sqrt": _sqrt,
    **{
        name: _function(name.lower())
        for name in ("Abs", "Ceil", "Cos", "Floor", "Log", "Reciprocal", "Round", "Sign", "Sin")
    },
}
