"""The activations of Keras 3, by name: NumPy functions that are the reference for the code the compiler fuses.

Each computes in the dtype of its input (float16 and bfloat16 in float32, rounded once at the end; integers in float64)
and returns an array of that dtype and shape; only `glu` changes the shape. NaN comes out as NaN, but for `threshold`,
which it isn't above. Formulas are those of `keras.ops.nn`, in the forms that don't cancel (`expm1`, `log1p`, `erfc`);
-inf gives the limit, 0, for silu, gelu and mish, where Keras's back ends give NaN.

`ELEMENTWISE` holds the 26 that a kernel can fuse; softmax, log_softmax, sparsemax and glu look at a whole row and run
after it.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..problem import Activation
from .functions import FUNCTIONS

Array = NDArray[Any]
P = ParamSpec("P")

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _numeric(formula: Callable[Concatenate[Array, P], Array]) -> Callable[Concatenate[ArrayLike, P], Array]:
    """Runs a formula on float32 or float64 and rounds to the input's dtype. Overflow and inf - inf are results, not
    warnings.
    """

    @functools.wraps(formula)
    def activation(x: ArrayLike, *args: P.args, **kwargs: P.kwargs) -> Array:
        values = np.asarray(x)
        dtype = np.dtype(np.float64) if values.dtype.kind in "biu" else values.dtype
        with np.errstate(all="ignore"):
            result = formula(values.astype(np.float32 if dtype.itemsize < 4 else dtype, copy=False), *args, **kwargs)
            result = np.asarray(result).astype(dtype, copy=False)
        if result is x:
            return result.copy()  # linear: the caller may write into what it gets
        return result if isinstance(x, np.ndarray) else result[()]

    return activation  # type: ignore[return-value]  # `wraps` hides that x may also be given by name


@_numeric
def linear(x: Array) -> Array:
    """`x`."""
    return x


@_numeric
def relu(x: Array, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Array:
    """`max(x, 0)`; in general `x` above the threshold, at most `max_value`, and `negative_slope·(x
    - threshold)` below it.
    """
    kept = np.where(x <= threshold, 0.0, x)
    if max_value is not None:
        kept = np.clip(kept, 0.0, max_value)
    return kept - negative_slope * np.maximum(threshold - x, 0.0) if negative_slope else kept


@_numeric
def relu6(x: Array) -> Array:
    """`min(max(x, 0), 6)`."""
    return np.clip(x, 0.0, 6.0)


@_numeric
def leaky_relu(x: Array, negative_slope: float = 0.2) -> Array:
    """`x` if x > 0, else `negative_slope·x`. The default is 0.2; Keras's *layer* LeakyReLU has 0.3."""
    return np.where(x > 0, x, negative_slope * x)


@_numeric
def elu(x: Array, alpha: float = 1.0) -> Array:
    """`x` if x > 0, else `alpha·(e^x - 1)`."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


@_numeric
def selu(x: Array) -> Array:
    """`scale·elu(x, alpha)` with the two constants of Klambauer et al., 2017, that keep mean 0 and variance 1."""
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0.0)))


@_numeric
def celu(x: Array, alpha: float = 1.0) -> Array:
    """`max(x, 0) + alpha·(e^(min(x, 0)/alpha) - 1)`."""
    return np.maximum(x, 0.0) + alpha * np.expm1(np.minimum(x, 0.0) / alpha)


@_numeric
def softplus(x: Array) -> Array:
    """`log(1 + e^x)`."""
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


@_numeric
def softsign(x: Array) -> Array:
    """`x / (1 + |x|)`; infinities give NaN."""
    return x / (1.0 + np.abs(x))


@_numeric
def squareplus(x: Array, b: float = 4.0) -> Array:
    """`(x + √(x² + b)) / 2`; -inf gives NaN."""
    return (x + np.sqrt(x * x + b)) / 2.0


@_numeric
def soft_shrink(x: Array, threshold: float = 0.5) -> Array:
    """`x - threshold` above the threshold, `x + threshold` below minus it, else 0."""
    # 0·x, not 0: NaN fails both comparisons and must not come out as a number.
    return np.where(x > threshold, x - threshold, np.where(x < -threshold, x + threshold, 0.0 * x))


@_numeric
def hard_shrink(x: Array, threshold: float = 0.5) -> Array:
    """`x` where |x| > threshold, else 0."""
    return np.where(np.abs(x) <= threshold, 0.0, x)


@_numeric
def tanh_shrink(x: Array) -> Array:
    """`x - tanh(x)`."""
    return x - np.tanh(x)


@_numeric
def sparse_plus(x: Array) -> Array:
    """0 up to -1, `(x + 1)²/4` up to 1, then `x`."""
    return np.where(x <= -1.0, 0.0, np.where(x < 1.0, (x + 1.0) ** 2 / 4.0, x))


@_numeric
def silu(x: Array) -> Array:
    """`x·sigmoid(x)`, also named swish."""
    return _finite_below(x) * _sigmoid(x)


@_numeric
def gelu(x: Array, approximate: bool = False) -> Array:
    """`x·Φ(x)`, Φ the normal distribution; `approximate` takes `(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2` for Φ."""
    if approximate:
        # (1 + tanh(u))/2 = sigmoid(2u), which doesn't cancel in the negative tail.
        return _finite_below(x) * _sigmoid(2.0 * math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))
    return np.asarray(0.5 * _finite_below(x) * _erfc(-x.astype(np.float64) * math.sqrt(0.5)))


@_numeric
def tanh(x: Array) -> Array:
    """`(e^x - e^-x) / (e^x + e^-x)`."""
    return np.asarray(np.tanh(x))


@_numeric
def sigmoid(x: Array) -> Array:
    """`1 / (1 + e^-x)`."""
    return _sigmoid(x)


def _finite_below(x: Array) -> Array:
    """`x`, the least finite number for -inf: a product that vanishes below is then 0 there, as it is in kernels, and
    not NaN.
    """
    return np.asarray(np.maximum(x, np.finfo(x.dtype).min))


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))  # never overflows
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


@_numeric
def exponential(x: Array) -> Array:
    """`e^x`."""
    return np.asarray(np.exp(x))


@_numeric
def hard_sigmoid(x: Array) -> Array:
    """`relu6(x + 3)/6`. (Keras 2.9 had `clip(0.2·x + 0.5, 0, 1)` under this name.)"""
    return np.clip(x + 3.0, 0.0, 6.0) / 6.0


@_numeric
def hard_silu(x: Array) -> Array:
    """`x·relu6(x + 3)/6`, also named hard_swish; -inf gives NaN."""
    return x * (np.clip(x + 3.0, 0.0, 6.0) / 6.0)


@_numeric
def hard_tanh(x: Array) -> Array:
    """`x` clipped to -1 … 1."""
    return np.clip(x, -1.0, 1.0)


@_numeric
def mish(x: Array) -> Array:
    """`x·tanh(softplus(x))`."""
    return _finite_below(x) * np.tanh(softplus(x))


@_numeric
def log_sigmoid(x: Array) -> Array:
    """`log(sigmoid(x))`, that is `-softplus(-x)`."""
    return np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x)))


@_numeric
def sparse_sigmoid(x: Array) -> Array:
    """`(x + 1)/2` clipped to 0 … 1."""
    return np.clip(0.5 * (x + 1.0), 0.0, 1.0)


@_numeric
def threshold(x: Array, threshold: float, default_value: float) -> Array:
    """`x` above the threshold, else `default_value`. Without defaults, so of use as a
    `functools.partial` and not by name.
    """
    return np.where(x > threshold, x, default_value)


def _sums(x: Array, axis: int) -> Array:
    """Sums along an axis, taken pairwise as NumPy does along memory. Along another axis it adds one by one: of 1435
    terms, 90 roundings.
    """
    rows = np.ascontiguousarray(np.moveaxis(x, axis, -1))
    return np.moveaxis(np.sum(rows, axis=-1, keepdims=True), -1, axis)


@_numeric
def softmax(x: Array, axis: int = -1) -> Array:
    """`e^x / Σ e^x` along an axis."""
    if x.size == 0:
        return x
    exponentials = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return np.asarray(exponentials / _sums(exponentials, axis))


@_numeric
def log_softmax(x: Array, axis: int = -1) -> Array:
    """`x - log(Σ e^x)` along an axis."""
    if x.size == 0:
        return x
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return np.asarray(shifted - np.log(_sums(np.exp(shifted), axis)))


@_numeric
def sparsemax(x: Array, axis: int = -1) -> Array:
    """The nearest point of the probability simplex, along an axis: `max(x - τ, 0)`, τ by sorting (Martins & Astudillo,
    2016).
    """
    if x.size == 0:
        return x
    rows = np.moveaxis(x, axis, -1)
    descending = -np.sort(-rows, axis=-1)
    sums = np.cumsum(descending, axis=-1)
    support = 1.0 + np.arange(1, rows.shape[-1] + 1, dtype=x.dtype) * descending > sums
    size = np.maximum(np.sum(support, axis=-1, keepdims=True), 1)  # 0 only where a row holds NaN
    tau = (np.take_along_axis(sums, size - 1, axis=-1) - 1.0) / size
    return np.moveaxis(np.maximum(rows - tau, 0.0), -1, axis)


@_numeric
def glu(x: Array, axis: int = -1) -> Array:
    """`a·sigmoid(b)` for the halves `a`, `b` of an axis, which comes out half as long. Raises
    ValueError where it is odd.
    """
    if x.shape[axis] % 2:
        raise ValueError(f"axis size must be divisible by 2. Received: x.shape={x.shape} with axis={axis}")
    a, b = np.split(x, 2, axis=axis)
    return np.asarray(a * _sigmoid(b))


# fmt: off
_ELEMENTWISE = (
    linear, relu, relu6, leaky_relu, elu, selu, celu, softplus, softsign, squareplus, soft_shrink, hard_shrink, tanh_shrink,
    sparse_plus, silu, gelu, tanh, sigmoid, exponential, hard_sigmoid, hard_silu, hard_tanh, mish, log_sigmoid, sparse_sigmoid,
    threshold,
)
# fmt: on
_ROWWISE = (softmax, log_softmax, sparsemax, glu)

ELEMENTWISE: Mapping[str, Callable[..., Array]] = {function.__name__: function for function in _ELEMENTWISE}
NAMES: Mapping[str, Callable[..., Array]] = {
    **ELEMENTWISE,
    **{function.__name__: function for function in _ROWWISE},
    "swish": silu,
    "hard_swish": hard_silu,
}


def evaluate(activation: Activation, x: ArrayLike) -> Array:
    """Applies an element-wise activation, or one of the `FUNCTIONS` of networks, to an array or a scalar. Raises ValueError
    for a name that neither has.
    """
    function = ELEMENTWISE.get(activation.name) or FUNCTIONS.get(activation.name)
    if function is None:
        raise ValueError(
            f"Expected one of the element-wise activations {', '.join(ELEMENTWISE)}. Received: {activation.name!r}."
        )
    with np.errstate(all="ignore"):
        return function(x, **dict(activation.parameters))


def check(activation: Activation) -> None:
    """Raises ValueError, with those that there are, for the name or parameters of no element-wise activation."""
    try:
        evaluate(activation, 0.0)
    except TypeError as error:
        known = list(inspect.signature(ELEMENTWISE[activation.name]).parameters)[1:]
        raise ValueError(
            f"The parameters of {activation.name} are {', '.join(known) or 'none'}. Received: {activation}."
        ) from error


__all__ = [
    "ELEMENTWISE",
    "NAMES",
    "celu",
    "elu",
    "evaluate",
    "exponential",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "tanh",
    "tanh_shrink",
    "threshold",
]
