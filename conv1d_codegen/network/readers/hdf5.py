"""HDF5 files that are not trusted, in memory: what they hold is checked before anything is allocated for it.

Links lead to objects of the same file, datasets are stored in it, uncompressed and whole, and all that is read is at
most four times the file.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...locks import COMPILING

Array = NDArray[Any]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_TIMES = 4  # the size of a file, that is read of it at most
_STRINGS = (
    1 << 28
)  # bytes that strings of variable length may take beside that: a bound, as they may share what they are
_KINDS = "fiub"
_HEAP = b"GCOL\x01\0\0\0"  # on top of a heap that holds them, before its size


@contextlib.contextmanager
def _reading(what: str) -> Iterator[None]:
    """Whatever h5py says of a damaged file, as a ValueError."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, SystemError, TypeError) as error:
        raise ValueError(f"The HDF5 file is damaged or of another kind, at {what}: {error}") from error
    except ValueError as error:
        if str(error).startswith("HDF5 "):
            raise
        raise ValueError(f"The HDF5 file is damaged or of another kind, at {what}: {error}") from error


def _refused(what: str, reason: str) -> ValueError:
    return ValueError(f"HDF5 {what} {reason}.")


class Hdf5:
    """A file, open. Raises ValueError for whatever is not as it should be, ImportError without h5py."""

    def __init__(self, data: bytes) -> None:
        try:
            with COMPILING:  # a fork in the middle of an import leaves the module locked in the child
                self._h5py: Any = importlib.import_module("h5py")
        except ImportError as error:
            raise ImportError(
                "Files of Keras are read with the package h5py: pip install conv1d-codegen[keras]."
            ) from error
        self._size = len(data)
        self._left = _TIMES * self._size
        self._longest = max((int.from_bytes(data[at + 8 : at + 16], "little") for at in _found(data, _HEAP)), default=0)
        with _reading("its begin"):
            self._file = self._h5py.File(io.BytesIO(data), "r")

    def close(self) -> None:
        """Lets go of the file."""
        with contextlib.suppress(Exception):
            self._file.close()

    def object(self, path: list[str]) -> Any:
        """The group or dataset at a path from the root, None where there is none."""
        h5py, found = self._h5py, self._file
        for depth, part in enumerate(path):
            where = "/".join(path[: depth + 1])
            if part in ("", ".", "..") or "/" in part or "\0" in part:
                raise _refused(f"path {path!r}", "has an empty part or dots")
            if not isinstance(found, h5py.Group):
                raise _refused(f"object {'/'.join(path[:depth])!r}", "is no group")
            with _reading(where):
                name = part.encode()
                if not found.id.links.exists(name):
                    return None
                if found.id.links.get_info(name).type != h5py.h5l.TYPE_HARD:
                    raise _refused(f"link {where!r}", "leads elsewhere: soft and external links are not followed")
                found = found[part]
        return found

    def group(self, path: list[str]) -> bool:
        """Whether there is a group at a path."""
        return isinstance(self.object(path), self._h5py.Group)

    def dataset(self, path: list[str]) -> Any:
        """The dataset at a path, checked but not read: it has `shape`."""
        found, where = self.object(path), "/".join(path)
        if not isinstance(found, self._h5py.Dataset):
            raise _refused(f"dataset {where!r}", "is missing")
        with _reading(where):
            plan = found.id.get_create_plist()
            layout, h5d = plan.get_layout(), self._h5py.h5d
            if layout == h5d.VIRTUAL or plan.get_external_count():
                raise _refused(f"dataset {where!r}", "is stored in other files, which are not read")
            if plan.get_nfilters():
                raise _refused(f"dataset {where!r}", "is compressed; h5repack -f NONE undoes that")
            dtype, shape = found.dtype, found.shape
            if shape is None or not (dtype.kind in _KINDS or dtype == np.dtype("V2")):
                raise _refused(f"dataset {where!r}", f"has dtype {dtype} and shape {shape}: it holds no numbers")
            size, stored = math.prod(shape) * dtype.itemsize, found.id.get_storage_size()
            chunk = math.prod(plan.get_chunk()) * dtype.itemsize if layout == h5d.CHUNKED else 0
            if size > stored or max(size, stored, chunk) > _TIMES * self._size:
                raise _refused(
                    f"dataset {where!r}",
                    f"of shape {shape} takes {size} bytes, in chunks of {chunk}. It has {stored}, in a file of {self._size}",
                )
            return found

    def read(self, dataset: Any) -> Array:
        """The numbers of a dataset. Raises ValueError where the file is read many times over."""
        with _reading(dataset.name or "a dataset"):
            size = math.prod(dataset.shape) * dataset.dtype.itemsize
            self._take(size, dataset.name)
            values: Array = np.asarray(dataset[()])
            return values

    def _take(self, size: int, what: str | None) -> None:
        self._left -= size
        if self._left < 0:
            raise _refused(
                f"object {what!r}", f"of {size} bytes is one too many: more is read than {_TIMES} times the file"
            )

    def attribute(self, path: list[str], name: str) -> list[str] | None:
        """The strings of an attribute of a group, None where there is none. One is a list of one; names that Keras has
        divided into several attributes are one list.
        """
        owner, where = self.object(path), f"{'/'.join(path)}@{name}"
        if not isinstance(owner, self._h5py.Group):
            return None
        with _reading(where):
            h5a = self._h5py.h5a
            if h5a.exists(owner.id, name.encode()):
                return self._strings(owner, name, where)
            parts: list[list[str]] = []
            while h5a.exists(owner.id, f"{name}{len(parts)}".encode()):
                parts.append(self._strings(owner, f"{name}{len(parts)}", where))
            return [text for part in parts for text in part] if parts else None

    def _strings(self, owner: Any, name: str, where: str) -> list[str]:
        h5py = self._h5py
        opened = h5py.h5a.open(owner.id, name.encode())
        kind, count = opened.get_type(), math.prod(opened.shape)
        if count == 0:
            return []
        if not isinstance(kind, h5py.h5t.TypeStringID):
            raise _refused(f"attribute {where!r}", "is no text")
        if kind.is_variable_str():
            if count * self._longest > _TIMES * self._size + _STRINGS:
                raise _refused(f"attribute {where!r}", f"has {count} texts of up to {self._longest} bytes")
        else:
            self._take(count * kind.get_size(), where)
        value = owner.attrs[name]
        values = value.ravel().tolist() if isinstance(value, np.ndarray) else [value]
        texts = [item.decode() if isinstance(item, bytes) else str(item) for item in values]
        self._take(sum(map(len, texts)), where)
        return texts


def _found(data: bytes, word: bytes) -> Iterator[int]:
    """The places of a word in data."""
    at = data.find(word)
    while at >= 0:
        yield at
        at = data.find(word, at + 1)
