"""Staged: a network of which ONNX Runtime computes some parts. Programs and these parts run one after another.

How long what ONNX Runtime makes is, only the call knows; so what comes after it is a program of its own, whose inputs are
the tensors that were made before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...number_types import TYPES
from ...options import CompileOptions
from ...runtime import driver
from ...runtime.fast_calls import FastCall, FastCalls, Shapes
from ..graph import Graph, Node, Source, Weights, free_name
from ..ops import Reshape
from ..ops.delegated import Delegated, MadeBy, Part
from . import onnxruntime
from .program import Program, output_arrays
from .tasks import Task

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """A program, the tensors that are its inputs, and those that are its outputs."""

    program: Program
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Staged:
    """A graph with delegated nodes, and weights, that can be run: as a `Program`. Raises as `onnxruntime.session` does.

    With `accuracy="strict"` the programs have the bits of their layers, and ONNX Runtime runs each operator by itself, as
    the file has them: its bits are its own.
    """

    def __init__(self, graph: Graph, weights: Weights, options: CompileOptions) -> None:
        self.graph, self.weights, self.options = graph, weights, options
        self._steps = [
            step if isinstance(step, Part) else _stage(graph, weights, options, *step) for step in _ordered(graph)
        ]
        self.fast = FastCalls()
        self._delegated = [(node.name, node.op) for node in graph.nodes if isinstance(node.op, Delegated)]
        for step in self._steps:
            if isinstance(step, Part):
                self._session(step)  # errors come now

    def fast_call(self, shapes: Shapes, listed: bool) -> FastCall | None:
        """None: what ONNX Runtime is called for goes through Python."""
        return None

    def _session(self, part: Part) -> Any:
        threads = driver.most_threads(self.options.num_threads)
        return onnxruntime.session(part, threads, self.options.accuracy == "strict")

    def run(self, inputs: list[Array], out: Sequence[Any] | None = None) -> list[Array]:
        """The outputs, as of `Program.run`, whose errors it has. Raises ValueError too where ONNX Runtime refuses, or makes
        other shapes than the file promises.
        """
        graph = self.graph
        tensors = {source.name: x for source, x in zip(graph.sources, inputs, strict=True)}
        sizes = {graph.length_name(s): x.shape[1] for s, x in zip(graph.sources, inputs, strict=True)}
        sizes["N"] = len(inputs[0])
        made: dict[Part, Mapping[str, Array]] = {}
        for step in self._steps:
            if isinstance(step, Part):
                made[step] = onnxruntime.run(step, self._session(step), tensors, sizes, made)
                for name, op in self._delegated:
                    if op.part is step:
                        tensors[name] = self._taken(op, made[step][op.output], sizes)
            else:
                given = [_sequence(tensors[name]) for name in step.inputs]
                tensors.update(zip(step.outputs, step.program.run(given), strict=True))
        ys = [tensors[name] for name in graph.outputs]
        if out is None:  # no output is an input or another output
            return [y if y is not x else y.copy() for y, x in zip(ys, _others(ys, inputs), strict=True)]
        outputs = output_arrays(out, [y.shape for y in ys], inputs)
        for into, y in zip(outputs, ys, strict=True):
            into[...] = y
        return outputs

    def _taken(self, op: Delegated, y: Array, sizes: dict[str, int]) -> Array:
        """An output of a part, as a tensor of the network; its length is known from now on."""
        fixed = op.length if isinstance(op.length, int) else None
        x = onnxruntime.from_onnx(y, op.axes, (sizes["N"], fixed, op.channels), TYPES[self.graph.dtype].numpy)
        if isinstance(op.length, str):
            sizes[op.length] = x.shape[1]
        return x

    def knows(self, shape: tuple[int, ...]) -> bool:
        """Whether inputs of a shape need no check: they always do."""
        return False

    @property
    def lowered(self) -> Graph:
        """The graph of all that is computed."""
        nodes: list[Node] = []
        for step in self._steps:
            if isinstance(step, Part):
                own = [node for node in self.graph.nodes if isinstance(node.op, Delegated) and node.op.part is step]
            else:  # without what makes vectors of its inputs
                own = [node for node in step.program.lowered.nodes if node.name not in step.inputs]
            nodes += own
        return Graph(self.graph.sources, tuple(nodes), self.graph.outputs, self.graph.dtype)

    def log(self) -> str:
        """The graphs of the programs before and after each pass that changes them."""
        return "\n".join(_text(step) if isinstance(step, Part) else step.program.log() for step in self._steps)

    def report(self, length: int) -> str:
        """The reports of the programs, for inputs of `length` steps where that is not fixed, and what ONNX Runtime runs."""
        return "\n".join(_text(step) if isinstance(step, Part) else step.program.report(length) for step in self._steps)

    def tasks_of(self, name: str, length: int) -> list[Task]:
        """As of `Program.tasks_of`; nothing for what ONNX Runtime computes."""
        node = next((node for node in self.graph.nodes if node.name == name), None)
        if node is not None and isinstance(node.op, Delegated):
            return []
        programs = [step.program for step in self._steps if isinstance(step, Stage)]
        own = [p for p in programs if any(name in (n.name, *n.merged) for n in p.lowered.nodes)]
        return (own or programs)[0].tasks_of(name, length)


def _text(part: Part) -> str:
    return f"Part {part.number}, by ONNX Runtime:\n" + "".join(f"  {layer}\n" for layer in part.layers)


def _others(ys: list[Array], inputs: list[Array]) -> Iterator[Array | None]:
    """For each output the input, or the earlier output, that it is."""
    for number, y in enumerate(ys):
        yield next((x for x in (*inputs, *ys[:number]) if x is y), None)


def _sequence(x: Array) -> Array:
    """A tensor as an input of a program: a vector is a sequence of one step."""
    return np.ascontiguousarray(x if x.ndim == 3 else x[:, None])


def _ordered(graph: Graph) -> Iterator[Part | tuple[list[Node], set[str]]]:
    """Parts, and nodes that run together with the tensors that were there before, in the order in which they can run."""
    there = {source.name for source in graph.sources}
    parts, left = _parts(graph), list(graph.nodes)
    while left:
        before, stage = set(there), []
        for node in left:
            if not isinstance(node.op, Delegated) and there.issuperset(node.inputs):
                stage.append(node)
                there.add(node.name)
        if stage:
            yield stage, before
        ready = [part for part in parts if there.issuperset(part.tensors)]
        yield from ready
        parts = [part for part in parts if part not in ready]
        there.update(node.name for node in left if isinstance(node.op, Delegated) and node.op.part in ready)
        left = [node for node in left if node.name not in there]


def _parts(graph: Graph) -> list[Part]:
    """The parts that a graph needs, also for other parts: each after those."""
    waiting = [node.op.part for node in graph.nodes if isinstance(node.op, Delegated)]
    found: set[Part] = set()
    while waiting:
        part = waiting.pop()
        if part not in found:
            found.add(part)
            waiting += [given.part for given in part.inputs.values() if isinstance(given, MadeBy)]
    return sorted(found, key=lambda part: part.number)


def _stage(graph: Graph, weights: Weights, options: CompileOptions, nodes: list[Node], before: set[str]) -> Stage:
    """The program of some nodes. Vectors come into it as sequences of one step."""
    own = {node.name for node in nodes}
    read = dict.fromkeys(name for node in nodes for name in node.inputs if name in before)
    needed = {name for node in graph.nodes if node.name not in own for name in node.inputs} | set(graph.outputs)
    outputs = tuple(node.name for node in nodes if node.name in needed)
    sources, first, taken = [], [], own | set(read)
    for name in read:
        steps, channels = graph.shapes[name].steps, graph.shapes[name].channels
        if steps is None:
            free = free_name(f"{name}/step", taken)
            taken.add(free)
            first.append(Node(name, Reshape(None, channels), (free,)))
            sources.append(Source(free, channels, 1))
        else:
            sources.append(Source(name, channels, steps.constant))
    made = Graph(tuple(sources), (*first, *nodes), outputs, graph.dtype)
    kept = {name: weights[name] for name in made.weight_shapes()}
    return Stage(Program(made, kept, options), tuple(read), outputs)
