"""What the layers of a network share: arguments, weights, and calls on symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...layers import initializers
from ...layers.base import Layer
from ...layers.dtype_policy import PROBLEM_DTYPES
from ...layers.weights import Weights
from .. import ops
from ..ops import Shape
from ..symbols import Symbol, WeightOf

_FOR_TRAINING = ("_regularizer", "_constraint")


class NetworkLayer(Layer):
    """A layer with `weight_shapes`, and `apply`, which says which operations it is."""

    #: The folders within a layer's own in which a `.keras` file has its weights.
    stored_in: tuple[str, ...] = ()

    def __init__(self, arguments: dict[str, Any]) -> None:
        kept = {name: value for name, value in arguments.items() if not name.endswith(_FOR_TRAINING)}
        self._initializers = {
            name.removesuffix("_initializer"): kept.pop(name) for name in list(kept) if name.endswith("_initializer")
        }
        super().__init__(kept, None)

    def owners(self) -> Sequence[tuple[tuple[str, ...], Layer]]:
        """The layers whose weights this one has, with the folders of a `.keras` file, within its own, that they are in."""
        return [(self.stored_in, self)]

    def weight_shapes(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        """The weights by name, in Keras's order, with their shapes, for inputs of these shapes."""
        return {}

    def apply(self, *inputs: Symbol) -> Symbol:
        """The operations of this layer on symbols."""
        raise NotImplementedError

    def build(self, *inputs: Shape) -> None:
        """Makes the weights: those that were given, or what the initializers make, the given ones or Keras's. Raises
        ValueError where other shapes were given.
        """
        shapes = self.weight_shapes(*inputs)
        if self._initial_weights is not None:
            wanted = {
                name: np.broadcast_to(np.zeros((), self._variable_dtype), shape) for name, shape in shapes.items()
            }
            self._weights = Weights(self._replacements(self._initial_weights, wanted))
            return
        made = {}
        for name, shape in shapes.items():
            usual = (
                "glorot_uniform" if name.endswith("kernel") else "ones" if name in ("gamma", "variance") else "zeros"
            )
            initializer = initializers.get(self._initializers.get(name) or usual)
            made[name] = self._initial(name, initializer, shape)
        self._weights = Weights(made)

    def __call__(self, *inputs: Any) -> Symbol:
        """What the layer makes of symbols, or of a list of them. Raises TypeError for anything else."""
        given = tuple(inputs[0]) if len(inputs) == 1 and isinstance(inputs[0], list | tuple) else inputs
        if not given or not all(isinstance(x, Symbol) for x in given):
            raise TypeError(
                f"Layer '{self.name}' is called on symbols: x = Input(channels), or what layers make of it; Network(x, y) is then called "
                f"on arrays. Received: {', '.join(str(type(x)) for x in given) or 'nothing'}."
            )
        if any(x.dtype != PROBLEM_DTYPES[self.compute_dtype] for x in given):
            raise ValueError(
                f"Layer '{self.name}' computes in {self.compute_dtype}. Received: {', '.join(map(repr, given))}."
            )
        shapes = [x.known for x in given]
        if self._weights is None:
            self.build(*shapes)
        wanted = dict(self.weight_shapes(*shapes))
        if wanted != {name: value.shape for name, value in self.weight_values().items()}:
            raise ValueError(
                f"Layer '{self.name}' was built for other inputs, with weights "
                f"{', '.join(f'{name} {value.shape}' for name, value in self.weight_values().items())}. "
                f"Received: {', '.join(map(repr, given))}, which take {', '.join(map(str, wanted.values()))}."
            )
        return self.apply(*given)

    def made(self, op: ops.Op, *inputs: Symbol, weights: Sequence[str] = (), part: str = "") -> Symbol:
        """What an operation makes of symbols, with weights of this layer; named after it, and after the `part` of it."""
        name = f"{self.name}/{part}" if part else self.name
        return Symbol.made(name, op, inputs, [WeightOf(self, weight) for weight in weights])


class SingleOp(NetworkLayer):
    """A layer that is one operation without weights."""

    def __init__(self, op: ops.Op, arguments: dict[str, Any]) -> None:
        check_format(arguments.pop("data_format", None), str(arguments.get("name", "")))
        super().__init__(arguments)
        self._op = op

    def apply(self, *inputs: Symbol) -> Symbol:
        return self.made(self._op, *inputs)


def check_format(data_format: str | None, layer: str) -> None:
    if data_format not in (None, "channels_last"):
        raise ValueError(
            f'Layers of a network have data_format="channels_last". Received: {data_format!r} of layer {layer!r}.'
        )


def check_axis(axis: Any, x: Symbol, layer: str) -> None:
    """Raises ValueError for an axis that is not the channels."""
    axes = list(axis) if isinstance(axis, list | tuple) else [axis]
    if axes not in ([-1], [len(x.shape) - 1]):
        raise ValueError(
            f"Layer '{layer}' works on the channels, axis -1 or {len(x.shape) - 1}. Received: axis={axis!r}."
        )
