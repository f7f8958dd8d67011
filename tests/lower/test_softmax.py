"""Softmax and its logarithm: loops, passes and machine code against the float64 reference."""

import itertools

import numpy as np
import pytest
from support.helpers import RUNNABLE, bits
from support.networks import in_float64
from support.operation_helpers import Called, around, assert_as_interpreted, epsilon_of, interpreted, numbers, staged
from support.type_helpers import Array

from conv1d_codegen.ir import Bind, Kernel, Store, buffer, load, loop, store
from conv1d_codegen.lower.operations import Softmax
from conv1d_codegen.lower.programs import logarithm
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.network import Input, Network, layers, ops, reference
from conv1d_codegen.reference.interpreter import interpret
from conv1d_codegen.symbolic.index import var

LOGS = (False, True)


def expected(operation: Softmax, x: Array) -> Array:
    with np.errstate(all="ignore"):
        return reference.compute(ops.Softmax(operation.log), [x.astype(np.float64)], {})


def assert_close(operation: Softmax, x: Array, y: Array, note: str = "") -> None:
    """Roundings of `x - most`, of the exponentials and of sums in lanes, and that of the output."""
    wanted = expected(operation, x)
    nothing, finite = np.isnan(wanted), np.isfinite(wanted)
    assert (np.isnan(y) == nothing).all(), f"{operation} {note}: NaN at other places"
    assert (y[~finite & ~nothing] == wanted[~finite & ~nothing]).all(), f"{operation} {note}: other infinities"
    largest = np.where(np.isfinite(x), np.abs(x), 0).astype(np.float64).max(-1, keepdims=True)
    error = epsilon_of(operation.compute) * (8 + largest)
    wide = np.where(finite, np.abs(wanted), 0)
    bound = error * (np.ones_like(wide) if operation.log else wide) + epsilon_of(operation.dtype) * wide
    least = float(np.finfo(np.float32 if operation.compute == "f32" else np.float64).smallest_subnormal)
    least = {"f16": 2.0**-24}.get(operation.dtype, 2 * least)
    wrong = np.abs(y[finite].astype(np.float64) - wanted[finite]) - bound[finite]
    assert wrong.max(initial=0) <= least, f"{operation} {note}: {wrong.max()}"


def drawn(operation: Softmax, *shape: int) -> Array:
    """Some steps are nearly even, in some one channel is all."""
    x = numbers(np.random.default_rng(1), operation.dtype, *shape, operation.channels)
    return np.asarray(x * np.asarray(4, x.dtype))


@pytest.mark.parametrize("target", ["sse2", "avx512"])
@pytest.mark.parametrize("log", LOGS)
def test_each_pass_keeps_the_meaning(log: bool, target: str) -> None:
    for channels, dtype in ((1, "f32"), (3, "f64"), (18, "f32")):
        operation = Softmax(dtype, channels, log)
        for name, kernel in staged(operation, target):
            for length in (1, TARGETS[target].lanes(operation.compute) + 1):
                x = drawn(operation, 1, length)
                assert_close(operation, x, interpreted(kernel, {}, x), f"{name} @1x{length}")


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("channels", [1, 3, 17, 64, 300])
@pytest.mark.parametrize("log", LOGS)
def test_the_code_gives_what_the_formula_says(log: bool, channels: int, target: str) -> None:
    operation = Softmax("f32", channels, log)
    code = Called(operation, target)
    for batch, length in [*((2, length) for length in around(operation, target)), (1, 300)]:
        x = drawn(operation, batch, length)
        assert_close(operation, x, code({}, x), f"{target} @{batch}x{length}")


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("dtype", ["f64", "f16", "bf16"])
def test_other_types(dtype: str, target: str) -> None:
    if not TARGETS[target].converts(dtype):
        pytest.skip("no float16 there")
    for log in LOGS:
        operation = Softmax(dtype, 35, log)
        x = drawn(operation, 2, 19)
        assert_close(operation, x, Called(operation, target)({}, x), target)


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("log", LOGS)
def test_nan_and_infinities(log: bool, target: str) -> None:
    for channels in (3, 19):
        operation = Softmax("f32", channels, log)
        x = drawn(operation, 1, 40)
        x[0, 3, channels - 1], x[0, 20, 0], x[0, 30, 1] = np.nan, np.inf, -np.inf
        x[0, 31], x[0, 32], x[0, 33, 2] = -np.inf, np.inf, np.finfo(np.float32).max
        x[0, 38, :2] = np.nan, np.inf
        assert_close(operation, x, Called(operation, target)({}, x), target)


@pytest.mark.parametrize("target", RUNNABLE)
def test_a_step_has_the_same_bits_wherever_it_lies(target: str) -> None:
    operation = Softmax("f32", 37)
    code = Called(operation, target)
    x = drawn(operation, 1, 90)
    whole = code({}, x)
    for at in (0, 5, 63, 64, 89):
        one = np.ascontiguousarray(x[:, at : at + 1])
        assert bits(code({}, one)) == bits(whole[:, at : at + 1]), at


@pytest.mark.parametrize("log", LOGS)
def test_the_code_is_what_the_loops_say(log: bool) -> None:
    operation = Softmax("f32", 17, log)
    assert_as_interpreted(operation, {}, drawn(operation, 1, 17))


def test_rows_that_are_too_long_for_a_tile() -> None:
    """They are taken one by one."""
    for channels in (4096, 5000, 70000):
        operation = Softmax("f32", channels)
        x = drawn(operation, 1, 3)
        assert_close(operation, x, Called(operation, RUNNABLE[-1])({}, x))


@pytest.mark.parametrize("compute", ["f32", "f64"])
@pytest.mark.parametrize("most", [1, 2, 3, 4, 1000, 1 << 20])
def test_the_logarithm(most: int, compute: str) -> None:
    """Of all that a sum of so many exponentials can be."""
    x, y = (buffer(name, compute, (var("T"),), space) for name, space in (("x", "input"), ("y", "output")))
    binds, value = logarithm(compute, load(x, var("t")), most)
    body: tuple[Bind | Store, ...] = (*binds, store(y, (var("t"),), value))
    kernel = Kernel("log", compute, (("T", 1),), (x, y), (loop("t", 0, var("T"), body, "parallel"),))
    powers = [2.0**k for k in itertools.takewhile(lambda k: 2**k <= most, range(32))]
    dtype = np.float32 if compute == "f32" else np.float64
    exact = [near for power in powers for near in (power, np.nextafter(dtype(power), dtype(0)), power * 1.37)]
    numbers = np.array([*(n for n in exact if 1 <= n <= most), most, np.nan], dtype)
    result = np.empty_like(numbers)
    interpret(kernel, {"x": numbers, "y": result}, {"T": len(numbers)})
    np.testing.assert_allclose(result, np.log(numbers.astype(np.float64)), rtol=2 * epsilon_of(compute), atol=0)


def test_a_network_has_it_as_a_kernel() -> None:
    for name in ("softmax", "log_softmax"):
        x = Input(24)
        network = Network(x, layers.Activation(name)(x))
        for length in (1, 40):
            given = np.random.default_rng(length).standard_normal((3, length, 24)).astype(np.float32)
            (wanted,) = in_float64(network.graph, network.weights, given)
            np.testing.assert_allclose(network(given), wanted, rtol=1e-5, atol=1e-6)
