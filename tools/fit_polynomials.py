"""Fits the polynomials of `conv1d_codegen/lower/polynomials.py` and prints that file's tables: `python
tools/fit_polynomials.py [NAME...]`.

Remez's exchange, in mpmath: the best polynomial is the one whose weighted error has its largest magnitude, with
alternating signs, at degree + 2 points; those points are looked for by turns with the polynomial. For development only:
nothing that runs needs it.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np

Function = Callable[[mp.mpf], mp.mpf]
DTYPES: dict[str, type[np.floating[Any]]] = {"f32": np.float32, "f64": np.float64}
GRID = 24  # points looked at for each extremum of the error
GELU_ROOT = 8  # gelu's tail is the eighth power of a polynomial


@dataclass(frozen=True)
class Fit:
    """One polynomial: `function` from lo to hi. What is made small is `weight * error`: the error of what the
    polynomial is used for.
    """

    function: Function
    weight: Function
    lo: mp.mpf
    hi: dict[str, mp.mpf]
    degree: dict[str, int]


def chebyshev_points(lo: mp.mpf, hi: mp.mpf, count: int) -> list[mp.mpf]:
    return [(lo + hi) / 2 - (hi - lo) / 2 * mp.cos(mp.pi * i / (count - 1)) for i in range(count)]


def extrema(error: list[mp.mpf]) -> list[int]:
    """The place of the largest error in each run of one sign."""
    best = [0]
    for i in range(1, len(error)):
        if (error[i] > 0) != (error[best[-1]] > 0):
            best.append(i)
        elif abs(error[i]) > abs(error[best[-1]]):
            best[-1] = i
    return best


def remez(points: list[mp.mpf], values: list[mp.mpf], weights: list[mp.mpf], degree: int) -> list[mp.mpf]:
    """The coefficients, lowest power first, of the minimax fit to the weighted values at the points."""
    reference = [round(i * (len(points) - 1) / (degree + 1)) for i in range(degree + 2)]
    for _ in range(40):
        rows = [[points[i] ** k for k in range(degree + 1)] + [(-1) ** n / weights[i]] for n, i in enumerate(reference)]
        *coefficients, level = mp.lu_solve(mp.matrix(rows), mp.matrix([values[i] for i in reference]))
        error = [w * (mp.polyval(coefficients[::-1], x) - y) for x, y, w in zip(points, values, weights, strict=True)]
        if max(map(abs, error)) < abs(level) * mp.mpf("1.0001"):
            break
        found = extrema(error)
        while len(found) > degree + 2:
            del found[0 if abs(error[found[0]]) < abs(error[found[-1]]) else -1]
        reference = found
    return list(coefficients)


def fit(problem: Fit, compute: str) -> tuple[list[np.floating[Any]], mp.mpf]:
    """The coefficients in the dtype, lowest power first, and the largest weighted error that they make in exact
    arithmetic.
    """
    degree = problem.degree[compute]
    points = chebyshev_points(problem.lo, problem.hi[compute], GRID * (degree + 2))
    values = [problem.function(x) for x in points]
    weights = [abs(problem.weight(x)) for x in points]
    coefficients = [DTYPES[compute](mp.nstr(c, 40)) for c in remez(points, values, weights, degree)]
    exact = [mp.mpf(float(c)) for c in coefficients]
    error = [w * (mp.polyval(exact[::-1], x) - y) for x, y, w in zip(points, values, weights, strict=True)]
    terms = [[w * x**power for x, w in zip(points, weights, strict=True)] for power in range(degree + 1)]
    return mend_rounding(coefficients, error, terms)


def mend_rounding(
    coefficients: list[np.floating[Any]], error: list[mp.mpf], terms: list[list[mp.mpf]]
) -> tuple[list[np.floating[Any]], mp.mpf]:
    """Moves single coefficients to the next number of the dtype as long as the largest error falls. Returns it too."""
    largest = max(map(abs, error))
    improved = True
    while improved:
        improved = False
        for power, direction in itertools.product(range(len(coefficients)), (-np.inf, np.inf)):
            moved = np.nextafter(coefficients[power], type(coefficients[power])(direction))
            step = mp.mpf(float(moved)) - mp.mpf(float(coefficients[power]))
            trial = [e + step * term for e, term in zip(error, terms[power], strict=True)]
            if max(map(abs, trial)) < largest:
                coefficients[power], error, largest, improved = moved, trial, max(map(abs, trial)), True
    return coefficients, largest


def both(number: str | mp.mpf) -> dict[str, mp.mpf]:
    return {compute: mp.mpf(number) for compute in DTYPES}


def gelu_root(a: mp.mpf) -> mp.mpf:
    return mp.erfc(a / mp.sqrt(2)) ** (mp.mpf(1) / GELU_ROOT)


def tanh_rest(v: mp.mpf) -> mp.mpf:
    return (1 - mp.tanh(mp.sqrt(v)) / mp.sqrt(v)) / v


def log_rest(z: mp.mpf) -> mp.mpf:
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) / s - 2) / z


def erf_root(v: mp.mpf) -> mp.mpf:
    return mp.erf(mp.sqrt(v)) / mp.sqrt(v)


def sin_rest(v: mp.mpf) -> mp.mpf:
    return (mp.sin(mp.sqrt(v)) / mp.sqrt(v) - 1) / v


def cos_rest(v: mp.mpf) -> mp.mpf:
    return (mp.cos(mp.sqrt(v)) - 1 + v / 2) / v**2


mp.mp.prec = 200
EIGHTH_TURN = (mp.pi / 4 * mp.mpf("1.0001")) ** 2
ROOT_2 = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1) * mp.mpf("1.0001")) ** 2
HALF_LN2 = mp.log(2) / 2 * mp.mpf("1.0001")  # the reduction rounds, so it leaves a little more than half of ln 2
TINY = mp.mpf("1e-9")  # instead of 0, where the functions are limits

FITS = {
    "EXPM1": Fit(
        function=lambda r: (mp.expm1(r) - r) / r**2,
        weight=lambda r: r**2 / mp.expm1(r),
        lo=-HALF_LN2 * (1 + TINY),  # not symmetric, so that no point is 0
        hi=both(HALF_LN2),
        degree={"f32": 4, "f64": 9},
    ),
    "LOG1P": Fit(
        function=lambda u: (mp.log1p(u) - u) / u**2,
        weight=lambda u: u**2 / mp.log1p(u),
        lo=TINY,
        hi=both("1"),
        degree={"f32": 8, "f64": 20},
    ),
    "TANH_SHRINK": Fit(
        function=tanh_rest,
        weight=lambda v: 1 / tanh_rest(v),
        lo=TINY,
        hi=both("1"),
        degree={"f32": 7, "f64": 15},
    ),
    "GELU": Fit(
        function=lambda a: (gelu_root(a) - 1) / a,
        weight=lambda a: (
            GELU_ROOT * gelu_root(a) ** (GELU_ROOT - 1) * a * max(a, mp.mpf("0.5")) / 2 / gelu_root(a) ** 2
        ),
        lo=mp.mpf("0.001"),
        hi={"f32": mp.mpf(6), "f64": mp.mpf(9)},
        degree={"f32": 7, "f64": 23},
    ),
    "LOG": Fit(function=log_rest, weight=lambda z: z / 2, lo=TINY, hi=both(ROOT_2), degree={"f32": 2, "f64": 6}),
    "ERF": Fit(
        function=erf_root, weight=lambda v: 1 / erf_root(v), lo=TINY, hi=both("1"), degree={"f32": 5, "f64": 11}
    ),
    "SIN": Fit(function=sin_rest, weight=lambda v: v, lo=TINY, hi=both(EIGHTH_TURN), degree={"f32": 2, "f64": 5}),
    "COS": Fit(function=cos_rest, weight=lambda v: v**2, lo=TINY, hi=both(EIGHTH_TURN), degree={"f32": 2, "f64": 5}),
}


def main(names: list[str]) -> None:
    for name in names or FITS:
        print(f"{name} = {{")
        for compute in DTYPES:
            coefficients, error = fit(FITS[name], compute)
            print(f'    "{compute}": (  # error {mp.nstr(error, 2)} = 2**{mp.nstr(mp.log(error, 2), 3)}')
            for c in coefficients:
                print(f"        {c!s},")
            print("    ),")
        print("}")


if __name__ == "__main__":
    main(sys.argv[1:])
