"""The initializers: distributions, fans, seeds, names, configs, errors."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike
from support.type_helpers import Array, known

from conv1d_codegen.layers import initializers

SHAPE = (5, 40, 60)  # a convolution's kernel: fan_in = 200, fan_out = 300

ALL_NAMES = (
    "zeros Zeros zero ones one constant random_normal normal random_uniform uniform truncated_normal variance_scaling glorot_uniform "
    "glorot_normal he_uniform he_normal lecun_uniform lecun_normal orthogonal GlorotUniform HeNormal VarianceScaling STFT stft "
    "STFTInitializer identity Identity IdentityInitializer"
)


def test_constants() -> None:
    np.testing.assert_array_equal(initializers.get("zeros")((2, 3)), np.zeros((2, 3), np.float32))
    np.testing.assert_array_equal(initializers.get("ones")((2,), "float64"), np.ones(2))
    assert initializers.get("ones")((2,), np.float16).dtype == np.float16
    np.testing.assert_array_equal(initializers.Constant(3)((2, 2)), np.full((2, 2), 3, np.float32))
    np.testing.assert_array_equal(initializers.Constant([1, 2])((3, 2))[2], [1, 2])
    np.testing.assert_array_equal(initializers.get("identity")((2, 3)), np.eye(2, 3, dtype=np.float32))


@pytest.mark.parametrize(
    ("name", "variance", "limit"),
    [
        ("glorot_uniform", 2 / 500, math.sqrt(6 / 500)),
        ("glorot_normal", 2 / 500, 2 * math.sqrt(2 / 500) / 0.8796),
        ("he_uniform", 2 / 200, math.sqrt(6 / 200)),
        ("he_normal", 2 / 200, 2 * math.sqrt(2 / 200) / 0.8796),
        ("lecun_uniform", 1 / 200, math.sqrt(3 / 200)),
        ("lecun_normal", 1 / 200, 2 * math.sqrt(1 / 200) / 0.8796),
        ("variance_scaling", 1 / 200, 2 * math.sqrt(1 / 200) / 0.8796),
        ("random_normal", 0.05**2, math.inf),
        ("truncated_normal", (0.05 * 0.8796) ** 2, 0.1),
        ("random_uniform", 0.1**2 / 12, 0.05),
    ],
)
def test_distributions(name: str, variance: float, limit: float) -> None:
    values = initializers.get({"class_name": name, "config": {"seed": 3}})(SHAPE, "float64")
    assert values.shape == SHAPE
    assert abs(values.mean()) < 5 * math.sqrt(variance / values.size)
    assert values.var() == pytest.approx(variance, rel=0.05)
    assert np.abs(values).max() <= limit
    assert limit == math.inf or np.abs(values).max() > 0.98 * limit


def test_variance_scaling() -> None:
    def deviation(**config: Any) -> float:
        return float(initializers.VarianceScaling(seed=1, **config)(SHAPE, "float64").std())

    assert deviation(scale=3.0, mode="fan_out", distribution="uniform") == pytest.approx(math.sqrt(3 / 300), rel=0.02)
    assert deviation(mode="fan_avg", distribution="untruncated_normal") == pytest.approx(math.sqrt(1 / 250), rel=0.02)
    assert deviation(distribution="normal") == deviation(distribution="Truncated_Normal")
    assert deviation(input_axes=[0], output_axes=[2], distribution="uniform") == pytest.approx(
        math.sqrt(1 / 5), rel=0.02
    )


def test_fans() -> None:
    assert initializers.compute_fans((3, 2, 6)) == (6, 18)
    assert initializers.compute_fans((3, 6)) == (3, 6)
    assert initializers.compute_fans((7,)) == (7, 7)
    assert initializers.compute_fans(()) == (1, 1)
    limit = np.abs(initializers.GlorotUniform(seed=0)((3, 2, 6))).max()
    assert 0.4 < limit <= 0.5  # √(6 / (6 + 18)), as Keras has it for two groups of four channels


@pytest.mark.parametrize("shape", [(3, 4, 12), (3, 4, 5), (2, 3, 40)])
def test_orthogonal(shape: tuple[int, int, int]) -> None:
    matrix = initializers.Orthogonal(gain=2.0, seed=5)(shape, "float64").reshape(-1, shape[-1])
    gram = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(gram, 4.0 * np.eye(len(gram)), atol=1e-12)


def test_stft() -> None:
    frames, bins = 16, 9
    real = initializers.get("stft")((frames, 1, bins), "float64")[:, 0]
    imaginary = initializers.STFT("imag")((frames, 1, bins), "float64")[:, 0]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frames) / (frames - 1))
    signal = np.random.default_rng(0).standard_normal(frames)
    spectrum = np.fft.rfft(signal * window) / np.sqrt(np.sum(window**2))
    np.testing.assert_allclose(signal @ real + 1j * (signal @ imaginary), spectrum, atol=1e-12)
    plain = initializers.STFT(window=None, scaling=None)((frames, 1, bins), "float64")[:, 0]
    np.testing.assert_allclose(signal @ plain, np.fft.rfft(signal).real, atol=1e-12)
    own = initializers.STFT(window=np.full(frames, 2.0), scaling="spectrum", periodic=True)(
        (frames, 1, bins), "float64"
    )[:, 0]
    np.testing.assert_allclose(own, plain / frames, atol=1e-12)
    assert initializers.STFT(window="hamming", periodic=True)((frames, 1, bins)).dtype == np.float32
    with pytest.raises(ValueError, match=r"Unknown window type.*'kaiser'"):
        initializers.STFT(window="kaiser")
    with pytest.raises(ValueError, match=r"Received: window shape=\(3,\)"):
        initializers.STFT(window=[1, 2, 3])((4, 1, 3))
    with pytest.raises(ValueError, match=r"Received: shape=\(4, 2, 3\)"):
        initializers.STFT()((4, 2, 3))


def test_seeds() -> None:
    for name in ("glorot_uniform", "truncated_normal", "orthogonal", "random_uniform", "random_normal"):
        config = {"class_name": name, "config": {"seed": 7}}
        first = initializers.get(config)
        np.testing.assert_array_equal(first((3, 4, 5)), first((3, 4, 5)))
        np.testing.assert_array_equal(first((3, 4, 5)), initializers.get(config)((3, 4, 5)))
        unseeded = initializers.get(name)
        np.testing.assert_array_equal(unseeded((3, 4, 5)), unseeded((3, 4, 5)))
        assert (unseeded((3, 4, 5)) != initializers.get(name)((3, 4, 5))).any()
        assert unseeded.get_config()["seed"] is None
    assert (initializers.HeNormal(seed=-3)((9,)) != initializers.HeNormal(seed=3)((9,))).any()
    numpys: Any = np.int64(3)
    assert initializers.HeNormal(seed=numpys).get_config()["seed"] == 3


@pytest.mark.parametrize("name", ALL_NAMES.split(" "))
def test_names_and_configs(name: str) -> None:
    item = initializers.get(name)
    config = known(initializers.serialize(item))
    assert config["module"] == "keras.initializers"
    assert config["registered_name"] is None
    back = initializers.get(json.loads(json.dumps(config)))
    assert type(back) is type(item)
    assert back.get_config() == item.get_config()
    old = initializers.deserialize({"class_name": name, "config": {}})
    assert type(old) is type(item)
    assert repr(item).startswith(type(item).__name__ + "(")


def test_what_keras_writes_for_objects_in_a_config() -> None:
    seed = {
        "module": "keras.random",
        "class_name": "SeedGenerator",
        "config": {"name": "s", "seed": 7},
        "registered_name": None,
    }
    item = initializers.get({"class_name": "HeNormal", "config": {"seed": seed}})
    np.testing.assert_array_equal(item((9,)), initializers.HeNormal(seed=7)((9,)))
    value = {"class_name": "__numpy__", "config": {"value": [1.0, 2.0], "dtype": "float32"}}
    np.testing.assert_array_equal(
        initializers.get({"class_name": "Constant", "config": {"value": value}})((2,)), [1, 2]
    )


def test_keras_2_9_config() -> None:
    item = initializers.get({"class_name": "GlorotUniform", "config": {"seed": None}})
    assert known(initializers.serialize(item))["config"] == {"seed": None, "input_axes": None, "output_axes": None}


def test_other_identifiers() -> None:
    assert initializers.get(None) is None
    assert initializers.serialize(None) is None
    assert isinstance(initializers.get(initializers.Ones), initializers.Ones)

    def own(shape: tuple[int, ...], dtype: DTypeLike | None = None) -> Array:
        return np.full(shape, 2, dtype)

    assert initializers.get(own) is own
    assert initializers.get(initializers.serialize(own), {"own": own}) is own
    array = initializers.get(np.arange(6).reshape(3, 2))
    np.testing.assert_array_equal(array((3, 2)), [[0, 1], [2, 3], [4, 5]])
    with pytest.raises(
        ValueError, match=r"Expected `shape` to be \(3, 2\) for direct tensor as initializer. Received shape=\(3, 3\)"
    ):
        array((3, 3))
    again = initializers.get(json.loads(json.dumps(initializers.serialize(array))))
    np.testing.assert_array_equal(again((3, 2)), array((3, 2)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: initializers.get("foo"), "Could not interpret initializer identifier: foo"),
        (lambda: initializers.get(5), "Could not interpret initializer identifier: 5"),
        (lambda: initializers.VarianceScaling(scale=0), "Argument `scale` must be positive float. Received: scale=0"),
        (lambda: initializers.VarianceScaling(mode="x"), "Invalid `mode` argument: x"),
        (lambda: initializers.VarianceScaling(distribution="x"), "Invalid `distribution` argument: x"),
        (
            lambda: initializers.HeNormal(seed=1.5),  # type: ignore[arg-type]
            "`seed` argument should be an instance .* Received: seed=1.5",
        ),
        (lambda: initializers.get("orthogonal")((3,)), r"at least two-dimensional. Received: shape=\(3,\) of rank 1"),
        (
            lambda: initializers.get("identity")((3, 4, 6)),
            r"only be used for 2D matrices. Received: shape=\(3, 4, 6\) of rank 3.",
        ),
        (lambda: initializers.STFT(side="x"), "side should be 'real' or 'imag', not x"),
        (lambda: initializers.STFT(scaling="x"), "Received scaling=x"),
    ],
)
def test_errors(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_unknown_class() -> None:
    with pytest.raises(TypeError, match="Could not locate class 'Foo' among the initializers"):
        initializers.get({"class_name": "Foo", "config": {}})
