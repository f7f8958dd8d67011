"""The interpreter is the meaning of the IR: the lowered formula in it is the reference's result, and it checks every
access.
"""

from collections.abc import Sequence

import numpy as np
import pytest
from support.helpers import algorithms, assert_exact, exact_data, expected, lowered, run_interpreted

from conv1d_codegen.ir import (
    Alloc,
    Binary,
    Bind,
    Const,
    Fma,
    Kernel,
    Prefetch,
    Ref,
    Select,
    Statement,
    Unary,
    Value,
    buffer,
    load,
    loop,
    store,
)
from conv1d_codegen.problem import Problem
from conv1d_codegen.reference.interpreter import interpret
from conv1d_codegen.symbolic.index import index, var

LOWERED = (
    "c1_f1_k1_valid_linear_f32",
    "c3_f4_k3_valid_relu_f32",
    "c2_f3_k4_same_linear_f32_nobias",
    "c2_f5_k3_d2_causal_linear_f32",
    "c2_f3_k3_s2_same_linear_f32",
    "c2_f2_k3_s3_d2_pad2x5_linear_f32",
    "c4_f6_k2_g2_same_linear_f32",
    "c3_f6_k3_g3_causal_relu_f32",
    "c2_f3_k3_same_linear_f64_first",
    "c4_f6_k3_s2_g2_same_linear_f32_first",
    "c3_f6_k2_g3_valid_linear_f32_first_nobias",
    "c3_f2_k3_same_relu_f16",
    "c3_f2_k3_same_linear_bf16",
    "c2_f3_k3_same_gelu_f32",
)


@pytest.mark.parametrize("text", LOWERED)
def test_the_lowered_formula_is_the_reference(text: str) -> None:
    problem = Problem.parse(text)
    for algorithm in algorithms(problem):
        kernel = lowered(problem, algorithm)
        for batch, length in ((2, 0), (1, 1), (2, 2), (1, 9), (0, 4)):
            x, w, b = exact_data(problem, batch, length)
            assert_exact(
                problem,
                run_interpreted(kernel, problem, x, w, b),
                expected(problem, x, w, b),
                f"{algorithm}@{batch}x{length}",
            )


@pytest.mark.parametrize("algorithm", ["direct", "generic"])
def test_padding_contributes_nothing(algorithm: str) -> None:
    """The weights of taps beside the input are not even multiplied with zero: they may be NaN."""
    problem = Problem.parse("c2_f3_k3_causal_linear_f32")
    x, w, b = exact_data(problem, 1, 1)
    w[:2] = np.nan
    y = run_interpreted(lowered(problem, algorithm), problem, x, w, b)
    np.testing.assert_array_equal(y, (x[:, :, :, None] * w[2]).sum(2) + b)


N = var("N")
X = buffer("x", "f32", (N,), "input")
Y = buffer("y", "f32", (N,), "update")


def compute(*body: Statement, x: Sequence[float] = (), dtype: str = "f32") -> list[float]:
    """Run statements; what they leave in `y`."""
    arrays = {"x": np.array(x, np.float32), "y": np.full(len(x), -7, np.float32)}
    interpret(Kernel("k", dtype, (("N", 0),), (X, Y), body), arrays, {"N": len(x)})
    return list(arrays["y"].tolist())


@pytest.mark.parametrize("place", [-1, 2, 100])
def test_an_access_outside_a_buffer_raises(place: int) -> None:
    with pytest.raises(IndexError, match=rf"x\[{place}\] is outside x"):
        compute(store(Y, (0,), load(X, place)), x=[1, 2])
    with pytest.raises(IndexError, match=rf"y\[{place}\] is outside y"):
        compute(store(Y, (place,), Const(1.0)), x=[1, 2])
    with pytest.raises(IndexError, match=rf"y\[{place}\] is outside y"):
        compute(Prefetch(Y, (index(place),)), x=[1, 2])


def test_weights_may_be_fetched_past_the_end_of_a_row() -> None:
    rows = buffer("wp", "f32", (2, 3), "constant")
    arrays = {"x": np.zeros(1, np.float32), "wp": np.zeros((2, 3), np.float32), "y": np.zeros(1, np.float32)}
    for place, inside in (((0, 5), True), ((1, 2), True), ((1, 3), False), ((0, -1), False)):
        body = (Prefetch(rows, (index(place[0]), index(place[1]))),)
        kernel = Kernel("k", "f32", (("N", 0),), (X, rows, Y), body)
        if inside:
            interpret(kernel, arrays, {"N": 1})
        else:
            with pytest.raises(IndexError, match="is outside wp"):
                interpret(kernel, arrays, {"N": 1})


def test_a_prefetch_changes_nothing() -> None:
    assert compute(Prefetch(Y, (index(1),)), x=[1, 2]) == [-7, -7]


@pytest.mark.parametrize("space", ["register", "scratch"])
def test_what_is_read_before_it_is_written_is_nan(space: str) -> None:
    tmp = buffer("tmp", "f32", (2,), space)
    assert np.isnan(compute(Alloc(tmp), store(tmp, (0,), Const(1.0)), store(Y, (0,), load(tmp, 1)), x=[0]))
    again = (Alloc(tmp), store(Y, (var("i"),), load(tmp, 0)), store(tmp, (0,), Const(1.0)))
    assert np.isnan(compute(loop("i", 0, 2, again), x=[0, 0])).all()  # its life ends with the block


def test_ranges_and_order() -> None:
    i, n = var("i"), var("N")
    assert compute(loop("i", 0, n, (store(Y, (n - 1 - i,), load(X, i)),)), x=[1, 2, 3]) == [3, 2, 1]
    assert compute(loop("i", 2, 2, (store(Y, (0,), Const(1.0)),)), x=[1, 2, 3]) == [-7, -7, -7]
    assert compute(loop("i", 3, 1, (store(Y, (0,), Const(1.0)),)), x=[1, 2, 3]) == [-7, -7, -7]
    later = loop("i", 1, n, (store(Y, (i,), load(Y, i - 1) + load(X, i)),))
    assert compute(store(Y, (0,), load(X, 0)), later, x=[1, 2, 3]) == [1, 3, 6]


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (Const(2.0) + 3 * Const(4.0) - 1, 13.0),
        (1 / Const(4.0), 0.25),
        (Const(1.0) / 0.0, INF),
        (-Const(0.0), -0.0),
        (Unary("abs", Const(-2.0)), 2.0),
        (Unary("sqrt", Const(2.25)), 1.5),
        (Unary("sqrt", Const(-1.0)), NAN),
        (Unary("exp2i", Const(-3.0)), 0.125),
        (Binary("copysign", Const(3.0), Const(-0.0)), -3.0),
        (Binary("max", Const(1.0), Const(2.0)), 2.0),
        (Binary("max", Const(NAN), Const(2.0)), 2.0),
        (Binary("max", Const(2.0), Const(NAN)), NAN),
        (Binary("min", Const(NAN), Const(2.0)), 2.0),
        (Binary("min", Const(2.0), Const(NAN)), NAN),
        (Select("lt", Const(1.0), Const(2.0), Const(3.0), Const(4.0)), 3.0),
        (Select("ge", Const(NAN), Const(2.0), Const(3.0), Const(4.0)), 4.0),
        (Select("eq", Const(-0.0), Const(0.0), Const(3.0), Const(4.0)), 3.0),
        (Fma(Const(2.0), Const(3.0), Const(4.0)), 10.0),
    ],
)
def test_values(value: Value, result: float) -> None:
    (actual,) = compute(store(Y, (0,), value), x=[0])
    np.testing.assert_array_equal(actual, result)
    assert np.signbit(actual) == np.signbit(result) or np.isnan(result)


def test_fma_rounds_once() -> None:
    tiny = 2.0**-12
    squared = Fma(load(X, 0), load(X, 0), Const(-1.0 - 2 * tiny))
    assert compute(store(Y, (0,), squared), x=[1 + tiny]) == [tiny**2]
    assert compute(store(Y, (0,), load(X, 0) * load(X, 0) - (1 + 2 * tiny)), x=[1 + tiny]) == [0]


def test_bound_numbers() -> None:
    assert compute(Bind("a", load(X, 0) + 1), Bind("a", Ref("a") * Ref("a")), store(Y, (0,), Ref("a")), x=[2]) == [9]


def test_numbers_are_computed_in_the_compute_type() -> None:
    total = load(X, 0) + 2.0**-30
    assert compute(store(Y, (0,), total - 1.0), x=[1], dtype="f32") == [0]
    assert compute(store(Y, (0,), total - 1.0), x=[1], dtype="f64") == [2.0**-30]
