"""The models that ONNX Runtime runs: a group of nodes, with its constants, and inputs and outputs of its own."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...number_types import TYPES
from ..graph import Node
from ..ops.delegated import Axes, Computed, Delegated, MadeBy, Part, Read
from .onnx_builder import Builder
from .onnx_outside import Made, Raw, tensors_of
from .onnx_parts import Group, Grouped, in_order
from .onnx_shapes import declare
from .onnx_values import Fill, Symbols, Tensor


def delegated(model: Any, builder: Builder, result: Grouped, outputs: Sequence[str]) -> list[Node]:
    """The nodes of a network, with those that stand for what the groups make, in an order in which they can run."""
    maker = _Maker(model, builder, result, outputs)
    own = {node.name: node for node in builder.nodes}
    for group in result.groups:
        part = maker.part(group)
        for item in group.nodes:
            for made in item.outputs.values():
                if made.name in part.outputs and made.tensor is not None:
                    own[made.tensor.node] = _node(part, made, made.tensor)
    order = in_order(result.edges, [*(node.name for node in builder.nodes), *outputs])
    return [own[name] for name in order if isinstance(name, str) and name in own]


def _node(part: Part, made: Made, x: Tensor) -> Node:
    steps = x.shape.steps
    length = f"T_{x.node}" if steps is None or steps.constant is None else steps.constant
    op = Delegated(part, made.name, Axes(x.axes, x.parts), length, x.shape.channels)
    return Node(x.node, op, part.tensors)


class _Maker:
    """Makes parts, each after those that it reads."""

    def __init__(self, model: Any, builder: Builder, result: Grouped, outputs: Sequence[str]) -> None:
        self._onnx: Any = importlib.import_module("onnx")
        self._numpy: Any = importlib.import_module("onnx.numpy_helper")
        self._model, self._builder, self._result = model, builder, result
        self._parts: dict[Group, Part] = {}
        read = {name for node in builder.nodes for name in node.inputs} | set(outputs)
        inputs = [(x, result.of[item]) for item in result.of for x in item.inputs.values()]
        self._tensors = read | {name for x, _ in inputs for name in tensors_of(x)}
        self._there = {m.tensor.node for item in result.of for m in item.outputs.values() if m.tensor is not None}
        self._elsewhere = {x.name for x, group in inputs if isinstance(x, Made) and result.of[x.node] is not group}

    def part(self, group: Group) -> Part:
        """The part of a group. Raises ValueError where it would be too large, or what it reads has no type."""
        made = self._onnx.ModelProto(ir_version=self._model.ir_version)
        made.opset_import.extend(self._model.opset_import)
        made.functions.extend(self._model.functions)
        graph = made.graph
        graph.name = "part"
        inputs: dict[str, Read | Computed | MadeBy] = {}
        names: dict[Any, str] = {}
        for item in group.nodes:
            own = {name: self._name(x, group, graph, inputs, names) for name, x in item.inputs.items()}
            own |= {name: x.name for name, x in item.outputs.items()}
            node = graph.node.add()
            node.CopyFrom(item.proto)
            _rename(node, own)
        outputs = [m.name for item in group.nodes for m in item.outputs.values() if self._is_read(m)]
        for name in outputs:
            graph.output.add(name=name)
        read = [x.tensor for x in inputs.values() if isinstance(x, Read)]
        lengths = [name for item in group.nodes for x in item.inputs.values() for name in tensors_of(x)]
        hidden = [name for x in inputs.values() if isinstance(x, MadeBy) for name in x.part.tensors]
        data = made.SerializeToString()
        self._builder.budget.take(len(data), "A part for ONNX Runtime")
        layers = tuple(item.reason for item in group.nodes)
        tensors = tuple(dict.fromkeys([*read, *(name for name in lengths if name in self._there), *hidden]))
        batch = self._builder.batch.constant
        part = Part(len(self._parts) + 1, data, inputs, tuple(outputs), layers, tensors, batch)
        self._parts[group] = part
        return part

    def _is_read(self, made: Made) -> bool:
        """Whether something outside the group reads what a node makes."""
        return made.name in self._elsewhere or (made.tensor is not None and made.tensor.node in self._tensors)

    def _name(
        self, x: Any, group: Group, graph: Any, inputs: dict[str, Read | Computed | MadeBy], names: dict[Any, str]
    ) -> str:
        """The name of a value in the model of a group, which has it from now on."""
        if isinstance(x, Made) and self._result.of[x.node] is group:
            return x.name
        key = (x.node, x.axes, x.parts) if isinstance(x, Tensor) else id(x)
        if key not in names:
            names[key] = f"given {len(names)}"  # a space stands in no name of what is made
            self._give(x, names[key], graph, inputs)
        return names[key]

    def _give(self, x: Any, name: str, graph: Any, inputs: dict[str, Read | Computed | MadeBy]) -> None:
        if isinstance(x, Raw):
            graph.initializer.add().CopyFrom(x.proto)
            graph.initializer[-1].name = name
        elif isinstance(x, np.ndarray):
            graph.initializer.append(self._numpy.from_array(np.ascontiguousarray(x).reshape(x.shape), name))
        elif isinstance(x, Tensor):
            inputs[name] = Read(x.node, Axes(x.axes, x.parts))
            sizes = [size.constant for size in x.sizes(self._builder.batch)]
            declare(graph, name, self._number(TYPES[self._builder.dtype].numpy), sizes)
        elif isinstance(x, Symbols):
            inputs[name] = Computed(x.values, x.dtype)
            declare(graph, name, self._number(x.dtype), x.values.shape)
        elif isinstance(x, Fill):
            dtype = np.asarray(x.value).dtype
            inputs[name] = Computed(np.asarray(x.value), dtype, x.shape)
            declare(graph, name, self._number(dtype), [size.constant for size in x.shape])
        else:
            inputs[name] = MadeBy(self._parts[self._result.of[x.node]], x.name)
            if x.promise is None:
                raise ValueError(f"{x.name!r} goes from one part of the model to another, and its type is not known.")
            declare(graph, name, x.promise.type, None)

    def _number(self, dtype: np.dtype[Any]) -> int:
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(dtype))


def _rename(node: Any, names: Mapping[str, str]) -> None:
    """Gives a node other names of what it reads and makes, also where graphs within it read them."""
    for field in (node.input, node.output):
        for place, name in enumerate(field):
            field[place] = names.get(name, name)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for output in graph.output:
                output.name = names.get(output.name, output.name)
            for inner in graph.node:
                _rename(inner, names)
