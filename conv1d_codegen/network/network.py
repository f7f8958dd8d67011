"""Network: a graph and its weights, called as one function."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike, NDArray

from ..layers.arrays import as_weights
from ..layers.execution import as_input
from ..number_types import TYPES
from . import saved
from .graph import Graph, Weights, checked
from .program import Program
from .stored import Imported, replaced
from .symbols import Symbol, traced

Array = NDArray[Any]


class Network:
    """What is between inputs and outputs, symbols that layers were called on.

        x = Input(16)
        y = Conv1D(32, 3, padding="same", activation="relu")(x)
        network = Network(x, y)
        network(np.zeros((4, 100, 16), "float32"))        # (4, 100, 32)

    It holds copies of the layers' weights as they are now. Raises ValueError for what makes no network. Calls may come
    from several threads at once.
    """

    def __init__(self, inputs: Symbol | Sequence[Symbol], outputs: Symbol | Sequence[Symbol]) -> None:
        self._single = isinstance(outputs, Symbol)
        graph, found = traced(
            [inputs] if isinstance(inputs, Symbol) else list(inputs),
            [outputs] if isinstance(outputs, Symbol) else list(outputs),
        )
        shapes = graph.weight_shapes()
        values = {
            name: weight.layer.weight_values()[weight.name].reshape(shapes[name]) for name, weight in found.items()
        }
        self._begin(graph, values)

    #: What is known of the program that the network was read from.
    _imported: Imported | None = None

    def _begin(self, graph: Graph, weights: Weights) -> None:
        self._graph = graph
        self._program = Program(graph, checked(graph, weights))

    @classmethod
    def of(cls, graph: Graph, weights: Weights, imported: Imported | None = None) -> Network:
        """The network of a graph, with what is known of the program that it comes from. Raises ValueError for weights that
        are missing, or of another shape.
        """
        made = cls.__new__(cls)
        made._single = len(graph.outputs) == 1
        made._imported = imported
        made._begin(graph, weights)
        return made

    @property
    def graph(self) -> Graph:
        """The network as data, as it was built."""
        return self._graph

    @property
    def weights(self) -> Weights:
        """The weights by name, read-only arrays."""
        return self._program.weights

    def get_weights(self) -> list[Array]:
        """Copies of the weights, in the order of `weights`."""
        return [weight.copy() for weight in self.weights.values()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Copies new values into all weights. Raises ValueError for another number of arrays, or other shapes; then none
        changes.
        """
        if len(weights) != len(self.weights):
            raise ValueError(f"The network has {len(self.weights)} weights. Received: {len(weights)}.")
        dtype = TYPES[self._graph.dtype].numpy
        given = {
            name: as_weights(value, dtype, f"The weight {name} takes real numbers")
            for name, value in zip(self.weights, weights, strict=True)
        }
        self._program = Program(self._graph, checked(self._graph, given))

    def load_weights(self, source: str | os.PathLike[str] | Mapping[str, ArrayLike]) -> None:
        """Sets all weights by name, from a safetensors file or a mapping of names to arrays. A network that was read from
        torch takes a module's state dict, with torch's names and layouts; those of `weight_norm` are taken too. Any other,
        one that was saved and loaded too, has the names and shapes of `weights`.

        Raises OSError where the file can't be read, and ValueError for one that is damaged, and for arrays that are
        missing, not expected or of other shapes, all of which one message lists; then no weight changes.
        """
        if isinstance(source, Mapping):
            arrays: Mapping[str, Any] = source
        else:
            from .readers import safetensors  # readers make networks

            arrays = safetensors.read(source)
        rule = "The weight {} takes real numbers"
        dtype = TYPES[self._graph.dtype].numpy
        given = {name: as_weights(value, dtype, rule.format(name)) for name, value in arrays.items()}
        made = replaced(self.weights, given, self._imported)
        self._program = Program(self._graph, checked(self._graph, made))

    def __call__(self, inputs: Any) -> Any:
        """The outputs for an array `(batch, steps, channels)`; a list, or a dict by name, where there are several inputs.

        One output is an array, several are a list. Raises TypeError for what is no array of floats, ValueError for shapes
        that don't fit.
        """
        program = self._program
        outputs = program.run(self._arrays(inputs))
        return outputs[0] if self._single else outputs

    def _arrays(self, inputs: Any) -> dict[str, Array]:
        sources = self._graph.sources
        names = [source.name for source in sources]
        if isinstance(inputs, Mapping):
            given = dict(inputs)
        elif len(sources) == 1 and not isinstance(inputs, list | tuple):
            given = {names[0]: inputs}
        else:
            given = dict(zip(names, inputs, strict=False)) if len(inputs) == len(names) else {}
        if given.keys() != set(names):
            raise ValueError(
                f"The network takes inputs {', '.join(names)}. Received: {', '.join(map(str, given)) or type(inputs)}."
            )
        dtype = TYPES[self._graph.dtype].numpy
        arrays = {name: as_input(given[name], dtype, owner=f"Input {name} of the network") for name in names}
        for source in sources:
            shape = arrays[source.name].shape
            if len(shape) != 3 or shape[2] != source.channels or source.length not in (None, shape[1]):
                length = "steps" if source.length is None else source.length
                raise ValueError(
                    f"Input {source.name} has shape (batch, {length}, {source.channels}). Received: {shape}."
                )
        if len({len(array) for array in arrays.values()}) > 1:
            raise ValueError(
                f"The inputs have one batch. Received: {', '.join(str(a.shape) for a in arrays.values())}."
            )
        return arrays

    def report(self) -> str:
        """A table: each node that is computed, what became part of it, how it is computed, and what it costs."""
        return self._program.report()

    def dump(self, stage: str = "graph") -> str:
        """The network as text: "graph", as it was built, or "lowered", as it is computed. Raises ValueError for another
        stage.
        """
        stages = {"graph": self._graph, "lowered": self._program.lowered}
        if stage not in stages:
            raise ValueError(f"There is no stage {stage!r} of a network. Stages: {', '.join(stages)}.")
        return str(stages[stage])

    def __getstate__(self) -> dict[str, Any]:
        # machine code belongs to this process
        return {"graph": self._graph, "weights": dict(self.weights), "single": self._single, "imported": self._imported}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._single = state["single"]
        self._imported = state["imported"]
        self._begin(state["graph"], state["weights"])

    def __repr__(self) -> str:
        graph = self._graph
        inputs = ", ".join(source.name for source in graph.sources)
        return f"<Network {inputs} -> {', '.join(graph.outputs)}, {len(graph.nodes)} nodes>"


def Sequential(layers: Sequence[Any]) -> Network:
    """The network of an `Input` and layers one after another. Raises ValueError where the first is none."""
    if not layers or not isinstance(layers[0], Symbol):
        raise ValueError("Sequential takes an Input first, then layers: Sequential([Input(16), Conv1D(32, 3), ...]).")
    x = y = layers[0]
    for layer in layers[1:]:
        y = layer(y)
    return Network(x, y)


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Keep a network in one file of JSON and plain arrays, which `load` reads with NumPy alone. A file that is there is
    replaced whole. Raises OSError where that can't be.
    """
    saved.write(network.graph, network.weights, path)
