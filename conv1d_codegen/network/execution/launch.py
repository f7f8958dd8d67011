"""A network for inputs of certain sizes: what each of its kernels takes, and where its tensors lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import knobs
from ...machine.host import resolve
from ...machine.target import TARGETS, Target
from ...number_types import TYPES
from ...options import CompileOptions
from ...runtime import driver, threads
from ...runtime.driver import FIRST_ARRAY, MEMORY, Driver, Place, Step, Table, number
from ...runtime.fast_calls import FastCall, Shapes
from .. import ops
from ..graph import Graph, Node
from ..ops import Shape
from ..ops.fused import CellSteps
from . import arena, groups
from .stores import Stores
from .tasks import Task, tasks, together

Array = NDArray[Any]
#: Numbers that an operation writes for which another thread pays, as a convolution's products do.
_FLOPS_OF_NUMBER = 8


@dataclass(frozen=True, slots=True)
class Launch:
    """What a call with inputs of these sizes does: a table of kernels. `places` has each tensor's word and offset. Outputs
    that are an input, or another output, are `copied` to the array of their number. The whole is done for each of some
    `groups` of sequences, which lie so many bytes `apart` in the array of each number. What the table reads beside weights
    is `kept`.
    """

    target: Target
    driver: Driver
    table: Table
    kept: tuple[Array, ...]
    outputs: tuple[tuple[int, ...], ...]
    copied: tuple[tuple[str, int], ...]
    places: Mapping[str, Place]
    shapes: Mapping[str, tuple[int, ...]]
    memory: int
    groups: int
    apart: tuple[int, ...]
    flops: int  # about

    def tensor(self, name: str, memory: Array, arrays: list[Array]) -> Array:
        """A tensor, where it lies."""
        place, shape = self.places[name], self.shapes[name]
        whole = memory if place.word == MEMORY else arrays[place.word - FIRST_ARRAY].reshape(-1).view(np.uint8)
        dtype = arrays[0].dtype
        size = math.prod(shape) * dtype.itemsize
        return whole[place.offset : place.offset + size].view(dtype).reshape(shape)

    def fast_call(self, inputs: Shapes, dtype: np.dtype[Any], listed: bool, weights: object) -> FastCall | None:
        """The same as a fast call, where it is nothing but one run of a table. `weights`: what holds those that it has the
        addresses of. `listed`: whether the outputs are given as a list.
        """
        run = self.table.at_once(self.driver, self.memory, len(inputs) + len(self.outputs), self.flops)
        if run is None or self.copied or self.groups != 1:
            return None
        return FastCall(
            inputs=inputs,
            outputs=self.outputs,
            dtype=dtype,
            function=self.driver.address,
            slots=run.slots,
            room=run.room,
            flops=self.flops,
            target=self.target,
            keep=(self, weights),
            listed=listed,
            seats=run.seats,
            counters=run.counters,
        )


def launch(
    graph: Graph,
    batch: int,
    known: Mapping[str, Shape],
    pack: Callable[[str, Task], Mapping[str, Array]],
    team: int,
    options: CompileOptions,
) -> Launch:
    """The launch of a network for a batch and tensors of known shapes, none of which is empty, by up to `team` threads.
    `pack` gives a node's weights as its kernel takes them.
    """
    stores, target = Stores.of(graph, batch, known), resolve(options.target or knobs.target(TARGETS))
    work = _work(graph, batch, known, team, options, stores)
    if work.team == 1:  # a team would do more sequences at once than a group has
        group = _group(graph, batch, known, stores, target.l2_bytes)
        if group < batch:
            alike = stores.of_batch(graph, group, known)
            own = _work(graph, group, known, 1, options, alike)
            found = _launch(graph, (batch, group), known, pack, own, alike, target)
            if not found.copied:
                return found
    return _launch(graph, (batch, batch), known, pack, work, stores, target)


class _Work(NamedTuple):
    """The tasks of each node, about what each computes, for which nodes several threads are worth having, and how many
    are for all of them.
    """

    made: Sequence[tuple[Node, list[Task]]]
    flops: Mapping[str, int]
    shared: Mapping[str, bool]
    team: int


def _work(
    graph: Graph, batch: int, known: Mapping[str, Shape], most: int, options: CompileOptions, stores: Stores
) -> _Work:
    """What is to be done for so many sequences, by up to `most` threads."""
    shapes = {name: _shape(batch, shape) for name, shape in known.items()}
    made = [(node, tasks(node, graph, batch, known, options, stores)) for node in graph.nodes]
    flops = {node.name: _flops(node, own_tasks, shapes) for node, own_tasks in made}
    shared = {name: threads.worth(count, 1 << 30, most) > 1 for name, count in flops.items()}
    return _Work(made, flops, shared, _team(flops, shared, most))


def _group(graph: Graph, batch: int, known: Mapping[str, Shape], stores: Stores, cache: int) -> int:
    """How many sequences go through the network together."""
    itemsize = TYPES[graph.dtype].bytes
    arrays = [*(source.name for source in graph.sources), *graph.outputs]

    def in_use(count: int) -> int:
        shapes = {name: _shape(count, shape) for name, shape in known.items()}
        alike = stores.of_batch(graph, count, known)
        return _places(graph, shapes, alike)[1] + sum(math.prod(shapes[name]) * itemsize for name in arrays)

    written = sum(math.prod(_shape(1, known[node.name])) * itemsize for node in graph.nodes)
    return groups.together(batch, in_use, written, stores.weights, cache)


def _launch(
    graph: Graph,
    sizes: tuple[int, int],
    known: Mapping[str, Shape],
    pack: Callable[[str, Task], Mapping[str, Array]],
    work: _Work,
    stores: Stores,
    target: Target,
) -> Launch:
    """The launch for a batch in groups of so many sequences, whose `work` is that of a group."""
    batch, group = sizes
    shapes = {name: _shape(group, shape) for name, shape in known.items()}
    places, own = _places(graph, shapes, stores)
    made, flops, shared, team = work
    together(each.kernel for _, own_tasks in made for each in own_tasks)
    steps = [
        step
        for node, own_tasks in made
        for each in own_tasks
        for step in _steps(each, places, pack(node.name, each), shared[node.name])
    ]
    count = len(graph.sources)
    arrays = [*(source.name for source in graph.sources), *graph.outputs]
    return Launch(
        target,
        driver.driver(target),
        Table(steps, team),
        tuple(array for _, own_tasks in made for each in own_tasks for array in each.tables.values()),
        tuple(_shape(batch, known[name]) for name in graph.outputs),
        tuple(
            (name, count + number)
            for number, name in enumerate(graph.outputs)
            if places[name] != Place(FIRST_ARRAY + count + number, 0)
        ),
        places,
        shapes,
        own,
        batch // group,
        tuple(math.prod(shapes[name]) * TYPES[graph.dtype].bytes for name in arrays),
        sum(flops.values()) * (batch // group),
    )


def _team(flops: Mapping[str, int], shared: Mapping[str, bool], most: int) -> int:
    """How many threads are worth having for kernels that take so many operations: one, where others would often wait.

    Phasenet, four of whose 32 kernels are worth sharing, with half of its operations, takes as long with two threads as
    with one, and now and then half as long again; of the other eight networks that are large enough, kernels that are
    worth sharing have more than 0.99 (`python -m bench networks --threads 1,2`).
    """
    together = sum(count for name, count in flops.items() if shared[name])
    return threads.worth(together, 1 << 30, most) if 4 * together >= 3 * sum(flops.values()) else 1


def _shape(batch: int, shape: Shape) -> tuple[int, ...]:
    steps = () if shape.steps is None else (shape.steps.constant or 0,)
    return (batch, *steps, shape.channels)


def memory(graph: Graph, batch: int, known: Mapping[str, Shape]) -> int:
    """Bytes that tensors take beside inputs and outputs."""
    shapes = {name: _shape(batch, shape) for name, shape in known.items()}
    return _places(graph, shapes, Stores.of(graph, batch, known))[1]


def _places(graph: Graph, shapes: Mapping[str, tuple[int, ...]], stores: Stores) -> tuple[dict[str, Place], int]:
    """Where each tensor lies, and the bytes of the network's own memory.

    The first words are the inputs, then come the outputs. What is an output and nothing else's shape lies where the
    caller wants it.
    """
    itemsize, within = TYPES[graph.dtype].bytes, stores.roots(graph)
    roots = {name: root for name, (root, _) in within.items()}
    fixed = {source.name: Place(FIRST_ARRAY + k, 0) for k, source in enumerate(graph.sources)}
    for k, name in enumerate(graph.outputs):
        fixed.setdefault(roots[name], Place(FIRST_ARRAY + len(graph.sources) + k, 0))
    place = {node.name: number for number, node in enumerate(graph.nodes)}
    first = {roots[name]: place[stores.along.get(name, name)] for name in reversed(place)}
    last = {roots[name]: place[node.name] for node in graph.nodes for name in (node.name, *node.inputs)}
    lives = {
        node.name: arena.Life(math.prod(shapes[node.name]) * itemsize, first[node.name], last[node.name])
        for node in graph.nodes
        if roots[node.name] == node.name and node.name not in fixed
    }
    made = arena.planned(lives)
    everywhere = fixed | {name: Place(MEMORY, at) for name, at in made.places.items()}
    found = {name: (everywhere[root], before) for name, (root, before) in within.items()}
    return {name: Place(at.word, at.offset + before * itemsize) for name, (at, before) in found.items()}, made.bytes


def _flops(node: Node, made: list[Task], shapes: Mapping[str, tuple[int, ...]]) -> int:
    """About how much a node computes, for the number of threads."""
    if not made:
        return 0
    if isinstance(node.op, ops.Conv):
        return node.op.flops(made[0].sizes["N"], made[0].sizes["T"])
    if isinstance(node.op, ops.ConvTranspose):
        return node.op.flops(*shapes[node.inputs[0]][:2])
    if isinstance(node.op, CellSteps):
        batch, length = made[0].sizes["N"], made[0].sizes["T"]
        sequences = batch if batch > 1 else 0  # with one, no other thread can help
        return 2 * sequences * length * node.op.cell.units * node.op.cell.wide
    return math.prod(shapes[node.name]) * _FLOPS_OF_NUMBER


def _steps(made: Task, places: Mapping[str, Place], weights: Mapping[str, Array], shared: bool) -> list[Step]:
    """The steps of a task: one for each nest."""
    native = made.kernel.native
    kernel, called = native.kernel, native.entry
    given = {**weights, **made.tables}
    arrays = [
        places[made.tensors[buffer.name]] if buffer.name in made.tensors else number(given[buffer.name].ctypes.data)
        for buffer in kernel.buffers
    ]
    sizes = [number(made.sizes[name]) for name, _ in kernel.sizes]
    nests = called.iterations
    return [
        Step(
            native,
            (*arrays, *sizes, *([number(nest)] if len(nests) > 1 else [])),
            iterations.evaluate(made.sizes),
            shared,
        )
        for nest, iterations in enumerate(nests)
    ]
