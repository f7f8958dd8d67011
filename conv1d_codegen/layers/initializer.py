"""Initializer: the base class of Keras's initializers, callables `(shape, dtype=None) -> array`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..number_types import numpy_dtype
from .registry import Config, Configurable

if TYPE_CHECKING:
    from typing import Self

Shape = Sequence[int]
Array = NDArray[Any]


def dtype_of(dtype: DTypeLike | None) -> np.dtype[Any]:
    """The dtype that an initializer gives: float32 where none is asked for."""
    return numpy_dtype(dtype) if isinstance(dtype, str) else np.dtype(np.float32 if dtype is None else dtype)


class Initializer(Configurable):
    """Base class of the initializers."""

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        """An array of `shape` and `dtype`."""
        raise NotImplementedError(f"{type(self).__name__} does not say which values it gives.")

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """The inverse of `get_config`. TensorFlow 1 wrote a dtype too, which counts only where a call gives none: a
        layer gives it.
        """
        return cls(**{name: value for name, value in config.items() if name != "dtype"})
