"""What a layer must give, in float64 and plain NumPy, and how far it may be from it. Shares no code with the compiler.

    y[n, t, f] = act( b[f] + Σ_{j<k, c<C/g}  x[n, t·s + j·d - left, group(f)·C/g + c] · w[j, c, f] )

Every output gathers what its taps read. Output lengths are counted, not computed: see `geometry`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .case import Case
from .formulas import activation, afterwards, is_exact

Array = np.ndarray[Any, Any]

#: Largest relative error of one rounding, in the dtype that sums are taken in, and in the one that is stored; and the
#: least number above 0.
_SUMMED = {"f32": 2.0**-24, "f64": 2.0**-53, "f16": 2.0**-24, "bf16": 2.0**-24}
_STORED = {"f32": 2.0**-24, "f64": 2.0**-53, "f16": 2.0**-11, "bf16": 2.0**-8}
_LEAST = {"f32": 2.0**-149, "f64": 5e-324, "f16": 2.0**-24, "bf16": 2.0**-133}
_LARGEST = {"f32": 3.4e38, "f64": 1.79e308, "f16": 65504.0, "bf16": 3.38e38}
_BOUND = 8  # roundings of Σ|x||w| + |b|, which a sum of random numbers of both signs stays within
_ACTIVATION = 8  # roundings of 1 + |y|, which an activation stays within: 4 units in the last place


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where outputs lie: how many there are, and how many steps of zeros come before the input."""

    steps: int
    left: int


def geometry(case: Case, length: int) -> Geometry:
    """Counted: the places where a window starts, every `stride` steps, in an input with its zeros."""
    p = case.problem
    span = (p.kernel_size - 1) * p.dilation + 1
    if p.padding == "valid":
        return Geometry(len(range(0, length - span + 1, p.stride)), 0)
    if isinstance(p.padding, tuple):
        return Geometry(len(range(0, sum(p.padding) + length - span + 1, p.stride)), p.padding[0])
    steps = len(range(0, length, p.stride))
    if p.padding == "causal":
        return Geometry(steps, span - 1)
    return Geometry(steps, max(0, (steps - 1) * p.stride + span - length) // 2)


def reads(case: Case, length: int) -> tuple[Array, Array]:
    """`(outputs, taps)`: the step of the input that each tap of each output reads, and whether it is one."""
    p, place = case.problem, geometry(case, length)
    starts = np.array([t * p.stride - place.left for t in range(place.steps)], np.int64).reshape(-1, 1)
    at = starts + np.arange(p.kernel_size, dtype=np.int64) * p.dilation
    return at, (at >= 0) & (at < length)


def sums(case: Case, x: Array, w: Array, b: Array | None) -> Array:
    """Before the activation: `(N, U, F)` of `x`, `(N, T, C)`, all float64."""
    p = case.problem
    at, inside = reads(case, x.shape[1])
    result = np.zeros((len(x), len(at), p.filters))
    per_group, filters = p.channels // p.groups, p.filters // p.groups
    if x.shape[1]:
        for g in range(p.groups):
            own = slice(g * filters, (g + 1) * filters)
            gathered = x[:, np.clip(at, 0, x.shape[1] - 1), g * per_group : (g + 1) * per_group]
            gathered = np.where(inside[:, :, None], gathered, 0).reshape(len(x), len(at), p.kernel_size * per_group)
            result[:, :, own] = gathered @ w[:, :, own].reshape(p.kernel_size * per_group, filters)
    return result if b is None else result + b


def distance(case: Case, x: Array, w: Array, b: Array | None, exact: bool, windows: bool) -> Array:
    """How far sums may be from the exact ones, `(N, U, F)`: not at all where they are integers, taken one by one."""
    if exact and not windows:
        return np.zeros((1, 1, 1))
    magnitude = sums(case, np.abs(x), np.abs(w), None if b is None else np.abs(b))
    unit = _BOUND * _SUMMED[case.problem.dtype]
    if windows and magnitude.size:  # an error is that of the largest output in a window
        magnitude = magnitude.max(axis=1, keepdims=True)
        asked_for = case.accuracy == "fast" or case.algorithm == "cook_toom" or case.plan is not None
        unit *= _BOUND if asked_for else 1
    return np.asarray(unit * magnitude)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The interval that each output must lie in, in the layer's layout; `exact` where that is one number."""

    low: Array
    high: Array
    exact: bool


def wanted(case: Case, x: Array, w: Array, b: Array | None, exact: bool, windows: bool, dtype: np.dtype[Any]) -> Wanted:
    """What a layer may give for `x`, `(N, T, C)`: `exact` data are small integers; `windows`: it computes some outputs
    by Cook–Toom.
    """
    p = case.problem
    middle, away = sums(case, x, w, b), distance(case, x, w, b, exact, windows)
    function = activation(str(p.activation))
    values = [function(middle), function(middle - away), function(middle + away)]
    with np.errstate(all="ignore"):
        low, high = np.minimum.reduce(values), np.maximum.reduce(values)
        if exact and not windows and is_exact(str(p.activation)) and not case.then:
            rounded = _in_layout(case, low.astype(dtype))
            return Wanted(rounded, rounded, True)
        if case.then:
            return _after(case, middle, away, dtype)
        size = 1 + np.maximum(np.abs(low), np.abs(high))
        if p.activation.name == "squareplus":  # of negative numbers, what is left of two that cancel, as in Keras
            size = size + np.abs(middle)
        slack = 0.0 if str(p.activation) == "linear" else _ACTIVATION * _SUMMED[p.dtype] * size
        low, high = np.where(np.isinf(low), low, low - slack), np.where(np.isinf(high), high, high + slack)
        return Wanted(
            _in_layout(case, _rounded(low, dtype, p.dtype, -1)),
            _in_layout(case, _rounded(high, dtype, p.dtype, 1)),
            False,
        )


def _rounded(values: Array, dtype: np.dtype[Any], name: str, way: int) -> Array:
    """In the dtype that is stored, as float64, and a rounding of it further out: what was rounded to the stored dtype
    comes back as is.
    """
    stored = values.astype(dtype).astype(np.float64)
    near = stored + way * (_STORED[name] * np.abs(stored) + _LEAST[name])
    # what overflowed may just not have: the largest numbers are allowed
    inwards = np.isinf(stored) & (np.sign(stored) != way)
    return np.where(inwards, np.sign(stored) * _LARGEST[name], np.where(np.isinf(stored), stored, near))


def _after(case: Case, middle: Array, away: Array, dtype: np.dtype[Any]) -> Wanted:
    """What NumPy makes of the kernel's output, which was rounded: a distance that is large enough for each."""
    name, axis = case.problem.dtype, 2  # always the filters'; the layer is told which axis that is
    exact = afterwards(case.then, middle, axis)
    largest = np.abs(middle).max(axis=axis, keepdims=True, initial=0.0)
    before = np.max(away + _STORED[name] * np.abs(middle) + _LEAST[name], axis=axis, keepdims=True, initial=0.0)
    factor = 2 + largest if case.then == "glu" else 2
    slack = factor * before + 64 * _STORED[name] * (1 + np.abs(exact)) + _LEAST[name]
    low, high = (_rounded(exact + way * slack, dtype, name, way) for way in (-1, 1))
    return Wanted(_in_layout(case, low), _in_layout(case, high), False)


def _in_layout(case: Case, values: Array) -> Array:
    return values.transpose(0, 2, 1) if case.problem.channels_first else values
