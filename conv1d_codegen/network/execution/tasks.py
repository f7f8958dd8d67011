"""Tasks: nodes of a network as kernels, for inputs of certain sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...layers.execution import compiled
from ...locks import COMPILING
from ...lower import operations
from ...lower.operations import Operation
from ...lower.transposed import Part, Transposed
from ...options import CompileOptions
from .. import ops
from ..graph import Graph, Node
from ..ops import Conv, ConvTranspose
from ..ops.fused import ConvThen, Mapped, TransposeThen

if TYPE_CHECKING:
    from ...runtime.native import Native

Array = NDArray[Any]

#: Kernels of one transposed convolution. More would take long to compile: it has them where its stride and its dilation
#: share a factor and are large.
_MOST_PARTS = 32


@dataclass(frozen=True, slots=True)
class Task:
    """A kernel, the tensors that are its arrays by the names of its buffers, and its run-time sizes `N` and `T`; of a
    transposed convolution, a part of its output.
    """

    native: Native
    tensors: Mapping[str, str]
    batch: int
    length: int
    part: Part | None = None

    def packed(self, weights: Mapping[str, Array]) -> Mapping[str, Array]:
        """The weights of a node, by the names of the formula, as the kernel takes them."""
        if self.part is not None:
            with_products = any(buffer.name == "x" for buffer in self.native.kernel.buffers)
            weights = self.part.laid_out(weights, with_products)
        return self.native.pack(weights, {"N": self.batch, "T": self.length})


def tasks(node: Node, graph: Graph, sizes: Mapping[str, int]) -> list[Task]:
    """The kernels of a node for sizes: batch `N`, and the lengths of the inputs; none where none computes it."""
    shape = graph.shapes[node.inputs[0]]
    batch, length = sizes["N"], 0 if shape.steps is None else shape.steps.evaluate(sizes)
    if shape.steps is None:  # each vector is a step
        batch, length = 1, batch
    if isinstance(node.op, Conv):
        epilogue = node.op.expression if isinstance(node.op, ConvThen) else None
        native = compiled(node.op.problem, CompileOptions(), length, epilogue).native
        return [Task(native, _tensors_of_convolution(node), batch, length)]
    if isinstance(node.op, ConvTranspose):
        parts = _transposed(node.op, graph.dtype).parts() if computes(node, graph) else []
        return [_task_of(part, node, batch, length) for part in parts if part.rows(length) > 0]
    operation = _operation(node, graph)
    if operation is None:
        return []
    if isinstance(node.op, Mapped):
        steps = graph.shapes[node.name].steps
        batch, length = (1, sizes["N"]) if steps is None else (sizes["N"], steps.evaluate(sizes))
    if isinstance(operation, operations.Map) and operation.flat:
        batch, length = 1, batch * length * operation.channels
    several = isinstance(node.op, Mapped | ops.Concat)
    tensors = {f"in{number}" if several else "x": name for number, name in enumerate(node.inputs)}
    return [Task(_native(operation), {**tensors, "y": node.name}, batch, length)]


def _task_of(part: Part, node: Node, batch: int, length: int) -> Task:
    """The task of a part of a transposed convolution, for inputs of so many steps."""
    tensors = _tensors_of_convolution(node)
    epilogue = node.op.expression if isinstance(node.op, TransposeThen) else None
    if not part.has_products(length):
        return Task(_native(part.bare(epilogue)), tensors, batch, part.rows(length), part)
    length = part.problem_length(length)
    compilation = compiled(part.problem, CompileOptions(), length, part.epilogue(epilogue), part.placement)
    return Task(compilation.native, tensors, batch, length, part)


def _tensors_of_convolution(node: Node) -> Mapping[str, str]:
    first, *further = node.inputs
    return {"x": first, **{f"in{number}": name for number, name in enumerate(further)}, "y": node.name}


def _native(operation: Operation) -> Native:
    with COMPILING:
        from ...compiler import compile_operation

        return compile_operation(operation).native


def computes(node: Node, graph: Graph) -> bool:
    """Whether kernels compute a node."""
    if isinstance(node.op, ConvTranspose):
        return len(_transposed(node.op, graph.dtype).parts()) <= _MOST_PARTS
    return isinstance(node.op, Conv) or _operation(node, graph) is not None


def _transposed(op: ConvTranspose, dtype: str) -> Transposed:
    """A node's sizes, as the compiler has them."""
    sizes = op.channels, op.filters, op.kernel_size, op.stride, op.dilation, op.left, op.right
    return Transposed(*sizes, dtype=dtype, use_bias=op.use_bias)


def _operation(node: Node, graph: Graph) -> Operation | None:
    """What computes a node that is no convolution."""
    channels, dtype = graph.shapes[node.inputs[0]].channels, graph.dtype
    match node.op:
        case Mapped(count, expression):
            return operations.Map(dtype, count, expression)
        case ops.Pool(kind, size, stride, padding, counted):
            return operations.Pool(dtype, channels, kind, size, stride, padding, counted)
        case ops.GlobalPool(kind):
            return operations.GlobalPool(dtype, channels, kind)
        case ops.Concat():
            return operations.Concat(dtype, tuple(graph.shapes[name].channels for name in node.inputs))
        case ops.Pad(left, right, mode):
            return operations.Pad(dtype, channels, left, right, mode)
        case ops.Crop(left, right):
            return operations.Crop(dtype, channels, left, right)
        case ops.Repeat(times):
            return operations.Repeat(dtype, channels, times)
    return None
