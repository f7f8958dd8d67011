"""The recorded files of Keras, edited: their configs, their arrays, or their bytes."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

HERE = Path(__file__).parents[1] / "data" / "models"
NAMES = tuple(
    sorted(path.name[:-3] for path in HERE.glob("*.gz") if path.name.count(".") == 2 and ".json" not in path.name)
)
#: Weights that are kept beside the config of their model.
WEIGHTS_ALONE = tuple(sorted(path.name[:-3] for path in HERE.glob("*.weights.h5.gz")))
CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"

Edit = Callable[[Any], Any]


def content(name: str) -> bytes:
    """A recorded file."""
    return gzip.decompress((HERE / f"{name}.gz").read_bytes())


def written(path: Path, data: bytes) -> Path:
    """A file of these bytes."""
    path.write_bytes(data)
    return path


def parts(data: bytes) -> dict[str, bytes]:
    """What a `.keras` file holds."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(content: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """The `.keras` file of these parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, part in content.items():
            archive.writestr(name, part)
    return out.getvalue()


def hdf5_edited(data: bytes, edit: Edit) -> bytes:
    """An HDF5 file after an edit of it, open."""
    out = io.BytesIO(data)
    with h5py.File(out, "r+") as file:
        edit(file)
    return out.getvalue()


def config(data: bytes) -> Any:
    """The config of a file of either form."""
    if data.startswith(b"PK"):
        return json.loads(parts(data)[CONFIG])
    with h5py.File(io.BytesIO(data), "r") as file:
        return json.loads(file.attrs["model_config"])


def with_config(data: bytes, new: Any) -> bytes:
    """A file with another config, a value or the text of one."""
    text = new if isinstance(new, str) else json.dumps(new)
    if data.startswith(b"PK"):
        return zipped({**parts(data), CONFIG: text.encode(errors="surrogatepass")})

    def edit(file: Any) -> None:
        file.attrs["model_config"] = text.encode(errors="surrogatepass")

    return hdf5_edited(data, edit)


def with_weights(data: bytes, edit: Edit) -> bytes:
    """A `.keras` file after an edit of the HDF5 file in it."""
    content = parts(data)
    return zipped({**content, WEIGHTS: hdf5_edited(content[WEIGHTS], edit)})


def recorded(name: str) -> tuple[list[Any], list[Any]]:
    """The inputs of a recorded file and the outputs that Keras gave, both as a network here has them: an input that is a
    vector has one step, and of two axes before the channels the one of length 1 is left out.
    """
    model, major = name.split(".")[0].rsplit("_", 1)
    with np.load(HERE / f"keras{major}.npz") as arrays:
        xs, ys = ([arrays[f"{model}/{what}{i}"] for i in range(9) if f"{model}/{what}{i}" in arrays] for what in "xy")
    return [x[:, None] if x.ndim == 2 else _one_axis(x) for x in xs], [_one_axis(y) for y in ys]


def _one_axis(array: Any) -> Any:
    return array if array.ndim < 4 else array.squeeze(2 if array.shape[2] == 1 else 1)
