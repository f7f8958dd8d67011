"""The table of activations: values against mpmath, NaN and infinities, names, dicts, and what a kernel can fuse."""

import functools
import json
import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from support.type_helpers import Array, the

from conv1d_codegen import Activation, activations
from conv1d_codegen.reference.activations import evaluate

POINTS = [
    -80.0,
    -20.0,
    -6.5,
    -3.0,
    -2.999,
    -1.5,
    -1.0,
    -0.5,
    -0.3,
    -1e-3,
    -1e-9,
    0.0,
    1e-9,
    1e-3,
    0.3,
    0.5,
    0.75,
    1.0,
    1.5,
    3.0,
    6.5,
    20.0,
    80.0,
]

EXACT: dict[str, Callable[..., Any]] = {
    "linear": lambda x: x,
    "relu": lambda x: max(x, 0),
    "relu6": lambda x: min(max(x, 0), 6),
    "leaky_relu": lambda x: x if x > 0 else mpmath.mpf(0.2) * x,
    "elu": lambda x: x if x > 0 else mpmath.expm1(x),
    "selu": lambda x: (
        mpmath.mpf(1.0507009873554805) * (x if x > 0 else mpmath.mpf(1.6732632423543772) * mpmath.expm1(x))
    ),
    "celu": lambda x: max(x, 0) + mpmath.expm1(min(x, 0)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "squareplus": lambda x: (x + mpmath.sqrt(x * x + 4)) / 2,
    "soft_shrink": lambda x: mpmath.sign(x) * max(abs(x) - 0.5, 0),
    "hard_shrink": lambda x: x if abs(x) > 0.5 else 0,
    "tanh_shrink": lambda x: x - mpmath.tanh(x),
    "sparse_plus": lambda x: 0 if x <= -1 else (x + 1) ** 2 / 4 if x < 1 else x,
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "gelu": lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "exponential": mpmath.exp,
    "hard_sigmoid": lambda x: min(max(x + 3, 0), 6) / 6,
    "hard_silu": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "hard_tanh": lambda x: min(max(x, -1), 1),
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    "log_sigmoid": lambda x: -mpmath.log1p(mpmath.exp(-x)),
    "sparse_sigmoid": lambda x: min(max((x + 1) / 2, 0), 1),
}
# What the error is relative to, beside the value: the terms of sums that cancel as Keras defines them, and erfc's
# condition, x².
SCALES: dict[str, Callable[[float, float], float]] = {
    "tanh_shrink": lambda x, y: abs(x),
    "squareplus": lambda x, y: abs(x),
    "sparse_plus": lambda x, y: 1.0,
    "hard_sigmoid": lambda x, y: 3.0,
    "sparse_sigmoid": lambda x, y: 1.0,
    "gelu": lambda x, y: abs(y) * x * x,
}

ROWWISE = ("softmax", "log_softmax", "sparsemax", "glu")


def test_the_table_is_complete() -> None:
    assert set(activations.ELEMENTWISE) == set(EXACT) | {"threshold"}
    assert len(activations.ELEMENTWISE) == 26
    assert set(activations.NAMES) == set(activations.ELEMENTWISE) | {*ROWWISE, "swish", "hard_swish"}
    assert len(activations.NAMES) == 32


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", EXACT)
def test_values(name: str, dtype: type[np.floating[Any]]) -> None:
    x = np.array(POINTS, dtype)
    y = activations.get(name)(x)
    assert y.dtype == dtype
    assert y.shape == x.shape
    for point, value in zip(x, y, strict=True):
        with mpmath.workdps(40):
            exact = EXACT[name](mpmath.mpf(float(point)))
            scale = max(abs(float(exact)), float(np.finfo(dtype).smallest_normal))
            scale = max(scale, SCALES[name](float(point), float(exact)) if name in SCALES else 0.0)
            assert abs(float(mpmath.mpf(float(value)) - exact)) <= 4 * np.finfo(dtype).eps * scale, (
                f"{name}({point!r}) = {value!r}, not {exact}"
            )


def test_parameters() -> None:
    x = np.array([-4.0, -1.0, 0.0, 0.25, 1.0, 3.0])
    assert_array = np.testing.assert_array_equal
    assert_array(
        activations.relu(x, negative_slope=0.25, max_value=2.0, threshold=0.5),
        [-1.125, -0.375, -0.125, -0.0625, 1.0, 2.0],
    )
    assert_array(activations.relu(x, threshold=0.5), [0, 0, 0, 0, 1, 3])
    assert_array(activations.leaky_relu(x, negative_slope=0.5), [-2, -0.5, 0, 0.25, 1, 3])
    assert_array(activations.threshold(x, 0.4, -7.0), [-7, -7, -7, -7, 1, 3])
    assert_array(activations.soft_shrink(x, threshold=1.0), [-3, 0, 0, 0, 0, 2])
    np.testing.assert_allclose(activations.elu(x, alpha=2.0)[:2], 2 * np.expm1([-4, -1]), rtol=1e-15)
    np.testing.assert_allclose(activations.celu(x, alpha=2.0)[:2], 2 * np.expm1([-2, -0.5]), rtol=1e-15)
    tanh_form = [0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))) for v in x]
    np.testing.assert_allclose(activations.gelu(x, approximate=True), tanh_form, rtol=1e-11)


@pytest.mark.parametrize("name", sorted(set(activations.NAMES) - {"threshold"}))
def test_nan_stays_nan(name: str) -> None:
    y = activations.get(name)(np.array([[0.5, np.nan, 0.25, 0.125]], np.float32))
    assert np.isnan(y).any()
    assert name in ROWWISE or np.isnan(y).tolist() == [[False, True, False, False]]


def test_nan_is_not_above_a_threshold() -> None:
    assert activations.threshold(np.array([np.nan]), 0.0, 1.0) == [1.0]


INF, NAN = math.inf, math.nan
LIMITS = {
    **dict.fromkeys(["relu", "exponential", "softplus", "sparse_plus", "silu", "gelu", "mish"], (0, INF)),
    **dict.fromkeys(["hard_silu", "squareplus"], (NAN, INF)),
    **dict.fromkeys(["sigmoid", "hard_sigmoid", "sparse_sigmoid"], (0, 1)),
    **dict.fromkeys(["tanh", "hard_tanh"], (-1, 1)),
    **dict.fromkeys(["elu", "celu"], (-1, INF)),
    **dict.fromkeys(["linear", "leaky_relu", "soft_shrink", "hard_shrink", "tanh_shrink"], (-INF, INF)),
    "relu6": (0, 6),
    "softsign": (NAN, NAN),
    "log_sigmoid": (-INF, 0),
}


@pytest.mark.parametrize(("name", "low", "high"), [(name, *limits) for name, limits in LIMITS.items()])
def test_infinities(name: str, low: float, high: float) -> None:
    np.testing.assert_array_equal(activations.get(name)(np.array([-np.inf, np.inf])), [low, high])


def test_rows() -> None:
    x = np.array([[1.0, 2.0, 0.5, 1.75], [-1000.0, 1000.0, 999.0, 0.0]])
    exponentials = np.exp(x - x.max(-1, keepdims=True))
    np.testing.assert_allclose(activations.softmax(x), exponentials / exponentials.sum(-1, keepdims=True), rtol=1e-14)
    np.testing.assert_allclose(activations.log_softmax(x)[0], x[0] - math.log(np.exp(x[0]).sum()), rtol=1e-14)
    np.testing.assert_allclose(activations.softmax(x, axis=0).sum(0), 1.0, rtol=1e-14)
    np.testing.assert_allclose(activations.sparsemax(np.array([1.0, 0.5, -2.0])), [0.75, 0.25, 0.0])
    np.testing.assert_allclose(activations.sparsemax(x.T, axis=0), activations.sparsemax(x).T)
    np.testing.assert_allclose(activations.glu(x), x[:, :2] / (1 + np.exp(-x[:, 2:])), rtol=1e-14)
    assert activations.softmax(np.zeros((2, 0))).shape == (2, 0)
    with pytest.raises(ValueError, match=r"axis size must be divisible by 2. Received: x.shape=\(1, 3\) with axis=-1"):
        activations.glu(np.zeros((1, 3)))


@pytest.mark.parametrize("axis", [1, 2])
def test_softmax_of_many_is_as_accurate_along_every_axis(axis: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, 5000, 3) if axis == 1 else (2, 3, 5000)).astype(np.float32)
    exact = x - np.log(np.exp(x.astype(np.float64)).sum(axis, keepdims=True))
    np.testing.assert_allclose(activations.log_softmax(x, axis), exact, rtol=0, atol=2e-6)
    np.testing.assert_allclose(activations.softmax(x, axis), np.exp(exact), rtol=4e-6)


def test_dtypes_and_scalars() -> None:
    assert activations.sigmoid(np.zeros(2, np.float16)).dtype == np.float16
    assert activations.sigmoid(3).dtype == np.float64
    assert isinstance(activations.gelu(0.5), np.float64)
    assert evaluate(Activation("elu", (("alpha", 0.5),)), -1.0) == pytest.approx(0.5 * math.expm1(-1.0))
    x = np.ones(2)
    assert not np.shares_memory(activations.linear(x), x)
    with pytest.raises(ValueError, match=r"Expected one of the element-wise activations .* Received: 'softmax'"):
        evaluate(Activation("softmax"), x)


def test_get() -> None:
    assert activations.get(None) is activations.linear
    assert activations.get("swish") is activations.silu
    assert activations.get(len) is len
    assert activations.get("mine", {"mine": len}) is len
    for wrong in ("foo", "ReLU", 5, ""):
        with pytest.raises(ValueError, match="Could not interpret activation function identifier: " + str(wrong)):
            activations.get(wrong)
    with pytest.raises(TypeError, match="Could not locate class 'foo'"):
        activations.get({"class_name": "foo", "config": {}})
    with pytest.raises(TypeError, match="missing 2 required positional arguments"):
        activations.get("threshold")(np.zeros(2))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"class_name": "LeakyReLU", "config": {"name": "a", "trainable": True, "dtype": "float32", "alpha": 0.1}},
            "leaky_relu(negative_slope=0.1)",
        ),
        (
            {"module": "keras.layers", "class_name": "LeakyReLU", "config": {}, "registered_name": None},
            "leaky_relu(negative_slope=0.3)",
        ),
        (
            {"class_name": "ReLU", "config": {"max_value": 6.0, "negative_slope": 0.0, "threshold": 0.0}},
            "relu(max_value=6.0)",
        ),
        ({"class_name": "ReLU", "config": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}}, "relu"),
        ({"class_name": "ELU", "config": {"alpha": 0.5}}, "elu(alpha=0.5)"),
        ({"class_name": "Activation", "config": {"activation": "tanh"}}, "tanh"),
        ({"class_name": "relu", "config": {"alpha": 0.5}}, "relu(negative_slope=0.5)"),
        ({"module": "builtins", "class_name": "function", "config": "selu", "registered_name": "function"}, "selu"),
    ],
)
def test_dicts(config: dict[str, Any], expected: str) -> None:
    assert str(activations.fusable(config)) == expected


def test_fusable() -> None:
    partial = functools.partial
    assert [str(activations.fusable(name)) for name in activations.ELEMENTWISE if name != "threshold"] == [*EXACT]
    for name in (*ROWWISE, "threshold"):
        assert activations.fusable(name) is None
    assert (
        str(activations.fusable(partial(activations.leaky_relu, negative_slope=0.3)))
        == "leaky_relu(negative_slope=0.3)"
    )
    assert str(activations.fusable(partial(activations.leaky_relu, negative_slope=0.2))) == "leaky_relu"
    assert str(activations.fusable(partial(activations.gelu, approximate=True))) == "gelu(approximate=1.0)"
    parameters = "relu(max_value=6.0,threshold=1.0)"
    assert str(activations.fusable(partial(activations.relu, threshold=1, max_value=6))) == parameters
    assert Activation.parse(parameters) == activations.fusable(partial(activations.relu, threshold=1, max_value=6))
    assert (
        str(activations.fusable(partial(activations.threshold, threshold=0, default_value=-1)))
        == "threshold(default_value=-1.0,threshold=0.0)"
    )
    for function in (
        len,
        lambda x: x,
        partial(len),
        partial(activations.elu, 3.0),
        partial(activations.elu, beta=3.0),  # type: ignore[call-arg]
        partial(activations.elu, alpha=np.ones(3)),  # type: ignore[arg-type]
        partial(activations.elu, alpha=math.nan),
        partial(activations.threshold, threshold=0.0),
    ):
        assert activations.fusable(function) is None


def test_serialize() -> None:
    for name, function in activations.NAMES.items():
        assert activations.serialize(function) == {"swish": "silu", "hard_swish": "hard_silu"}.get(name, name)
    for bound, class_name in (
        (functools.partial(activations.leaky_relu, negative_slope=0.3), "LeakyReLU"),
        (functools.partial(activations.softmax, axis=1), "Softmax"),
        (functools.partial(activations.celu, alpha=0.5), "celu"),
    ):
        config = json.loads(json.dumps(activations.serialize(bound)))
        back = the(functools.partial, activations.get(config))
        assert config["class_name"] == class_name
        assert (back.func, back.keywords) == (bound.func, bound.keywords)

    def own(x: Array) -> Array:
        return x

    config = activations.serialize(own)
    assert config == {"module": "builtins", "class_name": "function", "config": "own", "registered_name": "function"}
    assert activations.get(config, {"own": own}) is own
    with pytest.raises(TypeError, match=r"Could not locate function 'own' .* pass it in `custom_objects`"):
        activations.get(config)
    with pytest.raises(TypeError, match="must implement the `get_config"):
        activations.serialize(functools.partial(len))
