"""The layer: what it computes, of which inputs. Integers in floats make most comparisons exact."""

import functools
import itertools
import math
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from support.layer_helpers import built, expected, integers
from support.type_helpers import Array

from conv1d_codegen import CompileOptions, Conv1D, activations, reference
from conv1d_codegen.problem.padding import Padding


def test_seed_document_examples() -> None:
    x = np.random.default_rng(0).standard_normal((4, 7, 10, 128)).astype(np.float32)
    layer = Conv1D(32, 3, activation="relu", input_shape=(10, 128))
    assert layer(x[:, 0]).shape == (4, 8, 32)
    assert layer(x).shape == (4, 7, 8, 32)
    np.testing.assert_array_equal(layer(x)[:, 3], layer(x[:, 3]))


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 5)),
    st.integers(1, 5),
    st.sampled_from([{}, {"strides": 2}, {"strides": 3}, {"dilation_rate": 2}, {"dilation_rate": 5}]),
    st.sampled_from(["valid", "same", "causal", (0, 3), (2, 1)]),
    st.sampled_from([None, "relu", "hard_tanh"]),
    st.tuples(st.booleans(), st.booleans()),
    st.tuples(st.integers(1, 3), st.integers(1, 40)),
)
def test_configurations(
    sizes: tuple[int, int, int],
    kernel_size: int,
    steps: dict[str, int],
    padding: Padding,
    activation: str | None,
    flags: tuple[bool, bool],
    size: tuple[int, int],
) -> None:
    (groups, group_channels, group_filters), (first, use_bias), (batch, length) = sizes, flags, size
    options = None if isinstance(padding, str) else CompileOptions(explicit_padding=padding)
    layer = Conv1D(
        groups * group_filters,
        kernel_size,
        **steps,
        groups=groups,
        padding=padding if isinstance(padding, str) else "valid",
        activation=activation,
        use_bias=use_bias,
        data_format="channels_first" if first else "channels_last",
        kernel_initializer=lambda shape, dtype: integers(shape, 1),
        bias_initializer=lambda shape, dtype: integers(shape, 2),
        options=options,
    )
    channels = groups * group_channels
    x = integers((batch, channels, length) if first else (batch, length, channels))
    extent = (kernel_size - 1) * layer.dilation_rate[0] + 1
    zeros = {"valid": 0, "same": extent, "causal": extent}[padding] if isinstance(padding, str) else sum(padding)
    if length + zeros < extent:
        for attempt in (layer.compute_output_shape, layer.build, lambda shape: layer(x)):
            with pytest.raises(ValueError, match="Computed output size would be zero or negative"):
                attempt(x.shape)
        return
    shape = layer.compute_output_shape(x.shape)
    y = layer(x)
    assert y.shape == shape
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, expected(layer, x), err_msg=f"{layer.problem}@{batch}x{length}")


def test_one_layer_takes_any_batch_and_length() -> None:
    layer = built((None, None, 5), 7, 4, padding="same", strides=3)
    for batch, length in itertools.product((1, 2, 5), (1, 2, 3, 17, 64, 65)):
        x = integers((batch, length, 5), length)
        np.testing.assert_array_equal(layer(x), expected(layer, x), err_msg=f"{layer.problem}@{batch}x{length}")


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_extended_batch(data_format: str) -> None:
    first = data_format == "channels_first"
    layer = Conv1D(6, 3, padding="causal", data_format=data_format, groups=2)
    x = integers((2, 3, 5, 4, 8) if first else (2, 3, 5, 8, 4))
    y = layer(x)
    assert y.shape == layer.compute_output_shape(x.shape) == ((2, 3, 5, 6, 8) if first else (2, 3, 5, 8, 6))
    np.testing.assert_array_equal(y[1, 2], layer(x[1, 2]))
    out = np.empty_like(y)
    assert layer(x, out=out) is out
    np.testing.assert_array_equal(out, y)
    layer = Conv1D(6, 3, data_format=data_format)
    assert layer(x).shape == (2, 3, 5, 6, 6)


def test_empty_batches_and_sequences() -> None:
    layer = built((None, None, 4), 6, 3, activation="softmax")
    assert layer(np.zeros((0, 8, 4), np.float32)).shape == (0, 6, 6)
    assert layer(np.zeros((2, 0, 8, 4), np.float32)).shape == (2, 0, 6, 6)
    for padding, first in itertools.product(("same", "causal"), (True, False)):
        layer = Conv1D(
            6, 3, padding=padding, data_format="channels_first" if first else "channels_last", activation="log_softmax"
        )
        x = np.zeros((3, 4, 0) if first else (3, 0, 4), np.float32)
        assert layer(x).shape == layer.compute_output_shape(x.shape) == ((3, 6, 0) if first else (3, 0, 6))
    with pytest.raises(ValueError, match="Computed output size would be zero or negative"):
        Conv1D(6, 1)(np.zeros((3, 0, 4), np.float32))


def test_compute_output_shape_keeps_unknown_sizes() -> None:
    assert Conv1D(2, 3).compute_output_shape((None, None, 4)) == (None, None, 2)
    assert Conv1D(2, 3, padding="same", strides=2).compute_output_shape([None, 9, None]) == (None, 5, 2)
    assert Conv1D(2, 3, data_format="channels_first").compute_output_shape((3, 4, 10)) == (3, 2, 8)
    assert Conv1D(4, 3, activation="glu").compute_output_shape((3, 10, 4)) == (3, 8, 2)
    assert Conv1D(4, 3, activation="glu", data_format="channels_first").compute_output_shape((3, 4, None)) == (
        3,
        4,
        None,
    )
    assert Conv1D(2, 3, options={"explicit_padding": (4, 1)}).compute_output_shape((3, 10, 4)) == (3, 13, 2)
    with pytest.raises(ValueError, match="axis size must be divisible by 2"):
        Conv1D(3, 3, activation="glu").compute_output_shape((3, 10, 4))


def test_many_threads_share_a_layer() -> None:
    layer = Conv1D(8, 3, padding="same", kernel_initializer=lambda shape, dtype: integers(shape, 3))
    x = [integers((2, length, 4), length) for length in range(1, 9)]
    results: dict[int, Array] = {}

    def work(index: int) -> None:
        for _ in range(20):
            results[index] = layer(x[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(x))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, given_x in enumerate(x):
        np.testing.assert_array_equal(results[index], expected(layer, given_x))


# Inputs


def layouts() -> dict[str, Any]:
    x = integers((2, 9, 4))
    misaligned = np.zeros(x.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(x.shape)
    misaligned[...] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    wide = np.zeros((2, 18, 8), np.float32)
    wide[:, ::2, 1::2] = x
    return {
        "float64": x.astype(np.float64),
        "float16": x.astype(np.float16),
        "longdouble": x.astype(np.longdouble),
        "byte-swapped": x.astype(">f4"),
        "fortran": np.asfortranarray(x),
        "reversed": x[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
        "strided": wide[:, ::2, 1::2],
        "misaligned": misaligned,
        "read-only": read_only,
        "list": x.tolist(),
        "subclass": x.view(type("Sub", (np.ndarray,), {})),
        "broadcast": np.broadcast_to(x[:1], x.shape),
    }


@pytest.mark.parametrize("kind", layouts())
def test_memory_layouts(kind: str) -> None:
    given = layouts()[kind]
    layer = built((None, 9, 4), 3, 3)
    y = layer(given)
    assert type(y) is np.ndarray
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, expected(layer, np.asarray(given, np.float32)))


def test_out() -> None:
    for activation in (None, "relu", "softmax", lambda y: y * 2):
        layer = built((None, 9, 4), 6, 3, activation=activation)
        x = integers((2, 9, 4))
        out = np.full((2, 7, 6), np.nan, np.float32)
        assert layer(x, out=out) is out
        np.testing.assert_array_equal(out, layer(x))
    glu = built((None, 9, 4), 6, 3, activation="glu")
    assert glu(x, out=np.empty((2, 7, 3), np.float32)).shape == (2, 7, 3)
    assert layer(x, training=True).shape == (2, 7, 6)


# Activations


@pytest.mark.parametrize("name", sorted(set(activations.NAMES) - {"threshold"}))
def test_every_activation_by_name(name: str) -> None:
    rng = np.random.default_rng(1)
    layer = Conv1D(6, 3, activation=name, kernel_initializer="random_normal", bias_initializer="normal", padding="same")
    x = rng.standard_normal((2, 9, 4)).astype(np.float32)
    y = layer(x)
    linear = layer.problem.with_(activation=activations.fusable("linear"))
    z = reference.conv1d(x, layer.kernel, layer.bias, linear)
    np.testing.assert_allclose(y, activations.get(name)(z), rtol=2e-6, atol=2e-6, err_msg=f"{layer.problem} {name}")
    assert (activations.fusable(name) is None) == (str(layer.problem.activation) == "linear" != name)


def test_activation_with_parameters_and_own_functions() -> None:
    x = integers((2, 9, 4))
    plain = built((None, 9, 4), 6, 3)
    for activation, function in (
        (functools.partial(activations.leaky_relu, negative_slope=0.5), lambda y: np.where(y > 0, y, y / 2)),
        (functools.partial(activations.relu, max_value=3.0), lambda y: np.clip(y, 0, 3)),
        (functools.partial(activations.threshold, threshold=1.0, default_value=-2.0), lambda y: np.where(y > 1, y, -2)),
        ({"class_name": "LeakyReLU", "config": {"alpha": 0.25}}, lambda y: np.where(y > 0, y, y / 4)),
        (lambda y: (y * 3).astype(np.float64), lambda y: y * 3),
        (lambda y: y.tolist(), lambda y: y),
    ):
        layer = built((None, 9, 4), 6, 3, activation=activation)
        y = layer(x)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, function(plain(x)))
    with pytest.raises(TypeError, match="missing 2 required positional arguments"):
        built((None, 9, 4), 6, 3, activation="threshold")(x)


def test_rows_are_the_last_axis_in_channels_first_too() -> None:
    layer = Conv1D(6, 3, activation="softmax", data_format="channels_first")
    np.testing.assert_allclose(layer(integers((2, 4, 9))).sum(-1), 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    "wrong", [lambda z: z[0], lambda z: z[:, :-1], lambda z: None, lambda z: z * 1j, lambda z: z > 0]
)
def test_an_activation_that_makes_something_else(wrong: Callable[[Array], object]) -> None:
    layer = Conv1D(8, 3, activation=wrong, name="odd")
    with pytest.raises(
        ValueError, match=r"activation .* of layer 'odd' must make real floating-point numbers of shape \(2, 8, 8\)"
    ):
        layer(np.ones((2, 10, 4), np.float32))


# dtypes


@pytest.mark.parametrize("dtype", ["float64", "float16", "mixed_float16", "bfloat16", "mixed_bfloat16"])
def test_dtypes(dtype: str) -> None:
    if "bfloat16" in dtype:
        pytest.importorskip("ml_dtypes")
    layer = built((None, 9, 4), 6, 3, dtype=dtype, padding="causal", activation="relu")
    compute = dtype.removeprefix("mixed_")
    assert layer.compute_dtype == compute
    assert layer.dtype == layer.variable_dtype == layer.kernel.dtype.name == ("float32" if "mixed" in dtype else dtype)
    x = np.sign(integers((2, 9, 4)))  # sums stay below 2**8, which bfloat16 holds exactly
    layer.kernel = np.sign(layer.kernel.astype(np.float32))
    y = layer(x)
    assert y.dtype.name == compute
    np.testing.assert_array_equal(y.astype(np.float64), expected(layer, x), err_msg=str(layer.problem))
    softmax = Conv1D(6, 3, dtype=dtype, activation="softmax")
    assert softmax(x).dtype.name == compute
    assert layer.get_config()["dtype"]["config"] == {"name": dtype}


def test_bfloat16_without_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ImportError, match="pip install ml_dtypes"):
        Conv1D(4, 3, dtype="bfloat16")


def test_large_values_become_infinite_silently() -> None:
    layer = Conv1D(1, 1, kernel_initializer="ones")
    assert layer(np.full((1, 1, 1), 1e300)).item() == math.inf


# convolution_op


class Doubled(Conv1D):
    """Doubles the kernel, as a weight-standardised layer would change it."""

    def convolution_op(self, inputs: ArrayLike, kernel: ArrayLike) -> Array:
        self.seen = np.shape(inputs)
        return super().convolution_op(inputs, 2 * np.asarray(kernel))


@pytest.mark.parametrize("padding", ["valid", "same", "causal", (1, 4)])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_convolution_op_overridden(padding: str | tuple[int, int], data_format: str) -> None:
    arguments: dict[str, Any] = {"activation": "relu", "groups": 2, "dilation_rate": 2, "data_format": data_format}
    if isinstance(padding, str):
        arguments["padding"] = padding
    else:
        arguments["options"] = CompileOptions(explicit_padding=padding)
    first = data_format == "channels_first"
    shape = (2, 4, 8) if first else (2, 8, 4)
    layer, plain = Doubled(6, 3, **arguments), Conv1D(6, 3, **arguments)
    for each in (layer, plain):
        each.build(shape)
    weights = [integers((3, 2, 6), 1), integers((6,), 2)]
    layer.set_weights(weights)
    plain.set_weights([2 * weights[0], weights[1]])
    x = integers(shape)
    np.testing.assert_array_equal(layer(x), plain(x), err_msg=str(plain.problem))
    steps = {"valid": 8, "same": 8, "causal": 12, (1, 4): 13}[padding]
    assert layer.seen == ((2, 4, steps) if first else (2, steps, 4))
    wide = np.stack([x, x, x])
    np.testing.assert_array_equal(layer(wide)[1], plain(x))
    out = np.empty_like(plain(x))
    assert layer(x, out=out) is out
    np.testing.assert_array_equal(out, plain(x))
    assert layer(x[:0]).shape == (0, *out.shape[1:])


def test_convolution_op_directly() -> None:
    layer = built((None, 8, 4), 6, 3, padding="causal", dilation_rate=2, activation="relu")
    x = integers((2, 12, 4))
    y = layer.convolution_op(x, layer.kernel)
    problem = layer.problem.with_(padding="valid", use_bias=False, activation=activations.fusable(None))
    np.testing.assert_array_equal(y, reference.conv1d(x, layer.kernel, None, problem))
    # two groups, by the kernel's shape
    assert layer.convolution_op(x, np.ones((5, 2, 10), np.float32)).shape == (2, 4, 10)
    with pytest.raises(
        ValueError, match=r"inputs of 4 channels with a kernel of shape .* Received kernel of shape \(3, 3, 6\)"
    ):
        layer.convolution_op(x, np.ones((3, 3, 6)))
    with pytest.raises(ValueError, match="Computed output size would be zero or negative"):
        layer.convolution_op(x[:, :4], layer.kernel)
    with pytest.raises(ValueError, match="expected min_ndim=3"):
        layer.convolution_op(x[0], layer.kernel)
