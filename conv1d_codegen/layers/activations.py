"""Keras's activations, by name or as an object: what an identifier stands for, how it is written, and which of them a
kernel can fuse.

The functions are those of `reference/activations.py`.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..problem import Activation
from ..reference.activations import *  # noqa: F403  all of them can be had here too, as in Keras
from ..reference.activations import ELEMENTWISE, NAMES, linear
from . import registry
from .activation_layers import LAYERS, WEIGHTED, WRITTEN, KerasLayer, WeightedLayer, parameters

_OLD_NAMES = {"softmax_v2": "softmax", "log_softmax_v2": "log_softmax"}  # which TensorFlow's functions have


def get(identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Callable[..., Any]:
    """The function that an identifier names: None → `linear`, a name (case-sensitive), a dict, or any callable,
    unchanged.

    A dict is a function's (`{"class_name": "function", "config": "relu"}`), a function's with parameters
    (`{"class_name": "elu", "config": {"alpha": 0.5}}`) or an activation layer's (`{"class_name": "LeakyReLU", "config":
    …}`), with Keras 2.9's `alpha` or Keras 3's `negative_slope`; one with weights, such as PReLU, becomes a
    `WeightedLayer`. Raises ValueError for any other identifier, TypeError for a dict that names an unknown class.
    """
    if identifier is None:
        return linear
    found = identifier
    if isinstance(identifier, str):
        found = {**NAMES, **(custom_objects or {})}.get(_OLD_NAMES.get(identifier, identifier))
    elif isinstance(identifier, Mapping):
        found = _from_dict(identifier, custom_objects)
    if not callable(found):
        raise ValueError(f"Could not interpret activation function identifier: {identifier}")
    return found  # type: ignore[no-any-return]


def _from_dict(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None) -> Callable[..., Any]:
    if config.get("class_name") == "Activation":
        return get(config["config"]["activation"], custom_objects)
    layers = {**LAYERS, **dict.fromkeys(WEIGHTED, WeightedLayer)}
    found, arguments = registry.locate(config, {**NAMES, **layers}, custom_objects, "activation")
    if found is WeightedLayer:
        return WeightedLayer(config)
    if arguments is None:
        return found  # type: ignore[no-any-return]
    if hasattr(found, "from_config"):
        return found.from_config(arguments)  # type: ignore[no-any-return]
    function, defaults = (NAMES[found.function], found.defaults) if isinstance(found, KerasLayer) else (found, {})
    given = {**defaults, **parameters(arguments, inspect.signature(function).parameters)}
    return functools.partial(function, **given) if given else function


def serialize(activation: Callable[..., Any]) -> str | dict[str, Any] | None:
    """The inverse of `get`: the name of a built-in, a dict for one with parameters, for a custom function or for an
    object.

    relu, leaky_relu, elu and softmax with parameters are written as the activation layers that Keras has for them, so
    that Keras can read them too. Raises TypeError for an object without `get_config`.
    """
    name = _builtin_name(activation)
    if name is not None:
        return name
    if isinstance(activation, WeightedLayer):
        return activation.config
    if isinstance(activation, functools.partial):
        name = _builtin_name(activation.func)
        if name is not None and not activation.args:
            layer = WRITTEN.get(name)
            module = "keras.layers" if layer else "conv1d_codegen.activations"
            return {
                "module": module,
                "class_name": layer or name,
                "config": dict(activation.keywords),
                "registered_name": None,
            }
    return registry.serialize(activation)


def _builtin_name(function: Any) -> str | None:
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) and NAMES.get(name) is function else None


def identifier_of(activation: Activation) -> Any:
    """What a layer takes for an element-wise activation: the inverse of `fusable`."""
    function = NAMES[activation.name]
    return functools.partial(function, **dict(activation.parameters)) if activation.parameters else activation.name


def fusable(identifier: Any) -> Activation | None:
    """The element-wise activation that a kernel can fuse, with the parameters that differ from the defaults; None for
    any other.

    `identifier` is what `get` takes, also `functools.partial(leaky_relu, negative_slope=0.3)`.
    """
    function: Any = get(identifier)
    given: dict[str, Any] = {}
    if isinstance(function, functools.partial):
        if function.args:
            return None
        function, given = function.func, dict(function.keywords)
    name = _builtin_name(function)
    if name is None or name not in ELEMENTWISE:
        return None
    parameters: list[tuple[str, float]] = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        value = given.pop(parameter.name, parameter.default)
        if value is None and parameter.default is None:
            continue
        # Missing, an array, or NaN, which is not equal to itself and so would never be found in a cache.
        if not isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)) or math.isnan(value):
            return None
        if value != parameter.default:
            parameters.append((parameter.name, float(value)))
    # An unknown parameter is the function's to complain about, when it is called.
    return None if given else Activation(name, tuple(sorted(parameters)))
