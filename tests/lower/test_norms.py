"""Layer, RMS and group norms: loops, passes and machine code against the float64 reference."""

from typing import Any

import numpy as np
import pytest
from support.helpers import RUNNABLE, bits
from support.networks import in_float64
from support.operation_helpers import (
    Called,
    around,
    assert_as_interpreted,
    epsilon_of,
    interpreted,
    numbers,
    staged,
    wide,
)
from support.type_helpers import Array

from conv1d_codegen.lower.operations import GroupNorm, LayerNorm, RmsNorm
from conv1d_codegen.lower.operations.norms import Norm
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.network import Input, Network, layers, ops, reference

EPSILON = 1e-3


def norm(kind: str, channels: int, dtype: str = "f32", weights: str = "gb") -> Norm:
    scale, center = "g" in weights, "b" in weights
    if kind == "layer":
        return LayerNorm(dtype, channels, EPSILON, scale, center)
    if kind == "rms":
        return RmsNorm(dtype, channels, EPSILON, True, False)
    return GroupNorm(dtype, channels, EPSILON, scale, center, int(kind[5:]))


def drawn(operation: Norm, *shape: int, seed: int = 0) -> tuple[dict[str, Array], Array]:
    rng = np.random.default_rng(seed)
    weights = {"gamma": operation.scale, "beta": operation.center}
    own = {name: numbers(rng, operation.dtype, operation.channels) for name, on in weights.items() if on}
    return own, numbers(rng, operation.dtype, *shape, operation.channels)


def expected(operation: Norm, weights: dict[str, Array], x: Array) -> Array:
    op: Any
    if isinstance(operation, RmsNorm):
        op = ops.RmsNorm(EPSILON)
    elif isinstance(operation, GroupNorm):
        op = ops.GroupNorm(EPSILON, operation.scale, operation.center, operation.groups)
    else:
        op = ops.LayerNorm(EPSILON, operation.scale, operation.center)
    with np.errstate(all="ignore"):
        return reference.compute(op, [x.astype(np.float64)], wide(weights))


def assert_close(operation: Norm, x: Array, y: Array, weights: dict[str, Array], note: str = "") -> None:
    """Some roundings of the numbers that go in, by what these are divided by; and that of the output."""
    wanted = expected(operation, weights, x)
    finite = x[np.isfinite(x)].astype(np.float64)
    gain = 1 + np.abs(wide(weights).get("gamma", np.ones(1))).max()
    size = np.abs(finite).max() / np.sqrt(finite.var() + EPSILON) + 1
    bound = 8 * epsilon_of(operation.compute) * size * gain + epsilon_of(operation.dtype) * np.abs(wanted)
    nothing = np.isnan(wanted)
    assert (np.isnan(y) == nothing).all(), f"{operation} {note}: NaN at other places"
    wrong = np.abs(y.astype(np.float64) - wanted) - bound
    assert not wrong[~nothing].size or wrong[~nothing].max() <= 0, f"{operation} {note}: {wrong[~nothing].max()}"


@pytest.mark.parametrize("target", ["sse2", "avx512"])
@pytest.mark.parametrize("kind", ["layer", "rms", "group1", "group3"])
def test_each_pass_keeps_the_meaning(kind: str, target: str) -> None:
    for channels, dtype, weights in ((3, "f64", "gb"), (21, "f32", "g"), (6, "f32", "")):
        operation = norm(kind, channels, dtype, weights)
        for name, kernel in staged(operation, target):
            for length in (1, TARGETS[target].lanes(operation.compute) + 1):
                own, x = drawn(operation, 1, length)
                assert_close(operation, x, interpreted(kernel, own, x), own, f"{name} @1x{length}")


@pytest.mark.parametrize("kind", ["layer", "rms", "group3"])
def test_the_code_is_what_the_loops_say(kind: str) -> None:
    operation = norm(kind, 21)
    assert_as_interpreted(operation, *drawn(operation, 1, 17))


def test_many_channels_are_summed_up_in_chains() -> None:
    operation = norm("layer", 1031)
    own, x = drawn(operation, 1, 1)
    for name, kernel in staged(operation, "sse2"):
        assert_close(operation, x, interpreted(kernel, own, x), own, name)
    own, x = drawn(operation, 2, 21)
    assert_close(operation, x, Called(operation, "sse2" if "sse2" in RUNNABLE else RUNNABLE[-1])(own, x), own)


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("channels", [1, 3, 8, 17, 64, 300])
@pytest.mark.parametrize("kind", ["layer", "rms", "group1"])
def test_the_code_gives_what_the_formula_says(kind: str, channels: int, target: str) -> None:
    operation = norm(kind, channels)
    code = Called(operation, target)
    for batch, length in [*((2, length) for length in around(operation, target)), (1, 700)]:
        own, x = drawn(operation, batch, length)
        assert_close(operation, x, code(own, x), own, f"{target} @{batch}x{length}")


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("dtype", ["f64", "f16", "bf16"])
def test_other_types(dtype: str, target: str) -> None:
    if not TARGETS[target].converts(dtype):
        pytest.skip("no float16 there")
    for kind in ("layer", "rms", "group5"):
        operation = norm(kind, 35, dtype)
        own, x = drawn(operation, 2, 19)
        y = Called(operation, target)(own, x)
        assert_close(operation, x, y, own, target)
        if dtype == "f64":
            np.testing.assert_allclose(y, expected(operation, own, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("kind", ["layer", "rms"])
def test_nan_and_infinities_stay_in_their_step(kind: str, target: str) -> None:
    operation = norm(kind, 19)
    own, x = drawn(operation, 1, 40)
    x[0, 3, 18], x[0, 20, 0], x[0, 30, 5], x[0, 39] = np.nan, np.inf, -np.inf, 0
    assert_close(operation, x, Called(operation, target)(own, x), own, target)


def test_a_large_mean_takes_no_digits_from_the_variance() -> None:
    """The mean of the squares minus the square of the mean would have none left."""
    for kind in ("layer", "group1"):
        operation = norm(kind, 64)
        own, x = drawn(operation, 1, 50)
        x += np.float32(4096)
        assert_close(operation, x, Called(operation, RUNNABLE[-1])(own, x), own)


@pytest.mark.parametrize("target", RUNNABLE)
def test_a_step_has_the_same_bits_wherever_it_lies(target: str) -> None:
    operation = norm("layer", 37)
    code = Called(operation, target)
    own, x = drawn(operation, 1, 90)
    whole = code(own, x)
    for at in (0, 5, 63, 64, 89):
        one = np.ascontiguousarray(x[:, at : at + 1])
        assert bits(code(own, one)) == bits(whole[:, at : at + 1]), at


def test_groups_of_all_sizes() -> None:
    for groups in (2, 8, 24):
        operation = norm(f"group{groups}", 24)
        code = Called(operation, RUNNABLE[-1])
        for length in (1, 255, 256, 257, 1000):
            own, x = drawn(operation, 2, length)
            assert_close(operation, x, code(own, x), own, f"@2x{length}")


@pytest.mark.parametrize("made", [layers.LayerNormalization, layers.RMSNormalization, layers.GroupNormalization])
def test_a_network_has_them_as_kernels(made: Any) -> None:
    x = Input(24)
    network = Network(x, made(**({"groups": 4} if made is layers.GroupNormalization else {}))(x))
    rng = np.random.default_rng(0)
    network.set_weights([rng.standard_normal(weight.shape) for weight in network.weights.values()])
    for length in (1, 40):
        given = rng.standard_normal((3, length, 24)).astype(np.float32)
        (wanted,) = in_float64(network.graph, network.weights, given)
        np.testing.assert_allclose(network(given), wanted, rtol=1e-5, atol=1e-5)
