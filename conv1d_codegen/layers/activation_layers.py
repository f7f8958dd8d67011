"""Keras's activation layers, which configs of a Conv1D hold in the place of a function's name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NoReturn


class KerasLayer:
    """What `activations.get` makes of a layer: the function of that name, with the layer's own defaults."""

    def __init__(self, function: str, **defaults: Any) -> None:
        self.function = function
        self.defaults = defaults


LAYERS: Mapping[str, KerasLayer] = {
    "ReLU": KerasLayer("relu"),
    "LeakyReLU": KerasLayer("leaky_relu", negative_slope=0.3),
    "ELU": KerasLayer("elu"),
    "Softmax": KerasLayer("softmax"),
    "ThresholdedReLU": KerasLayer("threshold", threshold=1.0, default_value=0.0),  # of Keras 1 and 2
    "Identity": KerasLayer("linear"),
}
#: Layers as which functions with parameters are written, so that Keras 3 can read them.
WRITTEN = {"relu": "ReLU", "leaky_relu": "LeakyReLU", "elu": "ELU", "softmax": "Softmax"}
#: Layers with weights.
WEIGHTED = ("PReLU", "SReLU", "ParametricSoftplus")

_OLD_PARAMETERS = {"alpha": "negative_slope", "theta": "threshold"}  # of Keras 1 and 2


def parameters(config: Mapping[str, Any], accepted: Collection[str]) -> dict[str, Any]:
    """Those parameters of a config that a function accepts, by their names of today. The rest (its name, dtype, …) is
    the layer's.
    """
    named = {
        _OLD_PARAMETERS[name] if name in _OLD_PARAMETERS and name not in accepted else name: item
        for name, item in config.items()
    }
    return {name: item for name, item in named.items() if name in accepted}


class WeightedLayer:
    """An activation layer that has weights: of these a Conv1D knows nothing, so it keeps the config, and refuses to
    compute it.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = dict(config)

    def __call__(self, x: Any) -> NoReturn:
        """Raises ValueError."""
        raise ValueError(
            f"The activation {self.config['class_name']} has weights of its own, which a Conv1D does not hold, so it can't be computed "
            "here. Make the layer with activation=None, and apply it to the layer's output."
        )

    def __repr__(self) -> str:
        return f"{self.config['class_name']}({self.config.get('config')})"
