"""The activations' arithmetic against exact values: `ulps` counts units in the last place of the exact result.

The formulas of `lower/activations.py` are evaluated in their dtype, one NumPy operation for each node, and compared
with mpmath's values; those without a transcendental function are compared with the same formula in NumPy, rounding by
rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from support.programs import DTYPES, activate, errors_in_ulps, numbered, sample, worst

from conv1d_codegen.ir import Binary, Bind, Const, Ref, Unary
from conv1d_codegen.lower.activations import FORMULAS, cost, expand
from conv1d_codegen.problem import Activation
from conv1d_codegen.reference import arithmetic

# --- exact values -----------------------------------------------------------------------------------------------------


def expm1_below(x: mp.mpf, alpha: float = 1.0, scale: float = 1.0) -> mp.mpf:
    return scale * (x if x > 0 else alpha * mp.expm1(x))


def tanh_shrink(x: mp.mpf) -> mp.mpf:
    return x**3 / 3 - 2 * x**5 / 15 if abs(x) < 1e-12 else x - mp.tanh(x)


def softplus(x: mp.mpf) -> mp.mpf:
    return max(x, mp.mpf(0)) + mp.log1p(mp.exp(-abs(x)))


def mish(x: mp.mpf) -> mp.mpf:
    return x if x > 1000 else x * mp.tanh(softplus(x))


EXACT: dict[str, Callable[[mp.mpf], mp.mpf]] = {
    "exponential": lambda x: mp.exp(min(x, mp.mpf(10000))),
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)) if x > -10000 else mp.mpf(0),
    "silu": lambda x: x / (1 + mp.exp(-x)) if x > -10000 else mp.mpf(0),
    "tanh": mp.tanh,
    "tanh_shrink": tanh_shrink,
    "softplus": softplus,
    "log_sigmoid": lambda x: -softplus(-x),
    "mish": mish,
    "elu": expm1_below,
    "elu(alpha=0.3)": lambda x: expm1_below(x, 0.3),
    "celu": expm1_below,
    "celu(alpha=0.3)": lambda x: x if x > 0 else 0.3 * mp.expm1(x / 0.3),
    "selu": lambda x: expm1_below(x, 1.6732632423543772, 1.0507009873554805),
    "gelu": lambda x: max(x, mp.mpf(0)) - (abs(x) * mp.erfc(abs(x) / mp.sqrt(2)) / 2 if abs(x) < 100 else 0),
}
BOUNDS = {  # ulps
    "exponential": 2.0,
    "sigmoid": 2.0,
    "silu": 4.0,
    "tanh": 4.0,
    "tanh_shrink": 4.0,
    "softplus": 4.0,
    "log_sigmoid": 4.0,
    "mish": 6.0,
    "elu": 4.0,
    "elu(alpha=0.3)": 4.0,
    "celu": 4.0,
    "celu(alpha=0.3)": 4.0,
    "selu": 4.0,
}


@pytest.mark.parametrize("compute", DTYPES)
@pytest.mark.parametrize("text", BOUNDS)
def test_error_is_a_few_ulps_wherever_the_result_is_finite(text: str, compute: str) -> None:
    x = sample(compute, 100)
    y = activate(text, x, compute)
    with mp.workprec(200):
        errors = errors_in_ulps(y, [EXACT[text](mp.mpf(float(v))) for v in x])
    assert errors.max() <= BOUNDS[text], worst(text, compute, x, y, errors)


@pytest.mark.parametrize(("compute", "bound"), [("f32", 2.5e-7), ("f64", 5e-16)])
def test_gelu_is_close_absolutely_and_relatively_where_it_is_not_tiny(compute: str, bound: float) -> None:
    x = sample(compute, 200)
    y = activate("gelu", x, compute)
    with mp.workprec(200):
        exact = [EXACT["gelu"](mp.mpf(float(v))) for v in x]
        errors = np.array(
            [
                float(abs(mp.mpf(float(got)) - want)) / max(1.0, abs(float(v)) / 4)
                for v, got, want in zip(x, y, exact, strict=True)
            ]
        )
        ulps = np.where(x > -1, errors_in_ulps(y, exact), 0.0)
    assert errors.max() <= bound, worst("gelu", compute, x, y, errors)
    assert ulps.max() <= 24, worst("gelu", compute, x, y, ulps)


# --- formulas that NumPy writes as well -------------------------------------------------------------------------------


def plain_relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """Keras's order of operations."""
    y = np.where(x > threshold, x, np.where(np.isnan(x), x, x.dtype.type(0)))
    if max_value is not None:
        y = np.clip(y, x.dtype.type(0), x.dtype.type(max_value))
    return y - x.dtype.type(negative_slope) * np.maximum(threshold - x, x.dtype.type(0)) if negative_slope else y


PLAIN: dict[str, Callable[[Any], Any]] = {
    "linear": lambda x: x,
    "relu": plain_relu,
    "relu(max_value=6.0)": lambda x: plain_relu(x, max_value=6),
    "relu(negative_slope=0.1)": lambda x: plain_relu(x, negative_slope=0.1),
    "relu(threshold=1.5)": lambda x: plain_relu(x, threshold=1.5),
    "relu(threshold=-1.5)": lambda x: plain_relu(x, threshold=-1.5),
    "relu(max_value=4.0,negative_slope=0.1)": lambda x: plain_relu(x, negative_slope=0.1, max_value=4),
    "relu(max_value=4.0,negative_slope=-0.5,threshold=-0.75)": lambda x: plain_relu(x, -0.5, 4, -0.75),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, x.dtype.type(0.2) * x),
    "leaky_relu(negative_slope=0.0)": lambda x: np.where(x > 0, x, 0 * x),
    "leaky_relu(negative_slope=-0.5)": lambda x: np.where(x > 0, x, x.dtype.type(-0.5) * x),
    "leaky_relu(negative_slope=1.5)": lambda x: np.where(x > 0, x, x.dtype.type(1.5) * x),
    "softsign": lambda x: x / (1 + abs(x)),
    "squareplus": lambda x: (x + np.sqrt(x * x + 4)) / 2,
    "squareplus(b=0.25)": lambda x: (x + np.sqrt(x * x + x.dtype.type(0.25))) / 2,
    "soft_shrink": lambda x: np.where(x > 0.5, x - x.dtype.type(0.5), np.where(x < -0.5, x + x.dtype.type(0.5), 0 * x)),
    "soft_shrink(threshold=-0.25)": lambda x: np.where(x > -0.25, x + x.dtype.type(0.25), x - x.dtype.type(0.25)),
    "hard_shrink": lambda x: np.where(abs(x) > 0.5, x, 0 * x),
    "hard_shrink(threshold=2.0)": lambda x: np.where(abs(x) > 2, x, 0 * x),
    "sparse_plus": lambda x: np.where(x <= -1, 0 * x, np.where(x < 1, (x + 1) ** 2 / 4, x)),
    "sparse_sigmoid": lambda x: np.clip((x + 1) / 2, 0, 1),
    "hard_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hard_silu": lambda x: x * (np.clip(x + 3, 0, 6) / 6),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "threshold(default_value=-7.0,threshold=0.1)": lambda x: np.where(x > x.dtype.type(0.1), x, x.dtype.type(-7)),
}
ROUNDS_OTHERWISE = {"hard_sigmoid": 1.0, "hard_silu": 2.0}  # ulps: they multiply by 1/6


@pytest.mark.parametrize("compute", DTYPES)
@pytest.mark.parametrize("text", PLAIN)
def test_formula_is_numpys(text: str, compute: str) -> None:
    x = sample(compute, 2000)
    y = activate(text, x, compute)
    with np.errstate(all="ignore"):
        expected = PLAIN[text](x)
        same = (y == expected) | (np.isnan(y) & np.isnan(expected))
        errors = np.where(same, 0, abs(y - expected) / np.spacing(abs(expected)))
    assert expected.dtype == x.dtype
    assert errors.max() <= ROUNDS_OTHERWISE.get(text, 0.0), worst(text, compute, x, y, errors)


def test_every_activation_is_compared_with_something() -> None:
    assert {Activation.parse(text).name for text in (*EXACT, *PLAIN)} == set(FORMULAS)


# --- special points ---------------------------------------------------------------------------------------------------

INF, NAN = float("inf"), float("nan")
SPECIAL = {  # the values at -inf, -0, 0, inf
    "linear": (-INF, -0.0, 0.0, INF),
    "relu6": (0.0, 0.0, 0.0, 6.0),
    "leaky_relu": (-INF, -0.0, 0.0, INF),
    "leaky_relu(negative_slope=0.0)": (NAN, -0.0, 0.0, INF),
    "relu(max_value=4.0,negative_slope=0.5)": (-INF, 0.0, 0.0, 4.0),
    "elu": (-1.0, -0.0, 0.0, INF),
    "celu(alpha=2.0)": (-2.0, -0.0, 0.0, INF),
    "selu": (-1.0507009873554805 * 1.6732632423543772, -0.0, 0.0, INF),
    "softplus": (0.0, np.log(2.0), np.log(2.0), INF),
    "log_sigmoid": (-INF, -np.log(2.0), -np.log(2.0), 0.0),
    "softsign": (NAN, -0.0, 0.0, NAN),
    "squareplus": (NAN, 1.0, 1.0, INF),
    "soft_shrink": (-INF, 0.0, 0.0, INF),
    "hard_shrink": (-INF, 0.0, 0.0, INF),
    "tanh_shrink": (-INF, -0.0, 0.0, INF),
    "sparse_plus": (0.0, 0.25, 0.25, INF),
    "silu": (-0.0, -0.0, 0.0, INF),
    "gelu": (0.0, -0.0, 0.0, INF),
    "tanh": (-1.0, -0.0, 0.0, 1.0),
    "sigmoid": (0.0, 0.5, 0.5, 1.0),
    "exponential": (0.0, 1.0, 1.0, INF),
    "hard_sigmoid": (0.0, 0.5, 0.5, 1.0),
    "hard_silu": (NAN, -0.0, 0.0, INF),
    "hard_tanh": (-1.0, -0.0, 0.0, 1.0),
    "mish": (-0.0, -0.0, 0.0, INF),
    "sparse_sigmoid": (0.0, 0.5, 0.5, 1.0),
}
SIGNED_ZERO = (
    "linear",
    "leaky_relu",
    "elu",
    "celu(alpha=2.0)",
    "selu",
    "softsign",
    "tanh_shrink",
    "silu",
    "gelu",
    "tanh",
    "hard_tanh",
    "mish",
)


@pytest.mark.parametrize("compute", DTYPES)
@pytest.mark.parametrize("text", SPECIAL)
def test_infinities_and_zeros(text: str, compute: str) -> None:
    points = np.array([-INF, -0.0, 0.0, INF], DTYPES[compute])
    y = activate(text, points, compute)
    np.testing.assert_allclose(y, np.array(SPECIAL[text], y.dtype), rtol=2 * np.finfo(y.dtype).eps, atol=0)
    if text in SIGNED_ZERO:
        assert np.signbit(y[1])
        assert not np.signbit(y[2])


@pytest.mark.parametrize("compute", DTYPES)
@pytest.mark.parametrize("text", [*EXACT, *PLAIN])
def test_nan_stays_nan_but_for_threshold(text: str, compute: str) -> None:
    y = activate(text, DTYPES[compute](NAN), compute)
    assert y == -7 if text.startswith("threshold") else np.isnan(y)


@pytest.mark.parametrize("compute", DTYPES)
def test_what_saturates_does_so_exactly(compute: str) -> None:
    dtype = DTYPES[compute]
    x = np.array([50.0, 1e3, 1e30], dtype)
    for text in ("tanh", "sigmoid", "hard_sigmoid"):
        assert (activate(text, x, compute) == 1).all()
    for text in ("silu", "mish", "gelu", "softplus", "elu"):
        assert (activate(text, x, compute) == x).all()
    for text in ("elu", "tanh"):
        assert (activate(text, -x, compute) == -1).all()
    assert (activate("gelu", -x, compute) == 0).all()


# --- the programs -----------------------------------------------------------------------------------------------------


def test_one_number_gives_what_an_array_gives() -> None:
    for text in EXACT:
        for compute in DTYPES:
            x = sample(compute, 2)
            np.testing.assert_array_equal([activate(text, v, compute) for v in x], activate(text, x, compute))


def test_an_argument_is_computed_once() -> None:
    once = Ref("x") + 1.0
    assert expand(Activation("relu"), once, "f32", str) == ([], Binary("max", Const(0.0), once))
    binds, result = expand(Activation("softsign"), once, "f32", lambda hint: f"{hint}_7")
    assert binds == [Bind("act_x_7", once)]
    assert result == Ref("act_x_7") / (Unary("abs", Ref("act_x_7")) + 1.0)
    assert expand(Activation("softsign"), Ref("x"), "f32", str)[0] == []


def test_names_are_fresh_and_bound_before_they_are_used() -> None:
    for name in FORMULAS.keys() - {"threshold"}:
        binds, _ = expand(Activation(name), Ref("x") * 2.0, "f64", numbered())
        names = [bind.name for bind in binds]
        assert len(set(names)) == len(names)


def test_cost_counts_operations() -> None:
    assert [cost(Activation.parse(text)) for text in ("linear", "relu", "relu6", "leaky_relu", "softsign")] == [
        0,
        1,
        2,
        2,
        3,
    ]
    assert all(10 < cost(Activation(name)) < 30 for name in ("tanh", "sigmoid", "gelu", "softplus", "mish"))


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="No element-wise activation is called 'softmax'"):
        expand(Activation("softmax"), Ref("x"), "f32", str)
    with pytest.raises(ValueError, match="celu's alpha must be positive"):
        expand(Activation.parse("celu(alpha=-1.0)"), Ref("x"), "f32", str)
    with pytest.raises(ValueError, match="slope"):
        expand(Activation.parse("relu(slope=1.0)"), Ref("x"), "f32", str)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arithmetic_of_the_ir(dtype: type) -> None:
    one, nan, eps = dtype(1), dtype(NAN), np.finfo(dtype).eps
    assert np.isnan(arithmetic.binary("max", one, nan))
    assert arithmetic.binary("max", nan, one) == 1
    assert np.isnan(arithmetic.binary("min", one, nan))
    assert arithmetic.binary("min", nan, one) == 1
    assert arithmetic.select("lt", nan, one, dtype(2), dtype(3)) == 3
    assert arithmetic.binary("div", one, dtype(0)) == INF
    assert arithmetic.fma(one + eps, one - eps, -one) == -(eps**2), "the product is not rounded"
    assert arithmetic.fma(np.finfo(dtype).max, one, one) == np.finfo(dtype).max
    powers = arithmetic.unary(
        "exp2i", np.array([np.finfo(dtype).minexp, 0, np.finfo(dtype).maxexp - 1, np.finfo(dtype).maxexp, 0.5], dtype)
    )
    np.testing.assert_array_equal(
        powers, np.array([np.finfo(dtype).tiny, 1, np.ldexp(one, np.finfo(dtype).maxexp - 1), NAN, NAN], dtype)
    )
