"""Program: a network, simplified, and run node by node: convolutions by kernels of the compiler, the rest by NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layers.execution import compiled, convolve
from ..layers.weights import Prepared
from ..locks import ProcessLock
from ..number_types import TYPES
from ..options import CompileOptions
from ..runtime.threads import get_num_threads
from . import reference
from .graph import Graph, Node, Weights, checked
from .ops import Conv
from .simplify import simplified

Array = NDArray[Any]

_REPORTED = 1000  # steps of an input of unknown length, in a report
_MOST_LENGTHS = 1024  # of inputs, of which a node remembers what serves them


class Program:
    """A graph with weights that can be run. Immutable, but for the kernels that it has found; calls may come from any
    thread.
    """

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self.graph = graph
        self.weights = weights
        self.lowered, made = simplified(graph, weights)
        self._made = checked(self.lowered, made)
        self._prepared: dict[tuple[str, int], Prepared] = {}
        self._lock = ProcessLock()
        last = {name: number for number, node in enumerate(self.lowered.nodes) for name in node.inputs}
        kept = {*self.lowered.outputs}
        #: Tensors that nobody needs after each node.
        self._done: list[list[str]] = [[] for _ in self.lowered.nodes]
        for name, number in last.items():
            if name not in kept:
                self._done[number].append(name)

    def run(self, inputs: dict[str, Array]) -> list[Array]:
        """The outputs, for inputs `(batch, steps, channels)` of the graph's dtype. Raises ValueError where lengths do not
        fit each other, or an operation has no output.
        """
        graph = self.lowered
        sizes = {graph.length_name(source): inputs[source.name].shape[1] for source in graph.sources}
        for name, a, b in graph.equal:
            if a.evaluate(sizes) != b.evaluate(sizes):
                raise ValueError(
                    f"The inputs of {name} have {a.evaluate(sizes)} and {b.evaluate(sizes)} steps ({a} and {b}, for "
                    f"{', '.join(f'{length}={size}' for length, size in sizes.items())}), and must have as many."
                )
        tensors = dict(inputs)
        for node, done in zip(graph.nodes, self._done, strict=True):
            read = [tensors[name] for name in node.inputs]
            try:
                tensors[node.name] = self._made_by(node, read)
            except ValueError as error:
                raise ValueError(f"Node {node.name}: {error}") from error
            for name in done:
                del tensors[name]
        return [tensors[name] for name in graph.outputs]

    def _made_by(self, node: Node, inputs: list[Array]) -> Array:
        """The output of a node."""
        return self._convolved(node, node.op, *inputs) if isinstance(node.op, Conv) else self._computed(node, inputs)

    def _computed(self, node: Node, inputs: list[Array]) -> Array:
        compute = TYPES[TYPES[self.lowered.dtype].compute].numpy
        shapes = [self.lowered.shapes[name] for name in node.inputs]
        weights = {
            name: self._made[given].astype(compute, copy=False)
            for name, given in zip(node.op.weights(*shapes), node.weights, strict=True)
        }
        with np.errstate(all="ignore"):
            y = reference.compute(node.op, [x.astype(compute, copy=False) for x in inputs], weights)
        return np.ascontiguousarray(y, TYPES[self.lowered.dtype].numpy)

    def _convolved(self, node: Node, op: Conv, x: Array) -> Array:
        if x.ndim == 2:  # of one tap: each vector is a step
            y: Array = self._convolved(node, op, x[None])[0]
            return y
        prepared = self._prepared.get((node.name, x.shape[1])) or self._prepare(node, op, x.shape[1])
        return convolve(op.problem, prepared.kernel, prepared.packed, x, None, get_num_threads())

    def _prepare(self, node: Node, op: Conv, length: int) -> Prepared:
        with self._lock.here:
            compilation = compiled(op.problem, CompileOptions(), length)
            kernel, *bias = (self._made[name] for name in node.weights)
            packed = compilation.kernel.pack(kernel, bias[0] if bias else None)
            if len(self._prepared) >= _MOST_LENGTHS * max(1, len(self.lowered.nodes)):
                self._prepared = {}
            prepared = self._prepared[node.name, length] = Prepared(compilation.kernel, packed, None, compilation)
            return prepared

    def report(self) -> str:
        """A table of the nodes of the simplified network: the output, the operation and the nodes that became part of it,
        what computes it, and, of convolutions, the MFLOP of one sequence of `_REPORTED` steps.
        """
        rows = [("node", "output", "operation", "by", f"MFLOP at {_REPORTED}")]
        for node in self.lowered.nodes:
            parts = f", with {', '.join(node.merged)}" if node.merged else ""
            by, cost = ("kernel", f"{self._flops(node) / 1e6:.3g}") if isinstance(node.op, Conv) else ("NumPy", "")
            rows.append((node.name, str(self.lowered.shapes[node.name]), f"{node.op}{parts}", by, cost))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        return "".join(
            "  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
        )

    def _flops(self, node: Node) -> int:
        """Of a convolution, for one sequence."""
        sizes = {self.lowered.length_name(source): _REPORTED for source in self.lowered.sources}
        steps = self.lowered.shapes[node.inputs[0]].steps
        assert isinstance(node.op, Conv)
        return node.op.problem.flops(1, 1 if steps is None else max(0, steps.evaluate(sizes)))
