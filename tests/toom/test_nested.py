"""Nested Cook–Toom: the matrices are exact, and the programs compute them level by level."""

import itertools
import random
from collections.abc import Callable
from fractions import Fraction

import pytest

from conv1d_codegen.errors import CompileError
from conv1d_codegen.toom import Algorithm, Matrix, Program, transforms
from conv1d_codegen.toom.algorithm import algorithm, in_float32
from conv1d_codegen.toom.nested import USUAL, algorithm_of, nested
from conv1d_codegen.toom.program import program

FORMS = [
    *USUAL,
    (4, 4, (2,)),
    (6, 6, (2,)),
    (4, 2, (2,)),
    (2, 6, (2,)),
    (10, 10, (5,)),
    (8, 8, (2, 2)),
    (12, 6, (2, 3)),
]
every_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: str(form))


def times(matrix: Matrix, values: list[Fraction]) -> list[Fraction]:
    return [sum((c * value for c, value in zip(row, values, strict=True) if c), Fraction(0)) for row in matrix]


@every_form
def test_outputs_are_exact(form: tuple[int, int, tuple[int, ...]]) -> None:
    toom, draw = algorithm_of(*form), random.Random(0)
    assert (toom.outputs, toom.taps, toom.reach) == (form[0], form[1], form[0] + form[1] - 1)
    for _ in range(3):
        x = [Fraction(draw.randint(-99, 99)) for _ in range(toom.reach)]
        w = [Fraction(draw.randint(-99, 99)) for _ in range(toom.taps)]
        products = [a * b for a, b in zip(times(toom.weights, w), times(toom.inputs, x), strict=True)]
        wanted = [sum(x[a + i] * w[i] for i in range(toom.taps)) for a in range(toom.outputs)]
        assert times(toom.results, products) == wanted, str(toom)


@pytest.mark.parametrize("form", [(4, 4, (2,)), (6, 6, (3,)), (8, 8, (2, 2))])
def test_every_product_is_exact(form: tuple[int, int, tuple[int, ...]]) -> None:
    """As for one level: x[u] * w[i] belongs to y[a] where u = a + i, and nowhere else."""
    toom = algorithm_of(*form)
    for u, i in itertools.product(range(toom.reach), range(toom.taps)):
        products = [b[u] * g[i] for b, g in zip(toom.inputs, toom.weights, strict=True)]
        assert times(toom.results, products) == [u == a + i for a in range(toom.outputs)], f"{toom} {u=} {i=}"


@every_form
def test_programs_compute_their_matrix(form: tuple[int, int, tuple[int, ...]]) -> None:
    toom = algorithm_of(*form)
    ways: list[tuple[Callable[[Algorithm], Program], Matrix]] = [
        (transforms.inputs, toom.inputs),
        (transforms.results, toom.results),
    ]
    for way, matrix in ways:
        made = way(toom)
        assert made.inputs == len(matrix[0])
        assert all(in_float32(step.factor) for step in made.steps), str(toom)
        for u in range(made.inputs):
            unit = [Fraction(k == u) for k in range(made.inputs)]
            assert made.evaluate(unit) == [row[u] for row in matrix], f"{toom} {u=}"


@pytest.mark.parametrize(
    ("form", "multiplications", "inputs", "results"),
    [
        ((12, 9, (3,)), 30, 120, 90),
        ((12, 12, (3,)), 35, 175, 114),
        ((12, 16, (4,)), 42, 210, 121),
        ((8, 8, (2, 2)), 27, 50, 38),
    ],
)
def test_steps(form: tuple[int, int, tuple[int, ...]], multiplications: int, inputs: int, results: int) -> None:
    """By their whole matrices, the same transforms would take more."""
    toom = algorithm_of(*form)
    assert toom.multiplications == multiplications
    assert transforms.inputs(toom).operations == inputs < program(toom.inputs).operations
    assert transforms.results(toom).operations == results <= program(toom.results).operations


def test_of_one_level() -> None:
    assert algorithm_of(4, 3) is algorithm(4, 3)
    assert transforms.inputs(algorithm(4, 3)) == program(algorithm(4, 3).inputs)
    assert transforms.results(algorithm(4, 3)) == program(algorithm(4, 3).results)


def test_levels_are_nested_one_by_one() -> None:
    inner, outer = algorithm(2, 2), algorithm(3, 2)
    assert algorithm_of(12, 8, (2, 2)) == nested(inner, nested(inner, outer))
    assert algorithm_of(12, 8, (2, 2)) != algorithm_of(12, 8, (4,))


def test_text() -> None:
    toom = algorithm_of(12, 9, (3,))
    assert str(toom) == "F(3,3) ⊗ F(4,3)"
    lines = toom.describe().splitlines()
    assert lines[0] == "F(3,3) ⊗ F(4,3): 30 multiplications instead of 108"
    assert "F(3,3): 5 multiplications instead of 9" in lines
    assert "F(4,3): 6 multiplications instead of 12" in lines


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ((12, 9, (2,)), r"their product divides m and r. Received: m=12, r=9, levels of 2 taps"),
        ((4, 4, (1,)), r"have 2 taps or more.*levels of 1 taps"),
        ((8, 8, (2, 3)), r"Received: m=8, r=8, levels of 2, 3 taps"),
        ((36, 9, (3,)), r"m \+ r - 1 <= 10 multiplications. Received: m=12, r=3"),
        ((6, 6, (6,)), r"Received: m=6, r=6, that is 11"),
        ((64, 64, (4, 4)), r"up to 128 multiplications. Received: F\(4,4\) ⊗ F\(4,4\) ⊗ F\(4,4\), of 343"),
    ],
)
def test_refused(form: tuple[int, int, tuple[int, ...]], message: str) -> None:
    with pytest.raises(CompileError, match=message):
        algorithm_of(*form)
