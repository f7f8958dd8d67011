"""Safetensors files: arrays by name, read with NumPy alone.

    8 bytes      the length of the header, little-endian
    header       JSON: {name: {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {text: text}}, spaces after it
    arrays       as they lie in memory, little-endian, one after another, from the first byte to the last

The format is https://huggingface.co/docs/safetensors. A file is not trusted: its header has at most 100 MB, each name
is given once, arrays have the sizes of their shapes, follow each other without gaps or overlap and end where the file
does.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...number_types import numpy_dtype

_MOST_HEADER = 100_000_000  # bytes, as the format says
_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "BOOL": "bool",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
}


def read(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The arrays of a file by name, in its order. Raises OSError where it can't be read, ImportError for bfloat16 without
    `ml_dtypes`, and ValueError, which says what is wrong, for any other file.
    """
    with Path(path).open("rb") as file:
        whole = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if whole < 8 or length > min(whole - 8, _MOST_HEADER):
            raise ValueError(
                f"{os.fspath(path)} is no safetensors file: its header would have {length} bytes, of {whole} of the file."
            )
        try:
            header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_once)
            rows = _rows(header, whole - 8 - length)
            arrays = {}
            for name, dtype, shape, begin, end in rows:
                file.seek(8 + length + begin)
                data = file.read(end - begin)
                arrays[name] = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)
        except (KeyError, TypeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise ValueError(f"{os.fspath(path)} is damaged, or no safetensors file: {error}") from error
    return {name: arrays[name] for name in header if name in arrays}


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, each of whose names is given once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"a name is given twice: {next(name for name in names if names.count(name) > 1)!r:.100}")
    return found


def _rows(header: Any, size: int) -> list[tuple[str, np.dtype[Any], tuple[int, ...], int, int]]:
    """Names, dtypes, shapes and places in the order of the places, which follow each other."""
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    rows = []
    for name, row in header.items():
        if name == "__metadata__":
            continue
        if not isinstance(row, dict) or row.keys() != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"{name!r:.100} has no dtype, shape and data_offsets, or more than these")
        shape, offsets = row["shape"], row["data_offsets"]
        if not isinstance(row["dtype"], str) or row["dtype"] not in _DTYPES:
            raise ValueError(f"{name!r:.100} has dtype {str(row['dtype'])!r:.100}; {', '.join(_DTYPES)} are read")
        if not _sizes(shape) or not _sizes(offsets) or len(offsets) != 2:
            raise ValueError(f"{name!r:.100} has shape {shape!s:.100} and data_offsets {offsets!s:.100}")
        dtype = numpy_dtype(_DTYPES[row["dtype"]])
        wanted = math.prod(shape) * dtype.itemsize
        if len(shape) > 32 or offsets[1] - offsets[0] != wanted:
            raise ValueError(f"{name!r:.100} of shape {shape!s:.100} takes {wanted} bytes, and has {offsets!s:.100}")
        rows.append((name, dtype, tuple(shape), offsets[0], offsets[1]))
    rows.sort(key=lambda row: row[3:])
    at = 0
    for name, _, _, begin, end in rows:
        if begin != at:
            raise ValueError(f"{name!r:.100} begins at byte {begin}, and the array before it ends at {at}")
        at = end
    if at != size:
        raise ValueError(f"its arrays end at byte {at} of {size}")
    return rows


def _sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(n) is int and 0 <= n < 1 << 62 for n in values)
