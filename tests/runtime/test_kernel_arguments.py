"""Compiled kernels are closed to arguments that do not fit, before memory is touched."""

from collections.abc import Callable

import numpy as np
import pytest
from support.helpers import compiled, empty_output, exact_data, expected
from support.type_helpers import Array, known

from conv1d_codegen.problem import Problem
from conv1d_codegen.runtime.kernel import CompiledKernel, PackedWeights

PLAIN = Problem.parse("c4_f6_k3_same_linear_f32")
#: A kernel, an input, packed weights and an output.
Plain = tuple[CompiledKernel, Array, PackedWeights, Array]


@pytest.fixture
def plain() -> Plain:
    kernel = compiled(PLAIN).kernel
    x, w, b = exact_data(PLAIN, 2, 10)
    return kernel, x, kernel.pack(w, b), empty_output(PLAIN, 2, 10)


def read_only(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array


def unaligned(array: Array) -> Array:
    room = np.zeros(array.nbytes + 1, np.uint8)
    return room[1:].view(array.dtype).reshape(array.shape)


BAD_INPUTS: dict[str, Callable[[Array], Array]] = {
    "rank 2": lambda x: x[0],
    "rank 4": lambda x: x[None],
    "channels": lambda x: np.zeros((2, 10, 5), np.float32),
    "layout": lambda x: np.ascontiguousarray(x.transpose(0, 2, 1)),
    "longer": lambda x: np.zeros((2, 11, 4), np.float32),
    "larger batch": lambda x: np.zeros((3, 10, 4), np.float32),
    "float64": lambda x: x.astype(np.float64),
    "int32": lambda x: np.zeros(x.shape, np.int32),
    "byte order": lambda x: x.astype(">f4"),
    "step": lambda x: np.zeros((2, 20, 4), np.float32)[:, ::2],
    "reversed": lambda x: x[:, ::-1],
    "Fortran order": lambda x: np.asfortranarray(x),
    "unaligned": unaligned,
}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_an_input_that_does_not_fit(plain: Plain, name: str) -> None:
    kernel, x, packed, y = plain
    with pytest.raises(ValueError, match="Received"):
        kernel(BAD_INPUTS[name](x), packed, y)
    assert np.isnan(y).all()


@pytest.mark.parametrize(
    "name", [name for name in BAD_INPUTS if name not in ("longer", "layout", "channels")] + ["filters", "shorter"]
)
def test_an_output_that_does_not_fit(plain: Plain, name: str) -> None:
    kernel, x, packed, y = plain
    own: dict[str, Callable[[Array], Array]] = {
        "filters": lambda y: y[..., :5].copy(),
        "shorter": lambda y: y[:, :9].copy(),
    }
    make = {**BAD_INPUTS, **own}[name]
    bad = {"step": np.zeros((2, 20, 6), np.float32)[:, ::2], "larger batch": np.zeros((3, 10, 6), np.float32)}.get(name)
    bad = make(y) if bad is None else bad
    before = bad.copy()
    with pytest.raises(ValueError, match="Received"):
        kernel(x, packed, bad)
    np.testing.assert_array_equal(bad, before)


def test_a_read_only_output(plain: Plain) -> None:
    kernel, x, packed, y = plain
    with pytest.raises(ValueError, match="read-only"):
        kernel(x, packed, read_only(y))


def test_a_read_only_input_is_fine(plain: Plain) -> None:
    kernel, x, packed, y = plain
    kernel(read_only(x), packed, y)
    assert not np.isnan(y).any()


def test_an_output_over_the_input() -> None:
    problem = Problem.parse("c4_f4_k3_same_linear_f32")
    kernel = compiled(problem).kernel
    room, w, b = exact_data(problem, 3, 10)
    packed = kernel.pack(w, b)
    before = room.copy()
    for x, y in ((room[:2], room[:2]), (room[:2], room[1:]), (room[1:], room[:2])):
        with pytest.raises(ValueError, match="shares memory"):
            kernel(x, packed, y)
    np.testing.assert_array_equal(room, before)
    kernel(room[:1], packed, room[1:2])  # neighbours do not overlap


def test_an_output_over_the_weights(plain: Plain) -> None:
    kernel, x, packed, _ = plain
    over = max(packed.arrays, key=lambda array: array.size).reshape(-1)
    small = over[: PLAIN.filters].reshape(1, 1, PLAIN.filters)
    with pytest.raises(ValueError, match="shares memory"):
        kernel(np.ascontiguousarray(x[:1, :1]), packed, small)


def test_weights_of_another_kernel(plain: Plain) -> None:
    kernel, x, _, y = plain
    for text in ("c4_f6_k3_same_relu_f32", "c4_f6_k3_causal_linear_f32", "c64_f64_k3_same_linear_f32"):
        other = Problem.parse(text)
        _, w, b = exact_data(other, 1, 1)
        with pytest.raises(ValueError, match="packed for another kernel"):
            kernel(x, compiled(other).kernel.pack(w, b), y)
    assert np.isnan(y).all()


def test_weights_of_another_problem_that_shares_the_kernel() -> None:
    """One generic kernel serves many problems; their weights are of different sizes."""
    small, large = (compiled(problem, algorithm="generic").kernel for problem in (PLAIN, PLAIN.with_(kernel_size=9)))
    x, w, b = exact_data(PLAIN, 2, 10)
    y = empty_output(PLAIN, 2, 10)
    with pytest.raises(ValueError, match="packed for another kernel"):
        large(x, small.pack(w, b), y)
    assert np.isnan(y).all()


@pytest.mark.parametrize(
    ("kernel_shape", "bias_shape"),
    [((3, 6, 4), (6,)), ((72,), (6,)), ((2, 4, 6), (6,)), ((3, 4, 6), (5,)), ((3, 4, 6), (6, 1)), ((3, 4, 6), None)],
)
def test_weights_that_do_not_fit(kernel_shape: tuple[int, ...], bias_shape: tuple[int, ...] | None) -> None:
    kernel = compiled(PLAIN).kernel
    bias = None if bias_shape is None else np.zeros(bias_shape, np.float32)
    with pytest.raises(ValueError, match="Received"):
        kernel.pack(np.zeros(kernel_shape, np.float32), bias)


def test_a_bias_that_is_not_wanted() -> None:
    problem = PLAIN.with_(use_bias=False)
    with pytest.raises(ValueError, match="no bias"):
        compiled(problem).kernel.pack(np.zeros((3, 4, 6), np.float32), np.zeros(6, np.float32))


def test_packed_weights_are_copies(plain: Plain) -> None:
    kernel, x, _, y = plain
    _, w, b = exact_data(PLAIN, 1, 1)
    right = expected(PLAIN, x, w, b)
    packed = kernel.pack(w, b)
    w[...], known(b)[...] = np.nan, np.nan
    kernel(x, packed, y)
    np.testing.assert_array_equal(y, right)
