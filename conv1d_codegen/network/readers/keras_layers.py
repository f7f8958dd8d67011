"""Which layer a config describes, by the name of its class: the layers of this package, and no others.

What a config says about training and initial values is left out, so that it can't matter.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from ...layers import legacy_config
from ...layers.conv1d import Conv1D
from .. import layers
from ..layers import NetworkLayer
from ..ops import Combine
from ..symbols import Symbol

Layer = NetworkLayer | Conv1D

_OWN = {
    name: item
    for name, item in vars(layers).items()
    if inspect.isclass(item) and issubclass(item, NetworkLayer) and item is not NetworkLayer and name[0] != "_"
}
_WRAPPERS = ("Bidirectional", "TimeDistributed")  # whose layers are configs within their own
_OWN = {name: item for name, item in _OWN.items() if name not in _WRAPPERS}
_OTHER_NAMES = {
    "AvgPool1D": "AveragePooling1D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "Convolution1D": "Conv1D",
    "GlobalAvgPool1D": "GlobalAveragePooling1D",
    "GlobalMaxPool1D": "GlobalMaxPooling1D",
    "MaxPool1D": "MaxPooling1D",
    "SeparableConvolution1D": "SeparableConv1D",
    "SyncBatchNormalization": "BatchNormalization",
}
#: Layers that are an activation with parameters.
_ACTIVATIONS = ("ReLU", "LeakyReLU", "ELU", "ThresholdedReLU")
#: What the operators of Keras 3's tensors are.
_OPERATORS = {"Add": "add", "Subtract": "subtract", "Multiply": "multiply", "Maximum": "maximum", "Minimum": "minimum"}
_OPERATOR_MODULE = "keras.src.ops."
_MODULES = ("keras", "tf_keras", "tensorflow", "builtins")
_TRAINING = ("_initializer", "_regularizer", "_constraint")
_ELSEWHERE = (  # read by others, or said by the file about the model that it was
    "name",
    "trainable",
    "batch_input_shape",
    "batch_shape",
    "input_shape",
    "input_dim",
    "input_length",
    "input_dtype",
    "build_config",
    "dynamic",
    "options",  # arguments here that Keras does not write
    "weights",
)


class Operator:
    """An operator of tensors, which Keras 3 keeps beside the layers."""

    def __init__(self, kind: str, name: str) -> None:
        self.name = name
        self._op = Combine(kind)

    def __call__(self, *inputs: Symbol) -> Symbol:
        """What it makes of symbols."""
        return Symbol.made(self.name, self._op, inputs)


def is_kerass(description: Mapping[str, Any]) -> bool:
    """Whether a layer, by what the file says of it, is of Keras, and not somebody's class of the same name."""
    module, registered = description.get("module"), description.get("registered_name")
    return (module is None or (isinstance(module, str) and module.split(".")[0] in _MODULES)) and (
        registered is None or registered == description.get("class_name")
    )


def is_operator(description: Mapping[str, Any]) -> bool:
    """Whether it is no layer but an operation."""
    module = description.get("module")
    return isinstance(module, str) and module.startswith(_OPERATOR_MODULE)


def made(description: Mapping[str, Any], name: str, keras: int) -> Layer | Operator:
    """The layer that a description of this major version of Keras is of, without weights. Raises ValueError, with a
    reason, where it is none of these.
    """
    class_name = description["class_name"]
    if not is_kerass(description):
        raise ValueError("is a class of its own")
    if is_operator(description):
        if class_name not in _OPERATORS:
            raise ValueError("is an operation that no network has")
        return Operator(_OPERATORS[class_name], name)
    class_name = _OTHER_NAMES.get(class_name, class_name)
    if class_name not in (*("Conv1D", "Bidirectional", "TimeDistributed"), *_ACTIVATIONS, *_OWN):
        raise ValueError("is a class that no network has")
    try:
        layer: Layer
        if class_name in _WRAPPERS:
            layer = _wrapped(class_name, description["config"], name, keras)
        else:
            layer = constructed(class_name, arguments(legacy_config.plain(description["config"]), keras))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"can not be made: {error}") from error
    layer._name = name
    return layer


def _wrapped(class_name: str, config: Mapping[str, Any], name: str, keras: int) -> NetworkLayer:
    """A layer of layers, which are named after it."""
    inner = config["layer"]
    dtype = {"dtype": config["dtype"]} if config.get("dtype") is not None else {}
    if class_name == "TimeDistributed":
        return layers.TimeDistributed(_inner(inner, name, keras), **dtype)
    back = config.get("backward_layer") or {**inner, "config": {**inner["config"], "go_backwards": True}}
    there, again = _inner(inner, f"{name}/forward", keras), _inner(back, f"{name}/backward", keras)
    kinds = (layers.LSTM, layers.GRU)
    if not isinstance(there, kinds) or not isinstance(again, kinds) or there.go_backwards or not again.go_backwards:
        raise ValueError("a Bidirectional of a network has an LSTM or GRU for each direction")
    return layers.Bidirectional(there, again, config.get("merge_mode", "concat"), **dtype)


def _inner(description: Any, name: str, keras: int) -> Any:
    """A layer within another."""
    if not isinstance(description, dict) or not isinstance(description.get("config"), dict):
        raise ValueError(f"it has no layer within it, but {str(description)[:100]}")
    found = made(description, name, keras)
    if isinstance(found, Operator):
        raise ValueError("the layer within it is an operation")
    return found


def arguments(config: Mapping[str, Any], keras: int) -> dict[str, Any]:
    """The arguments of a layer, without what others read."""
    if str(config.get("data_format")).lower() == "channels_first":
        raise ValueError('it has data_format="channels_first", and networks take (steps, channels)')
    if keras < 3 and _is_named(config.get("activation"), "hard_sigmoid"):
        raise ValueError(
            "it has hard_sigmoid, which in Keras 2 is 0.2·x + 0.5, and relu6(x + 3) ÷ 6 in Keras 3 and here"
        )
    return {
        key: value
        for key, value in config.items()
        if value is not None and key not in _ELSEWHERE and not key.endswith(_TRAINING)
    }


def _is_named(activation: Any, name: str) -> bool:
    if isinstance(activation, Mapping):
        return name in (activation.get("class_name"), activation.get("config"))
    return bool(activation == name)


def constructed(class_name: str, given: dict[str, Any]) -> Layer:
    if class_name == "Conv1D":
        return Conv1D.from_config({**given, "kernel_initializer": "zeros"})
    if class_name in _ACTIVATIONS:
        dtype = {"dtype": given.pop("dtype")} if "dtype" in given else {}
        return layers.Activation({"class_name": class_name, "config": given}, **dtype)
    made: NetworkLayer = _OWN[class_name](**given)
    made._initializers = {}
    return made


def weight_shapes(layer: Layer | Operator, inputs: Sequence[Any]) -> dict[str, tuple[int, ...]]:
    """The weights of a layer by name, in Keras's order, for inputs of these shapes."""
    if isinstance(layer, Operator):
        return {}
    if isinstance(layer, NetworkLayer):
        return dict(layer.weight_shapes(*inputs))
    kernel = (layer.kernel_size[0], inputs[0].channels // layer.groups, layer.filters)
    return {"kernel": kernel, **({"bias": (layer.filters,)} if layer.use_bias else {})}
