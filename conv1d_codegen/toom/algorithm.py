"""F(m, r): m outputs of a correlation with r taps from m + r - 1 multiplications, in exact rational arithmetic.

    y[a] = sum of x[a + i] * w[i] over i < r, for a < m       as       y = A ((G w) ⊙ (B x))

Transposed, this is the product of a polynomial of degree m - 1 and one of degree r - 1, found from its values at n - 1
points and its leading coefficient ("the value at infinity"), where n = m + r - 1. With p, q over the finite points a:

    B, n × n   row p: the coefficients of prod over q ≠ p of (x - a_q)            last row: of prod over q of (x - a_q)
    G, n × r   row p: 1, a_p, a_p² ... over the prod over q ≠ p of (a_p - a_q)     last row: 0 ... 0, 1
    A, m × n   column p: 1, a_p, a_p² ...                                         last column: 0 ... 0, 1

Points are dyadic, so float32 has all numbers of B and A exactly; what must be divided is in G, which is applied to the
weights beforehand. As the polynomials are monic, each row of B has a 1, from which its sum can start.

Source: Winograd, Arithmetic Complexity of Computations, 1980, chapter IV; the matrices are worked out here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, partial

import numpy as np

from ..errors import CompileError
from ..locks import kept
from .points import POINTS

Matrix = tuple[tuple[Fraction, ...], ...]

LARGEST = 10  # multiplications


@dataclass(frozen=True)
class Algorithm:
    """One F(outputs, taps): its finite points, and the matrices B, G and A of the module's docstring.

    One that is nested (`nested.py`) has no points of its own but two levels, the inner one and the outer one. `make` makes
    the matrices when they are first asked for: of many that are compared, few are computed with.
    """

    outputs: int
    taps: int
    points: tuple[Fraction, ...]
    levels: tuple[Algorithm, ...]
    make: Callable[[], tuple[Matrix, Matrix, Matrix]] = field(compare=False, repr=False)

    @kept
    def matrices(self) -> tuple[Matrix, Matrix, Matrix]:
        """B, G and A."""
        return self.make()

    @property
    def inputs(self) -> Matrix:
        """B."""
        return self.matrices[0]

    @property
    def weights(self) -> Matrix:
        """G."""
        return self.matrices[1]

    @property
    def results(self) -> Matrix:
        """A."""
        return self.matrices[2]

    @property
    def multiplications(self) -> int:
        """Of one channel and one filter, for all outputs."""
        if self.levels:
            return math.prod(level.multiplications for level in self.levels)
        return self.reach

    @property
    def reach(self) -> int:
        """Steps of input that the outputs depend on: as many as multiplications, or fewer if nested."""
        return self.outputs + self.taps - 1

    def __str__(self) -> str:
        return " ⊗ ".join(map(str, self.levels)) or f"F({self.outputs},{self.taps})"

    def describe(self) -> str:
        """The algorithm as a dump shows it: what it saves, and its points and the three matrices, or those of its
        levels.
        """
        saved = f"{self}: {self.multiplications} multiplications instead of {self.outputs * self.taps}"
        if self.levels:
            return "\n".join((saved, *(level.describe() for level in self.levels)))
        points = ", ".join(map(str, self.points)) + ", infinity" if self.points else "none, no product is saved"
        return "\n".join(
            (
                saved,
                f"points: {points}",
                *_table("inputs B", self.inputs),
                *_table("weights G", self.weights),
                *_table("results A", self.results),
                "",
            )
        )


@cache
def algorithm(outputs: int, taps: int) -> Algorithm:
    """F(outputs, taps) with the points of `points.py`."""
    multiplications = outputs + taps - 1
    if outputs < 1 or taps < 1 or multiplications > LARGEST:
        raise CompileError(
            f"F(m, r) is there for m, r >= 1 and m + r - 1 <= {LARGEST} multiplications. "
            f"Received: m={outputs}, r={taps}, that is {multiplications}"
        )
    if outputs == 1 or taps == 1:
        return _plain(outputs, taps)
    return from_points(outputs, taps, POINTS[multiplications])


def from_points(outputs: int, taps: int, points: Sequence[Fraction]) -> Algorithm:
    """F(outputs, taps) with finite points of one's own, outputs + taps - 2 different ones."""
    assert len(set(points)) == len(points) == outputs + taps - 2
    return Algorithm(outputs, taps, tuple(points), (), partial(_of_points, outputs, taps, tuple(points)))


def _of_points(outputs: int, taps: int, points: Sequence[Fraction]) -> tuple[Matrix, Matrix, Matrix]:
    others = [[b for b in points if b != a] for a in points]
    inputs = [[*_product(rest), Fraction(0)] for rest in others] + [_product(points)]
    divisors = [math.prod((a - b for b in rest), start=Fraction(1)) for a, rest in zip(points, others, strict=True)]
    weights = [[a**i / d for i in range(taps)] for a, d in zip(points, divisors, strict=True)] + [_last(taps)]
    results = zip(*([a**k for k in range(outputs)] for a in points), _last(outputs), strict=True)
    made = _matrix(inputs), _matrix(weights), _matrix(results)
    assert all(map(in_float32, (c for matrix in (made[0], made[2]) for row in matrix for c in row)))
    return made


def in_float32(value: Fraction) -> bool:
    """Whether float32 has the number exactly."""
    return Fraction(float(np.float32(float(value)))) == value


def _plain(outputs: int, taps: int) -> Algorithm:
    """With one output or one tap there is nothing to save: the products themselves."""
    unit = [[Fraction(i == j) for j in range(outputs + taps - 1)] for i in range(outputs + taps - 1)]
    weights = unit if outputs == 1 else [[Fraction(1)]] * outputs
    results = unit if taps == 1 else [[Fraction(1)] * taps]
    return Algorithm(outputs, taps, (), (), lambda: (_matrix(unit), _matrix(weights), _matrix(results)))


def _product(roots: Sequence[Fraction]) -> list[Fraction]:
    """The coefficients of the monic polynomial with these roots, lowest power first."""
    coefficients = [Fraction(1)]
    for root in roots:
        coefficients = [
            up - root * here
            for up, here in zip([Fraction(0), *coefficients], [*coefficients, Fraction(0)], strict=True)
        ]
    return coefficients


def _last(count: int) -> list[Fraction]:
    return [Fraction(0)] * (count - 1) + [Fraction(1)]


def _matrix(rows: Iterable[Iterable[Fraction]]) -> Matrix:
    return tuple(map(tuple, rows))


def _table(title: str, matrix: Matrix) -> list[str]:
    width = max(len(str(c)) for row in matrix for c in row)
    return [f"{title}:", *("  " + "  ".join(f"{c!s:>{width}}" for c in row) for row in matrix)]
