"""Tasks: nodes of a network as kernels, for inputs of certain sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...layers.execution import compiled
from ...locks import COMPILING
from ...lower import operations
from ...lower.operations import Operation
from ...options import CompileOptions
from .. import ops
from ..graph import Graph, Node
from ..ops import Conv
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


def together(nodes: Iterable[Node], graph: Graph, sizes: Mapping[str, int]) -> list[Compilation | OperationProgram]:
    """What computes nodes, with the machine code of all of it: `task` finds it as long as it is held."""
    programs = [program for node in nodes if (program := _program(node, graph, sizes)) is not None]
    with COMPILING:
        from ...compiler import Compilation
        from ...executable import make_together
    make_together(program.program if isinstance(program, Compilation) else program for program in programs)
    return programs


def _program(node: Node, graph: Graph, sizes: Mapping[str, int]) -> Compilation | OperationProgram | None:
    """What computes a node, or None."""
    if isinstance(node.op, Conv):
        epilogue = node.op.expression if isinstance(node.op, ConvThen) else None
        return compiled(node.op.problem, CompileOptions(), _lengths(node, graph, sizes)[1], epilogue)
    operation = _operation(node, graph)
    if operation is None:
        return None
    with COMPILING:
        from ...compiler import compile_operation

        return compile_operation(operation)


def _lengths(node: Node, graph: Graph, sizes: Mapping[str, int]) -> tuple[int, int]:
    """The batch and the length of what a node reads; of vectors, each is a step."""
    steps = graph.shapes[node.inputs[0]].steps
    return (1, sizes["N"]) if steps is None else (sizes["N"], steps.evaluate(sizes))


def task(node: Node, graph: Graph, sizes: Mapping[str, int]) -> Task | None:
    """The kernel of a node for sizes: batch `N`, and the lengths of the inputs. None where no kernel computes it."""
    program = _program(node, graph, sizes)
    if program is None:
        return None
    batch, length = _lengths(node, graph, sizes)
    native = program.native
    if isinstance(node.op, Conv):
        further = {f"in{number}": name for number, name in enumerate(node.inputs[1:])}
        return Task(native, {"x": node.inputs[0], **further, "y": node.name}, batch, length)
    operation = _operation(node, graph)
    if isinstance(node.op, Mapped):
        steps = graph.shapes[node.name].steps
        batch, length = (1, sizes["N"]) if steps is None else (sizes["N"], steps.evaluate(sizes))
    if isinstance(operation, operations.Map) and operation.flat:
        batch, length = 1, batch * length * operation.channels
    several = isinstance(node.op, Mapped | ops.Concat)
    tensors = {f"in{number}" if several else "x": name for number, name in enumerate(node.inputs)}
    return Task(native, {**tensors, "y": node.name}, batch, length)


def computes(node: Node, graph: Graph) -> bool:
    """Whether a kernel computes a node."""
    return isinstance(node.op, Conv) or _operation(node, graph) is not None


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
