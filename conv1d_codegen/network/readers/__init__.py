"""Networks from files: ours (`saved.py`), and those of other programs. None is trusted: nothing in it is executed.

keras_model.py     a Keras model, from its config and its weights
keras_config.py    the config, as JSON → the model's layers and their calls
keras_layers.py    which layer a config describes
keras_weights.py   which arrays of a file belong to which layer
keras_live.py      a model of a Keras that is there
hdf5.py            HDF5 files, read with care
safetensors.py     arrays by name
pytorch/           modules of torch's
"""

from __future__ import annotations

import os

from .. import saved
from ..network import Network
from . import hdf5, keras_model

_ZIP = b"PK\x03\x04"


def load(path: str | os.PathLike[str]) -> Network:
    """The network in a file that `save` made, or in one of Keras's: `.keras`, of Keras 3 or the last ones of Keras 2, or a
    whole model in HDF5 (`.h5`). What the file is decides, not its name. Keras's need the package h5py, and no Keras.

    The inputs `(steps, channels)` and outputs are those of the model, in its order; outputs in a dict become a list.
    Raises OSError where the file can't be opened, ImportError without h5py, and ValueError for everything else: what is
    no such file, a damaged one, and layers that no network here has, all of which one message lists.
    """
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
        try:
            if begin.startswith(_ZIP):
                return keras_model.from_zip(file)
            if begin == hdf5.SIGNATURE:
                return keras_model.from_hdf5(file)
        except RecursionError as error:
            raise ValueError(f"{os.fspath(path)} nests models or expressions too deeply to be read.") from error
    raise ValueError(
        f"{os.fspath(path)} is no file of a network, neither of ours nor a .keras file, which is a zip, nor HDF5. It begins with {begin!r}."
    )
