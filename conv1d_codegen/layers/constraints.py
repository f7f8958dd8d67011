"""The constraints of Keras, by name: callables `(weights) -> weights`, which a training loop applies after each update.

The layer keeps them and never applies them itself, as in Keras. Norms are 2-norms along `axis`, whose default of 0 is
the *tap* axis of a convolution's kernel `(k, C/g, F)`; for one norm per filter give `[0, 1]`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .registry import Config, Configurable, Registry

Array = NDArray[Any]
Axis = int | Sequence[int] | None

_EPSILON = 1e-7  # Keras's, added to a norm before division


def _norms(w: Array, axis: Axis) -> Array:
    return np.asarray(
        np.sqrt(
            np.sum(np.square(w), axis=axis if axis is None or isinstance(axis, int) else tuple(axis), keepdims=True)
        )
    )


class Constraint(Configurable):
    """Base class of the constraints, and by itself the one that changes nothing."""

    def __call__(self, w: ArrayLike) -> Array:
        """The constrained weights: an array of the shape and dtype of `w`."""
        return np.asarray(w)


class NonNeg(Constraint):
    """`max(w, 0)`."""

    def __call__(self, w: ArrayLike) -> Array:
        return np.maximum(w, 0)


class _NormConstraint(Constraint):
    """`w · desired(norm) / (norm + 1e-7)`, in the dtype of `w`, which is float32 or wider inside."""

    axis: Axis

    def desired(self, norms: Array) -> Array:
        raise NotImplementedError

    def __call__(self, w: ArrayLike) -> Array:
        given = np.asarray(w)
        wide = given.astype(np.float32) if given.dtype.itemsize < 4 else given
        norms = _norms(wide, self.axis)
        return np.asarray(wide * (self.desired(norms) / (_EPSILON + norms))).astype(given.dtype)


class MaxNorm(_NormConstraint):
    """Norms above `max_value` come down to it."""

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def desired(self, norms: Array) -> Array:
        return np.clip(norms, 0, self.max_value)

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class UnitNorm(_NormConstraint):
    """All norms become 1."""

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = axis

    def desired(self, norms: Array) -> Array:
        return np.ones_like(norms)

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(_NormConstraint):
    """Norms move by the share `rate` of the way into `min_value` … `max_value`."""

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def desired(self, norms: Array) -> Array:
        return np.asarray(self.rate * np.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms)

    def get_config(self) -> dict[str, Any]:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


_REGISTRY = Registry.of(
    "constraint",
    [Constraint, MaxNorm, NonNeg, UnitNorm, MinMaxNorm],
    # Keras 2.9's names, which Keras 3 dropped. Its radial_constraint is for image kernels of rank 4, which no Conv1D
    # has.
    {"maxnorm": MaxNorm, "nonneg": NonNeg, "unitnorm": UnitNorm},
)


def get(identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The constraint that an identifier names: None, a name, a dict, a class or a callable.

    Raises ValueError for anything else, TypeError for a dict that names an unknown class.
    """
    return _REGISTRY.get(identifier, custom_objects)


def serialize(constraint: Any) -> dict[str, Any] | None:
    """The inverse of `get`, as Keras 3 writes it. Raises TypeError for an object without `get_config`."""
    return _REGISTRY.serialize(constraint)


def deserialize(config: Config, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The constraint that a Keras 2.9 or Keras 3 dict describes. Raises TypeError where its class is unknown."""
    return _REGISTRY.deserialize(config, custom_objects)
