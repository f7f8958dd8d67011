"""A Keras model that is there, as a network: saved, and read as the file is."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ..network import Network, Options
from . import load


def from_keras(model: Any, options: Options = None) -> Network:
    """The network of a Keras model, which is saved to a temporary `.keras` file and read as `load` does: with its weights
    as they are now, and nothing of Keras's. `options` are those of `Network`.

    Raises TypeError for what is no model that can be saved, ImportError without the package h5py, and ValueError for
    layers that no network here has, all of which one message lists.
    """
    if not callable(getattr(model, "save", None)):
        raise TypeError(f"from_keras takes a Keras model, which has a method `save`. Received: {type(model)}.")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "model.keras")
        model.save(path)
        return load(path, options=options)
