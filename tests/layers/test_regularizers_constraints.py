"""Regularizers and constraints: formulas, names, configs, errors."""

import json
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from support.type_helpers import Array, known

from conv1d_codegen.layers import constraints, regularizers

W = np.array([[[3.0, -1.0], [4.0, 2.0]], [[-4.0, 0.0], [0.0, -2.0]]], np.float32)


def test_penalties() -> None:
    assert regularizers.get("l1")(W) == pytest.approx(0.01 * 16)
    assert regularizers.get("l2")(W) == pytest.approx(0.01 * 50)
    assert regularizers.get("l1_l2")(W) == pytest.approx(0.16 + 0.5)
    assert regularizers.get("l1l2")(W) == regularizers.get("L1L2")(W) == 0.0
    assert regularizers.L1L2(l1=1.0)(np.array([np.inf])) == math.inf
    assert regularizers.L2(2.0)(np.full(3, 300.0, np.float16)) == 2 * 3 * 90000  # overflows float16
    assert regularizers.Regularizer()(W) == 0.0
    rows = np.array([[1.0, 0.0], [3.0, 4.0], [0.0, 2.0]])
    assert regularizers.get("orthogonal_regularizer")(rows) == pytest.approx(0.01 * (0.6 + 0.0 + 0.8) / 3)
    assert regularizers.OrthogonalRegularizer(1.0, mode="columns")(rows.T) == pytest.approx((0.6 + 0.8) / 3)
    assert regularizers.OrthogonalRegularizer(1.0)(rows[:1]) == 0.0


def test_norms() -> None:
    np.testing.assert_allclose(constraints.get("max_norm")(W)[:, 0, 0], np.array([3, -4]) * 2 / 5, rtol=1e-6)
    np.testing.assert_allclose(constraints.get("max_norm")(W)[:, 0, 1], [-1, 0], rtol=1e-6)
    np.testing.assert_allclose(np.sqrt((constraints.UnitNorm([0, 1])(W) ** 2).sum((0, 1))), 1.0, rtol=1e-6)
    np.testing.assert_allclose(
        constraints.MinMaxNorm(6.0, 7.0, rate=0.5)(W)[:, 0, 0], np.array([3, -4]) * 5.5 / 5, rtol=1e-6
    )
    np.testing.assert_array_equal(constraints.get("non_neg")(W), np.where(W > 0, W, 0))
    assert constraints.get("unit_norm")(np.zeros((2, 2, 2), np.float16)).dtype == np.float16
    assert constraints.Constraint()(W) is W


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (regularizers, name)
        for name in ("l1", "L1", "l2", "L2", "l1l2", "L1L2", "l1_l2", "orthogonal_regularizer", "OrthogonalRegularizer")
    ]
    + [
        (constraints, name)
        for name in ("max_norm", "MaxNorm", "non_neg", "NonNeg", "unit_norm", "UnitNorm", "min_max_norm", "MinMaxNorm")
    ]
    + [(constraints, name) for name in ("maxnorm", "nonneg", "unitnorm")],
)
def test_names_and_configs(module: ModuleType, name: str) -> None:
    item = module.get(name)
    config = json.loads(json.dumps(module.serialize(item)))
    assert config["module"] == module.__name__.replace("conv1d_codegen.layers", "keras")
    for form in (config, {"class_name": config["class_name"], "config": config["config"]}):
        back = module.get(form)
        assert type(back) is type(item)
        assert back.get_config() == item.get_config()
        assert type(module.deserialize(form)) is type(item)


@pytest.mark.parametrize(("module", "kind"), [(regularizers, "regularizer"), (constraints, "constraint")])
def test_identifiers(module: ModuleType, kind: str) -> None:
    assert module.get(None) is None
    assert module.serialize(None) is None
    assert module.get(abs) is abs
    assert module.get("mine", {"mine": abs}) is abs
    nothing: tuple[object, ...] = ("foo", 3, 1.5, [])
    for wrong in nothing:
        with pytest.raises(ValueError, match=f"Could not interpret {kind} identifier: "):
            module.get(wrong)
    with pytest.raises(TypeError, match=f"Could not locate class 'Foo' among the {kind}s"):
        module.get({"class_name": "Foo", "config": {}})


def test_own_class() -> None:
    class Mine:
        def __init__(self, factor: float = 1.0) -> None:
            self.factor = factor

        def __call__(self, w: Array) -> float:
            return float(self.factor * w.sum())

        def get_config(self) -> dict[str, Any]:
            return {"factor": self.factor}

    assert isinstance(regularizers.get(Mine), Mine)
    config = known(regularizers.serialize(Mine(3.0)))
    assert config["class_name"] == config["registered_name"] == "Mine"
    assert regularizers.get(config, {"Mine": Mine})(np.ones(2)) == 6.0
    with pytest.raises(TypeError, match="Could not locate class 'Mine'"):
        regularizers.get(config)
    with pytest.raises(TypeError, match="must implement the `get_config"):
        regularizers.serialize(object())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: regularizers.L2(-1), "Invalid value for argument l2: expected a non-negative float.Received: l2=-1"),
        (lambda: regularizers.L1(math.nan), "Invalid value for argument l1: .*l1=nan"),
        (lambda: regularizers.L1L2(l2="a"), "Invalid value for argument l2: .*l2=a"),  # type: ignore[arg-type]
        (
            lambda: regularizers.OrthogonalRegularizer(mode="x"),
            "Invalid value for argument `mode`. .* Received: mode=x",
        ),
        (
            lambda: regularizers.get("orthogonal_regularizer")(W),
            r"must have rank 2. Received: inputs.shape=\(2, 2, 2\)",
        ),
    ],
)
def test_errors(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
