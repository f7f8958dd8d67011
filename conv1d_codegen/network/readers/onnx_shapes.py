"""The shapes of what no network here computes: as the package onnx infers them node by node, or as the file says.

The batch of the network is "N" in what is inferred, so that it can be followed; in what the file says, it has the names
that the file gives to it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...number_types import TYPES
from ...symbolic.index import Index
from .onnx_inputs import FLOATS, Declared, Reading, Size, words
from .onnx_values import Fill, Symbols, Tensor

BATCH = "N"
_MOST_NUMBERS = 1024  # of a constant that is looked at


@dataclass(frozen=True, slots=True)
class Promise:
    """The type of a value, by its number in ONNX, and its sizes: numbers, names that stand for one size each, or None."""

    type: int
    dims: tuple[Size, ...] | None


def declared_in(graph: Any) -> dict[str, Promise | None]:
    """What a graph, and those within it, say of their values; None where they contradict each other."""
    found: dict[str, Promise | None] = {}
    for value in _values(graph):
        promise = _promise(value)
        if promise is not None and promise.dims is not None and found.setdefault(value.name, promise) != promise:
            found[value.name] = None  # names of branches may repeat
    return found


def _values(graph: Any) -> Iterator[Any]:
    yield from (*graph.value_info, *graph.output)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _values(attribute.g)


def _promise(value: Any) -> Promise | None:
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        return None
    if not kind.HasField("shape"):
        return Promise(kind.elem_type, None)
    dims = tuple(d.dim_value if d.HasField("dim_value") else (d.dim_param or None) for d in kind.shape.dim)
    return Promise(kind.elem_type, dims)


def batches(graph: Any, reading: Reading) -> Set[str]:
    """The names that a file gives to the batch."""
    found = set()
    for value in graph.input:
        x = reading.tensors.get(value.name)
        if x is not None and ("N",) in x.axes:
            found.add(value.type.tensor_type.shape.dim[x.axes.index(("N",))].dim_param)
    return found - {""}


def inferred(model: Any, proto: Any, inputs: Mapping[str, Any], dtype: str, batch: Index) -> dict[str, Promise]:
    """What the package onnx says of the outputs of a node that reads `inputs`, by their names in the model; nothing where
    it does not know.
    """
    onnx: Any = importlib.import_module("onnx")
    made = onnx.ModelProto(ir_version=model.ir_version)
    made.opset_import.extend(model.opset_import)
    made.functions.extend(model.functions)
    made.graph.name = "node"
    made.graph.node.add().CopyFrom(proto)
    for name, x in inputs.items():
        _given(onnx, made.graph, name, x, dtype, batch)
    for name in filter(None, proto.output):
        made.graph.output.add(name=name)
    try:
        found = onnx.shape_inference.infer_shapes(made, data_prop=True)
    except Exception:  # of many classes, for a node that is malformed
        return {}
    promises = {value.name: _promise(value) for value in found.graph.output}
    return {name: promise for name, promise in promises.items() if promise is not None}


def _given(onnx: Any, graph: Any, name: str, x: Any, dtype: str, batch: Index) -> None:
    """Tells a graph of an input."""
    number = onnx.helper.np_dtype_to_tensor_dtype
    if isinstance(x, np.ndarray) and x.size <= _MOST_NUMBERS:
        graph.initializer.append(onnx.numpy_helper.from_array(x, name))
    elif isinstance(x, np.ndarray):
        declare(graph, name, number(x.dtype), x.shape)
    elif isinstance(x, Tensor):
        declare(graph, name, number(TYPES[dtype].numpy), [_size(size, batch) for size in x.sizes(batch)])
    elif isinstance(x, Symbols) and x.values.ndim == 1 and all((v.constant or 0) >= 0 for v in x.values):
        # numbers that are sizes: those of an array, so that they can be followed
        declare(graph, f"{name} array", number(np.dtype("float32")), [_size(value, batch) for value in x.values])
        graph.node.insert(0, onnx.helper.make_node("Shape", [f"{name} array"], [name]))
    elif isinstance(x, Symbols):
        declare(graph, name, number(x.dtype), x.values.shape)
    elif isinstance(x, Fill):
        declare(graph, name, number(np.asarray(x.value).dtype), [_size(size, batch) for size in x.shape])
    else:
        promise = getattr(x, "promise", None)
        if promise is not None:
            declare(graph, name, promise.type, promise.dims)


def _size(size: Index, batch: Index) -> Size:
    """A size as a shape has it: equal ones have one name."""
    return size.constant if size.constant is not None else BATCH if size == batch else str(size)


def declare(graph: Any, name: str, number: int, sizes: Sequence[Size] | None) -> None:
    """An input of a graph, of a type by its number in ONNX; of any rank where there are no sizes."""
    kind = graph.input.add(name=name).type.tensor_type
    kind.elem_type = number
    if sizes is None:
        return
    kind.shape.SetInParent()
    for size in sizes:
        dim = kind.shape.dim.add()
        if isinstance(size, str):
            dim.dim_param = size
        elif size is not None:
            dim.dim_value = size


def word_of(promise: Promise, dtype: str, batch: Index, names: Set[str], like: Tensor | None) -> str | None:
    """How a value can be read as a tensor: a letter an axis, as `onnx_inputs.words` has them. None where it can't be: its
    batch must be known to be the network's, of one of these names. A way that is that of `like` comes first.
    """
    dims, whole = promise.dims, batch.constant
    if dims is None or FLOATS.get(promise.type) != dtype or 0 in dims:
        return None
    named = [place for place, size in enumerate(dims) if isinstance(size, str) and size in names]

    def fits(word: str) -> bool:
        if "N" not in word:
            return whole == 1
        place = word.index("N")
        return named == [place] if whole is None else dims[place] == whole

    found = [word for word in words(Declared("", dims, dtype)) if fits(word)]
    if len(dims) == 2:
        found.sort(key=lambda word: "C" not in word)  # more often a vector than a waveform
    found.sort(key=lambda word: "N" not in word)
    letters = {("N",): "N", ("T",): "T", (0,): "C", (1,): "D", (): "1"}
    same = "" if like is None else "".join(letters.get(axis, "?") for axis in like.axes)
    return same if same in found else next(iter(found), None)
