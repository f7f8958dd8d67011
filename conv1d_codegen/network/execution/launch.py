"""A network for inputs of certain sizes: what each of its kernels takes, and where its tensors lie."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...number_types import TYPES
from ...runtime import threads
from ...runtime.driver import FIRST_ARRAY, MEMORY, Place, Step, Table, number
from .. import ops
from ..graph import Graph, Node
from . import arena
from .tasks import Task, task, together

Array = NDArray[Any]
#: Numbers that an operation writes for which another thread pays, as a convolution's products do.
_FLOPS_OF_NUMBER = 8


@dataclass(frozen=True, slots=True)
class Foreign:
    """A node that no kernel computes."""

    node: Node


@dataclass(frozen=True, slots=True)
class Launch:
    """What a call with inputs of these sizes does: tables of kernels, and nodes in between. `places` has each tensor's
    word and offset; outputs that lie elsewhere, as they are another's memory, are copied.
    """

    parts: tuple[Table | Foreign, ...]
    places: Mapping[str, Place]
    shapes: Mapping[str, tuple[int, ...]]
    memory: int
    scratch: int
    flops: int

    def tensor(self, name: str, memory: Array, arrays: list[Array]) -> Array:
        """A tensor, where it lies."""
        place, shape = self.places[name], self.shapes[name]
        whole = memory if place.word == MEMORY else arrays[place.word - FIRST_ARRAY].reshape(-1).view(np.uint8)
        dtype = arrays[0].dtype
        size = math.prod(shape) * dtype.itemsize
        return whole[place.offset : place.offset + size].view(dtype).reshape(shape)


def launch(
    graph: Graph, sizes: Mapping[str, int], pack: Callable[[Node, Task], Mapping[str, Array]], team: int
) -> Launch:
    """The launch of a network for the batch `N` and the lengths of its inputs, by up to `team` threads. `pack` gives a
    node's weights as its kernel takes them.
    """
    shapes = {name: _shape(graph, name, sizes) for name in graph.shapes}
    roots = _roots(graph)
    places, memory = _places(graph, shapes, roots)
    computed = [node for node in graph.nodes if not isinstance(node.op, ops.Reshape)]
    held = together(computed, graph, sizes)
    tasks = {node.name: task(node, graph, sizes) for node in computed}
    del held
    flops = {node.name: _flops(node, made, shapes[node.name]) for node, made in _made(graph, tasks)}
    worth = threads.worth(sum(flops.values()), 1 << 30, team)
    parts: list[Table | Foreign] = []
    for native, group in itertools.groupby(_made(graph, tasks), lambda item: item[1] is not None):
        if not native:
            parts += [Foreign(node) for node, _ in group]
            continue
        steps = [
            step
            for node, made in group
            if made is not None
            for step in _steps(made, places, pack(node, made), threads.worth(flops[node.name], 1 << 30, worth) > 1)
        ]
        parts.append(Table(steps, worth))
    scratch = max((part.scratch_bytes for part in parts if isinstance(part, Table)), default=0)
    return Launch(tuple(parts), places, shapes, memory, scratch, sum(flops.values()))


def _made(graph: Graph, tasks: Mapping[str, Task | None]) -> list[tuple[Node, Task | None]]:
    return [(node, tasks[node.name]) for node in graph.nodes if node.name in tasks]


def _shape(graph: Graph, name: str, sizes: Mapping[str, int]) -> tuple[int, ...]:
    shape = graph.shapes[name]
    steps = () if shape.steps is None else (shape.steps.evaluate(sizes),)
    return (sizes["N"], *steps, shape.channels)


def _roots(graph: Graph) -> dict[str, str]:
    """For each tensor, the one whose memory it is: its own, or that of what it is another shape of."""
    roots = {source.name: source.name for source in graph.sources}
    for node in graph.nodes:
        roots[node.name] = roots[node.inputs[0]] if isinstance(node.op, ops.Reshape) else node.name
    return roots


def _places(
    graph: Graph, shapes: Mapping[str, tuple[int, ...]], roots: Mapping[str, str]
) -> tuple[dict[str, Place], int]:
    """Where each tensor lies, and the bytes of the network's own memory.

    The first words are the inputs, then come the outputs. What is an output and nothing else's shape lies where the
    caller wants it.
    """
    itemsize = TYPES[graph.dtype].bytes
    fixed = {source.name: Place(FIRST_ARRAY + k, 0) for k, source in enumerate(graph.sources)}
    for k, name in enumerate(graph.outputs):
        fixed.setdefault(roots[name], Place(FIRST_ARRAY + len(graph.sources) + k, 0))
    last = {roots[name]: number for number, node in enumerate(graph.nodes) for name in node.inputs}
    lives = {
        node.name: arena.Life(math.prod(shapes[node.name]) * itemsize, number, max(number, last.get(node.name, 0)))
        for number, node in enumerate(graph.nodes)
        if roots[node.name] == node.name and node.name not in fixed
    }
    made = arena.planned(lives)
    own = fixed | {name: Place(MEMORY, at) for name, at in made.places.items()}
    return {name: own[root] for name, root in roots.items()}, made.bytes


def _flops(node: Node, made: Task | None, shape: tuple[int, ...]) -> int:
    """About how much a node computes, for the number of threads."""
    if made is None:
        return 0
    if isinstance(node.op, ops.Conv):
        return node.op.problem.flops(made.batch, made.length)
    return math.prod(shape) * _FLOPS_OF_NUMBER


def _steps(made: Task, places: Mapping[str, Place], weights: Mapping[str, Array], shared: bool) -> list[Step]:
    """The steps of a task: one for each nest."""
    native = made.native
    kernel, called = native.kernel, native.entry
    own = {"N": made.batch, "T": made.length}
    arrays = [
        places[made.tensors[buffer.name]] if buffer.name in made.tensors else number(weights[buffer.name].ctypes.data)
        for buffer in kernel.buffers
    ]
    sizes = [number(own[name]) for name, _ in kernel.sizes]
    nests = called.iterations
    return [
        Step(
            native,
            (*arrays, *sizes, *([number(nest)] if len(nests) > 1 else [])),
            iterations.evaluate(own),
            shared,
        )
        for nest, iterations in enumerate(nests)
    ]
