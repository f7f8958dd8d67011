"""The reference itself, against the formula written as loops, one number at a time."""

import itertools

import numpy as np
import pytest
from support.type_helpers import Array, Data

from conv1d_codegen import reference
from conv1d_codegen.problem import Problem


def by_loops(x: Array, kernel: Array, bias: Array | None, problem: Problem) -> Array:
    """The formula at the top of `reference/convolution.py`, channels last, linear, in exact integers."""
    batch, length, _ = x.shape
    steps, left = problem.output_length(length), problem.left_padding(length)
    y = np.zeros((batch, max(0, steps), problem.filters))
    for n, t, f in np.ndindex(y.shape):
        y[n, t, f] = 0 if bias is None else bias[f]
        group = f // problem.group_filters
        for j, c in itertools.product(range(problem.kernel_size), range(problem.group_channels)):
            position = t * problem.stride + j * problem.dilation - left
            if 0 <= position < length:
                y[n, t, f] += x[n, position, group * problem.group_channels + c] * kernel[j, c, f]
    return y


def arrays(problem: Problem, batch: int, length: int, seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    shapes = (batch, length, problem.channels), problem.kernel_shape, (problem.filters,)
    x, kernel, bias = (rng.integers(-9, 10, shape).astype(np.float64) for shape in shapes)
    return x, kernel, bias if problem.use_bias else None


PROBLEMS = [
    f"c{channels}_f{filters}_k{taps}{sizes}_{padding}_linear_f32{flag}"
    for (channels, filters, groups), taps, steps, padding, flag in itertools.product(
        [(2, 3, ""), (4, 6, "_g2"), (3, 6, "_g3")],
        [1, 3, 4],
        ["", "_s2", "_d3", "_s3_d2"],
        ["valid", "same", "causal", "pad2x5", "pad0x1"],
        ["", "_nobias"],
    )
    for sizes in [steps + groups]
]


@pytest.mark.parametrize("length", [1, 2, 9, 10])
def test_against_loops(length: int) -> None:
    for line in PROBLEMS:
        problem = Problem.parse(line)
        x, kernel, bias = arrays(problem, 2, length)
        expected = by_loops(x, kernel, bias, problem)
        np.testing.assert_array_equal(
            reference.conv1d(x, kernel, bias, problem), expected, err_msg=f"{line}@2x{length}"
        )
        first = problem.with_(channels_first=True)
        y = reference.conv1d(x.transpose(0, 2, 1), kernel, bias, first)
        np.testing.assert_array_equal(y.transpose(0, 2, 1), expected, err_msg=f"{first}@2x{length}")


def test_padding_contributes_nothing() -> None:
    problem = Problem.parse("c1_f1_k3_same_linear_f32")
    kernel = np.array([np.nan, 1.0, np.inf]).reshape(3, 1, 1)
    y = reference.conv1d(np.ones((1, 1, 1)), kernel, [2.0], problem)
    assert y.item() == 3.0


def test_activation_and_dtypes() -> None:
    problem = Problem.parse("c2_f4_k3_same_relu_f16")
    x, kernel, bias = arrays(problem, 1, 5)
    assert reference.conv1d(x, kernel, bias, problem).dtype == np.float64
    assert reference.conv1d(x, kernel, bias, problem, float64=False).dtype == np.float16
    assert reference.conv1d(x, kernel, bias, problem.with_(dtype="f64"), float64=False).dtype == np.float64
    assert reference.conv1d(x, kernel, bias, problem).min() == 0.0


def test_empty() -> None:
    problem = Problem.parse("c2_f4_k3_valid_linear_f32")
    kernel, bias = np.ones((3, 2, 4)), np.ones(4)
    assert reference.conv1d(np.ones((0, 5, 2)), kernel, bias, problem).shape == (0, 3, 4)
    assert reference.conv1d(np.ones((2, 1, 2)), kernel, bias, problem).shape == (2, 0, 4)
    assert (reference.conv1d(np.ones((2, 0, 2)), kernel, bias, problem.with_(padding=(2, 2))) == 1.0).all()


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16"])
def test_error_bound(dtype: str) -> None:
    problem = Problem.parse(f"c8_f4_k5_causal_linear_{dtype}")
    rng = np.random.default_rng(3)
    numpy = {"f32": np.float32, "f64": np.float64, "f16": np.float16}[dtype]
    x, kernel, bias = (rng.standard_normal(shape).astype(numpy) for shape in ((2, 30, 8), (5, 8, 4), (4,)))
    exact, bound = reference.conv1d(x, kernel, bias, problem), reference.error_bound(x, kernel, bias, problem)
    assert bound.shape == exact.shape
    assert bound.min() > 0
    rounded = reference.conv1d(x, kernel, bias, problem, float64=False).astype(np.float64)
    assert (np.abs(rounded - exact) <= bound).all(), problem
    assert (bound <= 2.0 ** {"f32": -15, "f64": -44, "f16": -6}[dtype]).all()


@pytest.mark.parametrize(
    ("x", "kernel", "bias", "message"),
    [
        ((2, 5), (3, 2, 4), (4,), r"takes inputs of shape \(-1, -1, 2\)"),
        ((2, 5, 3), (3, 2, 4), (4,), r"Received: \(2, 5, 3\)"),
        ((2, 5, 2), (3, 2, 5), (4,), r"has a kernel of shape \(3, 2, 4\). Received: \(3, 2, 5\)"),
        ((2, 5, 2), (3, 2, 4), (5,), r"has a bias of shape \(4,\). Received: \(5,\)"),
        ((2, 5, 2), (3, 2, 4), None, r"has a bias of shape \(4,\). Received: None"),
    ],
)
def test_errors(x: tuple[int, ...], kernel: tuple[int, int, int], bias: tuple[int] | None, message: str) -> None:
    problem = Problem.parse("c2_f4_k3_valid_linear_f32")
    with pytest.raises(ValueError, match=message):
        reference.conv1d(np.ones(x), np.ones(kernel), None if bias is None else np.ones(bias), problem)
