"""An activation means the same as a NumPy function and in a kernel: at infinities, NaN, zeros, the largest and the
smallest numbers.
"""

from functools import partial
from typing import Any

import numpy as np
import pytest
from support.helpers import RUNNABLE
from support.type_helpers import Array

from conv1d_codegen import Conv1D, activations
from conv1d_codegen.layers.activations import fusable
from conv1d_codegen.machine.host import host
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.number_types import numpy_dtype

PARAMETERS: dict[str, list[dict[str, bool | float]]] = {
    "threshold": [{"threshold": 0.5, "default_value": 2.0}, {"threshold": -np.inf, "default_value": 2.0}],
    "relu": [
        {},
        {"max_value": 6.0},
        {"negative_slope": 0.5},
        {"threshold": 1.0, "negative_slope": 0.25, "max_value": 3.0},
    ],
    "leaky_relu": [{}, {"negative_slope": 0.0}, {"negative_slope": 2.0}],
    "elu": [{}, {"alpha": 0.5}],
    "celu": [{}, {"alpha": 2.0}],
    "squareplus": [{}, {"b": 0.25}],
    "soft_shrink": [{}, {"threshold": 2.0}],
    "hard_shrink": [{}, {"threshold": 2.0}],
    "gelu": [{}, {"approximate": True}],
}
CASES = [(name, parameters) for name in activations.ELEMENTWISE for parameters in PARAMETERS.get(name, [{}])]


def extremes(dtype: np.dtype[Any]) -> Array:
    """Numbers at which formulas overflow, vanish or cancel. Zeros of both signs too, which come out of a sum as +0."""
    info = pytest.importorskip("ml_dtypes").finfo(dtype)
    largest, smallest = float(info.max), float(info.tiny)
    positive = [
        np.inf,
        largest,
        largest / 2,
        float(np.sqrt(largest)),
        1000.0,
        745.2,
        110.0,
        103.9,
        88.8,
        20.0,
        3.0,
        1.0,
        0.5,
        smallest,
        0.0,
    ]
    return np.array([np.nan, *positive, *(-number for number in positive)]).astype(dtype)


def numpy_and_fused(
    name: str, parameters: dict[str, bool | float], dtype: str, target: str
) -> tuple[Array, Array, Array]:
    function = partial(activations.NAMES[name], **parameters)
    layer = Conv1D(
        16,
        1,
        activation=function,
        kernel_initializer="ones",
        use_bias=False,
        dtype=dtype,
        options={"target": target, "algorithm": "direct"},
    )
    x = extremes(numpy_dtype(dtype))
    fused = layer(x.reshape(1, -1, 1))[0]
    assert fusable(function)
    return x, np.asarray(function(x)).astype(np.float64), fused.astype(np.float64)


@pytest.mark.parametrize(("name", "parameters"), CASES, ids=str)
def test_limits(name: str, parameters: dict[str, bool | float]) -> None:
    problems = [("float32", target) for target in RUNNABLE]
    if not parameters:
        problems += [(dtype, host().name) for dtype in ("float64", "float16", "bfloat16")]
    for dtype, target in problems:
        if dtype == "float16" and not TARGETS[target].converts("f16"):
            continue
        x, wanted, fused = numpy_and_fused(name, parameters, dtype, target)
        tiny = (
            1e-60
            if name == "gelu" and dtype == "float64"
            else 4 * float(np.finfo(np.float64 if dtype == "float64" else np.float32).tiny)
        )
        for column in fused.T:
            same = (column == wanted) | (np.isnan(column) & np.isnan(wanted))
            with np.errstate(invalid="ignore"):  # inf - inf
                near = np.abs(column - wanted) <= 1e-2 * np.abs(np.where(np.isfinite(wanted), wanted, 0)) + tiny
            wrong = [(float(x[i]), column[i], wanted[i]) for i in np.flatnonzero(~(same | near))]
            assert not wrong, f"{name} {parameters} {dtype} {target}: (x, kernel, NumPy) {wrong}"


def test_numpy_functions_do_not_depend_on_the_dtype() -> None:
    for name, parameters in CASES:
        function = partial(activations.NAMES[name], **parameters)
        x = np.array([np.inf, -np.inf, np.nan])
        wanted = function(x)
        for dtype in ("float32", "float16", "bfloat16"):
            np.testing.assert_allclose(
                function(x.astype(numpy_dtype(dtype))).astype(np.float64), wanted, rtol=1e-2, err_msg=f"{name} {dtype}"
            )
