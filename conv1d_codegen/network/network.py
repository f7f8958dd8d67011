"""Network: a graph and its weights, called as one function."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike, NDArray

from ..knobs import STAGES
from ..layers.arrays import as_weights
from ..layers.execution import as_input, is_ready
from ..locks import COMPILING
from ..number_types import TYPES
from ..options import CompileOptions
from ..runtime.python_function import PythonFunction
from . import saved
from .execution import runnable
from .graph import Graph, Weights, checked
from .stored import Imported, replaced
from .symbols import Symbol, traced

if TYPE_CHECKING:
    from ..inspection.explanation import Explanations
    from .execution.tasks import Task

Array = NDArray[Any]
Options = CompileOptions | Mapping[str, Any] | None


class Network:
    """What is between inputs and outputs, symbols that layers were called on.

        x = Input(16)
        y = Conv1D(32, 3, padding="same", activation="relu")(x)
        network = Network(x, y)
        network(np.zeros((4, 100, 16), "float32"))        # (4, 100, 32)

    It holds copies of the layers' weights as they are now. Raises ValueError for what makes no network. Calls may come
    from several threads at once.

    `options` are a CompileOptions, or a dict of its fields. With `accuracy="strict"` a network gives the bits of its
    layers, run one after another; without options it is "standard", where norms are folded into the weights before them,
    small convolutions that are added up are one sum, and long sequences may be computed by Cook–Toom. Beside that,
    `num_threads` and `target` count.
    """

    def __init__(
        self,
        inputs: Symbol | Sequence[Symbol],
        outputs: Symbol | Sequence[Symbol],
        options: Options = None,
    ) -> None:
        self._single = isinstance(outputs, Symbol)
        self._options = _options(options)
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
        self._alone = len(graph.sources) == 1
        self._dtype = TYPES[graph.dtype].numpy
        self._program = runnable(graph, checked(graph, weights), self._options)

    @classmethod
    def of(cls, graph: Graph, weights: Weights, options: Options = None, imported: Imported | None = None) -> Network:
        """The network of a graph, with what is known of the program that it comes from. Raises ValueError for weights that
        are missing, or of another shape.
        """
        made = cls.__new__(cls)
        made._single = len(graph.outputs) == 1
        made._options = _options(options)
        made._imported = imported
        made._begin(graph, weights)
        return made

    def with_options(self, options: Options) -> Network:
        """The same network with other options. Raises as `Network` does."""
        made = Network.of(self._graph, self.weights, options, self._imported)
        made._single = self._single
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
        self._program = runnable(self._graph, checked(self._graph, given), self._options)

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
        self._program = runnable(self._graph, checked(self._graph, made), self._options)

    def __call__(self, inputs: Any, out: Any = None) -> Any:
        """The outputs for an array `(batch, steps, channels)`; a list, or a dict by name, where there are several inputs.

        One output is an array, several are a list; `out` is what they are written into, if it is given. Raises TypeError
        for what is no array of floats, ValueError for shapes that don't fit.
        """
        program = self._program
        fast = program.fast.function
        if fast is not None and (y := self._at_once(fast, inputs, out)) is not None:
            return y
        ready = self._alone and is_ready(inputs, self._dtype) and program.knows(inputs.shape)
        arrays = [inputs] if ready else self._arrays(inputs)
        outputs = program.run(arrays, [out] if self._single and out is not None else out)
        program.fast.missed(tuple([x.shape for x in arrays]), program.fast_call, not self._single)
        return outputs[0] if self._single else outputs

    def _at_once(self, fast: PythonFunction, inputs: Any, out: Any) -> Any:
        """What a fast call gives: None where it has done nothing."""
        if self._alone and self._single:
            return fast(inputs, out)
        given = [inputs] if self._alone else inputs
        wanted = [out] if self._single else [] if out is None else out
        if type(given) not in (list, tuple) or type(wanted) not in (list, tuple):
            return None
        if len(given) != len(self._graph.sources) or (out is not None and len(wanted) != len(self._graph.outputs)):
            return None
        return fast(*given, *wanted)

    def _arrays(self, inputs: Any) -> list[Array]:
        """The inputs as arrays, in order."""
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
        arrays = {name: as_input(given[name], self._dtype, owner=f"Input {name} of the network") for name in names}
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
        return list(arrays.values())

    def report(self, length: int = 1000) -> str:
        """A table: each node that is computed, what became part of it, how it is computed, and what it costs, for inputs
        of `length` steps where that is not fixed.
        """
        return self._program.report(length)

    def dump(self, stage: str = "graph", layer: str | None = None, passes: bool = False, length: int = 1000) -> str:
        """The network as text: "graph", as it was built, with `passes` after each pass that changes it, or "lowered", as
        it is computed. With `layer`, a stage of the kernel that computes a layer for inputs of `length` steps: one of those
        of `Conv1D.dump`.

        Raises ValueError for another stage, or for a layer that no kernel computes.
        """
        if layer is not None:
            return "\n".join(made.kernel.dump(stage, passes) for made in self.tasks(layer, length))
        if stage == "graph" and passes:
            return self._program.log()
        texts = {"graph": self._graph, "lowered": self._program.lowered}
        if stage not in texts:
            raise ValueError(
                f"There is no stage {stage!r} of a network. Stages: {', '.join(texts)}; and of each layer=...: {', '.join(STAGES)}."
            )
        return str(texts[stage])

    def explain(self, layer: str, length: int = 1000) -> Explanations:
        """The kernels that compute a layer, explained as by `Conv1D.explain`: for one sequence, of `length` steps where the
        network's input has no fixed number of them. Raises ValueError for a layer that no kernel computes.
        """
        with COMPILING:
            from ..inspection.explain import explain_kernel
            from ..inspection.explanation import Explanations
        accuracy, others = self._options.accuracy, sum(weight.nbytes for weight in self.weights.values())
        return Explanations(
            explain_kernel(made.kernel, made.sizes, accuracy, made.sizes.get("T"), others)
            for made in self.tasks(layer, length)
        )

    def tasks(self, layer: str, length: int = 1000) -> list[Task]:
        """The kernels that compute a layer for one sequence of `length` steps, each with its run-time sizes. Raises ValueError
        where there is none.
        """
        found = self._program.tasks_of(layer, length)
        if not found:
            raise ValueError(
                f"{layer} has no kernel to show: ONNX Runtime computes it, or it is part of what another layer makes."
            )
        return found

    def __getstate__(self) -> dict[str, Any]:
        # machine code belongs to this process
        return {
            "graph": self._graph,
            "weights": dict(self.weights),
            "single": self._single,
            "options": self._options,
            "imported": self._imported,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._single = state["single"]
        self._options = state["options"]
        self._imported = state["imported"]
        self._begin(state["graph"], state["weights"])

    def __repr__(self) -> str:
        graph = self._graph
        inputs = ", ".join(source.name for source in graph.sources)
        return f"<Network {inputs} -> {', '.join(graph.outputs)}, {len(graph.nodes)} nodes>"


def _options(given: Options) -> CompileOptions:
    """Options of a network. Raises ValueError for those that only one layer can have."""
    options = CompileOptions(accuracy="standard") if given is None else CompileOptions.of(given)
    for name, usual in (("algorithm", "auto"), ("plan", None), ("strided_dilation", False), ("explicit_padding", None)):
        if getattr(options, name) != usual:
            raise ValueError(f"The option {name} belongs to one layer. Received: {name}={getattr(options, name)!r}.")
    return options


def Sequential(layers: Sequence[Any], options: Options = None) -> Network:
    """The network of an `Input` and layers one after another. Raises ValueError where the first is none."""
    if not layers or not isinstance(layers[0], Symbol):
        raise ValueError("Sequential takes an Input first, then layers: Sequential([Input(16), Conv1D(32, 3), ...]).")
    x = y = layers[0]
    for layer in layers[1:]:
        y = layer(y)
    return Network(x, y, options)


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Keep a network in one file of JSON and plain arrays, which `load` reads with NumPy alone. A file that is there is
    replaced whole. Raises OSError where that can't be, and ValueError for a network of which ONNX Runtime computes parts,
    and for a path that ends as files of other formats do, such as `.keras` or `.onnx`: these are not written.
    """
    saved.write(network.graph, network.weights, path)
