"""The initializers of Keras, by name: callables `(shape, dtype=None) -> array`. Random ones are in
`random_initializers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .arrays import as_weights
from .initializer import Array, Initializer, Shape, dtype_of
from .random_initializers import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomInitializer,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    compute_fans,
)
from .registry import Config, Registry
from .stft_windows import window_values

if TYPE_CHECKING:
    from typing import Self


class Zeros(Initializer):
    """All 0."""

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        return np.zeros(tuple(shape), dtype_of(dtype))


class Ones(Initializer):
    """All 1."""

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        return np.ones(tuple(shape), dtype_of(dtype))


class Constant(Initializer):
    """All `value`: a number, or values that broadcast to the shape."""

    def __init__(self, value: ArrayLike = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        values = as_weights(self.value, dtype_of(dtype), "Constant takes real numbers")
        return np.broadcast_to(values, tuple(shape)).astype(dtype_of(dtype))

    def get_config(self) -> dict[str, Any]:
        return {"value": np.asarray(self.value).tolist()}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        value = config.get("value", 0.0)
        return cls(value["config"]["value"] if isinstance(value, Mapping) else value)  # Keras writes an array as a dict


class Identity(Initializer):
    """`gain` times the identity matrix. Raises ValueError for a shape that isn't of rank 2."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        if len(shape) != 2:
            raise ValueError(
                f"Identity matrix initializer can only be used for 2D matrices. Received: shape={tuple(shape)} of rank {len(shape)}."
            )
        return np.asarray(self.gain * np.eye(shape[0], shape[1])).astype(dtype_of(dtype))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


class STFT(Initializer):
    """Kernels `(T, 1, F/2 + 1)` of a short-time Fourier transform: `cos` or `sin` of `-2π·time·frequency/F`, windowed
    and scaled.

    `side` is "real" or "imag"; `window` a name that `stft_windows.py` knows, T values, or None; `scaling` "density"
    (divides by the window's 2-norm), "spectrum" (by its sum) or None; `periodic` makes a named window one of period T.
    """

    def __init__(
        self,
        side: str = "real",
        window: str | ArrayLike | None = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ) -> None:
        if side not in ("real", "imag"):
            raise ValueError(f"side should be 'real' or 'imag', not {side}")
        if isinstance(window, str):
            window_values(window, 1, periodic)  # an unknown name is an error here, not at the first call
        if scaling not in (None, "density", "spectrum"):
            raise ValueError(
                f"Scaling is invalid, it must be `None`, 'density' or 'spectrum'. Received scaling={scaling}"
            )
        self.side, self.window, self.scaling, self.periodic = side, window, scaling, periodic

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        """As all initializers. Raises ValueError for a shape that isn't `(T, 1, F/2 + 1)` or a
        window that isn't T long.
        """
        if len(shape) != 3 or shape[1] != 1:
            raise ValueError(
                f"STFT initializer makes kernels of shape (T, 1, F // 2 + 1). Received: shape={tuple(shape)}."
            )
        steps, _, bins = shape
        turns = np.arange(steps)[:, None, None] * np.arange(bins) / max(1, 2 * (bins - 1))
        kernel = np.cos(-2.0 * np.pi * turns) if self.side == "real" else np.sin(-2.0 * np.pi * turns)
        if self.window is not None:
            window = (
                window_values(self.window, steps, self.periodic)
                if isinstance(self.window, str)
                else np.asarray(self.window)
            )
            if window.shape != (steps,):
                raise ValueError(
                    f"The shape of `window` must be equal to [frame_length]. Received: window shape={window.shape}"
                )
            scale = {None: 1.0, "density": np.sqrt(np.sum(window**2)), "spectrum": np.sum(np.abs(window))}[self.scaling]
            kernel = kernel * window[:, None, None] / scale
        return kernel.astype(dtype_of(dtype))

    def get_config(self) -> dict[str, Any]:
        window = (
            self.window if self.window is None or isinstance(self.window, str) else np.asarray(self.window).tolist()
        )
        return {"side": self.side, "window": window, "periodic": self.periodic, "scaling": self.scaling}


class _Given(Constant):
    """An array as identifier: its own values, and no other shape. Written as the Constant that it amounts to."""

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        if tuple(shape) != np.shape(self.value):
            raise ValueError(
                f"Expected `shape` to be {np.shape(self.value)} for direct tensor as initializer. Received shape={tuple(shape)}"
            )
        return super().__call__(shape, dtype)


# fmt: off
_CLASSES = (
    Zeros, Ones, Constant, Identity, RandomNormal, TruncatedNormal, RandomUniform, VarianceScaling, GlorotUniform, GlorotNormal,
    HeUniform, HeNormal, LecunUniform, LecunNormal, Orthogonal, STFT,
)
_ALIASES = {
    "zero": Zeros, "one": Ones, "normal": RandomNormal, "uniform": RandomUniform,
    "IdentityInitializer": Identity, "OrthogonalInitializer": Orthogonal, "STFTInitializer": STFT,
}
# fmt: on
_REGISTRY = Registry.of("initializer", _CLASSES, _ALIASES)


def get(identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The initializer that an identifier names: None, a name, a dict, a class, a callable or an array of the values
    themselves.

    Raises ValueError for anything else, TypeError for an array of no numbers and for a dict that names an unknown
    class.
    """
    if isinstance(identifier, (np.ndarray, np.generic)):
        return _Given(
            np.array(as_weights(identifier, np.dtype(np.float32), "An array as initializer takes real numbers"))
        )
    return _REGISTRY.get(identifier, custom_objects)


def serialize(initializer: Any) -> dict[str, Any] | None:
    """The inverse of `get`, as Keras 3 writes it. Raises TypeError for an object without `get_config`."""
    return _REGISTRY.serialize(Constant(initializer.value) if isinstance(initializer, _Given) else initializer)


def deserialize(config: Config, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The initializer that a Keras 2.9 or Keras 3 dict describes. Raises TypeError where its class is unknown."""
    return _REGISTRY.deserialize(config, custom_objects)


__all__ = [
    "STFT",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "compute_fans",
    "deserialize",
    "get",
    "serialize",
]
