"""A Keras model as a network: the file's layers, called as the model calls them, with the file's weights."""

from __future__ import annotations

import contextlib
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import IO

from ...layers.conv1d import Conv1D
from ...layers.dtype_policy import DTypePolicy
from ..graph import plain_name
from ..network import Network
from ..symbols import Input, Symbol
from . import keras_config, keras_weights
from .hdf5 import Hdf5
from .keras_config import Described, Model, Reference
from .keras_layers import Layer, Operator, weight_shapes
from .keras_weights import Datasets

_CONFIG, _WEIGHTS, _METADATA = "config.json", "model.weights.h5", "metadata.json"
_TIMES = 4  # the size of a file, that a part of it may have when it is unpacked
_SPARE = 1 << 20  # bytes that it may have beside that
_MOST_CALLS = 10_000  # of layers, those within models counted at each call of these
#: What zipfile and zlib raise for a damaged file.
_UNREADABLE = (
    *(ArithmeticError, EOFError, LookupError, NotImplementedError, OSError, RuntimeError, ValueError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)


def from_zip(file: IO[bytes]) -> Network:
    """The network of a `.keras` file. Raises ValueError for what is none."""
    size = os.fstat(file.fileno()).st_size
    try:
        with zipfile.ZipFile(file) as archive:
            config, weights, metadata = (_unpacked(archive, name, size) for name in (_CONFIG, _WEIGHTS, _METADATA))
    except _UNREADABLE as error:
        raise ValueError(f"The .keras file can not be unpacked: {error}") from error
    model = keras_config.parsed(config, 2 if keras_config.version(metadata).startswith("2") else 3)
    with contextlib.closing(Hdf5(weights)) as opened:
        del weights  # which are freed before the network takes its own
        ends = _called(model, keras_weights.of_keras3(model, opened), opened)
    return Network(*ends)


def _unpacked(archive: zipfile.ZipFile, name: str, size: int) -> bytes:
    """A part of a `.keras` file."""
    entries = [entry for entry in archive.infolist() if entry.filename == name]
    if len(entries) != 1:
        raise ValueError(f"it has {len(entries)} parts {name}")
    (entry,) = entries
    most = _TIMES * size + _SPARE
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 1:
        raise ValueError(f"{name} is compressed by method {entry.compress_type}, or encrypted")
    if entry.file_size > most or entry.compress_size > size:  # zipfile allocates either at once
        raise ValueError(
            f"{name} has {entry.file_size} bytes, {entry.compress_size} of them stored, in a file of {size}; it may have {most}"
        )
    with archive.open(entry) as part:
        return part.read()


def from_hdf5(file: IO[bytes]) -> Network:
    """The network of an HDF5 file of a whole model. Raises ValueError for what is none."""
    with contextlib.closing(Hdf5(file.read())) as opened:
        config = opened.attribute([], "model_config")
        if config is None or len(config) != 1:
            raise ValueError(
                "The HDF5 file has no attribute `model_config`: it holds weights alone, of a model that it does not say. "
                'Save the whole model: model.save("model.keras").'
            )
        version = opened.attribute([], "keras_version") or ["1"]
        model = keras_config.parsed(config[0], 3 if version[0].startswith("3") else 2)
        ends = _called(model, keras_weights.of_legacy(model, opened), opened)
    return Network(*ends)


def _called(model: Model, datasets: Mapping[Layer, Datasets], file: Hdf5) -> tuple[list[Symbol], Symbol | list[Symbol]]:
    """The inputs and outputs of a model, which is called on inputs of its own."""
    builder = _Builder(datasets, file, _compute_dtype(model))
    inputs = [builder.input(described) for described in _inputs(model)]
    outputs = builder.called(model, inputs, "the model")
    return inputs, outputs[0] if model.single else outputs


def _compute_dtype(model: Model) -> str | None:
    """What all layers compute in; None where these are several, or none."""
    found = {
        described.layer.compute_dtype
        for described in model.all_layers()
        if described.layer is not None and not isinstance(described.layer, Operator)
    }
    return found.pop() if len(found) == 1 else None


def _inputs(model: Model) -> list[Described]:
    by_name = {described.name: described for described in model.layers}
    return [by_name[reference.layer] for reference in model.inputs]


class _Builder:
    """Calls layers, with the weights of a file."""

    def __init__(self, datasets: Mapping[Layer, Datasets], file: Hdf5, dtype: str | None) -> None:
        self._datasets, self._file, self._dtype = datasets, file, dtype
        self._calls = 0

    def input(self, described: Described) -> Symbol:
        """The symbol of an InputLayer, of the dtype that the layers compute in: they cast what they get."""
        config, name = described.config, described.name
        shape = config.get("batch_shape") or config.get("batch_input_shape")
        if shape is None and config.get("shape") is not None:
            shape = [None, *config["shape"]]
        if not isinstance(shape, list | tuple) or len(shape) != 3:
            raise ValueError(f"Input {name!r} has shape (batch, steps, channels) in a network. The file has: {shape}.")
        try:
            own = DTypePolicy.of(config.get("dtype")).compute_dtype
            return Input(shape[2], shape[1], self._dtype or own, plain_name(name))
        except (TypeError, ValueError) as error:
            raise ValueError(f"Input {name!r}: {error}") from error

    def called(self, model: Model, inputs: Sequence[Symbol], name: str) -> list[Symbol]:
        """What a model makes of symbols."""
        if len(inputs) != len(model.inputs):
            raise ValueError(f"The model {name} takes {len(model.inputs)} inputs. Received: {len(inputs)}.")
        made: dict[tuple[str, int], list[Symbol]] = {
            (reference.layer, 0): [x] for reference, x in zip(model.inputs, inputs, strict=True)
        }
        for described, call in model.order:
            xs = [made[taken.layer, taken.call][taken.output] for taken in described.calls[call]]
            made[described.name, call] = self._made(described, xs)
        return [_found(made, reference, name) for reference in model.outputs]

    def _made(self, described: Described, inputs: Sequence[Symbol]) -> list[Symbol]:
        self._calls += 1
        if self._calls > _MOST_CALLS:
            raise ValueError(f"The model has more than {_MOST_CALLS} calls of layers.")
        if described.model is not None:
            return self.called(described.model, inputs, described.name)
        layer = described.layer
        assert layer is not None  # as an input is never called
        try:
            if not isinstance(layer, Operator) and not layer.built:
                self._give_weights(layer, inputs)
            return [layer(*inputs)]
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"Layer {described.name!r} ({described.class_name}): {error}") from error

    def _give_weights(self, layer: Layer, inputs: Sequence[Symbol]) -> None:
        """Builds a layer with the weights that the file has of it, after a look at their shapes."""
        shapes = [x.known for x in inputs]
        wanted = weight_shapes(layer, shapes)
        datasets = self._datasets.get(layer, [])
        given = [tuple(dataset.shape) for dataset in datasets]
        if given != list(wanted.values()):
            raise ValueError(
                f"It has weights {', '.join(f'{name} {shape}' for name, shape in wanted.items()) or 'none'} on "
                f"{', '.join(map(repr, inputs))}. The file has: {', '.join(map(str, given)) or 'none'}."
            )
        if given:
            layer._initial_weights = [self._file.read(dataset) for dataset in datasets]
        if isinstance(layer, Conv1D):
            layer.build(inputs[0].shape)
        else:
            layer.build(*shapes)
        layer._initial_weights = None


def _found(made: Mapping[tuple[str, int], list[Symbol]], reference: Reference, model: str) -> Symbol:
    if (reference.layer, reference.call) not in made:
        raise ValueError(f"The output {reference.layer!r} of {model} is made by no call.")
    return made[reference.layer, reference.call][reference.output]
