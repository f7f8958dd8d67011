"""Configs of every Keras from 1.0 on → the arguments of Conv1D, which are those of Keras 3.

Keras 1 has other names for most arguments, and writes a regularizer or a constraint as one flat dict. Keras 2 writes
tuples as dicts into JSON, and allows a slash in a layer's name. What differs inside the dict of an initializer or an
activation is their own files' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from . import activations, constraints, initializers, regularizers
from .base import Layer

_Made = TypeVar("_Made", bound=Layer)

_NAMES = {
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "subsample_length": "strides",
    "border_mode": "padding",
    "atrous_rate": "dilation_rate",  # of AtrousConvolution1D
    "init": "kernel_initializer",
    "bias": "use_bias",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "input_dtype": "dtype",
}
_CLASSES = {"WeightRegularizer": "L1L2", "ActivityRegularizer": "L1L2", "L1L2Regularizer": "L1L2"}
_RESOLVERS = {
    "activation": activations,
    "_initializer": initializers,
    "_regularizer": regularizers,
    "_constraint": constraints,
}
_PARAMETERS = {"m": "max_value", "low": "min_value", "high": "max_value"}  # of constraints


def arguments(config: Mapping[str, Any], custom_objects: Mapping[str, Any]) -> dict[str, Any]:
    """The constructor's arguments that a config stands for. `custom_objects` are the user's own functions and classes
    by name.

    Raises ValueError where it gives one by an old name and a new one, TypeError for a dict that names an unknown class.
    """
    found: dict[str, Any] = {}
    for name, value in config.items():
        new = _NAMES.get(name, name)
        if new in found or (new != name and new in config):
            raise ValueError(f"The config gives `{new}` twice, also by Keras 1's name. Received: {dict(config)}")
        found[new] = plain(value)
    for name, value in found.items():
        if name.endswith(("_regularizer", "_constraint")) and isinstance(value, Mapping):
            found[name] = _nested(value)
    if "input_length" in found:
        length, dim = found.pop("input_length"), found.pop("input_dim", None)
        if found.get("batch_input_shape") is None and dim is not None:
            found["input_shape"] = (length, dim)
    for name, value in found.items() if custom_objects else ():
        module = next((module for ending, module in _RESOLVERS.items() if name.endswith(ending)), None)
        found[name] = value if module is None else module.get(value, custom_objects)
    return found


def made(cls: type[_Made], config: Mapping[str, Any], custom_objects: Mapping[str, Any]) -> _Made:
    """A new layer of a class, from a config. Its name may have slashes, which Keras 2 allowed, and constructors refuse as
    Keras 3 does. Raises what `arguments` and the class raise.
    """
    found = arguments(config, custom_objects)
    name = found.get("name")
    if not isinstance(name, str):
        return cls(**found)
    layer = cls(**{**found, "name": name.replace("/", "_")})
    layer._name = name
    return layer


def plain(value: Any) -> Any:
    """A value as it was before Keras made JSON of it: tuples, shapes and arrays are dicts there."""
    if isinstance(value, Mapping):
        kind = value.get("class_name")
        if kind in ("__tuple__", "TensorShape"):
            return tuple(plain(item) for item in value["items"])
        if kind in ("__numpy__", "__tensor__"):
            return np.asarray(value["config"]["value"])
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return value.item()  # Keras 1 and 2 keep factors as arrays
    return value


def _nested(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """`{"name": "MaxNorm", "m": 2}` → `{"class_name": "MaxNorm", "config": {"max_value": 2}}`; a dict of later versions
    as it is.
    """
    if "class_name" in value or not isinstance(value.get("name"), str):
        return value
    parameters = {_PARAMETERS.get(name, name): item for name, item in value.items() if name != "name"}
    return {"class_name": _CLASSES.get(value["name"], value["name"]), "config": parameters}
