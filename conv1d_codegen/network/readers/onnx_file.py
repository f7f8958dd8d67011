"""ONNX files that are not trusted: the model as protobuf reads it, and its tensors as arrays, whose sizes are checked first.

Data outside the file lie in the file's folder. All that is read is at most four times the files.
"""

from __future__ import annotations

import importlib
import math
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...number_types import TYPES

Array = NDArray[Any]

_TIMES = 4  # the size of the files, that all arrays made of them may have
_SPARE = 1 << 20  # bytes beside that
_EXTERNAL, _STRING = 1, 8
_OLDEST = 7
#: By the number of ONNX: how the numbers lie in `raw_data`, and the list that has them otherwise.
_TYPES = {
    1: ("<f4", "float_data"),
    2: ("<u1", "int32_data"),
    3: ("<i1", "int32_data"),
    4: ("<u2", "int32_data"),
    5: ("<i2", "int32_data"),
    6: ("<i4", "int32_data"),
    7: ("<i8", "int64_data"),
    9: ("?", "int32_data"),
    10: ("<f2", "int32_data"),
    11: ("<f8", "double_data"),
    12: ("<u4", "uint64_data"),
    13: ("<u8", "uint64_data"),
    16: ("bf16", "int32_data"),
}
_HALVES = (10, 16)  # whose bits are what `int32_data` holds


class Budget:
    """Bytes that may be taken for a model, by the sizes of its files. Raises ValueError for more."""

    def __init__(self, size: int) -> None:
        self._left = _TIMES * size + _SPARE
        self._counted: set[str] = set()

    def copy(self) -> Budget:
        """Another one with what is left."""
        made = Budget(0)
        made._left, made._counted = self._left, set(self._counted)
        return made

    def add_file(self, path: str, size: int) -> None:
        """A file beside the model's, counted once."""
        if path not in self._counted:
            self._counted.add(path)
            self._left += _TIMES * size

    def take(self, size: int, what: str) -> None:
        """Bytes that are to be allocated for `what`."""
        if size > self._left:
            raise ValueError(f"{what} would take {size} bytes, and {self._left} are left of {_TIMES} times the file.")
        self._left -= size


def opened(data: bytes) -> Any:
    """A model's protobuf. Raises ValueError for what is none, ImportError without the package onnx."""
    try:
        onnx = importlib.import_module("onnx")
        message = importlib.import_module("google.protobuf.message")
    except ImportError as error:
        raise ImportError("ONNX files need the package onnx: pip install conv1d-codegen[onnx]") from error
    try:
        model = onnx.ModelProto.FromString(data)
    except (message.DecodeError, RuntimeError, ValueError) as error:
        raise ValueError(f"It is damaged, or no ONNX file: {error}") from error
    if not model.HasField("graph"):
        raise ValueError("It is damaged, or no ONNX file: it has no graph.")
    return model


def text(value: Any) -> str:
    """A name, which protobuf gives as bytes where it is no text. Raises ValueError then."""
    if not isinstance(value, str):
        raise ValueError(f"It is damaged: a name is no text, {value[:100]!r}.")
    return value


def opset(model: Any) -> int:
    """The version of ONNX's operators. Raises ValueError for an old one, or none."""
    found = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if len(found) != 1 or found[0] < _OLDEST:
        raise ValueError(
            f"An ONNX file is read with operators of version {_OLDEST} or later. The file has: {', '.join(map(str, found)) or 'none'}."
        )
    return int(found[0])


def dtype_of(number: int, what: str) -> np.dtype[Any]:
    """NumPy's dtype for a type's number in ONNX. Raises ValueError for one that is not read."""
    if number not in _TYPES:
        words = {_STRING: "strings"}
        raise ValueError(f"{what} has {words.get(number, f'type {number} of ONNX')}, which is not read.")
    word = _TYPES[number][0]
    return np.dtype(TYPES["bf16"].numpy if word == "bf16" else word)


def tensor(proto: Any, folder: Path, budget: Budget) -> Array:
    """The array in a TensorProto, read-only. Raises ValueError where its data are not as its shape says."""
    what = f"The tensor {proto.name[:100]!r}"
    dtype = dtype_of(proto.data_type, what)
    dims = tuple(proto.dims)
    if any(size < 0 for size in dims) or len(dims) > 16 or proto.HasField("segment"):
        raise ValueError(f"{what} has shape {dims[:20]}, or is one part of several.")
    size = math.prod(dims) * dtype.itemsize
    if proto.data_location == _EXTERNAL:
        return _external(proto, what, size, folder, budget, dtype).reshape(dims)
    _, field = _TYPES[proto.data_type]
    if proto.HasField("raw_data"):
        raw = proto.raw_data
        if len(raw) != size:
            raise ValueError(f"{what} of shape {dims} takes {size} bytes of {dtype}. The file has {len(raw)}.")
        budget.take(size, what)
        return np.frombuffer(raw, dtype).reshape(dims)
    values: Sequence[Any] = getattr(proto, field)
    if len(values) != math.prod(dims):
        raise ValueError(f"{what} of shape {dims} has {math.prod(dims)} numbers. The file has {len(values)}.")
    budget.take(size, what)
    try:
        if proto.data_type in _HALVES:
            return np.array(values, np.uint16).view(dtype).reshape(dims)
        return np.array(values, dtype).reshape(dims)
    except (OverflowError, TypeError) as error:
        raise ValueError(f"{what} has numbers that are no {dtype}: {error}") from error


def _external(proto: Any, what: str, size: int, folder: Path, budget: Budget, dtype: np.dtype[Any]) -> Array:
    """The numbers of a tensor in a file of the model's folder."""
    entries = {text(entry.key): text(entry.value) for entry in proto.external_data}
    location = entries.get("location", "")
    inside = os.path.realpath(folder)
    plain = "\0" not in location and ".." not in location.replace("\\", "/").split("/")
    path = os.path.realpath(os.path.join(inside, location)) if plain else ""
    if os.path.isabs(location) or not path.startswith(inside.rstrip(os.sep) + os.sep):
        raise ValueError(f"{what} lies in {location[:200]!r}, which is not inside the model's folder.")
    offset, length = (_count(entries.get(key, default), what) for key, default in (("offset", "0"), ("length", "")))
    if length not in (None, size):
        raise ValueError(f"{what} takes {size} bytes of {dtype}. The file says {length}.")
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or offset is None or offset + size > status.st_size:
                raise ValueError(
                    f"{what} would be bytes {offset} to {offset or 0} + {size} of {location[:200]!r}, of {status.st_size}."
                )
            budget.add_file(path, status.st_size)
            budget.take(size, what)
            file.seek(offset)
            return np.frombuffer(file.read(size), dtype)
    except OSError as error:
        raise ValueError(f"{what} lies in {location[:200]!r}, which can't be read: {error}") from error


def _count(given: str, what: str) -> int | None:
    """A size of external data; None where it is not given."""
    if not given:
        return None
    if len(given) > 19 or not (given.isascii() and given.isdigit()):
        raise ValueError(f"{what} has an offset or length of {given[:50]!r}.")
    return int(given)
