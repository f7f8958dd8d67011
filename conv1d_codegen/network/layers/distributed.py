"""TimeDistributed: a layer of vectors on each step. Most layers here do that of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...layers.base import Layer
from ..ops import Shape
from ..symbols import Symbol
from .activations import Activation, Softmax
from .base import NetworkLayer
from .convolutions import Dense
from .norms import BatchNormalization, LayerNormalization, RMSNormalization
from .steps import Flatten
from .training import Vanishing

_OF_STEPS = (
    *(Activation, BatchNormalization, Dense, LayerNormalization, RMSNormalization, Softmax, Vanishing),
    Flatten,  # of a vector
)


class TimeDistributed(NetworkLayer):
    """A layer on each step by itself, as if it were a vector: one that changes no vector's rank, and joins no steps."""

    def __init__(self, layer: NetworkLayer | Layer, **kwargs: Any) -> None:
        super().__init__(kwargs)
        self.layer = layer

    def owners(self) -> Sequence[tuple[tuple[str, ...], Layer]]:
        inner = self.layer.owners() if isinstance(self.layer, NetworkLayer) else [((), self.layer)]
        return [(("layer", *folders), layer) for folders, layer in inner]

    def weight_shapes(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        return {}

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        layer = self.layer
        if not isinstance(layer, _OF_STEPS) or x.known.steps is None:
            raise ValueError(
                f"Layer '{self.name}' of a network has, on the steps of a sequence, one of "
                f"{', '.join(sorted(kind.__name__ for kind in _OF_STEPS if kind is not Vanishing))}, or one that is for "
                f"training. Received: {type(layer).__name__} on {x!r}."
            )
        if isinstance(layer, Flatten):
            return x
        if getattr(layer, "_axis", None) in (1, [1], (1,)):  # the channels of a vector
            layer._axis = -1  # type: ignore[union-attr]
        return layer(x)
