"""Activations in float64, written down anew from their definitions: the self-test's own, which nothing of the compiler
uses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

#: Those of which every value is a float32, where the sums are integers, with their defaults and the parameters that are
#: tested.
EXACT = frozenset(
    [
        "linear",
        "relu",
        "relu6",
        "leaky_relu(negative_slope=0.25)",
        "soft_shrink",
        "hard_shrink",
        "sparse_plus",
        "hard_tanh",
        "sparse_sigmoid",
    ]
)
_EXACT_NAMES = ("relu", "hard_shrink", "threshold")  # ... with any parameters that are few bits

_erf = np.vectorize(math.erf, otypes=[np.float64])
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def is_exact(text: str) -> bool:
    """Whether an activation, by its text form, rounds nothing where the sums are small integers."""
    return text in EXACT or text.partition("(")[0] in _EXACT_NAMES


def _logistic(x: Array) -> Array:
    return np.where(
        x < 0, np.exp(np.minimum(x, 0)) / (1 + np.exp(np.minimum(x, 0))), 1 / (1 + np.exp(-np.maximum(x, 0)))
    )


def _log_of_one_plus_exp(x: Array) -> Array:
    return np.asarray(np.logaddexp(0.0, x))


def _relu(x: Array, negative_slope: float = 0.0, max_value: float = math.inf, threshold: float = 0.0) -> Array:
    above = np.minimum(np.where(x > threshold, x, 0.0), max_value)
    return np.asarray(above - negative_slope * np.where(x < threshold, threshold - x, 0.0)) if negative_slope else above


def _elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _celu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def _gelu(x: Array, approximate: float = 0.0) -> Array:
    if approximate:
        return np.asarray(x * _logistic(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x * x * x)))
    return np.asarray(np.where(x < 0, 0.5 * x * _erfc(-x / np.sqrt(2)), 0.5 * x * (1 + _erf(x / np.sqrt(2)))))


def _shrunk(x: Array, threshold: float = 0.5) -> Array:
    return np.sign(x) * np.maximum(np.abs(x) - threshold, 0)


def _threshold(x: Array, threshold: float, default_value: float) -> Array:
    return np.where(x > threshold, x, default_value)


_FORMULAS: dict[str, Callable[..., Array]] = {
    "linear": lambda x: x,
    "relu": _relu,
    "relu6": lambda x: np.minimum(np.maximum(x, 0), 6),
    "leaky_relu": lambda x, negative_slope=0.2: np.where(x > 0, x, negative_slope * x),
    "elu": _elu,
    "selu": lambda x: 1.0507009873554805 * _elu(x, 1.6732632423543772),
    "celu": _celu,
    "softplus": _log_of_one_plus_exp,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "squareplus": lambda x, b=4.0: np.where(x < 0, b / (2 * (np.sqrt(x * x + b) - x)), (x + np.sqrt(x * x + b)) / 2),
    "soft_shrink": _shrunk,
    "hard_shrink": lambda x, threshold=0.5: np.where(np.abs(x) > threshold, x, 0),
    "tanh_shrink": lambda x: x - np.tanh(x),
    "sparse_plus": lambda x: np.where(x <= -1, 0, np.where(x >= 1, x, (x + 1) * (x + 1) / 4)),
    "silu": lambda x: x * _logistic(x),
    "gelu": _gelu,
    "tanh": np.tanh,
    "sigmoid": _logistic,
    "exponential": np.exp,
    "hard_sigmoid": lambda x: np.minimum(np.maximum(x + 3, 0), 6) / 6,
    "hard_silu": lambda x: x * np.minimum(np.maximum(x + 3, 0), 6) / 6,
    "hard_tanh": lambda x: np.minimum(np.maximum(x, -1), 1),
    "mish": lambda x: x * np.tanh(_log_of_one_plus_exp(x)),
    "log_sigmoid": lambda x: -_log_of_one_plus_exp(-x),
    "sparse_sigmoid": lambda x: np.minimum(np.maximum((x + 1) / 2, 0), 1),
    "threshold": _threshold,
}


def activation(text: str) -> Callable[[Array], Array]:
    """The function that an activation's text form names. Raises KeyError for a name that is not known."""
    name, _, inside = text.rstrip(")").partition("(")
    parameters = {key: float(number) for key, number in (pair.split("=") for pair in inside.split(",") if pair)}
    formula = _FORMULAS[name]

    def evaluate(x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(formula(x, **parameters), np.float64)

    return evaluate


def afterwards(name: str, x: Array, axis: int) -> Array:
    """What comes after the kernel, along an axis: a row's softmax and the like, or the callable of the self-test, `y/2
    + 1`.
    """
    with np.errstate(all="ignore"):
        if name == "callable":
            return x / 2 + 1
        if x.size == 0 and name != "glu":
            return x
        if name == "glu":
            half = x.shape[axis] // 2
            return np.asarray(np.take(x, range(half), axis) * _logistic(np.take(x, range(half, 2 * half), axis)))
        logits = x - x.max(axis=axis, keepdims=True)
        if name == "sparsemax":
            return _sparsemax(x, axis)
        logarithm = logits - np.log(np.exp(logits).sum(axis=axis, keepdims=True))
        return np.asarray(logarithm if name == "log_softmax" else np.exp(logarithm))


def _sparsemax(x: Array, axis: int) -> Array:
    """The threshold by bisection: it is where what is above it sums to 1, between the largest number minus 1 and the
    largest.
    """
    high = x.max(axis=axis, keepdims=True)
    low = high - 1
    for _ in range(60):
        middle = (low + high) / 2
        above = np.maximum(x - middle, 0).sum(axis=axis, keepdims=True) > 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(np.maximum(x - low, 0))
