"""What the IR's value operations compute, on NumPy numbers and arrays of float32 or float64: the interpreter's
arithmetic.

Operands of one operation have one dtype, and so has the result. An overflow or an invalid operation gives inf or NaN
without a warning.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import Binary, Fma, Select, Unary, Value

# np.float32, np.float64, or an array of one of them: NumPy's own types don't say that an operation keeps the dtype
Number = Any

_quiet = np.errstate(all="ignore")
_SPLIT = np.float64(2**27 + 1)


def _choose(condition: Any, then: Number, other: Number) -> Number:
    if isinstance(condition, np.ndarray):
        return np.where(condition, then, other)
    return then if condition else other


def _exp2i(a: Number) -> Number:
    """`2**a`; NaN where the IR leaves the result open: `a` isn't an integer, or the result isn't a normal number."""
    info = np.finfo(a.dtype)
    fits = (np.rint(a) == a) & (a >= info.minexp) & (a < info.maxexp)
    power = np.ldexp(a.dtype.type(1), _choose(fits, a, a.dtype.type(0)).astype(np.int32))
    return _choose(fits, power, a.dtype.type(np.nan))


_UNARY: dict[str, Callable[[Number], Number]] = {
    "neg": operator.neg,
    "abs": operator.abs,
    "sqrt": np.sqrt,
    "exp2i": _exp2i,
}
_BINARY: dict[str, Callable[[Number, Number], Number]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "max": lambda a, b: _choose(a > b, a, b),
    "min": lambda a, b: _choose(a < b, a, b),
    "copysign": np.copysign,
}
_COMPARE: dict[str, Callable[[Number, Number], Any]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
}


def operation(value: Value) -> Callable[..., Number]:
    """The function of its operands that a value's own operation is. Unlike those below, it may warn."""
    match value:
        case Unary(op):
            return _UNARY[op]
        case Binary(op):
            return _BINARY[op]
        case Fma():
            return _fma
        case Select(compare):
            compared = _COMPARE[compare]
            return lambda a, b, then, other: _choose(compared(a, b), then, other)
    raise TypeError(f"not an operation: {value!r}")


@_quiet
def unary(op: str, a: Number) -> Number:
    return _UNARY[op](a)


@_quiet
def binary(op: str, a: Number, b: Number) -> Number:
    return _BINARY[op](a, b)


@_quiet
def select(compare: str, a: Number, b: Number, then: Number, other: Number) -> Number:
    return _choose(_COMPARE[compare](a, b), then, other)


@_quiet
def fma(a: Number, b: Number, c: Number) -> Number:
    """`a * b + c`, rounded once but for rare ties: a float32 product is exact in float64, a float64 product is the sum
    of two numbers.
    """
    return _fma(a, b, c)


def _fma(a: Number, b: Number, c: Number) -> Number:
    if type(a) is type(b) is type(c) is np.float32:  # numbers: Python's own are float64, and take a fifth of the time
        return np.float32(float(a) * float(b) + float(c))
    if a.dtype == np.float32:
        return (a.astype(np.float64) * b + c).astype(np.float32)
    product, low = _exact_product(a, b)
    total = product + c
    back = total - product
    rounded = (product - (total - back)) + (c - back)
    return _choose(np.isfinite(low) & np.isfinite(total), total + (rounded + low), total)


def _exact_product(a: Number, b: Number) -> tuple[Number, Number]:
    """`a * b` as the rounded product and what the rounding took (Dekker), which isn't finite if `a` or `b` is too large
    to be split.
    """
    product = a * b
    a_wide, b_wide = a * _SPLIT, b * _SPLIT
    a_high, b_high = a_wide - (a_wide - a), b_wide - (b_wide - b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
