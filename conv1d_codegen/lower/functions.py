"""Functions of single numbers that networks have beside activations, as straight-line programs.

NaN gives NaN, and infinities and zeros what they give in exact arithmetic. Errors are of some units in the last place
(`tests/lower/test_function_code.py`), but for

    power   which grows with the size of the result: some units, and as many as |exponent · ln x| on targets without a fused
            multiply-add
    sin     near its zeros, and cos: of some units in the last place of 1. Numbers whose neighbours lie half a radian apart
            or more, from 2**22 on and in float64 from 2**51, count as 0
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

from ..ir import Binary, Const, Fma, Ref, Select, Unary, Value
from .polynomials import COS, ERF, GELU, LOG, SIN
from .programs import Program, horner, select


@dataclass(frozen=True, slots=True)
class Numbers:
    """What depends on the dtype."""

    whole: float  # from here on all numbers are integers
    tiny: float  # smaller numbers are multiplied by 2**lifted, and then those below 1 by 2**lifted_more
    lifted: int
    lifted_more: int
    halvings: tuple[int, ...]  # powers of two that a number of 1 or more is divided by, until it is less than 2
    half_pi: tuple[float, float, float]  # in parts, so short that the product of the first two with an integer is exact


NUMBERS = {
    "f32": Numbers(
        *(2.0**23, 2.0**-64, 96, 64, (64, 32, 16, 8, 4, 2, 1)),
        half_pi=(1.5703125, 4.837512969970703e-4, 7.54978995489188216e-8),
    ),
    "f64": Numbers(
        *(2.0**52, 2.0**-512, 600, 512, (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)),
        half_pi=(1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21),
    ),
}


def rounded(p: Program, x: Ref) -> Value:
    """The nearest integer, of two the even one: a sum with a large number has no fraction."""
    whole = NUMBERS[p.compute].whole
    size = p.bind("size", Unary("abs", x))
    return select(size, "lt", whole, Binary("copysign", (size + whole) - whole, x), x)


def floor(p: Program, x: Ref) -> Value:
    near = p.bind("near", rounded(p, x))
    return Binary("copysign", near - Select("gt", near, x, Const(1.0), Const(0.0)), x)


def ceil(p: Program, x: Ref) -> Value:
    near = p.bind("near", rounded(p, x))
    return Binary("copysign", near + Select("lt", near, x, Const(1.0), Const(0.0)), x)


def sign(p: Program, x: Ref) -> Value:
    return select(x, "gt", 0.0, 1.0, select(x, "lt", 0.0, -1.0, x))


def log(p: Program, x: Ref) -> Value:
    high, low = _logarithm(p, x)
    return _of_positive(x, high + low)


def power(p: Program, x: Ref, exponent: float) -> Value:
    """Products, for small whole exponents; else exp(exponent · log x), with the logarithm in two parts."""
    whole, odd = exponent.is_integer(), exponent % 2 == 1
    if whole and abs(exponent) <= _MOST_PRODUCTS:
        return _product(p, x, int(exponent))
    base = p.bind("base", Unary("abs", x) if whole else x)
    high, low = _logarithm(p, base)
    near = p.bind("near", high * exponent)
    rest = p.bind("rest", Fma(high, Const(exponent), -near) + low * exponent)
    rest = p.bind("rest", select(rest - rest, "eq", 0.0, rest, 0.0))  # none where `near` is infinite
    grown = p.bind("grown", p.exponential(near))
    made = select(grown, "lt", math.inf, Fma(grown, rest, grown), grown)
    at_zero, at_infinity = (0.0, math.inf) if exponent > 0 else (math.inf, 0.0)
    not_positive = select(base, "eq", 0.0, at_zero, Unary("sqrt", base))
    made = select(base, "gt", 0.0, select(base, "lt", math.inf, made, at_infinity), not_positive)
    return Binary("copysign", made, x) if odd else made


#: Largest whole exponent that is computed by products, of which there are at most six.
_MOST_PRODUCTS = 16


def _product(p: Program, x: Ref, exponent: int) -> Value:
    factors: list[Value] = []
    square = p.bind("square", 1.0 / x if exponent < 0 else x)
    for bit in range(abs(exponent).bit_length()):
        square = p.bind("square", square * square) if bit else square
        factors += [square] if abs(exponent) >> bit & 1 else []
    return functools.reduce(lambda a, b: a * b, factors) if factors else Const(1.0)


def _logarithm(p: Program, x: Ref) -> tuple[Value, Value]:
    """log(x) of a number between 0 and infinity, as a sum of which the first part is nearly all: x is 2**n · m, with m
    between 1/√2 and √2, and log(m) is 2·atanh(s), s = (m − 1) ÷ (m + 1).
    """
    numbers = NUMBERS[p.compute]
    n: Value = p.bind("log_n", select(x, "lt", numbers.tiny, float(-numbers.lifted), 0.0))
    m: Value = p.bind("log_m", select(x, "lt", numbers.tiny, x * 2.0**numbers.lifted, x))
    n = p.bind("log_n", select(m, "lt", 1.0, n - float(numbers.lifted_more), n))
    m = p.bind("log_m", select(m, "lt", 1.0, m * 2.0**numbers.lifted_more, m))
    for bits in numbers.halvings:
        n = p.bind("log_n", select(m, "ge", 2.0**bits, n + float(bits), n))
        m = p.bind("log_m", select(m, "ge", 2.0**bits, m * 2.0**-bits, m))
    n = p.bind("log_n", select(m, "gt", math.sqrt(2.0), n + 1.0, n))
    m = p.bind("log_m", select(m, "gt", math.sqrt(2.0), m * 0.5, m))
    s = p.bind("log_s", (m - 1.0) / (m + 1.0))
    z = p.bind("log_z", s * s)
    twice = p.bind("log_twice", s + s)
    rest = p.bind("log_rest", s * z * horner(LOG[p.compute], z))
    high, low = p.format.ln2
    first = p.bind("log_first", n * high)
    total = p.bind("log_total", first + twice)
    smaller = p.bind("log_smaller", Fma(n, Const(low), (twice - (total - first)) + rest))
    result = p.bind("log_high", total + smaller)
    return result, smaller - (result - total)


def _of_positive(x: Ref, logarithm: Value) -> Value:
    """The logarithm of any number."""
    above = select(x, "lt", math.inf, logarithm, x)
    return select(x, "gt", 0.0, above, select(x, "eq", 0.0, -math.inf, Unary("sqrt", x)))


def erf(p: Program, x: Ref) -> Value:
    """A series near 0; elsewhere 1 − erfc(|x|), as in `gelu` of `activations.py`."""
    size = p.bind("erf_size", Unary("abs", x))
    square = p.bind("erf_square", x * x)
    near = x * horner(ERF[p.compute], square)
    a = p.bind("erf_a", size * math.sqrt(2.0))
    root = p.bind("erf_root", horner([1.0, *GELU[p.compute]], a))
    root2 = p.bind("erf_root2", root * root)
    root4 = p.bind("erf_root4", root2 * root2)
    tail = select(a, "ge", p.format.gelu, 1.0, 1.0 - root4 * root4)  # NaN stays NaN
    return select(size, "lt", 1.0, near, Binary("copysign", tail, x))


def sin(p: Program, x: Ref) -> Value:
    turned, quarter, near_sin, near_cos = _turned(p, x)
    of_odd, of_even = near_cos * quarter, near_sin * (1.0 - turned)
    return select(turned, "eq", 1.0, of_odd, of_even)


def cos(p: Program, x: Ref) -> Value:
    turned, quarter, near_sin, near_cos = _turned(p, x)
    return select(turned, "eq", 1.0, -(near_sin * quarter), near_cos * (1.0 - turned))


def _turned(p: Program, x: Ref) -> tuple[Ref, Ref, Value, Value]:
    """x is a number of quarter turns, of which whole ones make no difference, and a rest r: how many quarters, −2 to 2,
    without their sign and with it; and the sine and the cosine of r.
    """
    magic, limit = p.format.round, NUMBERS[p.compute].whole / 2
    x = p.bind("sin_x", select(Unary("abs", x), "lt", limit, x, x * 0.0))
    n = p.bind("sin_n", Fma(x, Const(2 / math.pi), Const(magic)) - magic)
    whole = p.bind("sin_whole", (n * 0.25 + magic) - magic)
    quarter = p.bind("sin_quarter", n - whole * 4.0)
    r: Value = x
    for part in NUMBERS[p.compute].half_pi:
        r = p.bind("sin_r", Fma(n, Const(-part), r))
    v = p.bind("sin_v", r * r)
    near_sin = p.bind("sin_near", Fma(r * v, horner(SIN[p.compute], v), r))
    near_cos = p.bind("cos_near", Fma(v * v, horner(COS[p.compute], v), Fma(v, Const(-0.5), Const(1.0))))
    return p.bind("sin_turned", Unary("abs", quarter)), quarter, near_sin, near_cos


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "ceil": ceil,
    "cos": cos,
    "erf": erf,
    "floor": floor,
    "log": log,
    "power": power,
    "round": rounded,
    "sign": sign,
    "sin": sin,
}
