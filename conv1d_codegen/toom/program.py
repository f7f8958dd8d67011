"""A matrix times a vector as a straight-line program of adds and fused multiply-adds that shares what rows have in
common.

    [ 1  1  1 ]         s2 = x1 + x2          As long as some pair `x_i + ratio * x_j` stands, up to a factor, in two rows or more,
    [ 0  1 -1 ]    →    s3 = x0 + s2          it is made a step, and one operand in each of them: the pair first that stands in most
    [ 0  1  1 ]         s4 = x1 - x2          rows. Then each row is a chain, which starts at a term with the factor 1.

Of points in pairs ±a, the rows are E + a O and E - a O, with the even and the odd coefficients: what the greedy choice
finds. A pair costs one step however its ratio looks, as the product is part of a fused multiply-add; only a chain
without a term of factor 1 pays for one more.

Source: greedy elimination of common terms of linear forms is Paar's, Optimized arithmetic for Reed-Solomon encoders,
1997, there over GF(2), where there are no ratios.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations
from typing import Any

from .algorithm import Matrix, in_float32

_Row = dict[int, Fraction]  # operand → its coefficient, none of which is zero


@dataclass(frozen=True, slots=True)
class Step:
    """`a + factor * b`, or `factor * b`; a and b are numbers of operands."""

    a: int | None
    factor: Fraction
    b: int


@dataclass(frozen=True, slots=True)
class Program:
    """The operands are the inputs, from 0, and then the value of each step; a result is the number of one, or None for
    zero.
    """

    inputs: int
    steps: tuple[Step, ...]
    results: tuple[int | None, ...]

    @property
    def operations(self) -> int:
        return len(self.steps)

    def evaluate(self, values: Sequence[Any]) -> list[Any]:
        """The results for given inputs: exact for fractions, and in their own precision for floats and arrays."""
        assert len(values) == self.inputs
        operands = list(values)
        for step in self.steps:
            b = operands[step.b]
            product = (step.factor if isinstance(b, Fraction | int) else float(step.factor)) * b
            operands.append(product if step.a is None else operands[step.a] + product)
        return [0 * values[0] if result is None else operands[result] for result in self.results]

    def __str__(self) -> str:
        names = [f"x{i}" for i in range(self.inputs)] + [
            f"s{i}" for i in range(self.inputs, self.inputs + len(self.steps))
        ]
        lines = []
        for name, step in zip(names[self.inputs :], self.steps, strict=True):
            size = "" if abs(step.factor) == 1 else f"{abs(step.factor)} * "
            sign = "-" if step.factor < 0 else "+"
            first = f"{names[step.a]} {sign} " if step.a is not None else sign.strip("+")
            lines.append(f"{name} = {first}{size}{names[step.b]}\n")
        results = ", ".join("0" if result is None else names[result] for result in self.results)
        return f"{''.join(lines)}results: {results}\n"


@cache
def program(matrix: Matrix) -> Program:
    """The program of `matrix` times a vector."""
    rows = [{i: c for i, c in enumerate(row) if c} for row in matrix]
    steps: list[Step] = []
    inputs = len(matrix[0])
    while shared := _most_shared(rows):
        step = _oriented(*shared, rows)
        _substitute(rows, step, inputs + len(steps))
        steps.append(step)
    results = [_chain(row, steps, inputs) for row in rows]
    return _ordered(inputs, steps, results)


def _pairs(row: _Row) -> Iterator[tuple[int, int, Fraction]]:
    """The pairs of terms of a row, as the two operands and the second's coefficient over the first's."""
    for i, j in combinations(sorted(row), 2):
        yield i, j, row[j] / row[i]


def _most_shared(rows: list[_Row]) -> tuple[int, int, Fraction] | None:
    """The pair that stands in most rows, of several the first, if that is two rows or more."""
    count = Counter(pair for row in rows for pair in _pairs(row) if in_float32(pair[2]) or in_float32(1 / pair[2]))
    best = max(count, key=lambda pair: (count[pair], -pair[0], -pair[1], pair[2]), default=None)
    return best if best is not None and count[best] > 1 else None


def _oriented(i: int, j: int, ratio: Fraction, rows: list[_Row]) -> Step:
    """The pair as a step, that way round whose factor float32 has and which leaves more rows a factor 1."""
    holders = [row for row in rows if (i, j, ratio) in _pairs(row)]
    ways = [Step(i, ratio, j), Step(j, 1 / ratio, i)]

    def merit(step: Step) -> tuple[bool, int]:
        assert step.a is not None
        return in_float32(step.factor), sum(row[step.a] == 1 for row in holders)

    return max(ways, key=merit)


def _substitute(rows: list[_Row], step: Step, number: int) -> None:
    """Puts the step's value in place of the two terms in every row that has them."""
    assert step.a is not None
    for row in rows:
        if step.a in row and row.get(step.b) == row[step.a] * step.factor:
            row[number] = row.pop(step.a)
            del row[step.b]


def _chain(row: _Row, steps: list[Step], inputs: int) -> int | None:
    """Appends the steps that add up a row, and returns its operand."""
    if not row:
        return None
    terms = sorted(row.items(), key=lambda term: (term[1] != 1, abs(term[1]), term[0]))
    (value, first), *rest = terms
    if first != 1:
        steps.append(Step(None, first, value))
        value = inputs + len(steps) - 1
    for operand, factor in rest:
        steps.append(Step(value, factor, operand))
        value = inputs + len(steps) - 1
    return value


def _ordered(inputs: int, steps: list[Step], results: list[int | None]) -> Program:
    """The steps in an order that keeps few values alive: always the one that ends most lives, a result being stored at
    once.
    """
    uses = Counter(operand for step in steps for operand in _operands(step))
    uses.update(result for result in results if result is not None and result < inputs)
    place = {i: i for i in range(inputs)}
    waiting = list(range(len(steps)))
    order: list[Step] = []

    def lives(k: int) -> int:
        return (uses[inputs + k] > 0) - sum(uses[operand] == 1 for operand in _operands(steps[k]))

    while waiting:
        k = min((k for k in waiting if place.keys() >= _operands(steps[k])), key=lives)
        waiting.remove(k)
        step = steps[k]
        uses.subtract(_operands(step))
        place[inputs + k] = inputs + len(order)
        order.append(Step(None if step.a is None else place[step.a], step.factor, place[step.b]))
    return Program(inputs, tuple(order), tuple(None if result is None else place[result] for result in results))


def _operands(step: Step) -> set[int]:
    return {step.b} if step.a is None else {step.a, step.b}
