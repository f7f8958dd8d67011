"""Initializers that draw random numbers, from `numpy.random.default_rng`.

The seed is fixed when the object is made (drawn then, if None is given), so each call of one instance gives the same
values, as in Keras 3. The values are not Keras's own (each of its back ends draws others); the distributions are. Draws
are made in float64 and rounded to `dtype`, which is anything that NumPy takes, float32 if None.

Fans of a convolution's kernel `(k, C/g, F)`: `fan_in = k·C/g` and `fan_out = k·F`, not divided by the groups, as Keras
has them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from ..locks import COMPILING
from .initializer import Array, Initializer, Shape, dtype_of
from .registry import Config

if TYPE_CHECKING:
    from typing import Self

# Standard deviation of a standard normal distribution truncated at ±2, by which VarianceScaling divides.
_TRUNCATED_DEVIATION = 0.87962566103423978


def _random() -> Any:
    with COMPILING:  # NumPy imports it now, and a fork in the middle of an import leaves the module locked in the child
        return np.random


class RandomInitializer(Initializer):
    """Base class of those that draw. Raises ValueError for a seed that is no integer."""

    def __init__(self, seed: int | Mapping[str, Any] | None = None) -> None:
        if isinstance(seed, Mapping):  # what Keras writes for a SeedGenerator
            seed = seed.get("config", {}).get("seed")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer))):
            raise ValueError(
                f"`seed` argument should be an instance of `keras.random.SeedGenerator()` or an integer. Received: seed={seed}"
            )
        self._given = None if seed is None else int(seed)
        # Python's and NumPy's users seed with negative numbers too; the generator takes none.
        self.seed = (
            int(_random().SeedSequence().generate_state(1)[0]) if seed is None else abs(2 * int(seed)) + (seed < 0)
        )

    def get_config(self) -> dict[str, Any]:
        return {"seed": self._given}

    def generator(self) -> np.random.Generator:
        """A generator at its start: the same draws at every call."""
        generator: np.random.Generator = _random().default_rng(self.seed)
        return generator


def _truncated_normal(generator: np.random.Generator, shape: Shape) -> Array:
    """Standard normal values, those beyond ±2 drawn again."""
    values = generator.standard_normal(tuple(shape))
    while (outside := np.abs(values) > 2.0).any():
        values[outside] = generator.standard_normal(int(outside.sum()))
    return values


class RandomNormal(RandomInitializer):
    """Normal, with `mean` and `stddev`."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean, self.stddev = mean, stddev
        super().__init__(seed)

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        return self.generator().normal(self.mean, self.stddev, tuple(shape)).astype(dtype_of(dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class TruncatedNormal(RandomNormal):
    """Normal, values more than two `stddev` from `mean` drawn again; `stddev` is that before truncation."""

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        return (self.mean + self.stddev * _truncated_normal(self.generator(), shape)).astype(dtype_of(dtype))


class RandomUniform(RandomInitializer):
    """Uniform from `minval` to `maxval`, which is excluded (before rounding to `dtype`)."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        self.minval, self.maxval = minval, maxval
        super().__init__(seed)

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        return self.generator().uniform(self.minval, self.maxval, tuple(shape)).astype(dtype_of(dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        given = dict(config)
        if given.get("maxval", 1.0) is None:  # TensorFlow 1's default for floats
            given["maxval"] = 1.0
        return super().from_config(given)


class VarianceScaling(RandomInitializer):
    """Zero mean and variance `scale / n`, n = fan_in, fan_out or their mean ("fan_avg").

    `distribution` is "uniform" (up to `√(3·scale/n)`), "truncated_normal" ("normal" is the same) or
    "untruncated_normal". The fans are those of a convolution's kernel, or the products of the sizes along `input_axes`
    and `output_axes`, where both are given.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        if scale <= 0.0:
            raise ValueError(f"Argument `scale` must be positive float. Received: scale={scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"Invalid `mode` argument: {mode}. Please use one of ('fan_in', 'fan_out', 'fan_avg')")
        distribution = distribution.lower()
        distribution = "truncated_normal" if distribution == "normal" else distribution
        allowed = ("uniform", "truncated_normal", "untruncated_normal")
        if distribution not in allowed:
            raise ValueError(f"Invalid `distribution` argument: {distribution}. Please use one of {allowed}")
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.input_axes, self.output_axes = input_axes, output_axes
        super().__init__(seed)

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[self.mode]
        variance = self.scale / max(1.0, fan)
        generator = self.generator()
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return generator.uniform(-limit, limit, tuple(shape)).astype(dtype_of(dtype))
        if self.distribution == "untruncated_normal":
            return generator.normal(0.0, math.sqrt(variance), tuple(shape)).astype(dtype_of(dtype))
        return (math.sqrt(variance) / _TRUNCATED_DEVIATION * _truncated_normal(generator, shape)).astype(
            dtype_of(dtype)
        )

    def get_config(self) -> dict[str, Any]:
        own = {"scale": self.scale, "mode": self.mode, "distribution": self.distribution}
        return {**super().get_config(), **own, "input_axes": self.input_axes, "output_axes": self.output_axes}


def compute_fans(
    shape: Shape, input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """`(fan_in, fan_out)` of a weight's shape; a vector's are both its length."""
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


class _NamedScaling(VarianceScaling):
    """VarianceScaling with a name: scale, mode and distribution are the class's."""

    settings: tuple[float, str, str]

    def __init__(
        self, seed: int | None = None, input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
    ) -> None:
        super().__init__(*self.settings, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self._given, "input_axes": self.input_axes, "output_axes": self.output_axes}


class GlorotUniform(_NamedScaling):
    """Uniform up to `√(6 / (fan_in + fan_out))` (Glorot & Bengio, 2010)."""

    settings = (1.0, "fan_avg", "uniform")


class GlorotNormal(_NamedScaling):
    """Truncated normal of variance `2 / (fan_in + fan_out)` (Glorot & Bengio, 2010)."""

    settings = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_NamedScaling):
    """Uniform up to `√(6 / fan_in)` (He et al., 2015)."""

    settings = (2.0, "fan_in", "uniform")


class HeNormal(_NamedScaling):
    """Truncated normal of variance `2 / fan_in` (He et al., 2015)."""

    settings = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_NamedScaling):
    """Uniform up to `√(3 / fan_in)` (LeCun et al., 1998)."""

    settings = (1.0, "fan_in", "uniform")


class LecunNormal(_NamedScaling):
    """Truncated normal of variance `1 / fan_in` (LeCun et al., 1998)."""

    settings = (1.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """`gain` times a random matrix with orthonormal columns (rows, where it is wide), of all axes but the last
    flattened into rows.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = gain
        super().__init__(seed)

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        """As all initializers. Raises ValueError for a shape of rank 0 or 1."""
        if len(shape) < 2:
            raise ValueError(
                f"The tensor to initialize must be at least two-dimensional. Received: shape={tuple(shape)} of rank {len(shape)}."
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(self.generator().standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # makes the distribution uniform
        return (self.gain * (q if rows >= columns else q.T)).reshape(tuple(shape)).astype(dtype_of(dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gain": self.gain}
