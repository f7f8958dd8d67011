"""Straight-line programs of activations and functions: their value in a dtype, one NumPy operation for each node, and how
far it is from the exact one, in units in the last place.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np

from conv1d_codegen.ir import Binary, Bind, Const, Fma, Ref, Select, Unary, Value
from conv1d_codegen.lower.activations import expand
from conv1d_codegen.problem import Activation
from conv1d_codegen.reference import arithmetic

DTYPES: dict[str, type[np.floating[Any]]] = {"f32": np.float32, "f64": np.float64}
FLOWS_OUT = {"f32": 110.0, "f64": 755.0}  # beyond this exp(x) is inf and exp(-x) is 0


def evaluate(binds: list[Bind], result: Value, names: dict[str, Any], dtype: type) -> Any:
    """The value of a straight-line program, in the dtype."""

    def number(node: Value) -> Any:
        match node:
            case Const(constant):
                return dtype(constant)
            case Ref(name):
                return names[name]
            case Unary(op, a):
                return arithmetic.unary(op, number(a))
            case Binary(op, a, b):
                return arithmetic.binary(op, number(a), number(b))
            case Fma(a, b, c):
                return arithmetic.fma(number(a), number(b), number(c))
            case Select(compare, a, b, then, other):
                return arithmetic.select(compare, *map(number, (a, b, then, other)))
        raise AssertionError(f"no arithmetic: {node}")

    for bind in binds:
        names[bind.name] = number(bind.value)
    return number(result)


def numbered() -> Callable[[str], str]:
    """Gives names that were not there before."""
    count = itertools.count()
    return lambda hint: f"{hint}_{next(count)}"


def activate(text: str, x: Any, compute: str) -> Any:
    """The activation of a NumPy number or array, as its program computes it."""
    binds, result = expand(Activation.parse(text), Ref("x"), compute, numbered())
    y = evaluate(binds, result, {"x": x}, DTYPES[compute])
    assert y.dtype == x.dtype
    return y


def sample(compute: str, count: int) -> Any:
    """Numbers of every size and sign, more of them where functions bend, saturate and underflow; no
    infinities or NaN.
    """
    dtype, far = DTYPES[compute], FLOWS_OUT[compute]
    info, draw = np.finfo(dtype), np.random.default_rng(1)
    every_size = np.ldexp(
        draw.uniform(1, 2, count), draw.integers(info.minexp - info.nmant, info.maxexp, count)
    ) * draw.choice((-1, 1), count)
    near = [draw.uniform(-bound, bound, count) for bound in (1.5, 6, 20, far)]
    tails = draw.uniform(0.75 * far, far, count) * draw.choice((-1, 1), count)
    halves = np.arange(-80, 80) / 4
    points = np.concatenate(
        [every_size, *near, tails, halves, [info.tiny, -info.tiny, info.smallest_subnormal, info.max, info.min]]
    )
    return points.astype(dtype)


def errors_in_ulps(y: Any, exact: list[mp.mpf]) -> Any:
    """The distances, each in units in the last place of the exact value; 0 for an overflow that has to be one."""
    info = np.finfo(y.dtype)
    overflow = mp.mpf(2) ** info.maxexp * (1 - mp.mpf(2) ** -(info.nmant + 2))

    def error(got: Any, want: mp.mpf) -> float:
        if abs(want) >= overflow or np.isinf(got):
            return (
                0.0
                if np.isinf(got) and abs(want) >= overflow * (1 - mp.mpf(2) ** -info.nmant) and (got > 0) == (want > 0)
                else np.inf
            )
        exponent = max(int(mp.floor(mp.log(abs(want), 2))) if want else info.minexp, info.minexp)
        return float(abs(mp.mpf(float(got)) - want) / mp.mpf(2) ** (exponent - info.nmant))

    return np.array([error(got, want) for got, want in zip(y, exact, strict=True)])


def worst(text: str, compute: str, x: Any, y: Any, errors: Any) -> str:
    i = int(np.argmax(errors))
    return f"{text} in {compute}: {errors[i]:.3g} at x = {x[i]!r} ({float(x[i]).hex()}), where it gives {y[i]!r}"
