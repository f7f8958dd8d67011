"""The transforms of an algorithm as programs: of one level by its matrix, of a nested one level by level.

Of F(3,3) ⊗ F(4,3) the inputs take 120 steps and the results 90, by their matrices of 30 × 20 and 12 × 30 numbers
several times as many. What the inner level makes of its inputs is what the outer one transforms; of results, either
level can come first, and does where that takes fewer steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from .algorithm import Algorithm
from .program import Program, Step, program


@cache
def inputs(algorithm: Algorithm) -> Program:
    """The products' factors from `reach` neighbouring inputs: the matrix B."""
    if not algorithm.levels:
        return program(algorithm.inputs)
    inner, outer = algorithm.levels
    made = _Making(algorithm.reach)
    near, far = inputs(inner), inputs(outer)
    windows = [made.append(near, range(inner.taps * u, inner.taps * u + inner.reach)) for u in range(outer.reach)]
    by_point = [made.append(far, of_point) for of_point in zip(*windows, strict=True)]
    return made.program([values[p] for p in range(outer.multiplications) for values in by_point])


@cache
def results(algorithm: Algorithm) -> Program:
    """The outputs from the products' sums: the matrix A."""
    if not algorithm.levels:
        return program(algorithm.results)
    inner, outer = algorithm.levels
    ways = [_inner_first(inner, outer), _outer_first(inner, outer)]
    return min(ways, key=lambda way: way.operations)


def _inner_first(inner: Algorithm, outer: Algorithm) -> Program:
    n = inner.multiplications
    made = _Making(n * outer.multiplications)
    near, far = results(inner), results(outer)
    blocks = [made.append(near, range(n * p, n * p + n)) for p in range(outer.multiplications)]
    columns = [made.append(far, column) for column in zip(*blocks, strict=True)]
    return made.program([values[block] for block in range(outer.outputs) for values in columns])


def _outer_first(inner: Algorithm, outer: Algorithm) -> Program:
    n = inner.multiplications
    made = _Making(n * outer.multiplications)
    near, far = results(inner), results(outer)
    columns = [made.append(far, range(p, n * outer.multiplications, n)) for p in range(n)]
    blocks = [made.append(near, block) for block in zip(*columns, strict=True)]
    return made.program([value for block in blocks for value in block])


class _Making:
    """A program that is put together from others."""

    def __init__(self, inputs: int) -> None:
        self._inputs = inputs
        self._steps: list[Step] = []

    def append(self, part: Program, operands: Sequence[int]) -> list[int]:
        """The steps of `part` on these operands, and the operands of its results."""
        place = list(operands)
        for step in part.steps:
            a = None if step.a is None else place[step.a]
            self._steps.append(Step(a, step.factor, place[step.b]))
            place.append(self._inputs + len(self._steps) - 1)
        return [place[result] for result in part.results if result is not None]

    def program(self, results: Sequence[int]) -> Program:
        return Program(self._inputs, tuple(self._steps), tuple(results))
