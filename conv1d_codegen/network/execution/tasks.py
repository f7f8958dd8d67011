"""Tasks: nodes of a network as kernels, for inputs of certain sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...ir import Expression, input_names
from ...layers.execution import compiled
from ...locks import COMPILING
from ...lower import Placement, operations
from ...lower.operations import Operation
from ...lower.transposed import Part, Transposed
from ...options import CompileOptions
from .. import ops
from ..graph import Graph, Node
from ..ops import Conv, ConvTranspose, Shape
from ..ops.fused import CellSteps, Mapped
from .along import stored
from .beside import Beside
from .parts import parts, transposed
from .stores import Stores
from .within import first_number, numbers

if TYPE_CHECKING:
    from ...compiler import Compilation, OperationProgram

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Task:
    """A kernel, the tensors and the weights that are its arrays by the names of the formula, and its run-time sizes by name,
    `N` and `T` among them; of a transposed convolution, a part of its output or the whole. `tables` are arrays that follow
    from the sizes.
    """

    kernel: Compilation | OperationProgram
    tensors: Mapping[str, str]
    weights: Mapping[str, str]
    sizes: Mapping[str, int]
    part: Part | Transposed | None = None
    tables: Mapping[str, Array] = field(default_factory=dict)

    def packed(self, weights: Mapping[str, Array]) -> Mapping[str, Array]:
        """Weights by the names of the formula, as the kernel takes them."""
        native = self.kernel.native
        if self.part is not None:
            with_products = any(buffer.name == "x" for buffer in native.kernel.buffers)
            weights = self.part.laid_out(weights, with_products)
        return native.pack(weights, self.sizes)


def tasks(
    node: Node,
    graph: Graph,
    sequences: int,
    shapes: Mapping[str, Shape],
    options: CompileOptions,
    stores: Stores,
) -> list[Task]:
    """The kernels of a node for a batch and tensors of known shapes; none where nothing is left to do."""
    if not stores.has_kernel(node):
        return []
    if copied := list(_copies(node, sequences, shapes, stores)):
        made = [(operations.Copy(graph.dtype, into), tensors, sizes) for into, tensors, sizes in copied]
        return [Task(_compiled(operation, options), tensors, {}, sizes) for operation, tensors, sizes in made]
    own = stores.beside.get(node.name)
    placement = None if own is None else own.placement(node.op)
    sizes = _sizes(sequences, shapes[node.inputs[0]])
    all_of_it = stored(node, graph, stores.others(node, graph))
    weights, then = all_of_it.weights, all_of_it.expression
    if isinstance(node.op, Conv | ConvTranspose):
        inputs = dict(zip(input_names(len(all_of_it.inputs)), all_of_it.inputs, strict=True))
        tensors = {"x": node.inputs[0], **inputs, **all_of_it.outputs}
        if isinstance(node.op, ConvTranspose):
            return list(_parts(node.op, graph.dtype, then, tensors, weights, sizes, options))
        kernel = compiled(node.op.problem, options, sizes["T"], then, placement, stores.weights)
        return [Task(kernel, tensors, weights, sizes)]
    operation = _operation(node, graph, then, placement, stores.beside)
    tables: dict[str, Array] = {}
    if isinstance(node.op, Mapped):  # whose first input may have one step for all
        sizes = _sizes(sequences, shapes[node.name])
    if isinstance(operation, operations.Map) and operation.flat:
        sizes = {"N": 1, "T": sizes["N"] * sizes["T"] * operation.channels}
    if isinstance(node.op, ops.Slice):
        sizes = _of_slice(node.op, sizes, _sizes(sequences, shapes[node.name])["T"])
    if isinstance(operation, operations.Resize) and operation.on_line:
        tables = {"fractions": operation.fractions(sizes["T"])}
    tensors = {**_inputs(node, all_of_it.inputs, stores.beside), **all_of_it.outputs}
    return [Task(_compiled(operation, options), tensors, weights, sizes, tables=tables)]


def together(kernels: Iterable[Compilation | OperationProgram]) -> None:
    """Make the machine code of kernels, while LLVM is at one and Python at the next."""
    with COMPILING:
        from ...compiler import Compilation
        from ...executable import make_together
    make_together(kernel.program if isinstance(kernel, Compilation) else kernel for kernel in kernels)


def _sizes(batch: int, shape: Shape) -> dict[str, int]:
    """A kernel's batch and length: vectors are the steps of one sequence."""
    return {"N": 1, "T": batch} if shape.steps is None else {"N": batch, "T": shape.steps.constant or 0}


def _copies(
    node: Node, batch: int, shapes: Mapping[str, Shape], stores: Stores
) -> Iterator[tuple[bool, dict[str, str], dict[str, int]]]:
    """What is copied for a node, if that is all that it does: whether to within the output, or from within the input; the
    tensors, and the sizes.
    """
    whole = numbers(shapes[node.name])
    if node.op == ops.Concat(steps=True):
        before = 0
        for name in node.inputs:
            count = numbers(shapes[name])
            if name not in stores.within.joined:
                yield True, {"x": name, "y": node.name}, _around(batch, count, before, whole)
            before += count
    elif (first := first_number(node.op, shapes[node.inputs[0]])) is not None:
        sizes = _around(batch, whole, first, numbers(shapes[node.inputs[0]]))
        yield False, {"x": node.inputs[0], "y": node.name}, sizes


def _around(batch: int, count: int, before: int, whole: int) -> dict[str, int]:
    """The sizes of a part of so many numbers of each sequence."""
    return {"N": batch, "T": count, "B": before, "A": whole - before - count}


def _of_slice(op: ops.Slice, sizes: dict[str, int], outputs: int) -> dict[str, int]:
    """The sizes of a slice with a step above 1."""
    start, _ = op.bounds(sizes["T"])
    return _around(sizes["N"], (outputs - 1) * op.step + 1, int(start), sizes["T"]) | {"T": outputs}


def _inputs(node: Node, inputs: Iterable[str], places: Mapping[str, Beside]) -> Mapping[str, str]:
    """What an operation reads by the names of the kernel's buffers: without what a concatenation has already."""
    concat = isinstance(node.op, ops.Concat)
    read = [name for name in inputs if not (concat and name in places)]
    alike = concat or isinstance(node.op, Mapped)
    names = input_names(len(read)) if alike else ["x", *input_names(len(read) - 1)]
    return dict(zip(names, read, strict=True))


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
    sizes: Mapping[str, int],
    options: CompileOptions,
) -> Iterator[Task]:
    """The parts of a transposed convolution that have output steps, for a batch and so many steps; or all of it."""
    batch, length = sizes["N"], sizes["T"]
    own_parts = parts(op, dtype)
    if not own_parts:
        all_of_it = transposed(op, dtype)
        yield Task(_compiled(all_of_it.direct(then), options), tensors, weights, sizes, all_of_it)
    for part in own_parts:
        if part.rows(length) <= 0:
            continue
        if part.has_products(length):
            own, epilogue = part.problem_length(length), part.epilogue(then)
            kernel = compiled(part.problem, options, own, epilogue, part.placement)
            yield Task(kernel, tensors, weights, {"N": batch, "T": own}, part)
        else:
            rows = {"N": batch, "T": part.rows(length)}
            yield Task(_compiled(part.bare(then), options), tensors, weights, rows, part)


def _operation(
    node: Node,
    graph: Graph,
    expression: Expression | None,
    placement: Placement | None,
    places: Mapping[str, Beside],
) -> Operation:
    """What computes a node that is no convolution, and no copy."""
    channels, dtype = graph.shapes[node.inputs[0]].channels, graph.dtype
    match node.op:
        case Mapped(count):
            assert expression is not None
            return operations.Map(dtype, count, expression, placement)
        case ops.Pool(kind, size, stride, padding, counted, dilation, ceil):
            return operations.Pool(dtype, channels, kind, size, stride, padding, counted, dilation, ceil)
        case ops.GlobalPool(kind):
            return operations.GlobalPool(dtype, channels, kind)
        case ops.ChannelPool(kind):
            return operations.ChannelPool(dtype, channels, kind)
        case ops.Concat():
            written = tuple(number for number, name in enumerate(node.inputs) if name in places)
            return operations.Concat(dtype, tuple(graph.shapes[name].channels for name in node.inputs), written)
        case ops.Pad(left, right, mode):
            return operations.Pad(dtype, channels, left, right, mode)
        case ops.Slice(step=step):
            return operations.EachStep(dtype, channels, step)
        case ops.ChannelSlice(start, count, step):
            return operations.EachChannel(dtype, channels, start, count, step)
        case ops.Shuffle(groups):
            return operations.Shuffle(dtype, channels, groups)
        case ops.Transpose():
            return operations.Transpose(dtype, channels, graph.shapes[node.name].channels)
        case ops.Repeat(times):
            return operations.Repeat(dtype, channels, times)
        case ops.Resize(mode, up, down, coordinates, rounding):
            return operations.Resize(dtype, channels, mode, up, down, coordinates, rounding)
        case ops.LayerNorm(epsilon, scale, center):
            return operations.LayerNorm(dtype, channels, epsilon, scale, center)
        case ops.GroupNorm(epsilon, scale, center, groups):
            return operations.GroupNorm(dtype, channels, epsilon, scale, center, groups)
        case ops.RmsNorm(epsilon):
            return operations.RmsNorm(dtype, channels, epsilon, True, False)
        case ops.Softmax(log, steps):
            return (operations.SoftmaxOfSteps if steps else operations.Softmax)(dtype, channels, log)
        case CellSteps(c) as steps:
            given = len(node.inputs) > 1
            own = dtype, c.units, c.activation, c.gate, c.sequences, c.backwards
            if isinstance(c, ops.Gru):
                return operations.Gru(*own, c.reset_after, steps.use_bias, given=given)
            if isinstance(c, ops.Lstm):
                return operations.Lstm(*own, cell=c.cell, given=given)
            return operations.SimpleRnn(*own, given=given)
    raise TypeError(f"no kernel computes {node.op}")
