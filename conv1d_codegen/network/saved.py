"""A network in one plain file: a header in JSON, and the arrays as they lie in memory. NumPy is all that reads it.

    b"conv1d_codegen network 1\\n"
    8 bytes                      the length of the header, little-endian
    header                       {"dtype", "sources", "nodes", "outputs", "weights": {name: {"shape", "offset"}}}
    padding, arrays              each at a multiple of 64 bytes from the start of the file, in the network's dtype

A file is not trusted: nothing in it names code, and every size is held against the file's own before an array is made.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..number_types import TYPES
from ..problem import Activation, Problem
from . import ops
from .graph import Graph, Node, Source, Weights
from .ops import Op
from .ops.delegated import Delegated

MAGIC = b"conv1d_codegen network 1\n"
_ALIGNED = 64
#: How the names of other formats' files end. What reads those would find ours damaged.
_FOREIGN = (".keras", ".h5", ".hdf5", ".onnx", ".json", ".pt", ".pt2", ".pth", ".safetensors", ".npz", ".tflite")
_OPS = {cls.word(): cls for cls in vars(ops).values() if isinstance(cls, type) and issubclass(cls, Op)}


def write(graph: Graph, weights: Weights, path: str | os.PathLike[str]) -> None:
    """Write a network to a file, which is replaced whole if it exists. Raises OSError where that can't be, and ValueError
    for one with parts that ONNX Runtime computes, as such a file would not be plain data, and for the name of a file of
    another format.
    """
    target = Path(path)
    if target.suffix.lower() in _FOREIGN:
        raise ValueError(
            f"{target} would not be what its name says: a network is written in a format of our own, which "
            f"`conv1d_codegen.load` reads and nothing else does. Name it otherwise, such as {target.with_suffix('.conv1d').name}."
        )
    parts = {node.op.part.number for node in graph.nodes if isinstance(node.op, Delegated)}
    if parts:
        raise ValueError(
            f"{len(parts)} parts of the network run in ONNX Runtime, and a file of ours has what runs here alone. "
            'Keep the ONNX file, and load that: load(path, fallback="onnxruntime").'
        )
    dtype = TYPES[graph.dtype].numpy
    placed: dict[str, dict[str, Any]] = {}
    size = 0
    for name, shape in graph.weight_shapes().items():
        placed[name] = {"shape": shape, "offset": size}
        size = -(-(size + math.prod(shape) * dtype.itemsize) // _ALIGNED) * _ALIGNED
    header = json.dumps({**_as_json(graph), "weights": placed}, separators=(",", ":")).encode()
    start = _start(len(header))
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(MAGIC + len(header).to_bytes(8, "little") + header)
            for name, place in placed.items():
                file.seek(start + place["offset"])
                file.write(np.ascontiguousarray(weights[name], dtype).astype(dtype.newbyteorder("<")).tobytes())
            file.truncate(start + size)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def read(path: str | os.PathLike[str]) -> tuple[Graph, dict[str, NDArray[Any]]]:
    """The network in a file that `write` made. Raises OSError where it can't be read, and ValueError, which says what is
    wrong, for any other file.
    """
    with Path(path).open("rb") as file:
        whole = os.fstat(file.fileno()).st_size
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError(f"{path} is no file of a network: it does not begin with {MAGIC!r}.")
        length = int.from_bytes(file.read(8), "little")
        if length > whole:
            raise ValueError(f"{path} is cut off, or damaged: its header would take {length} of {whole} bytes.")
        try:
            header = json.loads(file.read(length))
            graph = _graph(header)
            wanted = graph.weight_shapes()
            dtype = TYPES[graph.dtype].numpy
            start = _start(length)
            weights = {}
            for name, shape in wanted.items():
                place = header["weights"][name]
                at, size = place["offset"], math.prod(shape) * dtype.itemsize
                if place["shape"] != list(shape) or type(at) is not int or at < 0 or start + at + size > whole:
                    raise ValueError(f"the weight {name} of shape {shape} is not where the header says: {place}")
                file.seek(start + at)
                weights[name] = np.frombuffer(file.read(size), dtype.newbyteorder("<")).astype(dtype).reshape(shape)
        except (KeyError, TypeError, AttributeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise ValueError(f"{path} is damaged, or no file of a network: {error}") from error
    return graph, weights


def _start(header: int) -> int:
    """Where the arrays begin."""
    return -(-(len(MAGIC) + 8 + header) // _ALIGNED) * _ALIGNED


def _as_json(graph: Graph) -> dict[str, Any]:
    return {
        "dtype": graph.dtype,
        "sources": [[s.name, s.channels, s.length] for s in graph.sources],
        "nodes": [[node.name, _op_as_json(node.op), node.inputs, node.weights] for node in graph.nodes],
        "outputs": graph.outputs,
    }


def _op_as_json(op: Op) -> dict[str, Any]:
    values = {f.name: getattr(op, f.name) for f in fields(op)}
    plain = {name: str(v) if isinstance(v, Problem | Activation) else v for name, v in values.items()}
    return {"op": op.word(), **plain}


def _graph(header: Mapping[str, Any]) -> Graph:
    sources = [
        Source(_of(str, name), _count(channels), _length(length)) for name, channels, length in header["sources"]
    ]
    nodes = [
        Node(_of(str, name), _op(op), _texts(inputs), _texts(weights)) for name, op, inputs, weights in header["nodes"]
    ]
    return Graph(tuple(sources), tuple(nodes), _texts(header["outputs"]), _of(str, header["dtype"]))


def _op(given: Mapping[str, Any]) -> Op:
    cls = _OPS[given["op"]]
    values = {name: value for name, value in given.items() if name != "op"}
    readers = {f.name: _READERS[str(f.type)] for f in fields(cls)}
    needed = {f.name for f in fields(cls) if f.default is MISSING}
    if not needed <= values.keys() <= readers.keys():
        raise ValueError(f"{given['op']} has {', '.join(readers)}, and not {', '.join(values)}")
    return cls(**{name: readers[name](value) for name, value in values.items()})


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(f"expected {kind.__name__}, and found {str(value)[:100]!r}")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 1 <= value < 1 << 31:
        raise ValueError(f"expected a size from 1 to 2**31 - 1, and found {str(value)[:100]!r}")
    return value


def _length(value: Any) -> int | None:
    return None if value is None else _count(value)


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(_of(str, value) for value in _of(list, values))


def _padding(value: Any) -> Any:
    return tuple(_of(int, v) for v in value) if isinstance(value, list) else _of(str, value)


#: What reads a field, by its type.
_READERS: dict[str, Any] = {
    "int": lambda value: _of(int, value),
    "int | None": _length,
    "bool": lambda value: _of(bool, value),
    "float": lambda value: float(value) if type(value) in (int, float) else _of(float, value),
    "str": lambda value: _of(str, value),
    "pad.Padding": _padding,
    "Problem": lambda value: Problem.parse(_of(str, value)),
    "Activation": lambda value: Activation.parse(_of(str, value)),
}
