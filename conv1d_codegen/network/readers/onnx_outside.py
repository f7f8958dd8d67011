"""Nodes of an ONNX model that no network here computes, kept for ONNX Runtime: what they read, and what they make."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...symbolic.index import index, var
from ..graph import free_name, plain_name
from ..ops import Shape
from .onnx_builder import Builder
from .onnx_inputs import Reading, axes_of, channels_of
from .onnx_shapes import BATCH, Promise, batches, declared_in, inferred, word_of
from .onnx_values import Fill, Symbols, Tensor, Value

_EXTERNAL = 1


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """A constant of a type that is not read here, as protobuf has it."""

    proto: Any


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What a node outside makes, under a name that nothing else has; and as a tensor, where a network can have it so."""

    node: Outside
    name: str
    promise: Promise | None
    tensor: Tensor | None


Given = Value | Made | Raw


@dataclass(eq=False)
class Outside:
    """A node that ONNX Runtime computes: what it is, why, and what it reads by the names in the model. `before` counts the
    nodes of the network that were there before it.
    """

    proto: Any
    reason: str
    inputs: Mapping[str, Given]
    before: int
    outputs: dict[str, Made] = field(default_factory=dict)


class Collector:
    """The nodes outside of a model, in an order in which they can be computed."""

    def __init__(self, model: Any, reading: Reading, builder: Builder, taken: set[str]) -> None:
        self.found: list[Outside] = []
        self._model, self._builder, self._taken = model, builder, taken
        self._declared, self._batches = declared_in(model.graph), batches(model.graph, reading)
        self._names: set[str] = set()

    def add(self, proto: Any, reason: str, inputs: Mapping[str, Given]) -> Outside:
        """A node more. Raises ValueError for one whose constants lie in other files."""
        _check_inside(proto)
        b = self._builder
        made = Outside(proto, reason, inputs, len(b.nodes))
        like = next((t for t in map(as_value, inputs.values()) if isinstance(t, Tensor)), None)
        promises = inferred(self._model, proto, inputs, b.dtype, b.batch)
        for name in filter(None, proto.output):
            own = free_name(plain_name(name) or "value", self._names)
            self._names.add(own)
            known, said = promises.get(name), self._declared.get(name)
            word = None if known is None else word_of(known, b.dtype, b.batch, {BATCH}, like)
            if word is None and said is not None:
                known, word = said, word_of(said, b.dtype, b.batch, self._batches, like)
            tensor = None if known is None or word is None else self._tensor(name, word, known)
            made.outputs[name] = Made(made, own, promises.get(name) or said, tensor)
        self.found.append(made)
        return made

    def _tensor(self, name: str, word: str, promise: Promise) -> Tensor:
        """What a node outside makes, as a tensor of the network; its length is one that nobody knows, or a number."""
        dims = promise.dims or ()
        own = free_name(plain_name(name) or "node", self._taken)
        self._taken.add(own)
        parts = channels_of(word, dims)
        length = dict(zip(word, dims, strict=True)).get("T", 1)
        steps = index(length) if isinstance(length, int) else var(f"T_{own}")
        self._builder.lengths.setdefault(steps, own)
        return Tensor(own, Shape(steps, math.prod(parts)), axes_of(word), parts)


def tensors_of(x: Any) -> Iterator[str]:
    """The tensors of a network that must be there before a value is: itself, or those whose lengths are in it."""
    if isinstance(x, Tensor):
        yield x.node
    elif isinstance(x, Symbols | Fill):
        for size in x.values.flat if isinstance(x, Symbols) else x.shape:
            yield from (name.removeprefix("T_") for name in size.variables())


def as_value(x: Any) -> Any:
    """A value as a network reads it: of what is made outside, the tensor, where it is one."""
    return x.tensor if isinstance(x, Made) and x.tensor is not None else x


def _check_inside(proto: Any) -> None:
    """Raises ValueError for constants in other files, also in graphs within a node: ONNX Runtime would look for them."""
    for attribute in proto.attribute:
        sparse = (attribute.sparse_tensor, *attribute.sparse_tensors)
        for tensor in (
            attribute.t,
            *attribute.tensors,
            *(part for each in sparse for part in (each.values, each.indices)),
        ):
            if tensor.data_location == _EXTERNAL:
                raise ValueError(f"The constant {tensor.name[:100]!r} of a node lies in another file.")
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                _check_inside(inner)
            parts = [part for each in graph.sparse_initializer for part in (each.values, each.indices)]
            if any(tensor.data_location == _EXTERNAL for tensor in (*graph.initializer, *parts)):
                raise ValueError("Constants of a graph within a node lie in another file.")
