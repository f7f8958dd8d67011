"""Layers that do something in training only."""

from __future__ import annotations

from typing import Any

from ..symbols import Symbol
from .base import NetworkLayer


class Vanishing(NetworkLayer):
    """A layer that does something in training only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        shared = (
            "name",
            "dtype",
            "trainable",
            "autocast",
            "input_shape",
            "batch_input_shape",
            "batch_size",
            "input_dim",
        )
        super().__init__({name: value for name, value in kwargs.items() if name in shared})

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        return x


class Dropout(Vanishing):
    """Nothing, outside of training."""


class SpatialDropout1D(Vanishing):
    """Nothing, outside of training."""


class GaussianNoise(Vanishing):
    """Nothing, outside of training."""


class GaussianDropout(Vanishing):
    """Nothing, outside of training."""


class AlphaDropout(Vanishing):
    """Nothing, outside of training."""


class ActivityRegularization(Vanishing):
    """Nothing, outside of training."""


class Identity(Vanishing):
    """Nothing."""
