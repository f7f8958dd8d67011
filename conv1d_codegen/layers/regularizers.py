"""The regularizers of Keras, by name: callables `(weights) -> penalty`, a float, summed in float64 whatever the
weights' dtype.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .registry import Config, Configurable, Registry


def _penalty_factor(value: Any, name: str) -> float:
    """A finite number of 0 or more, as a float. Raises ValueError for anything else."""
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < 0:
        raise ValueError(f"Invalid value for argument {name}: expected a non-negative float.Received: {name}={value}")
    return float(value)


class Regularizer(Configurable):
    """Base class of the regularizers, and by itself the one that asks nothing."""

    def __call__(self, x: ArrayLike) -> float:
        """The penalty for `x`, an array of any shape."""
        return 0.0


class L1L2(Regularizer):
    """`l1·Σ|x| + l2·Σx²`. Raises ValueError for a negative or non-finite factor."""

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = _penalty_factor(0.0 if l1 is None else l1, "l1")
        self.l2 = _penalty_factor(0.0 if l2 is None else l2, "l2")

    def __call__(self, x: ArrayLike) -> float:
        values = np.asarray(x, np.float64)
        # A factor of 0 must not make NaN of an infinite weight.
        absolute = self.l1 * float(np.sum(np.abs(values))) if self.l1 else 0.0
        return absolute + (self.l2 * float(np.sum(values * values)) if self.l2 else 0.0)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class L1(L1L2):
    """`l1·Σ|x|`. Raises ValueError for a negative or non-finite factor."""

    def __init__(self, l1: float | None = 0.01) -> None:
        super().__init__(l1=0.01 if l1 is None else l1)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(L1L2):
    """`l2·Σx²`, without a factor of one half. Raises ValueError for a negative or non-finite factor."""

    def __init__(self, l2: float | None = 0.01) -> None:
        super().__init__(l2=0.01 if l2 is None else l2)

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """`factor` times the mean absolute cosine between pairs of rows (or columns) of a matrix. Of
    use for rank 2 only.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise ValueError(
                f'Invalid value for argument `mode`. Expected one of {{"rows", "columns"}}. Received: mode={mode}'
            )
        self.factor = _penalty_factor(factor, "factor")
        self.mode = mode

    def __call__(self, x: ArrayLike) -> float:
        """The penalty. Raises ValueError for an array that isn't of rank 2."""
        matrix = np.asarray(x, np.float64)
        if matrix.ndim != 2:
            raise ValueError(f"Inputs to OrthogonalRegularizer must have rank 2. Received: inputs.shape={matrix.shape}")
        rows = matrix if self.mode == "rows" else matrix.T
        pairs = len(rows) * (len(rows) - 1) / 2
        if not pairs:
            return 0.0
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return self.factor * float(np.sum(np.abs(np.triu(rows @ rows.T, 1)))) / pairs

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """Keras 2's function of this name, whose defaults are 0.01; Keras 3 documents the string and then refuses it."""
    return L1L2(l1, l2)


_REGISTRY = Registry.of("regularizer", [Regularizer, L1, L2, L1L2, OrthogonalRegularizer], {"l1_l2": l1_l2})


def get(identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The regularizer that an identifier names: None, a name, a dict, a class or a callable.

    Raises ValueError for anything else, TypeError for a dict that names an unknown class.
    """
    return _REGISTRY.get(identifier, custom_objects)


def serialize(regularizer: Any) -> dict[str, Any] | None:
    """The inverse of `get`, as Keras 3 writes it. Raises TypeError for an object without `get_config`."""
    return _REGISTRY.serialize(regularizer)


def deserialize(config: Config, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The regularizer that a Keras 2.9 or Keras 3 dict describes. Raises TypeError where its class is unknown."""
    return _REGISTRY.deserialize(config, custom_objects)
