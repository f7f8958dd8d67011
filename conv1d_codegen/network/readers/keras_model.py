"""A Keras model as a network: the file's layers, called as the model calls them, with the file's weights."""

from __future__ import annotations

import contextlib
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import IO

from ..network import Network
from ..symbols import Symbol
from . import keras_config, keras_weights
from .hdf5 import SIGNATURE, Hdf5
from .keras_calls import Builder
from .keras_config import Described, Model
from .keras_layers import Layer, Operator
from .keras_planes import Plane
from .keras_weights import Datasets

_CONFIG, _WEIGHTS, _METADATA = "config.json", "model.weights.h5", "metadata.json"
_TIMES = 4  # the size of a file, that a part of it may have when it is unpacked
_SPARE = 1 << 20  # bytes that it may have beside that
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
                'Save the whole model: model.save("model.keras"); or give its config: load("config.json", weights=path), '
                "with what model.to_json() is in that file."
            )
        version = opened.attribute([], "keras_version") or ["1"]
        model = keras_config.parsed(config[0], 3 if version[0].startswith("3") else 2)
        ends = _called(model, keras_weights.of_legacy(model, opened), opened)
    return Network(*ends)


def from_config(text: bytes, weights: str | os.PathLike[str]) -> Network:
    """The network of a model's config in JSON, and of an HDF5 file of its weights. Raises ValueError for what is none, and
    OSError where the file can't be opened.
    """
    model = keras_config.parsed(text, 2 if keras_config.is_old(text) else 3)
    with open(weights, "rb") as file:
        data = file.read()
    if not data.startswith(SIGNATURE):
        raise ValueError(f"{os.fspath(weights)} is no HDF5 file of weights: it begins with {data[:8]!r}.")
    with contextlib.closing(Hdf5(data)) as opened:
        del data
        ends = _called(model, keras_weights.of_weights(model, opened), opened)
    return Network(*ends)


def _called(model: Model, datasets: Mapping[Layer, Datasets], file: Hdf5) -> tuple[list[Symbol], Symbol | list[Symbol]]:
    """The inputs and outputs of a model, which is called on inputs of its own."""
    builder = Builder(datasets, file, _compute_dtype(model))
    given = [builder.input(described) for described in _inputs(model)]
    outputs = [held.symbol for held in builder.called(model, given, "the model")]
    return builder.inputs, outputs[0] if model.single else outputs


def _compute_dtype(model: Model) -> str | None:
    """What all layers compute in; None where these are several, or none."""
    found = {
        (described.layer.layer if isinstance(described.layer, Plane) else described.layer).compute_dtype
        for described in model.all_layers()
        if described.layer is not None and not isinstance(described.layer, Operator)
    }
    return found.pop() if len(found) == 1 else None


def _inputs(model: Model) -> list[Described]:
    by_name = {described.name: described for described in model.layers}
    return [by_name[reference.layer] for reference in model.inputs]
