"""Program: a network, simplified, and run: by kernels that one native call goes through, and what no kernel computes by
NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...locks import ProcessLock
from ...machine.host import resolve
from ...number_types import TYPES
from ...runtime import driver, workspace
from ...runtime.driver import FIRST_ARRAY, Place
from ...runtime.native import Native
from .. import reference
from ..graph import Graph, Node, Weights, checked
from ..ops import Conv, ConvTranspose, Pad, Reshape
from ..simplify import simplified
from .launch import Foreign, Launch, launch
from .tasks import Task, computes

Array = NDArray[Any]

_REPORTED = 1000  # steps of an input of unknown length, in a report
_MOST_LAUNCHES = 256  # sizes of inputs that a network remembers


class Program:
    """A graph with weights that can be run. Immutable, but for the kernels that it has found; calls may come from any
    thread.
    """

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self.graph = graph
        self.weights = weights
        self.lowered, made = simplified(graph, weights)
        self._made = checked(self.lowered, made)
        self._packed: dict[tuple[str, Native], Mapping[str, Array]] = {}
        self._launches: dict[tuple[int, ...], Launch | None] = {}
        self._lock = ProcessLock()

    def run(self, inputs: dict[str, Array]) -> list[Array]:
        """The outputs, for inputs `(batch, steps, channels)` of the graph's dtype. Raises ValueError where lengths do not
        fit each other, or an operation has no output.
        """
        arrays = [inputs[source.name] for source in self.graph.sources]
        team = driver.most_threads()
        key = (team, len(arrays[0]), *(x.shape[1] for x in arrays))
        found = self._launches[key] if key in self._launches else self._launch(key)
        if found is None:
            return self._interpreted(inputs)
        outputs = [np.empty(found.shapes[name], arrays[0].dtype) for name in self.graph.outputs]
        arrays += outputs
        self._run(found, arrays)
        first = FIRST_ARRAY + len(self.graph.sources)
        for number, name in enumerate(self.graph.outputs):
            if found.places[name] != Place(first + number, 0):  # an input, or another output in another shape
                outputs[number][...] = found.tensor(name, outputs[number], arrays)
        return outputs

    def _run(self, found: Launch, arrays: list[Array]) -> None:
        """Go through the parts of a launch, in the memory of this thread."""
        room = workspace.take(found.memory + found.scratch)
        scratch = room.address + found.memory
        addresses = [x.ctypes.data for x in arrays]
        for part in found.parts:
            if isinstance(part, Foreign):
                read = [found.tensor(name, room.array, arrays) for name in part.node.inputs]
                found.tensor(part.node.name, room.array, arrays)[...] = self._computed(part.node, read)
            else:
                part.run(self._driver, scratch, room.address, addresses, (room, arrays))
        workspace.give_back(room)

    @property
    def _driver(self) -> driver.Driver:
        return driver.driver(resolve(None))

    def _launch(self, key: tuple[int, ...]) -> Launch | None:
        """What a call of so many threads, batch and lengths does; None where a tensor is empty, or an operation refuses."""
        team, batch, *lengths = key
        graph = self.lowered
        sizes = {graph.length_name(source): length for source, length in zip(graph.sources, lengths, strict=True)}
        for name, a, b in self.graph.equal:
            if a.evaluate(sizes) != b.evaluate(sizes):
                raise ValueError(
                    f"The inputs of {name} have {a.evaluate(sizes)} and {b.evaluate(sizes)} steps ({a} and {b}, for "
                    f"{', '.join(f'{length}={size}' for length, size in sizes.items())}), and must have as many."
                )
        with self._lock.here:
            found = None
            if batch and _fits(graph, sizes):
                found = launch(graph, {"N": batch, **sizes}, self._pack, team)
            if len(self._launches) >= _MOST_LAUNCHES:
                self._launches = {}
            self._launches[key] = found
            return found

    def _pack(self, node: Node, made: Task) -> Mapping[str, Array]:
        """A node's weights as its kernel takes them, kept as long as this program is."""
        key = node.name, made.native
        if key not in self._packed:
            shapes = [self.lowered.shapes[name] for name in node.inputs]
            names = {"kernel": "w", "bias": "b"}
            given = zip(node.op.weights(*shapes), node.weights, strict=True)
            sources = {names.get(name, name): self._made[weight] for name, weight in given}
            self._packed[key] = made.packed(sources)
        return self._packed[key]

    def _interpreted(self, inputs: Mapping[str, Array]) -> list[Array]:
        """The outputs by NumPy. Raises ValueError where an operation has none."""
        tensors = dict(inputs)
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
            name: self._made[given].astype(compute, copy=False)
            for name, given in zip(node.op.weights(*shapes), node.weights, strict=True)
        }
        with np.errstate(all="ignore"):
            y = reference.compute(node.op, [x.astype(compute, copy=False) for x in inputs], weights)
        return np.ascontiguousarray(y, TYPES[self.lowered.dtype].numpy)

    def report(self) -> str:
        """A table of the nodes of the simplified network: the output, the operation and the nodes that became part of it,
        what computes it, and, of convolutions, the MFLOP of one sequence of `_REPORTED` steps.
        """
        graph = self.lowered
        sizes = {graph.length_name(source): source.length or _REPORTED for source in graph.sources}
        rows = [("node", "output", "operation", "by", f"MFLOP at {_REPORTED}")]
        for node in graph.nodes:
            parts = f", with {', '.join(node.merged)}" if node.merged else ""
            by = "none" if isinstance(node.op, Reshape) else "kernel" if computes(node, graph) else "NumPy"
            cost = f"{self._flops(node, sizes) / 1e6:.3g}" if isinstance(node.op, Conv | ConvTranspose) else ""
            rows.append((node.name, str(graph.shapes[node.name]), f"{node.op}{parts}", by, cost))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        return "".join(
            "  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
        )

    def _flops(self, node: Node, sizes: Mapping[str, int]) -> int:
        """Of a convolution, for one sequence."""
        steps = self.lowered.shapes[node.inputs[0]].steps
        assert isinstance(node.op, Conv | ConvTranspose)
        return node.op.flops(1, 1 if steps is None else max(0, steps.evaluate(sizes)))


def _fits(graph: Graph, sizes: Mapping[str, int]) -> bool:
    """Whether all tensors have steps, and those that paddings take from others are there."""
    lengths = {name: 1 if shape.steps is None else shape.steps.evaluate(sizes) for name, shape in graph.shapes.items()}
    taken = (
        lengths[node.inputs[0]] - (node.op.mode == "reflect") - max(node.op.left, node.op.right)
        for node in graph.nodes
        if isinstance(node.op, Pad) and node.op.mode in ("reflect", "circular")
    )
    return min(lengths.values()) > 0 and all(spare >= 0 for spare in taken)
