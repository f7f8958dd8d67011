"""Searches the points of `conv1d_codegen/toom/points.py` and prints that file's table: `python tools/find_points.py
[MULTIPLICATIONS...]`.

Points come in pairs ±a, as rows of a pair share what costs most, with 0 where the number of finite points is odd. Of
sets without this order, over 29 numbers up to 4, for 4 and 5 multiplications and, with 0, F(4,3) and F(2,5), none had a
smaller error, and all had longer programs. Magnitudes are dyadic, so that float32 has every coefficient.

A set's merit is its predicted error, averaged over all F(m, r) with as many multiplications; a step of the programs
counts like 1 % of it: with 64 channels and filters one of A costs 0.3 % of the products, and accuracy decides what may
be used at all. The error of the sums of products alone, which is most of it, picks the sets that are looked at in full.
That of 3 multiplications is not searched: 0 and 1 make programs of 2 + 2 steps, and an error of 0.32, where ±5/8 have 3
+ 3 and 0.26, and so little is won by F(2,2) that steps count.

For development only: nothing that runs needs it. 9 and 10 multiplications take a minute each, the others seconds.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from conv1d_codegen.toom.algorithm import LARGEST, Algorithm, from_points
from conv1d_codegen.toom.error import predicted
from conv1d_codegen.toom.program import program

MAGNITUDES = [Fraction(k, 16) for k in range(1, 49)]
CHANNELS = 64
STEP = 0.01  # what a step of a program counts, as a share of the error
FINALISTS = 40


def shapes(multiplications: int) -> list[tuple[int, int]]:
    """The F(m, r) that these points are for."""
    return [(outputs, multiplications + 1 - outputs) for outputs in range(2, multiplications)]


def point_sets(multiplications: int) -> Iterator[tuple[Fraction, ...]]:
    pairs, odd = divmod(multiplications - 1, 2)
    for magnitudes in itertools.combinations(MAGNITUDES, pairs):
        yield (*[Fraction(0)] * odd, *(sign * a for a in magnitudes for sign in (1, -1)))


def rough(points: Sequence[Fraction]) -> float:
    """The error of the sums of products, without constant factors: the mean over all F(m, r) of the logarithm."""
    a = np.array([float(point) for point in points])
    differences = a[:, None] - a + np.eye(len(a))
    inputs = [np.sum(np.poly(np.delete(a, p)) ** 2) for p in range(len(a))]
    powers = np.abs(a[:, None]) ** (2 * np.arange(len(a) + 1))
    last = np.sum(np.poly(a) ** 2)
    total = 0.0
    for outputs, taps in shapes(len(a) + 1):
        products = inputs * powers[:, :taps].sum(axis=1) / differences.prod(axis=1) ** 2
        of_outputs = products @ powers[:, :outputs]
        of_outputs[-1] += last
        total += math.log(of_outputs.max()) / 2
    return total / (len(a) - 1)


def algorithms(points: Sequence[Fraction]) -> list[Algorithm]:
    """All F(m, r) with these points; none if float32 lacks one of their numbers."""
    try:
        return [from_points(*shape, points) for shape in shapes(len(points) + 1)]
    except AssertionError:
        return []


def steps(algorithm: Algorithm) -> int:
    return program(algorithm.inputs).operations + program(algorithm.results).operations


def merit(made: Sequence[Algorithm]) -> float:
    """What the search makes small."""
    return sum(math.log(predicted(one, one.taps, CHANNELS, 1)) + STEP * steps(one) for one in made) / len(made)


def main(numbers: Sequence[str]) -> None:
    for multiplications in map(int, numbers) if numbers else range(4, LARGEST + 1):
        sets = sorted(point_sets(multiplications), key=rough)
        found = list(itertools.islice(filter(None, map(algorithms, sets)), FINALISTS))
        best = min(found, key=merit)
        errors = " ".join(f"{predicted(one, one.taps, CHANNELS, 1):.2f}" for one in best)
        results = " ".join(str(program(one.results).operations) for one in best)
        print(
            f"    # {best[0]} to {best[-1]}: error {errors}; steps {program(best[0].inputs).operations}, and {results}"
        )
        print(f'    {multiplications}: _points("{" ".join(map(str, best[0].points))}"),')


if __name__ == "__main__":
    main(sys.argv[1:])
