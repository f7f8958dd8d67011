"""Tasks: nodes of a network as kernels, for inputs of certain sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...ir import input_names
from ...layers.execution import compiled
from ...locks import COMPILING
from ...lower import operations
from ...lower.operations import Operation
from ...options import CompileOptions
from .. import ops
from ..graph import Graph, Node
from ..ops import Conv, Shape
from ..ops.fused import ConvThen, Mapped

if TYPE_CHECKING:
    from ...compiler import Compilation, OperationProgram
    from ...runtime.native import Native


@dataclass(frozen=True, slots=True)
class Task:
    """A kernel, the tensors that are its arrays by the names of its buffers, and its run-time sizes `N` and `T`."""

    native: Native
    tensors: Mapping[str, str]
    batch: int
    length: int


def task(node: Node, graph: Graph, sequences: int, shapes: Mapping[str, Shape], options: CompileOptions) -> Task | None:
    """The kernel of a node for a batch and tensors of known shapes. None where no kernel computes it."""
    batch, length = _sizes(sequences, shapes[node.inputs[0]])
    kernel, operation = kernel_of(node, graph, length, options), _operation(node, graph)
    if kernel is None:
        return None
    if isinstance(node.op, Mapped):  # whose first input may have one step for all
        batch, length = _sizes(sequences, shapes[node.name])
    if isinstance(operation, operations.Map) and operation.flat:
        batch, length = 1, batch * length * operation.channels
    several = isinstance(node.op, Mapped | ops.Concat)
    names = input_names(len(node.inputs)) if several else ["x", *input_names(len(node.inputs) - 1)]
    return Task(kernel.native, {**dict(zip(names, node.inputs, strict=True)), "y": node.name}, batch, length)


def kernel_of(node: Node, graph: Graph, length: int, options: CompileOptions) -> Compilation | OperationProgram | None:
    """What computes a node, for an input of `length` steps, where it is a kernel."""
    if isinstance(node.op, Conv):
        epilogue = node.op.expression if isinstance(node.op, ConvThen) else None
        return compiled(node.op.problem, options, length, epilogue)
    operation = _operation(node, graph)
    if operation is None:
        return None
    with COMPILING:
        from ...compiler import compile_operation

        return compile_operation(operation, options.target)


def _sizes(batch: int, shape: Shape) -> tuple[int, int]:
    """A kernel's batch and length: vectors are the steps of one sequence."""
    return (1, batch) if shape.steps is None else (batch, shape.steps.constant or 0)


def _operation(node: Node, graph: Graph) -> Operation | None:
    """What computes a node that is no convolution."""
    channels, dtype = graph.shapes[node.inputs[0]].channels, graph.dtype
    match node.op:
        case Mapped(count, expression):
            return operations.Map(dtype, count, expression)
        case ops.Pool(kind, size, stride, padding, counted, dilation=1, ceil=False):
            return operations.Pool(dtype, channels, kind, size, stride, padding, counted)
        case ops.GlobalPool(kind) if kind in ops.POOLS:
            return operations.GlobalPool(dtype, channels, kind)
        case ops.Concat(steps=False):
            return operations.Concat(dtype, tuple(graph.shapes[name].channels for name in node.inputs))
        case ops.Pad(left, right, mode):
            return operations.Pad(dtype, channels, left, right, mode)
        case ops.Crop(left, right):
            return operations.Crop(dtype, channels, left, right)
        case ops.Repeat(times):
            return operations.Repeat(dtype, channels, times)
    return None
