"""The functions' arithmetic against exact values, in units in the last place; and at the ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from support.programs import DTYPES, activate, errors_in_ulps, sample, worst

from conv1d_codegen.lower.functions import FUNCTIONS, NUMBERS
from conv1d_codegen.network import ops
from conv1d_codegen.problem import Activation
from conv1d_codegen.reference.activations import evaluate as reference_of

INF, NAN = float("inf"), float("nan")
POWERS = (3.0, 5.0, 16.0, -2.0, -3.0, 17.0, -20.0, 0.3, 1.5, -0.7, 2.2)
#: with the largest error in units in the last place; powers of the exponent as the dtype has it
EXACT: dict[str, tuple[Callable[[mp.mpf, type], mp.mpf], float]] = {
    "log": (lambda x, _: mp.log(x), 3.0),
    "erf": (lambda x, _: mp.erf(x), 6.0),
    **{
        f"power(exponent={exponent!r})": (lambda x, dtype, e=exponent: mp.power(x, float(dtype(e))), 12.0)  # type: ignore[misc]
        for exponent in POWERS
    },
}
#: at -inf, -0, 0, inf
SPECIAL = {
    "log": (NAN, -INF, -INF, INF),
    "erf": (-1.0, -0.0, 0.0, 1.0),
    "sin": (NAN, 0.0, 0.0, NAN),
    "cos": (NAN, 1.0, 1.0, NAN),
    "sign": (-1.0, -0.0, 0.0, 1.0),
    **dict.fromkeys(("ceil", "floor", "round"), (-INF, -0.0, 0.0, INF)),
    "power(exponent=3.0)": (-INF, -0.0, 0.0, INF),
    "power(exponent=-3.0)": (-0.0, -INF, INF, 0.0),
    "power(exponent=19.0)": (-INF, -0.0, 0.0, INF),
    "power(exponent=-20.0)": (0.0, INF, INF, 0.0),
    "power(exponent=0.3)": (NAN, 0.0, 0.0, INF),
    "power(exponent=0.0)": (1.0, 1.0, 1.0, 1.0),
}
WHOLE = ("ceil", "floor", "round", "sign")


def test_every_function_is_compared_with_something() -> None:
    assert {Activation.parse(text).name for text in (*EXACT, *WHOLE, "sin", "cos")} == set(FUNCTIONS)
    assert set(FUNCTIONS) - {"power"} <= set(ops.FUNCTIONS)


@pytest.mark.parametrize("compute", DTYPES)
@pytest.mark.parametrize("text", EXACT)
def test_error_is_a_few_ulps(text: str, compute: str) -> None:
    exact, bound = EXACT[text]
    x = sample(compute, 300)
    x = x if text == "erf" else abs(x)[x != 0]
    y = activate(text, x, compute)
    with mp.workprec(200):
        errors = errors_in_ulps(y, [exact(mp.mpf(float(v)), DTYPES[compute]) for v in x])
    assert errors.max() <= bound, worst(text, compute, x, y, errors)


@pytest.mark.parametrize("compute", DTYPES)
@pytest.mark.parametrize("text", ["sin", "cos"])
def test_sines_are_close_absolutely(text: str, compute: str) -> None:
    """Of numbers up to the largest that count, and of the multiples of quarter turns; near 0 relatively too."""
    rng, limit = np.random.default_rng(0), NUMBERS[compute].whole / 2
    some = [rng.uniform(-bound, bound, 400) for bound in (1, 10, 1e3, limit)]
    x = np.concatenate([*some, np.arange(-400, 400) * np.pi / 4, [0.0, limit * 0.99]]).astype(DTYPES[compute])
    y = activate(text, x, compute)
    exact = {"sin": mp.sin, "cos": mp.cos}[text]
    with mp.workprec(200):
        right = [exact(mp.mpf(float(v))) for v in x]
        errors = np.array([float(abs(mp.mpf(float(got)) - want)) for got, want in zip(y, right, strict=True)])
        ulps = errors_in_ulps(y, right)
    epsilon = np.finfo(DTYPES[compute]).eps
    assert errors.max() <= 12 * epsilon, worst(text, compute, x, y, errors)
    assert errors[abs(x) <= 1e3].max() <= epsilon, worst(text, compute, x, y, errors)
    near = abs(x) < 0.7
    assert ulps[near].max() <= 3, worst(text, compute, x[near], y[near], ulps[near])
    assert activate(text, DTYPES[compute](-limit), compute) == (text == "cos")


@pytest.mark.parametrize("compute", DTYPES)
@pytest.mark.parametrize("text", WHOLE)
def test_whole_numbers_are_numpys(text: str, compute: str) -> None:
    x = np.concatenate([sample(compute, 2000), [0.5, 1.5, 2.5, -0.5, -1.5, 4194303.5, 8388607.5]]).astype(
        DTYPES[compute]
    )
    y = activate(text, x, compute)
    np.testing.assert_array_equal(y, reference_of(Activation(text), x))
    if text != "sign":
        np.testing.assert_array_equal(np.signbit(y), np.signbit(x))


@pytest.mark.parametrize("compute", DTYPES)
@pytest.mark.parametrize("text", SPECIAL)
def test_infinities_zeros_and_nan(text: str, compute: str) -> None:
    points = np.array([-INF, -0.0, 0.0, INF], DTYPES[compute])
    y = activate(text, points, compute)
    np.testing.assert_array_equal(y, np.array(SPECIAL[text], y.dtype))
    wanted = np.array(SPECIAL[text])
    signed = ~np.isnan(wanted) & (text != "sin")
    assert (np.signbit(y) == np.signbit(wanted))[signed].all()
    assert np.isnan(activate(text, DTYPES[compute](NAN), compute)) or text == "power(exponent=0.0)"


@pytest.mark.parametrize("compute", DTYPES)
def test_powers_of_negative_numbers(compute: str) -> None:
    x: Any = np.array([-2.0, -0.5], DTYPES[compute])
    for exponent in (3.0, 4.0, -3.0, 17.0, 18.0, -19.0):
        y = activate(f"power(exponent={exponent!r})", x, compute)
        np.testing.assert_allclose(y, x.astype(np.float64) ** exponent, rtol=16 * np.finfo(y.dtype).eps)
    assert np.isnan(activate("power(exponent=0.3)", x, compute)).all()
