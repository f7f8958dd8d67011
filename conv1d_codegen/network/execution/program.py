"""Program: a network, simplified, and run: by kernels that one native call goes through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ... import knobs
from ...ir.packing import address
from ...layers.execution import check_out
from ...locks import ProcessLock, kept
from ...machine.host import resolve
from ...machine.target import TARGETS
from ...number_types import TYPES
from ...options import CompileOptions
from ...runtime import driver, workspace
from ...runtime.fast_calls import FastCall, FastCalls, Shapes
from .. import reference
from ..graph import Graph, Node, Weights, checked
from ..ops import Conv, ConvTranspose, Last, Op, Pad, Shape
from ..simplify import simplified, stages
from .launch import Launch, launch, memory
from .stores import Stores
from .tasks import Task, tasks

if TYPE_CHECKING:
    pass

Array = NDArray[Any]

_MOST_LAUNCHES = 256  # sizes of inputs that a network remembers


class Program:
    """A graph with weights that can be run. Immutable, but for the kernels that it has found; calls may come from any
    thread.
    """

    def __init__(self, graph: Graph, weights: Weights, options: CompileOptions) -> None:
        self.graph = graph
        self.weights = weights
        self.options = options
        self._packed: dict[tuple[object, ...], Mapping[str, Array]] = {}
        self._launches: dict[tuple[Any, ...], Launch | None] = {}
        self.fast = FastCalls()
        self._lock = ProcessLock()

    @kept
    def _simplified(self) -> tuple[Graph, dict[str, Array]]:
        """The graph that is computed, and its weights, for the machine, which is looked at when there is something to run."""
        lowered, made = simplified(self.graph, self.weights, self.options.accuracy == "strict", self._lanes())
        return lowered, checked(lowered, made)

    @property
    def lowered(self) -> Graph:
        """The graph that is computed."""
        return self._simplified[0]

    def _lanes(self) -> int:
        """Of a vector of the numbers that are computed with."""
        target = resolve(self.options.target or knobs.target(TARGETS))
        return target.lanes(TYPES[self.graph.dtype].compute)

    def run(self, inputs: list[Array], out: Sequence[Any] | None = None) -> list[Array]:
        """The outputs, for inputs `(batch, steps, channels)` of the graph's dtype, C-contiguous; written into `out` where
        that is given. Raises ValueError where lengths do not fit each other, or an operation has no output, and as
        `check_out` for what can't be written into.
        """
        key = (self._team(), *[x.shape for x in inputs])
        launches = self._launches  # which another thread may replace meanwhile
        found = launches[key] if key in launches else self._launch(key)
        if found is not None:
            outputs = output_arrays(out, found.outputs, inputs)
            self._run(found, [*inputs, *outputs])
            return outputs
        made = self._interpreted(inputs)
        outputs = output_arrays(out, [y.shape for y in made], inputs)
        for given, y in zip(outputs, made, strict=True):
            given[...] = y
        return outputs

    def knows(self, shape: tuple[int, ...]) -> bool:
        """Whether inputs of a shape, of a network of one input, were given before, and are right."""
        return (self._team(), shape) in self._launches

    def fast_call(self, shapes: Shapes, listed: bool) -> FastCall | None:
        """What a call with inputs of these shapes does, which was made before, as a fast call; None where that must go
        through Python.
        """
        found = self._launches.get((self._team(), *shapes))
        dtype = TYPES[self.graph.dtype].numpy
        return None if found is None else found.fast_call(shapes, dtype, listed, self._packed)

    def _team(self) -> int:
        """The most threads of a call."""
        return driver.most_threads(self.options.num_threads)

    def _run(self, found: Launch, arrays: list[Array]) -> None:
        """Run the table of a launch, in the memory of this thread."""
        table = found.table
        room = workspace.take(found.memory + table.scratch_bytes)
        scratch = room.address + found.memory
        addresses = [address(x) for x in arrays]
        for _ in range(found.groups if table.steps else 0):
            table.run(found.driver, scratch, room.address, addresses, (room, arrays))
            addresses = [at + apart for at, apart in zip(addresses, found.apart, strict=True)]
        for name, at in found.copied:
            arrays[at][...] = found.tensor(name, room.array, arrays)
        workspace.give_back(room)

    def _launch(self, key: tuple[Any, ...]) -> Launch | None:
        """What a call of so many threads with inputs of these shapes does; None where a tensor is empty, or an operation
        refuses.
        """
        team, *shapes = key
        graph, batch = self.lowered, shapes[0][0]
        sizes = {graph.length_name(source): shape[1] for source, shape in zip(graph.sources, shapes, strict=True)}
        for name, a, b in self.graph.equal:
            if a.evaluate(sizes) != b.evaluate(sizes):
                raise ValueError(
                    f"The inputs of {name} have {a.evaluate(sizes)} and {b.evaluate(sizes)} steps ({a} and {b}, for "
                    f"{', '.join(f'{length}={size}' for length, size in sizes.items())}), and must have as many."
                )
        with self._lock.here:
            found = None
            at = graph.shapes_at(sizes)
            if batch and _fits(graph, at):
                found = launch(graph, batch, at, self._pack, team, self.options)
            if len(self._launches) >= _MOST_LAUNCHES:
                self._launches = {}
            self._launches[key] = found
            return found

    def _pack(self, name: str, made: Task) -> Mapping[str, Array]:
        """Weights as the kernel of a node takes them, kept as long as this program is."""
        key = name, made.kernel.native, made.part
        if key not in self._packed:
            self._packed[key] = made.packed({of: self._simplified[1][weight] for of, weight in made.weights.items()})
        return self._packed[key]

    def _interpreted(self, inputs: list[Array]) -> list[Array]:
        """The outputs by NumPy. Raises ValueError where an operation has none."""
        tensors = {source.name: x for source, x in zip(self.lowered.sources, inputs, strict=True)}
        for node in self.lowered.nodes:
            try:
                tensors[node.name] = self._computed(node, [tensors[name] for name in node.inputs])
            except ValueError as error:
                raise ValueError(f"Node {node.name}: {error}") from error
        return [tensors[name] for name in self.lowered.outputs]

    def _computed(self, node: Node, inputs: list[Array]) -> Array:
        """The output of a node, by NumPy."""
        compute = TYPES[TYPES[self.lowered.dtype].compute].numpy
        shapes = [self.lowered.shapes[name] for name in node.inputs]
        weights = {
            name: self._simplified[1][given].astype(compute, copy=False)
            for name, given in zip(node.op.weights(*shapes), node.weights, strict=True)
        }
        with np.errstate(all="ignore"):
            y = reference.compute(node.op, [x.astype(compute, copy=False) for x in inputs], weights)
        return np.ascontiguousarray(y, TYPES[self.lowered.dtype].numpy)

    def report(self, length: int) -> str:
        """A table of the nodes of the simplified network: the output, the operation and the nodes that became part of it,
        what computes it, and, of convolutions, the MFLOP of one sequence; for inputs of `length` steps, where that is not
        fixed.
        """
        graph = self.lowered
        at = graph.shapes_at({graph.length_name(source): source.length or length for source in graph.sources})
        rows, stores = [("node", "output", "operation", "by", "MFLOP")], Stores.of(graph, 1, at)
        for node in graph.nodes:
            parts = f", with {', '.join(node.merged)}" if node.merged else ""
            cost = (
                f"{_flops(node.op, at[node.inputs[0]]) / 1e6:.3g}" if isinstance(node.op, Conv | ConvTranspose) else ""
            )
            made = tasks(node, graph, 1, at, self.options, stores)
            by = "; ".join(dict.fromkeys(each.kernel.schedule for each in made)) or "nothing"
            by = f"the kernel of {stores.along[node.name]}" if node.name in stores.along else by
            rows.append((node.name, str(graph.shapes[node.name]), f"{node.op}{parts}", by, cost))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        table = ["  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        steps = ", ".join(f"{s.length or length} steps" for s in graph.sources)
        own = memory(graph, 1, at) / 1024 if _fits(graph, at) else 0
        return "\n".join(
            [*table, f"For one sequence of {steps}: {own:.0f} KiB of memory beside inputs and outputs.", ""]
        )

    def log(self) -> str:
        """The graph before and after each pass that changes it."""
        graph, text = self.graph, f"{self.graph}"
        for name, after, _ in stages(graph, self.weights, self.options.accuracy == "strict", self._lanes()):
            if after.nodes != graph.nodes:
                text += f"\n# {name}\n{after}"
            graph = after
        return text

    def tasks_of(self, name: str, length: int) -> list[Task]:
        """The kernels that compute a node of the simplified network, or the one that a node became part of, for one
        sequence; none where its output is part of another tensor's memory. Raises ValueError where there is no such node.
        """
        graph = self.lowered
        found = next((node for node in graph.nodes if name in (node.name, *node.merged)), None)
        if found is None:
            raise ValueError(
                f"The network computes no {name!r}. It computes: {', '.join(node.name for node in graph.nodes)}."
            )
        at = graph.shapes_at({graph.length_name(source): source.length or length for source in graph.sources})
        stores = Stores.of(graph, 1, at)
        by = stores.along.get(found.name, found.name)
        found = next(node for node in graph.nodes if node.name == by)
        return tasks(found, graph, 1, at, self.options, stores)


def _flops(op: Conv | ConvTranspose, x: Shape) -> int:
    """Of a convolution, for one sequence."""
    return op.flops(1, 1 if x.steps is None else max(0, x.steps.constant or 0))


def _fits(graph: Graph, shapes: Mapping[str, Shape]) -> bool:
    """Whether all tensors have steps, and those that paddings and ends take from others are there."""
    lengths = {name: 1 if shape.steps is None else shape.steps.constant or 0 for name, shape in shapes.items()}
    return min(lengths.values()) > 0 and all(_taken(node.op) <= lengths[node.inputs[0]] for node in graph.nodes)


def _taken(op: Op) -> int:
    """How many steps an operation wants of its input, beside what its output's shape says."""
    match op:
        case Pad(left, right, "reflect" | "circular" as mode):
            return max(left, right) + (mode == "reflect")
        case Last(count):
            return count
    return 0


def output_arrays(out: Sequence[Any] | None, shapes: Sequence[tuple[int, ...]], inputs: list[Array]) -> list[Array]:
    """Arrays for outputs of these shapes: new ones, or the caller's; errors as of `check_out`."""
    if out is None:
        return [np.empty(shape, inputs[0].dtype) for shape in shapes]
    if len(out) != len(shapes):
        raise ValueError(f"`out` has an array for each of {len(shapes)} outputs. Received: {len(out)}.")
    for given, shape in zip(out, shapes, strict=True):
        for x in (*inputs, *(other for other in out if other is not given and isinstance(other, np.ndarray))):
            check_out(given, shape, inputs[0].dtype, x)
    return list(out)
