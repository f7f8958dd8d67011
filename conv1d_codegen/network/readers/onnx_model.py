"""An ONNX model as a network: its nodes are followed from the inputs to the outputs, each value as `onnx_values.py` has it.

Nodes that no output needs are left out; those of known inputs are computed. Which axis of an input is which, a file does
not say: the inputs are read in several ways, and that counts which needs the fewest moves of numbers.
"""

from __future__ import annotations

import itertools
from collections import ChainMap
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import IO, Any

import numpy as np

from ...number_types import TYPES
from ..graph import Graph, Weights
from ..network import Network
from ..simplify import drop_unused
from .onnx_arrays import shape_of, size_of
from .onnx_builder import Builder
from .onnx_constants import FOLDED
from .onnx_file import Budget, opened, opset, tensor, text
from .onnx_inputs import Declared, Reading, declared, readings
from .onnx_node import OnnxNode
from .onnx_operators import OPERATORS
from .onnx_outside import Collector, Given, Made, Raw, as_value
from .onnx_parts import grouped, needed
from .onnx_submodel import delegated
from .onnx_values import Known, Tensor, Unsupported, Value, numbers

#: What operators raise for a node whose parts do not fit each other.
_MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_MOST_SHOWN = 50
_EXTERNAL = 1
_MOST_NODES = 50_000  # that are followed, in all ways to read the inputs
#: Operators that are read, at least of constants.
KNOWN = {*OPERATORS, *FOLDED, "Constant", "If", "CastLike"}


def from_onnx(file: IO[bytes], folder: Path, inputs: Mapping[str, Any], fallback: bool = False) -> Network:
    """The network of an ONNX file; with a fallback, ONNX Runtime computes what no network here does. Raises ValueError for
    what is none, ImportError without the package onnx, or where onnxruntime is needed and missing.
    """
    data = file.read()
    budget = Budget(len(data))
    opened_file = opened(data)
    del data
    graph, weights = Model(opened_file, folder, budget, inputs, fallback).best().result()
    del opened_file  # before the network takes copies of its weights
    return Network.of(graph, weights)


class Missing:
    """What a node would have made that is not supported."""


class Model:
    """A model, before it is known how its inputs lie."""

    def __init__(
        self, model: Any, folder: Path, budget: Budget, inputs: Mapping[str, Any], fallback: bool = False
    ) -> None:
        self.opset = opset(model)
        self.graph, self.folder, self.budget = model.graph, folder, budget
        if self.graph.sparse_initializer:
            raise ValueError("The file has sparse tensors, which are not read.")
        shapes = {name: value for name, value in inputs.items() if isinstance(value, tuple)}
        self.given = {name: np.asarray(value) for name, value in inputs.items() if name not in shapes}
        names = {text(value.name) for value in self.graph.input}
        unknown = [name for name in inputs if name not in names]
        if unknown:
            raise ValueError(f"The model has inputs {', '.join(sorted(names))}. Given: {', '.join(unknown)}.")
        self.initializers = {t.name: t for t in self.graph.initializer}
        self.arrays: dict[str, Any] = {}
        self.inputs: list[Declared] = declared(self.graph, {**self.initializers, **self.given}, shapes)
        self.proto, self.fallback = model, fallback

    def best(self) -> Reader:
        """The model as it is read with the fewest moves. Raises ValueError for a graph that is none."""
        best: Reader | None = None
        most = max(2, _MOST_NODES // (1 + len(self.graph.node)))
        for reading in itertools.islice(readings(self.inputs), most):
            reader = Reader(self, reading)
            reader.read()
            if best is None or reader.cost < best.cost:
                best = reader
            if not any(best.cost):
                break
        if best is None:
            raise ValueError("The inputs can be read in no way together, as their batches have different sizes.")
        return best

    def initializer(self, name: str) -> Any:
        """The array of an initializer, which is read once."""
        if name not in self.arrays:
            self.arrays[name] = tensor(self.initializers[name], self.folder, self.budget)
        return self.arrays[name]


class Reader:
    """Follows the nodes of a model, for one way to read its inputs."""

    def __init__(self, model: Model, reading: Reading) -> None:
        self.model, self.reading = model, reading
        taken = {source.name for source in reading.sources}
        self.budget = model.budget.copy()
        self.builder = Builder(model.inputs[0].dtype, reading.batch, self.budget, taken)
        self.builder.lengths |= {x.shape.steps: x.node for x in reading.tensors.values() if x.shape.steps is not None}
        self.values: dict[str, Given | Missing] = {**model.given, **reading.tensors}
        self.refused: list[str] = []
        self.outputs: list[Tensor] = []
        self.outside = Collector(model.proto, reading, self.builder, taken) if model.fallback else None

    @property
    def cost(self) -> tuple[int, int, int]:
        """Nodes that are not supported, those that ONNX Runtime computes, and moves of numbers."""
        return len(self.refused), len(self.outside.found) if self.outside else 0, self.builder.moves

    def read(self) -> None:
        """Follows all nodes. Raises ValueError for a graph that is none."""
        graph = self.model.graph
        wanted = [text(output.name) for output in graph.output]
        self._follow(graph, self.values, wanted)
        for name in wanted:
            value = as_value(self._value(name, self.values))
            try:
                self.outputs += [self._finished(name, value)] if not isinstance(value, Missing) else []
            except _MALFORMED as error:
                self.refused.append(f"the output {name[:100]!r}: {error}")

    def _finished(self, name: str, value: Given) -> Tensor:
        """An output, in the order of axes that networks have."""
        if isinstance(value, Made):
            raise Unsupported("it is made by ONNX Runtime, and not known to be a batch of steps of channels")
        if not isinstance(value, Tensor):
            raise Unsupported("it does not depend on the inputs")
        self.builder.name = f"{name}/output"
        x = value
        if any(len(set(axis) - {"N"}) > 1 for axis in x.axes):
            x = self.builder.settled(x)
        return self.builder.vector(x)

    def result(self) -> tuple[Graph, Weights]:
        """What was read. Raises ValueError for what is not supported."""
        if self.refused:
            more = len(self.refused) - _MOST_SHOWN
            lines = [*self.refused[:_MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])]
            more_than = "" if self.outside else 'ONNX Runtime can run such nodes: load(path, fallback="onnxruntime").'
            text = "".join(f"  {line}\n" for line in lines)
            raise ValueError(f"The model has what no network here has:\n{text}{more_than}")
        builder, outputs = self.builder, tuple(x.node for x in self.outputs)
        nodes = builder.nodes
        used = needed(nodes, outputs, self.outside.found) if self.outside else []
        if used:
            nodes = delegated(self.model.proto, builder, grouped(nodes, used), outputs)
        return drop_unused(Graph(self.reading.sources, tuple(nodes), outputs, builder.dtype), builder.weights)

    def _follow(self, graph: Any, values: Any, wanted: Sequence[str]) -> None:
        """All nodes of a graph that the wanted names need."""
        seen: set[str] = set()
        for proto in graph.node:
            for name in proto.output:
                if name and (name in seen or name in values):
                    raise ValueError(f"Two nodes, or a node and an input, make {name[:100]!r}.")
                seen.add(name)
        needed = set(wanted)
        order = []
        for proto in reversed(graph.node):
            if needed.intersection(name for name in proto.output if name):
                order.append(proto)
                needed.update(_reads(proto))
        for proto in reversed(order):
            node = OnnxNode(proto, self.model.opset, self.model.folder, self.budget, self.builder.lengths, needed)
            made = self._made(node, proto, values)
            for name, value in zip(node.outputs, made, strict=False):
                if name:
                    values[name] = value

    def _value(self, name: str, values: Any) -> Given | Missing:
        if name in values:
            found: Given | Missing = values[name]
            return found
        if name in self.model.initializers:
            try:
                array: Value = self.model.initializer(name)
            except ValueError:
                proto = self.model.initializers[name]
                if not self.outside or proto.data_location == _EXTERNAL:
                    raise
                return Raw(proto)
            return array
        raise ValueError(
            f"{name[:100]!r} is read before it is made, or made by no node: the graph is damaged, or has a circle."
        )

    def _made(self, node: OnnxNode, proto: Any, values: Any) -> Sequence[Given | Missing]:
        """The outputs of a node. Where it is not supported, or reads what is not: made outside, or Missing."""
        inputs = [as_value(self._value(name, values)) if name else None for name in node.inputs]
        if node.op_type not in KNOWN:
            quantized = ": it is quantized, and networks here compute in floats" if "Q" in node.op_type else ""
            return self._refuse(node, proto, values, f"{node}{quantized}")
        try:
            given = [x for x in inputs if not isinstance(x, Missing | Made | Raw)]
            if len(given) < len(inputs):
                return self._after_missing(node, proto, inputs, values)
            self.builder.name = node.name
            with np.errstate(all="ignore"):
                made = self._computed(node, given, values)
            return _placed(node, made)
        except Unsupported as error:
            return self._refuse(node, proto, values, f"{node}: it has {error}")
        except _MALFORMED as error:
            return self._refuse(node, proto, values, f"{node}: {error}")

    def _after_missing(self, node: OnnxNode, proto: Any, inputs: Any, values: Any) -> Sequence[Given | Missing]:
        """The outputs of a node that reads what is not supported."""
        if self.outside is None:
            return [Missing()] * len(node.outputs)
        names = ", ".join(
            f"{x.name!r}" if isinstance(x, Made) else "a constant" for x in inputs if isinstance(x, Made | Raw)
        )
        return self._refuse(node, proto, values, f"{node}: it reads {names}, which no network here can have")

    def _refuse(self, node: OnnxNode, proto: Any, values: Any, reason: str) -> Sequence[Given | Missing]:
        """The outputs of a node that is not supported."""
        if self.outside is None:
            self.refused.append(reason)
            return [Missing()] * len(node.outputs)
        read = {name: self._value(name, values) for name in sorted(_reads(proto)) if self._is_there(name, values)}
        made = self.outside.add(proto, reason, {name: x for name, x in read.items() if not isinstance(x, Missing)})
        return [made.outputs[name] if name else Missing() for name in node.outputs]

    def _is_there(self, name: str, values: Any) -> bool:
        """Whether a name is made before, and not within a node."""
        return name in values or name in self.model.initializers

    def _computed(self, node: OnnxNode, inputs: Sequence[Value | None], values: Any) -> Any:
        if node.op_type == "Constant":
            return _constant(node)
        if node.op_type == "If":
            return self._branch(node, inputs, values)
        if node.op_type == "CastLike":
            return self._cast_like(*inputs)
        x = inputs[0] if inputs else None
        if isinstance(x, Tensor) and node.op_type in ("Shape", "Size"):
            sizes = x.sizes(self.builder.batch)
            return shape_of(node, sizes) if node.op_type == "Shape" else size_of(sizes)
        known: list[Known] = [v for v in inputs if v is not None and not isinstance(v, Tensor)]
        if len(known) == sum(v is not None for v in inputs) and node.op_type in FOLDED:
            return FOLDED[node.op_type](node, known)
        if node.op_type not in OPERATORS:
            raise Unsupported("inputs that are computed while it runs")
        return OPERATORS[node.op_type](self.builder, node, inputs)

    def _cast_like(self, x: Value | None, like: Value | None) -> Value:
        own = TYPES[self.builder.dtype].numpy
        dtype = own if isinstance(like, Tensor) else numbers(like, "a type").dtype
        if isinstance(x, Tensor):
            if dtype != own:
                raise Unsupported(f"a cast from {own} to {dtype}")
            return x
        array = numbers(x, "an array")
        self.budget.take(array.size * dtype.itemsize, "A constant")
        return array.astype(dtype)

    def _branch(self, node: OnnxNode, inputs: Sequence[Value | None], values: Any) -> tuple[Given | Missing, ...]:
        """The outputs of the branch of an If that is taken: its condition is known."""
        condition = inputs[0]
        if not isinstance(condition, np.ndarray):
            raise Unsupported(
                "a condition that is not known; give the input that it depends on: load(path, inputs={name: value})"
            )
        graph = node.attribute("then_branch" if condition.reshape(-1)[0] else "else_branch", None)
        inner: ChainMap[str, Given | Missing] = ChainMap({}, values)
        for proto in graph.initializer:
            inner[proto.name] = node.tensor(proto)
        names = [output.name for output in graph.output]
        self._follow(graph, inner, names)
        return tuple(self._value(name, inner) for name in names)


def _placed(node: OnnxNode, made: Any) -> Sequence[Given | Missing]:
    """What an operator makes, which leaves out what nothing reads, or gives all, in the places of the outputs."""
    outputs = list(made) if isinstance(made, tuple) else [made]
    used = [i for i, name in enumerate(node.outputs) if name]
    if len(outputs) == len(used):
        result: list[Given | Missing] = [Missing()] * len(node.outputs)
        for place, value in zip(used, outputs, strict=True):
            result[place] = value
        return result
    if len(outputs) < len(node.outputs):
        raise Unsupported(f"{len(node.outputs)} outputs")
    return outputs


def _reads(proto: Any) -> Set[str]:
    """The names that a node reads, those within its branches among them."""
    found = {name for name in proto.input if name}
    for attribute in proto.attribute:
        if attribute.HasField("g"):
            found |= {name for inner in attribute.g.node for name in _reads(inner)}
            found |= {output.name for output in attribute.g.output}
    return found


def _constant(node: OnnxNode) -> Value:
    """What a Constant is."""
    value = node.attribute("value", None)
    if value is not None:
        return node.tensor(value)
    for name, dtype in (("value_float", "f4"), ("value_floats", "f4"), ("value_int", "i8"), ("value_ints", "i8")):
        if node.attribute(name, None) is not None:
            return np.array(node.attribute(name, None), dtype)
    raise Unsupported("a value that is no number")
