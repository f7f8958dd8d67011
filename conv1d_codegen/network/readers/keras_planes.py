"""Keras's layers of two axes before the channels, of which one has length 1: they are layers of one axis.

Which axis that is, the `unit`, 1 or 2, only the input says, so that a layer is made for either. Of a kernel that is wider
there than 1, which `same` padding allows, the one column counts that falls on the input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...layers import legacy_config
from . import keras_layers
from .keras_layers import Layer, Operator

#: The layers of two axes, and those of one that they are.
PLANES = {
    "AveragePooling2D": "AveragePooling1D",
    "AvgPool2D": "AveragePooling1D",
    "Conv2D": "Conv1D",
    "Conv2DTranspose": "Conv1DTranspose",
    "Convolution2D": "Conv1D",
    "Cropping2D": "Cropping1D",
    "DepthwiseConv2D": "DepthwiseConv1D",
    "GlobalAveragePooling2D": "GlobalAveragePooling1D",
    "GlobalAvgPool2D": "GlobalAveragePooling1D",
    "GlobalMaxPool2D": "GlobalMaxPooling1D",
    "GlobalMaxPooling2D": "GlobalMaxPooling1D",
    "MaxPool2D": "MaxPooling1D",
    "MaxPooling2D": "MaxPooling1D",
    "SeparableConv2D": "SeparableConv1D",
    "SpatialDropout2D": "SpatialDropout1D",
    "UpSampling2D": "UpSampling1D",
    "ZeroPadding2D": "ZeroPadding1D",
}
_PAIRS = ("kernel_size", "pool_size", "strides", "dilation_rate", "size", "output_padding", "padding", "cropping")


class Plane:
    """A layer of two axes. Raises ValueError where it is none of one axis, whichever has length 1."""

    def __init__(self, class_name: str, config: Mapping[str, Any]) -> None:
        self._layers: dict[int, Layer] = {}
        self._reasons: dict[int, str] = {}
        self._sizes = _pair(config.get("kernel_size", 1))
        for unit in (2, 1):
            try:
                self._layers[unit] = keras_layers.constructed(PLANES[class_name], _one_axis(class_name, config, unit))
            except ValueError as error:
                self._reasons[unit] = str(error)
        if not self._layers:
            raise ValueError(self._reasons[2])

    @property
    def layer(self) -> Layer:
        """One of the layers that it can be: all have weights of the same names."""
        return next(iter(self._layers.values()))

    def rename(self, name: str) -> None:
        """Gives the layer a name."""
        for layer in self._layers.values():
            layer._name = name

    def of(self, unit: int | None) -> Layer:
        """The layer that it is where this axis has length 1. Raises ValueError where that is none."""
        if unit is None:
            raise ValueError("It has two axes of steps, and its input has one: no axis has length 1.")
        if unit not in self._layers:
            raise ValueError(self._reasons[unit])
        return self._layers[unit]

    def stored(self, name: str, shape: tuple[int, ...], unit: int) -> tuple[tuple[int, ...], int]:
        """The shape of a weight in the file, and which part of it counts on the axis of length 1."""
        if not name.endswith("kernel"):
            return shape, 0
        wide = 1 if name == "pointwise_kernel" else self._sizes[unit - 1]
        return (*shape[: unit == 2], wide, *shape[unit == 2 :]), (wide - 1) // 2


def made(description: Mapping[str, Any], name: str, keras: int) -> Layer | Operator | Plane:
    """The layer of one axis or two that a description is of, as `keras_layers.made`."""
    class_name = description["class_name"]
    if class_name not in PLANES or not keras_layers.is_kerass(description) or keras_layers.is_operator(description):
        return keras_layers.made(description, name, keras)
    try:
        config = keras_layers.arguments(legacy_config.plain(description["config"]), keras)
        plane = Plane(class_name, config)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"can not be made: {error}") from error
    plane.rename(name)
    return plane


def _pair(value: Any) -> tuple[Any, Any]:
    if isinstance(value, list | tuple) and len(value) == 2:
        return value[0], value[1]
    return value, value


def _one_axis(class_name: str, config: Mapping[str, Any], unit: int) -> dict[str, Any]:
    """The config of a layer of one axis. Raises ValueError where the axis of length 1 would not stay so."""
    made, there = dict(config), {}
    for name in _PAIRS:
        value = config.get(name)
        if value is not None and not isinstance(value, str):
            pair = _pair(value)
            made[name], there[name] = pair[2 - unit], pair[unit - 1]
    if made.pop("interpolation", "nearest") != "nearest":
        raise ValueError(f"it interpolates by {config['interpolation']!r}, and networks repeat")
    same = config.get("padding") == "same"
    wide = there.get("kernel_size", there.get("pool_size", 1))
    reasons = {
        "a window wider than 1": wide != 1 and (not same or class_name == "Conv2DTranspose"),
        "an even kernel with dilation": "kernel_size" in there and wide % 2 == 0 and there.get("dilation_rate", 1) != 1,
        "steps around it": any(_sum(there.get(name)) for name in ("cropping", "padding", "output_padding")),
        "more than one step made of it": there.get("size", 1) != 1
        or (class_name == "Conv2DTranspose" and there.get("strides", 1) != 1),
    }
    found = [reason for reason, holds in reasons.items() if holds]
    if found:
        raise ValueError(f"it has {', '.join(found)} on axis {unit}, and networks here have one axis of steps")
    return made


def _sum(value: Any) -> int:
    return sum(value) if isinstance(value, list | tuple) else value or 0
