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
NAMES = tuple(sorted(path.name.removesuffix(".gz") for path in HERE.glob("*.gz")))
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
    """The inputs of a recorded file and the outputs that Keras gave."""
    model, major = name.split(".")[0].rsplit("_", 1)
    with np.load(HERE / f"keras{major}.npz") as arrays:
        return tuple(  # type: ignore[return-value]
            [arrays[f"{model}/{what}{i}"] for i in range(9) if f"{model}/{what}{i}" in arrays] for what in "xy"
        )
