"""Straight-line programs of the IR's values, as they are written down: what activations and functions share.

Everything exponential rests on `exp(x) = 2**n * exp(r)`, n the integer next to `x / ln 2`, so |r| <= ln(2) / 2:
`Program.reduce`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..ir import Binary, Bind, Const, Fma, Ref, Select, Unary, Value, value
from .polynomials import EXPM1, LOG1P


@dataclass(frozen=True, slots=True)
class Format:
    """The numbers that depend on the dtype."""

    round: float  # 1.5 * 2**(bits after the point): a sum with it has lost its fraction, rounded to nearest
    ln2: tuple[float, float]  # ln 2 in two parts; the first has so few bits that n times it is exact
    shift: int  # 2**(n + shift) and 2**(n - shift) are normal numbers wherever 2**n isn't
    exp: tuple[float, float]  # below the first exp(x) is 0, above the second it is inf
    product: float  # below it x * exp(x) is -0
    one: float  # above it 1 + exp(-x) is 1
    gelu: float  # above it x * erfc(x) is too small to matter: where the polynomial ends


FORMATS = {
    "f32": Format(1.5 * 2**23, (0.693145751953125, 1.4286068203094172e-06), 64, (-104.0, 89.0), -110.0, 18.0, 6.0),
    "f64": Format(1.5 * 2**52, (0.6931471805598903, 5.497923018708371e-14), 512, (-746.0, 710.0), -752.0, 38.0, 9.0),
}


class Program:
    """The statements of one activation or function, as they are written."""

    def __init__(self, compute: str, fresh: Callable[[str], str]) -> None:
        self.compute = compute
        self.format = FORMATS[compute]
        self.fresh = fresh
        self.binds: list[Bind] = []

    def bind(self, name: str, node: Value) -> Ref:
        self.binds.append(Bind(self.fresh(name), node))
        return Ref(self.binds[-1].name)

    def reduce(self, x: Value, scale: float = 1.0) -> tuple[Ref, Ref, Callable[[int], Value]]:
        """`exp(scale * x) = 2**n * exp(scale * r)` for a scale that is a power of two: n, r and the function `k ->
        2**(n + k)`.

        Adding a large number rounds to an integer in one instruction, also before SSE4.1; r takes two because n * ln 2
        is not exact.
        """
        magic, (high, low) = self.format.round, self.format.ln2
        shifted = self.bind("exp_shifted", Fma(x, Const(scale / math.log(2)), Const(magic)))
        n = self.bind("exp_n", shifted - magic)
        r = self.bind("exp_r", Fma(n, Const(-low / scale), Fma(n, Const(-high / scale), x)))
        return n, r, lambda k: Unary("exp2i", shifted - (magic - k) if k else n)

    def exp(self, r: Ref, scale: float = 1.0) -> Value:
        """exp(scale * r) of a reduced r."""
        series = (1.0, 1.0, *EXPM1[self.compute])
        return horner([c * scale**k for k, c in enumerate(series)], r)

    def exponential(self, x: Value) -> Value:
        """exp(x): 2**n in two factors, so that neither overflows and only the last product rounds."""
        shift = self.format.shift
        x = self.bind("exp_x", clamp(x, *self.format.exp))
        n, r, _ = self.reduce(x)
        first = Unary("exp2i", n + select(x, "lt", 0.0, shift, -shift))
        return self.exp(r) * first * select(x, "lt", 0.0, 2.0**-shift, 2.0**shift)

    def expm1(self, x: Ref, scale: float = 1.0) -> Value:
        """`(exp(scale * x) - 1) / scale`, where 2**n is a normal number: `2**n * (exp(scale * r) - 1) / scale + (2**n -
        1) / scale`.
        """
        _, r, power = self.reduce(x, scale)
        near = Fma(r * r, horner([c * scale ** (k + 1) for k, c in enumerate(EXPM1[self.compute])], r), r)
        s = self.bind("exp_power", power(0))
        return Fma(s, near, s - 1 if scale == 1 else Fma(s, Const(1 / scale), Const(-1 / scale)))

    def log1p_exp(self, x: Ref) -> Value:
        """`log(1 + exp(-|x|))`, through the exact product with 2**(n + shift), so that subnormal
        results are rounded once.
        """
        shift = self.format.shift
        _, r, power = self.reduce(self.bind("exp_x", low_of(-self.format.exp[0], Unary("abs", x))), -1)
        u = self.bind("exp_u", self.exp(r, -1) * power(shift) * 2.0**-shift)
        return Fma(u * u, horner(LOG1P[self.compute], u), u)

    def over_one_plus_exp(self, numerator: float, x: Ref) -> Value:
        """`numerator * 2**shift / (1 + exp(-x))`: the denominator, times 2**-shift, stays in range where exp(-x) does
        not.

        It is summed as `2**n + (1 + 2**n * (exp(-r) - 1))`, the small terms first: 1 and a rounded exp(-x) would make
        it round twice at full size, and sigmoid err by 2.5 ulps instead of 2.
        """
        shift = self.format.shift
        _, r, power = self.reduce(x, -1)
        s = self.bind("exp_power", power(-shift))
        slope = horner([-c * (-1) ** k for k, c in enumerate((1.0, *EXPM1[self.compute]))], r)
        return numerator / (s + Fma(s * r, slope, Const(2.0**-shift)))


def logarithm(compute: str, x: Value, most: int) -> tuple[list[Bind], Value]:
    """The statements that come first, and log(x) for 1 <= x <= `most`, which is less than 2**32: x is halved until it is
    less than 2, as often as `log_n` says.
    """
    numbers = itertools.count()
    p = Program(compute, lambda hint: f"{hint}{next(numbers)}")
    n: Value = Const(0.0)
    m: Value = p.bind("log_x", x)
    for bits in (bits for bits in (16, 8, 4, 2, 1) if 2**bits <= most):
        n = p.bind("log_n", select(m, "ge", 2.0**bits, n + float(bits), n))
        m = p.bind("log_m", select(m, "ge", 2.0**bits, m * 2.0**-bits, m))
    u = p.bind("log_u", m - 1.0)
    high, low = p.format.ln2
    return p.binds, n * high + Fma(n, Const(low), Fma(u * u, horner(LOG1P[compute], u), u))


def horner(coefficients: Sequence[float], x: Value) -> Value:
    """The polynomial, coefficients from the lowest power up."""
    result: Value = Const(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        result = Fma(result, x, Const(c))
    return result


def high_of(limit: float, x: Value) -> Value:
    """The larger of the two; NaN if x is: the IR's max takes its second operand then."""
    return Binary("max", value(limit), x)


def low_of(limit: float, x: Value) -> Value:
    """The smaller of the two; NaN if x is."""
    return Binary("min", value(limit), x)


def clamp(x: Value, low: float, high: float) -> Value:
    return low_of(high, high_of(low, x))


def select(a: Value, compare: str, b: float, then: Value | float, other: Value | float) -> Value:
    return Select(compare, a, value(b), value(then), value(other))
