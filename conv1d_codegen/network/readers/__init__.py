"""Networks from files: ours (`saved.py`), and those of other programs. None is trusted: nothing in it is executed.

keras_model.py     a Keras model, from its config and its weights
keras_calls.py     its layers, called on symbols
keras_config.py    the config, as JSON → the model's layers and their calls
keras_layers.py    which layer a config describes
keras_planes.py    layers of two axes, of which one has length 1
keras_weights.py   which arrays of a file belong to which layer
keras_live.py      a model of a Keras that is there
hdf5.py            HDF5 files, read with care
onnx_model.py      an ONNX model: its nodes followed from the inputs to the outputs
onnx_inputs.py     which axes its inputs have
onnx_file.py       the file, and its tensors as arrays
onnx_node.py       a node and its attributes
onnx_values.py     what a name stands for: numbers, sizes, tensors with their axes
onnx_outside.py    nodes that ONNX Runtime computes, and onnx_shapes.py, what the file promises of them
onnx_parts.py      the parts that these make, and onnx_submodel.py, the models of the parts
onnx_builder.py    nodes of a network, from tensors whose axes lie as in ONNX
onnx_constants.py  nodes whose inputs are known, and the arithmetic of shapes
onnx_arrays.py     those of them that put numbers together anew
onnx_operators.py  which operation an operator is, from onnx_axes.py, onnx_elementwise.py, onnx_layers.py, onnx_moves.py,
                   onnx_recurrent.py, onnx_rows.py and onnx_windows.py
runs.py            places in any order
safetensors.py     arrays by name
pytorch/           modules of torch's
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import saved
from ..network import Network, Options
from . import hdf5, keras_model, onnx_model

#: How the names of files that `load` reads end, those of others' formats. Names that end so are meant as files.
SUFFIXES = (".keras", ".h5", ".hdf5", ".onnx", ".json")
_ZIP = b"PK\x03\x04"
_JSON = b"{"
_ONNX = b"\x08"  # the version of its format, which stands first


def load(
    path: str | os.PathLike[str],
    *,
    inputs: Mapping[str, Any] | None = None,
    weights: str | os.PathLike[str] | None = None,
    fallback: str | None = None,
    options: Options = None,
) -> Network:
    """The network in a file that `save` made, in one of Keras's: `.keras`, of Keras 3 or the last ones of Keras 2, or a
    whole model in HDF5 (`.h5`), or in an ONNX file, of operators from version 7 on. What the file is decides, not its name.
    Keras's need the package h5py, and no Keras; ONNX's need the package onnx, and no runtime.

    The inputs `(steps, channels)` and outputs are those of the model, in its order; outputs in a dict become a list. An
    input `(channels,)` is given as one step, `(batch, 1, channels)`, and of two axes before the channels that one is left
    out which has length 1.

    A model of Keras's whose weights are in a file of their own is read from its config, what `model.to_json()` makes in a
    file, with `weights`, what `model.save_weights` wrote: `load("config.json", weights="model.weights.h5")`, of Keras 2 or 3.

    **Inputs of ONNX `(batch, channels, steps)` are given as `(batch, steps, channels)`**, as all networks here have them,
    and so come the outputs. An input `(batch, steps)` has one channel, or is `(batch, 1, channels)`, as the model reads it:
    `network.graph` says. A batch of fixed size may be any. `inputs` has, for an ONNX file, by name the numbers of inputs
    that are the same in each call, or as a tuple the shape of an input where the file leaves it open, with None for what
    stays so: `load("vad.onnx", inputs={"sr": 16000, "input": (None, 512)})`.

    With `fallback="onnxruntime"` nodes of an ONNX file that no network here has run in ONNX Runtime, in parts that are as
    large as they can be; `report()` lists them with the reasons. What comes before a part and after it are kernels as
    always. Inputs and outputs of the network, and what goes from a part to a layer of ours, must be batches of steps of
    channels as the file declares it, or as the package onnx infers it. The bits are ONNX Runtime's there, also with
    `accuracy="strict"`, where it runs each operator by itself. Such a network is not saved; and ONNX Runtime is given the
    file's nodes as they are, so that the file should be one that you trust.

    `options` are those of `Network`.

    Raises OSError where the file can't be opened, ImportError without h5py or onnx, or where onnxruntime is needed and
    missing, and ValueError for everything else: what is no such file, a damaged one, and layers or nodes that no network
    here has, all of which one message lists.
    """
    if fallback not in (None, "onnxruntime"):
        raise ValueError(f'`fallback` is None or "onnxruntime". Received: {fallback!r}.')
    network = _read(path, inputs, weights, fallback is not None)
    return network if options is None else network.with_options(options)


def _read(
    path: str | os.PathLike[str],
    inputs: Mapping[str, Any] | None,
    weights: str | os.PathLike[str] | None,
    fallback: bool,
) -> Network:
    if os.path.isdir(path):
        raise ValueError(
            f"{os.fspath(path)} is a directory; a SavedModel of TensorFlow is not read. Save the model into one file: "
            'model.save("model.keras").'
        )
    with open(path, "rb") as file:
        if file.read(len(saved.MAGIC)) == saved.MAGIC:
            return Network.of(*saved.read(path))
        file.seek(0)
        begin = file.read(len(hdf5.SIGNATURE))
        file.seek(0)
        if (inputs or fallback) and not begin.startswith(_ONNX):
            raise ValueError(
                "`inputs` are for ONNX files, which may leave them open; and so is `fallback`, for what they have."
            )
        if (weights is None) == begin.lstrip().startswith(_JSON):
            raise ValueError(
                f"{os.fspath(path)} "
                + ("has" if weights else "is the config of a model, and has no")
                + " weights: a config in JSON is read with a file of its weights, and nothing else is: "
                'load("config.json", weights="model.weights.h5").'
            )
        try:
            if weights is not None:
                return keras_model.from_config(file.read(), weights)
            if begin.startswith(_ONNX):
                return onnx_model.from_onnx(file, Path(path).parent, inputs or {}, fallback)
            if begin.startswith(_ZIP):
                return keras_model.from_zip(file)
            if begin == hdf5.SIGNATURE:
                return keras_model.from_hdf5(file)
        except RecursionError as error:
            raise ValueError(f"{os.fspath(path)} nests models or expressions too deeply to be read.") from error
    raise ValueError(
        f"{os.fspath(path)} is no file of a network, neither of ours nor a .keras file, which is a zip, nor HDF5, nor ONNX. "
        f"It begins with {begin!r}."
    )
