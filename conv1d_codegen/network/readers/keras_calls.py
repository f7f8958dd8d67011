"""The layers of a Keras model, called on symbols, with the weights of a file.

Keras's tensors are sequences, vectors, or have two axes before the channels, of which one has length 1: the `unit`. A
symbol has no such axis, so that where it is is told beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...layers.conv1d import Conv1D
from ...layers.dtype_policy import DTypePolicy
from .. import layers, ops
from ..graph import plain_name
from ..layers.training import Vanishing
from ..symbols import Input, Symbol
from .hdf5 import Hdf5
from .keras_config import Described, Model, Reference
from .keras_layers import Layer, Operator, weight_shapes
from .keras_planes import Plane
from .keras_weights import Datasets, owners

_MOST_CALLS = 10_000  # of layers, those within models counted at each call of these
#: Layers that do the same whether or not an axis of length 1 is there.
_OF_ANY_RANK = (
    *(
        layers.Activation,
        layers.Add,
        layers.Average,
        layers.Concatenate,
        layers.Maximum,
        layers.Minimum,
        layers.Multiply,
    ),
    *(layers.BatchNormalization, layers.GroupNormalization, layers.LayerNormalization, layers.RMSNormalization),
    *(layers.Dense, layers.Flatten, layers.Reshape, layers.Softmax, layers.Subtract, Operator, Vanishing),
)


@dataclass(frozen=True, slots=True)
class Held:
    """A tensor of Keras's: the symbol, and which axis of two before the channels has length 1; None where it has one."""

    symbol: Symbol
    unit: int | None = None


class Builder:
    """Calls layers, with the weights of a file. `inputs` are the symbols of the network's inputs."""

    def __init__(self, datasets: Mapping[Layer, Datasets], file: Hdf5, dtype: str | None) -> None:
        self._datasets, self._file, self._dtype = datasets, file, dtype
        self._calls = 0
        self.inputs: list[Symbol] = []

    def input(self, described: Described) -> Held:
        """What an InputLayer is, of the dtype that the layers compute in: they cast what they get. A vector is an input of
        one step.
        """
        config, name = described.config, described.name
        shape = config.get("batch_shape") or config.get("batch_input_shape")
        if shape is None and config.get("shape") is not None:
            shape = [None, *config["shape"]]
        sizes = list(shape) if isinstance(shape, list | tuple) else []
        unit = (2 if sizes[2] == 1 else 1) if len(sizes) == 4 and 1 in sizes[1:3] else None
        if unit is not None:
            del sizes[unit]
        elif len(sizes) == 2:
            sizes.insert(1, 1)
        if len(sizes) != 3:
            raise ValueError(
                f"Input {name!r} has shape (batch, steps, channels) in a network, or (batch, channels), or an axis of "
                f"length 1 before the channels. The file has: {shape}."
            )
        try:
            own = DTypePolicy.of(config.get("dtype")).compute_dtype
            x = Input(sizes[2], sizes[1], self._dtype or own, plain_name(name))
        except (TypeError, ValueError) as error:
            raise ValueError(f"Input {name!r}: {error}") from error
        self.inputs.append(x)
        if isinstance(shape, list | tuple) and len(shape) == 2:
            return Held(Symbol.made(f"{x.name}/vector", ops.Reshape(None, sizes[2]), [x]))
        return Held(x, unit)

    def called(self, model: Model, inputs: Sequence[Held], name: str) -> list[Held]:
        """What a model makes of tensors."""
        if len(inputs) != len(model.inputs):
            raise ValueError(f"The model {name} takes {len(model.inputs)} inputs. Received: {len(inputs)}.")
        made: dict[tuple[str, int], list[Held]] = {
            (reference.layer, 0): [x] for reference, x in zip(model.inputs, inputs, strict=True)
        }
        for described, call in model.order:
            xs = [made[taken.layer, taken.call][taken.output] for taken in described.calls[call]]
            made[described.name, call] = self._made(described, xs)
        return [_found(made, reference, name) for reference in model.outputs]

    def _made(self, described: Described, inputs: Sequence[Held]) -> list[Held]:
        self._calls += 1
        if self._calls > _MOST_CALLS:
            raise ValueError(f"The model has more than {_MOST_CALLS} calls of layers.")
        if described.model is not None:
            return self.called(described.model, inputs, described.name)
        layer = described.layer
        assert layer is not None  # as an input is never called
        try:
            return self._of_layer(layer, inputs)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"Layer {described.name!r} ({described.class_name}): {error}") from error

    def _of_layer(self, layer: Layer | Operator | Plane, inputs: Sequence[Held]) -> list[Held]:
        """What a layer makes of tensors."""
        units = {x.unit for x in inputs if x.symbol.known.steps is not None}
        if len(units) > 1:
            raise ValueError("Its inputs have their axes of length 1 in different places, or one of them has none.")
        unit, symbols = next(iter(units), None), [x.symbol for x in inputs]
        own: Any = layer.of(unit) if isinstance(layer, Plane) else layer
        self._build(layer, own, symbols, unit)
        if unit is not None and isinstance(own, layers.Permute):
            return [_permuted(own, symbols[0], unit)]
        if unit == 1 and isinstance(own, layers.TimeDistributed):
            own = own.layer  # of the one step, whose own steps are the next axis
        elif unit is not None and not isinstance(layer, Plane) and not isinstance(own, _OF_ANY_RANK):
            raise ValueError("It has one axis before the channels, and its input has two.")
        if unit is not None and getattr(own, "_axis", None) in (3, [3], (3,)):
            own._axis = -1  # the channels, before which there is one axis less here
        if isinstance(own, layers.Bidirectional) and own.merge_mode is None:
            return [Held(y) for y in own.both(*symbols)]
        y = own(*symbols)
        unit = own.unit if isinstance(own, layers.Reshape) else unit
        return [Held(y, None if y.known.steps is None else unit)]

    def _build(self, layer: Layer | Operator | Plane, own: Any, inputs: Sequence[Symbol], unit: int | None) -> None:
        """Builds a layer, and those within it, with the weights that the file has of them."""
        plane = layer if isinstance(layer, Plane) else None
        for (_, named), (_, built) in zip(owners(layer), owners(own), strict=True):
            if not built.built:
                self._give_weights(built, self._datasets.get(named, []), inputs, plane, unit)

    def _give_weights(
        self, layer: Layer, datasets: Datasets, inputs: Sequence[Symbol], plane: Plane | None, unit: int | None
    ) -> None:
        """Builds a layer with weights of a file, after a look at their shapes."""
        shapes = [x.known for x in inputs]
        wanted = {name: (shape, 0) for name, shape in weight_shapes(layer, shapes).items()}
        if plane is not None and unit is not None:
            wanted = {name: plane.stored(name, shape, unit) for name, (shape, _) in wanted.items()}
        given = [tuple(dataset.shape) for dataset in datasets]
        if given != [shape for shape, _ in wanted.values()]:
            raise ValueError(
                f"It has weights {', '.join(f'{name} {shape}' for name, (shape, _) in wanted.items()) or 'none'} on "
                f"{', '.join(map(repr, inputs))}. The file has: {', '.join(map(str, given)) or 'none'}."
            )
        if given:
            layer._initial_weights = [
                array if plane is None or unit is None or array.ndim < 4 else np.take(array, part, unit - 1)
                for array, (_, part) in zip(map(self._file.read, datasets), wanted.values(), strict=True)
            ]
        if isinstance(layer, Conv1D):
            layer.build(inputs[0].shape)
        else:
            layer.build(*shapes)
        layer._initial_weights = None


def _permuted(layer: layers.Permute, x: Symbol, unit: int) -> Held:
    """What a Permute makes of a tensor with two axes before the channels."""
    if sorted(layer.dims) != [1, 2, 3]:
        raise ValueError(f"It exchanges axes (1, 2, 3). Received: dims={layer.dims}.")
    names = {unit: "1", 3 - unit: "T", 3: "C"}
    made = [names[dim] for dim in layer.dims]
    if made[2] == "1":
        raise ValueError(f"It makes channels of the axis of length 1. Received: dims={layer.dims}.")
    turned = made.index("C") < made.index("T")
    return Held(layer.made(ops.Transpose(), x) if turned else x, made.index("1") + 1)


def _found(made: Mapping[tuple[str, int], list[Held]], reference: Reference, model: str) -> Held:
    if (reference.layer, reference.call) not in made:
        raise ValueError(f"The output {reference.layer!r} of {model} is made by no call.")
    return made[reference.layer, reference.call][reference.output]
