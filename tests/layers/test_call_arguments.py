"""What a call of the layer takes and refuses, and with which words: inputs and `out`."""

from typing import Any

import numpy as np
import pytest
from support.labels import label
from support.layer_helpers import made

NO_FLOATS = [np.zeros((2, 8, 4), dtype) for dtype in (np.int32, bool, np.complex64, object, "M8[s]", "S3")]


@pytest.mark.parametrize(
    "inputs", [*NO_FLOATS, [[[1, 2, 3, 4]]], [[[1.0], [1.0, 2.0]]], "abc", None, object()], ids=label
)
def test_inputs_that_are_not_floats(inputs: object) -> None:
    layer = made()
    with pytest.raises(TypeError, match=r"Conv1D takes an array of real floating-point numbers. Received: <class '"):
        layer(inputs)
    layer.build((None, None, 4))
    with pytest.raises(TypeError, match=r"Conv1D takes an array of real floating-point numbers. Received: <class '"):
        layer(inputs)


def test_inputs_of_other_shapes() -> None:
    layer = made(name="c")
    layer(np.zeros((2, 8, 4), np.float32))
    with pytest.raises(
        ValueError,
        match="layer 'c' is incompatible with the layer: expected axis -1 of input shape to have value 4, but received",
    ):
        layer(np.zeros((2, 8, 5), np.float32))
    for shape in ((), (4,), (8, 4)):
        with pytest.raises(ValueError, match=f"expected min_ndim=3, found ndim={len(shape)}"):
            layer(np.zeros(shape, np.float32))
    with pytest.raises(
        ValueError, match=r"Computed output size would be zero or negative. Received `inputs shape=\(2, 2, 4\)`"
    ):
        layer(np.zeros((2, 2, 4), np.float32))
    first = made(data_format="channels_first")
    first.build((None, 4, None))
    with pytest.raises(
        ValueError, match=r"expected axis 1 of input shape to have value 4, but received input with shape \(2, 5, 8\)"
    ):
        first(np.zeros((2, 5, 8), np.float32))


def test_autocast() -> None:
    layer = made(autocast=False)
    with pytest.raises(
        TypeError, match=r"takes an array of float32 \(the layer has autocast=False\). Received: .* of dtype float64"
    ):
        layer(np.zeros((2, 8, 4)))
    assert layer(np.zeros((2, 8, 4), np.float32)).dtype == np.float32


def test_out_errors() -> None:
    layer = made()
    x = np.zeros((2, 8, 4), np.float32)
    big = np.zeros((2, 14, 4), np.float32)
    read_only = np.zeros((2, 6, 4), np.float32)
    read_only.flags.writeable = False
    misaligned = np.zeros(2 * 6 * 4 * 4 + 1, np.uint8)[1:].view(np.float32).reshape(2, 6, 4)
    refused: list[tuple[Any, type[Exception], str]] = [
        ([0.0], TypeError, "`out` must be a NumPy array. Received: <class 'list'>."),
        (np.zeros((2, 6, 4)), ValueError, r"`out` must have dtype float32 .* Received: dtype\('float64'\)"),
        (
            np.zeros((2, 6, 4), ">f4"),
            ValueError,
            r"`out` must have dtype float32 in native byte order. Received: dtype\('>f4'\)",
        ),
        (np.zeros((2, 7, 4), np.float32), ValueError, r"`out` must have shape \(2, 6, 4\). Received: \(2, 7, 4\)."),
        (big[:, ::2][:, :6], ValueError, "`out` must be C-contiguous, aligned and writeable"),
        (np.zeros((2, 4, 6), np.float32).transpose(0, 2, 1), ValueError, "`out` must be C-contiguous"),
        (read_only, ValueError, "`out` must be C-contiguous, aligned and writeable"),
        (misaligned, ValueError, "`out` must be C-contiguous, aligned and writeable"),
        (layer, TypeError, "`out` must be a NumPy array"),
    ]
    for out, error, message in refused:
        for activation in (None, "softmax"):
            with pytest.raises(error, match=message):
                made(activation=activation)(x, out=out)
    buffer = np.zeros(200, np.float32)
    x, out = buffer[:64].reshape(2, 8, 4), buffer[60:108].reshape(2, 6, 4)
    with pytest.raises(ValueError, match="`out` must not share memory with the inputs"):
        layer(x, out=out)
