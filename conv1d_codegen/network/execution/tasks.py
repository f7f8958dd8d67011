"""Tasks: nodes of a network as kernels, for inputs of certain sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...ir import Expression, input_names
from ...layers.execution import compiled
from ...locks import COMPILING
from ...lower import Placement, operations
from ...lower.operations import Operation
from ...lower.transposed import Part
from ...options import CompileOptions
from .. import ops
from ..graph import Graph, Node
from ..ops import Conv, ConvTranspose, Shape
from ..ops.fused import CellSteps, Mapped, Turn
from .along import stored
from .beside import Beside
from .parts import parts
from .stores import Stores

if TYPE_CHECKING:
    from ...compiler import Compilation, OperationProgram

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Task:
    """A kernel, the tensors and the weights that are its arrays by the names of the formula, and its run-time sizes `N` and
    `T`; of a transposed convolution, a part of its output.
    """

    kernel: Compilation | OperationProgram
    tensors: Mapping[str, str]
    weights: Mapping[str, str]
    batch: int
    length: int
    part: Part | None = None

    def packed(self, weights: Mapping[str, Array]) -> Mapping[str, Array]:
        """Weights by the names of the formula, as the kernel takes them."""
        native = self.kernel.native
        if self.part is not None:
            with_products = any(buffer.name == "x" for buffer in native.kernel.buffers)
            weights = self.part.laid_out(weights, with_products)
        return native.pack(weights, {"N": self.batch, "T": self.length})


def tasks(
    node: Node,
    graph: Graph,
    sequences: int,
    shapes: Mapping[str, Shape],
    options: CompileOptions,
    stores: Stores,
) -> list[Task]:
    """The kernels of a node for a batch and tensors of known shapes; none where none computes it."""
    if not stores.has_kernel(node):
        return []
    own = stores.beside.get(node.name)
    placement = None if own is None else own.placement(node.op)
    batch, length = _sizes(sequences, shapes[node.inputs[0]])
    all_of_it = stored(node, graph, stores.others(node, graph))
    weights, then = all_of_it.weights, all_of_it.expression
    if isinstance(node.op, Conv | ConvTranspose):
        inputs = dict(zip(input_names(len(all_of_it.inputs)), all_of_it.inputs, strict=True))
        tensors = {**all_of_it.convolved, **inputs, **all_of_it.outputs}
        if isinstance(node.op, ConvTranspose):
            return list(_parts(node.op, graph.dtype, then, tensors, weights, (batch, length), options))
        kernel = compiled(node.op.problem, options, length, then, placement, stores.weights)
        return [Task(kernel, tensors, weights, batch, length)]
    operation = _operation(node, graph, then, placement, stores.beside)
    if operation is None:
        return []
    if isinstance(node.op, Mapped):  # whose first input may have one step for all
        batch, length = _sizes(sequences, shapes[node.name])
    if isinstance(operation, operations.Map) and operation.flat:
        batch, length = 1, batch * length * operation.channels
    tensors = {**_inputs(node, all_of_it.inputs, stores.beside), **all_of_it.outputs}
    return [Task(_compiled(operation, options), tensors, weights, batch, length)]


def together(kernels: Iterable[Compilation | OperationProgram]) -> None:
    """Make the machine code of kernels, while LLVM is at one and Python at the next."""
    with COMPILING:
        from ...compiler import Compilation
        from ...executable import make_together
    make_together(kernel.program if isinstance(kernel, Compilation) else kernel for kernel in kernels)


def _sizes(batch: int, shape: Shape) -> tuple[int, int]:
    """A kernel's batch and length: vectors are the steps of one sequence."""
    return (1, batch) if shape.steps is None else (batch, shape.steps.constant or 0)


def _inputs(node: Node, inputs: Iterable[str], places: Mapping[str, Beside]) -> Mapping[str, str]:
    """What an operation reads by the names of the kernel's buffers: without what a concatenation has already."""
    concat = isinstance(node.op, ops.Concat)
    read = [name for name in inputs if not (concat and name in places)]
    alike = concat or isinstance(node.op, Mapped)
    return dict(zip(input_names(len(read)) if alike else ["x"], read, strict=True))


def _compiled(operation: Operation, options: CompileOptions) -> OperationProgram:
    with COMPILING:
        from ...compiler import compile_operation

        return compile_operation(operation, options.target)


def _parts(
    op: ConvTranspose,
    dtype: str,
    then: Expression | None,
    tensors: Mapping[str, str],
    weights: Mapping[str, str],
    sizes: tuple[int, int],
    options: CompileOptions,
) -> Iterator[Task]:
    """The parts of a transposed convolution that have output steps, for a batch and so many steps."""
    batch, length = sizes
    for part in parts(op, dtype):
        if part.rows(length) <= 0:
            continue
        if part.has_products(length):
            own, epilogue = part.problem_length(length), part.epilogue(then)
            kernel = compiled(part.problem, options, own, epilogue, part.placement)
            yield Task(kernel, tensors, weights, batch, own, part)
        else:
            yield Task(_compiled(part.bare(then), options), tensors, weights, batch, part.rows(length), part)


def _operation(
    node: Node,
    graph: Graph,
    expression: Expression | None,
    placement: Placement | None,
    places: Mapping[str, Beside],
) -> Operation | None:
    """What computes a node that is no convolution."""
    channels, dtype = graph.shapes[node.inputs[0]].channels, graph.dtype
    match node.op:
        case Turn(first):
            return operations.Turn(dtype, channels, first)
        case Mapped(count, _, first):
            assert expression is not None
            return operations.Map(dtype, count, expression, placement, first)
        case ops.Pool(kind, size, stride, padding, counted, dilation=1, ceil=False):
            return operations.Pool(dtype, channels, kind, size, stride, padding, counted)
        case ops.GlobalPool(kind) if kind in ops.POOLS:
            return operations.GlobalPool(dtype, channels, kind)
        case ops.Concat(steps=False):
            written = tuple(number for number, name in enumerate(node.inputs) if name in places)
            return operations.Concat(dtype, tuple(graph.shapes[name].channels for name in node.inputs), written)
        case ops.Pad(left, right, mode):
            return operations.Pad(dtype, channels, left, right, mode)
        case ops.Crop(left, right):
            return operations.Crop(dtype, channels, left, right)
        case ops.Repeat(times):
            return operations.Repeat(dtype, channels, times)
        case ops.LayerNorm(epsilon, scale, center):
            return operations.LayerNorm(dtype, channels, epsilon, scale, center)
        case ops.GroupNorm(epsilon, scale, center, groups):
            return operations.GroupNorm(dtype, channels, epsilon, scale, center, groups)
        case ops.RmsNorm(epsilon):
            return operations.RmsNorm(dtype, channels, epsilon, True, False)
        case ops.Softmax(log, steps=False):
            return operations.Softmax(dtype, channels, log)
        case CellSteps(ops.Lstm() as c):
            return operations.Lstm(dtype, c.units, c.activation, c.gate, c.sequences, c.backwards)
        case CellSteps(ops.Gru() as c) as steps:
            own = c.reset_after, steps.use_bias
            return operations.Gru(dtype, c.units, c.activation, c.gate, c.sequences, c.backwards, *own)
    return None
