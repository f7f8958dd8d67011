"""Every number of every type goes through a kernel as it is, and results are rounded as NumPy rounds them."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.helpers import RUNNABLE

from conv1d_codegen import CompileOptions
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.number_types import TYPES
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.plan import ALGORITHMS

WIDEST = 1 << 16  # numbers of one test: all of a type of 16 bits


def numbers_of(name: str) -> NDArray[Any]:
    """All numbers of a type, or as many with random bits."""
    row = TYPES[name]
    words = np.dtype(f"u{row.bytes}")
    if row.bytes <= 2:
        return np.arange(1 << 8 * row.bytes).astype(words).view(row.numpy)
    return np.random.default_rng(0).integers(0, 1 << 8 * row.bytes, WIDEST, words, endpoint=False).view(row.numpy)


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("factor", [1.0, 1.25])
def test_every_number_is_loaded_and_stored(name: str, target: str, factor: float) -> None:
    """Times 1, which is a copy; times 1.25, which makes ties."""
    if not TARGETS[target].converts(name):
        pytest.skip(f"{target} does not convert {name}")
    row = TYPES[name]
    problem = Problem(16, 16, 1, dtype=name, use_bias=False)
    kernel = compile_problem(problem, CompileOptions(target=target)).kernel
    weights = kernel.pack((np.eye(16) * factor)[None].astype(row.numpy), None)
    # Beside a NaN or an infinity all outputs of a step are NaN: each step has one number, and zeros.
    numbers = numbers_of(name)
    x = np.zeros((1, len(numbers), 16), row.numpy)
    x[0, np.arange(len(numbers)), np.arange(len(numbers)) % 16] = numbers
    y = np.empty_like(x)
    kernel(x, weights, y)
    compute = TYPES[row.compute].numpy
    with np.errstate(all="ignore"):
        right = (numbers.astype(compute) * compute.type(factor)).astype(row.numpy)
    found = y[0, np.arange(len(numbers)), np.arange(len(numbers)) % 16]
    same = found.view(f"u{row.bytes}") == right.view(f"u{row.bytes}")
    zero = (right == 0) & (found == 0)  # a sum with zeros has no negative zero
    both_nan = np.isnan(right.astype(float)) & np.isnan(found.astype(float))
    wrong = ~(same | zero | both_nan)
    assert not wrong.any(), (numbers[wrong][:5], found[wrong][:5], right[wrong][:5])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_computes_a_layer(algorithm: str) -> None:
    problem = Problem.parse("c8_f8_k3_g8_same_linear_f32")
    accuracy = "standard" if algorithm == "cook_toom" else "strict"
    compilation = compile_problem(problem, CompileOptions(algorithm=algorithm, accuracy=accuracy))
    assert compilation.plan.algorithm == algorithm
    kernel = compilation.kernel
    x, w, b = np.ones((2, 40, 8), "f4"), np.ones((3, 1, 8), "f4"), np.zeros(8, "f4")
    y = np.empty_like(x)
    kernel(x, kernel.pack(w, b), y)
    assert (y[:, 1:-1] == 3).all()
    assert (y[:, [0, -1]] == 2).all()
