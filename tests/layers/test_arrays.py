"""What is taken as an array, and what is refused because its meaning would be lost."""

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike
from support.layer_helpers import built, expected, integers
from support.type_helpers import Array

from conv1d_codegen import Conv1D
from conv1d_codegen.layers import initializers

ml_dtypes = pytest.importorskip("ml_dtypes")
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
X = integers((2, 8, 4))
KERNEL = integers((3, 4, 6))


class Units(np.ndarray):
    """Like those of astropy and unyt: arithmetic looks at units."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **arguments: Any) -> None:
        raise TypeError("m + kg")

    def to_value(self, unit: str) -> Array:
        return np.asarray(self)


class Functions(np.ndarray):
    def __array_function__(
        self, function: Callable[..., Any], types: Iterable[type], arguments: Iterable[Any], named: Mapping[str, Any]
    ) -> Any:
        return NotImplemented


class Tagged(np.ndarray):
    """A subclass that carries a name along, and computes as any array."""

    name = ""

    def __array_finalize__(self, other: Array | None) -> None:
        self.name = getattr(other, "name", "")


class Gives:
    """An object of a library of its own that NumPy asks for its numbers."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Tensor(Gives):
    """As torch's tensors answer."""

    def detach(self) -> "Tensor":
        return self


class Sparse:
    """As SciPy's matrices are: NumPy sees one Python object."""

    def toarray(self) -> Array:
        return X


def masked(x: Array) -> Array:
    return np.ma.masked_array(x, np.zeros(x.shape, bool))


LOST = {
    "masked": (masked, r"MaskedArray'>, whose arithmetic .* x\.filled\(0\.0\)"),
    "masked in a list": (lambda x: list(map(masked, x)), r"MaskedArray'> in <class 'list'>, whose .* x\.filled"),
    "given as masked": (lambda x: Gives(masked(x)), r"MaskedArray'> in <class '.*Gives'>, whose .* x\.filled"),
    "units": (lambda x: x.view(Units), r"Units'>, whose arithmetic .* x\.to_value\(unit\)"),
    "functions": (
        lambda x: x.view(Functions),
        r"Functions'>, whose arithmetic .* np\.asarray\(x\) takes the bare numbers",
    ),
    "sparse": (lambda _: Sparse(), r"Sparse'>, of which NumPy makes Python objects of shape \(\)\. .* x\.toarray\(\)"),
    "ragged": (lambda _: [[[1.0], [1.0, 2.0]]], "<class 'list'>, of which NumPy can make no array"),
    "torch bfloat16": (
        lambda _: Tensor(TypeError("Got unsupported ScalarType BFloat16")),
        r"Tensor'>, of which NumPy can make no array: Got unsupported ScalarType BFloat16 .* x\.detach\(\)\.cpu\(\)\.float\(\)\.numpy\(\)",
    ),
    "torch with gradient": (
        lambda _: Tensor(
            RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        ),
        r"requires grad.* x\.detach\(\)",
    ),
    "torch on a device": (
        lambda _: Tensor(TypeError("can't convert cuda:0 device type tensor")),
        r"cuda:0.* x\.detach\(\)\.cpu\(\)",
    ),
    "own error": (lambda _: Gives(KeyError("k")), "Gives'>, of which NumPy can make no array: 'k'"),
}


@pytest.mark.parametrize("kind", LOST)
def test_what_would_lose_its_meaning_is_refused(kind: str) -> None:
    make, message = LOST[kind]
    message = message.replace(" .*", ".*")
    layer = built((None, 8, 4), 6, 3)
    for call in (
        lambda: layer(make(X)),
        lambda: Conv1D(6, 3)(make(X)),
        lambda: layer.convolution_op(make(X), KERNEL),
        lambda: layer.convolution_op(X, make(KERNEL)),
        lambda: layer.set_weights([make(KERNEL), np.zeros(6)]),
        lambda: setattr(layer, "kernel", make(KERNEL)),
        lambda: Conv1D(6, 3, weights=[make(KERNEL), np.zeros(6)])(X),
        lambda: Conv1D(6, 3, kernel_initializer=lambda shape, dtype: make(KERNEL))(X),
        lambda: Conv1D(6, 3, kernel_initializer=initializers.Constant(make(KERNEL)))(X),
    ):
        with pytest.raises(TypeError, match=message):
            call()
    with pytest.raises(ValueError, match=message):
        Conv1D(6, 3, activation=lambda y: make(KERNEL))(X)
    np.testing.assert_array_equal(layer(X), expected(layer, X))


@pytest.mark.parametrize("kind", ["masked", "units", "functions"])
def test_arrays_given_by_name(kind: str) -> None:
    make, message = LOST[kind]
    layer = built((None, 8, 4), 6, 3)
    for activation in (None, "softmax"):
        out = make(np.zeros((2, 6, 6), np.float32))
        with pytest.raises(TypeError, match="`out` must be an array of plain numbers"):
            Conv1D(6, 3, activation=activation)(X, out=out)
    with pytest.raises(TypeError, match=message.replace(" .*", ".*")):
        Conv1D(6, 3, kernel_initializer=make(KERNEL))
    assert layer.built


def test_what_keeps_its_meaning_is_taken(tmp_path: Path) -> None:
    layer = built((None, 8, 4), 6, 3)
    y = expected(layer, X)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert type(mapped) is np.memmap
    for x in (
        X.view(Tagged),
        mapped,
        X.tolist(),
        list(X),
        [list(x) for x in X],
        Gives(X),
        Gives(X.astype(BFLOAT16)),
        X.data,  # a memoryview
    ):
        result = layer(x)
        assert type(result) is np.ndarray
        np.testing.assert_array_equal(result, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        matrices = [np.asmatrix(tap) for tap in KERNEL]
    layer.kernel = matrices
    np.testing.assert_array_equal(layer.kernel, KERNEL)
    out = np.zeros(y.shape, np.float32).view(Tagged)
    assert layer(X, out=out) is out
    nested: list[object] = []
    nested.append(nested)
    with pytest.raises(TypeError, match="takes an array of real floating-point numbers"):
        layer(nested)


# Words and numbers


def test_words_of_bfloat16_in_files() -> None:
    h = KERNEL.astype(BFLOAT16)
    words = h.view("V2")
    layer = Conv1D(6, 3, dtype="bfloat16", weights=[words, np.zeros(6)])
    y = layer(X)
    np.testing.assert_array_equal(layer.kernel, h)
    layer.set_weights([2 * h, np.zeros(6)])
    layer.set_weights([words[:, ::-1][:, ::-1], np.zeros(6).astype(BFLOAT16).view("V2")])
    np.testing.assert_array_equal(layer.kernel, h)
    layer.kernel = words
    np.testing.assert_array_equal(layer(X.astype(BFLOAT16).view("V2")), y)
    np.testing.assert_array_equal(
        Conv1D(6, 3, dtype="mixed_bfloat16", weights=[h, np.zeros(6)])(X.astype(BFLOAT16).view("V2")), y
    )
    for dtype in ("float32", "float64", "float16", "mixed_bfloat16"):
        other = Conv1D(6, 3, dtype=dtype)
        other.build((None, 8, 4))
        with pytest.raises(
            TypeError, match=r"takes real numbers\. Received an array of dtype \|V2: HDF5 .*view\(ml_dtypes.bfloat16\)"
        ):
            other.set_weights([words, np.zeros(6)])
        if dtype != "mixed_bfloat16":
            with pytest.raises(TypeError, match=r"dtype \|V2: HDF5 .*view\(ml_dtypes.bfloat16\)"):
                other(X.astype(BFLOAT16).view("V2"))
    for wrong in ("V1", "V4", [("a", "u1"), ("b", "u1")], [("a", "f4")]):
        with pytest.raises(TypeError, match=r"takes real numbers\. Received an array of dtype"):
            layer.kernel = np.zeros((3, 4, 6), wrong)
    with pytest.raises(TypeError, match=r"An array as initializer takes real numbers.*\|V2"):
        Conv1D(6, 3, dtype="bfloat16", kernel_initializer=words)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("word", ["u2", "i2", ">u2"])
def test_integers_of_16_bits_are_refused_as_weights(word: str, dtype: str) -> None:
    words = KERNEL.astype(BFLOAT16).view(word[-2:]).astype(word)
    layer = Conv1D(6, 3, dtype=dtype)
    layer.build((None, 8, 4))
    message = re.escape("may hold numbers, or the words of float16 or bfloat16. Say which: w.astype('float32')")
    with pytest.raises(TypeError, match=message):
        layer.kernel = words
    with pytest.raises(TypeError, match=message):
        Conv1D(6, 3, dtype=dtype, kernel_initializer=words)
    with pytest.raises(TypeError, match="real floating-point numbers"):
        layer(np.zeros((2, 8, 4), word))


@pytest.mark.parametrize(
    "dtype", ["i1", "u1", "i4", "u4", "i8", "u8", bool, "f2", ">f4", "f8", "longdouble", ml_dtypes.int4]
)
def test_weights_of_other_types_are_numbers(dtype: DTypeLike) -> None:
    layer = built((None, 8, 4), 6, 3)
    kernel = (KERNEL % 2).astype(dtype)
    layer.kernel = kernel
    np.testing.assert_array_equal(layer.kernel, KERNEL % 2)


SMALL_FLOATS = [name for name in dir(ml_dtypes) if re.match(r"float\d", name)]


@pytest.mark.parametrize("name", SMALL_FLOATS)
def test_every_small_float_is_a_number(name: str) -> None:
    dtype = np.dtype(getattr(ml_dtypes, name))
    # 1 and 2: one of them has no 0, and no sign
    x, kernel = (np.abs(np.sign(values)) + np.float32(1) for values in (X, KERNEL))
    layer = built((None, 8, 4), 6, 3)
    layer.kernel = kernel.astype(dtype)
    np.testing.assert_array_equal(layer.kernel, kernel)
    np.testing.assert_array_equal(layer(x.astype(dtype)), layer(x))
