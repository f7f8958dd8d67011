"""Building a network by calling layers on symbols, as in Keras's functional style.

    x = Input(16)
    y = Conv1D(32, 3, padding="same")(x)
    network = Network(x, Conv1D(32, 1)(y) + y)

A symbol stands for a tensor that is not there yet, and knows what makes it. The weights are the layers' own; two calls
of one layer share them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..layers import activations
from ..layers.base import Layer, automatic_name
from ..layers.conv1d import Conv1D
from ..layers.dtype_policy import PROBLEM_DTYPES
from ..layers.symbolic import Symbolic
from ..problem import Activation
from ..symbolic.index import index, var
from .graph import Graph, Node, Source, free_name
from .ops import Activate, Combine, Conv, Glu, Op, Shape, Softmax

#: Activations that are operations of their own.
_WHOLE = {activations.softmax: Softmax(), activations.log_softmax: Softmax(log=True), activations.glu: Glu()}


@dataclass(frozen=True, slots=True)
class WeightOf:
    """A weight, as a layer's: its name there."""

    layer: Layer
    name: str

    @property
    def full_name(self) -> str:
        """Its name in a network."""
        return f"{self.layer.name}/{self.name}"


class Symbol(Symbolic):
    """A tensor of a network in the making. `shape` is what the layers see, None for what only a call knows."""

    def __init__(
        self,
        name: str,
        op: Op | None,
        inputs: tuple[Symbol, ...],
        weights: tuple[WeightOf, ...],
        known: Shape,
        dtype: str,
    ) -> None:
        self.name = name
        self.op = op
        self.inputs = inputs
        self.weights = weights
        self.known = known
        self.dtype = dtype

    @property
    def shape(self) -> tuple[int | None, ...]:
        """`(None, steps, channels)`, or `(None, channels)` of a vector; unknown steps are None."""
        steps = () if self.known.steps is None else (self.known.steps.constant,)
        return (None, *steps, self.known.channels)

    @classmethod
    def made(cls, name: str, op: Op, inputs: Sequence[Symbol], weights: Sequence[WeightOf] = ()) -> Symbol:
        """What an operation makes of symbols and weights. Raises ValueError where it can't."""
        shapes = [x.known for x in inputs]
        dtypes = {x.dtype for x in inputs}
        if len(dtypes) > 1:
            raise ValueError(f"{name} takes tensors of one dtype. Received: {', '.join(sorted(dtypes))}.")
        try:
            known = op.shape(*shapes)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        return cls(name, op, tuple(inputs), tuple(weights), known, inputs[0].dtype)

    def through(self, layer: Any) -> Symbol:
        """What a Conv1D makes of it. Raises ValueError for a layer of another dtype or layout, or with an activation that
        no network can have.
        """
        if not isinstance(layer, Conv1D):
            raise TypeError(f"A symbol goes through layers of this package. Received: {type(layer)}.")
        if PROBLEM_DTYPES[layer.compute_dtype] != self.dtype:
            raise ValueError(f"Layer '{layer.name}' computes in {layer.compute_dtype}, and its input is {self.dtype}.")
        if layer.data_format != "channels_last":
            raise ValueError(
                'Layers of a network have data_format="channels_last". '
                f"Received: layer '{layer.name}' with {layer.data_format!r}."
            )
        if not layer.built:
            layer.build(self.shape)
        weights = [WeightOf(layer, name) for name in (("kernel", "bias") if layer.use_bias else ("kernel",))]
        made = Symbol.made(layer.name, Conv(layer.problem), [self], weights)
        return made if layer.problem.activation != Activation() else activated(made, layer.activation, layer.name)

    def __add__(self, other: Symbol) -> Symbol:
        return combined("add", self, other)

    def __sub__(self, other: Symbol) -> Symbol:
        return combined("subtract", self, other)

    def __mul__(self, other: Symbol) -> Symbol:
        return combined("multiply", self, other)

    def __repr__(self) -> str:
        return f"<Symbol {self.name}: {self.dtype}{self.known}>"


def activated(x: Symbol, activation: Any, layer: str, part: str = "/activation") -> Symbol:
    """What the activation of a layer makes of a symbol: itself, where that is linear. It is named after the layer and
    the `part` of it.

    Raises ValueError for a function of Python's.
    """
    function = activations.get(activation)
    if function is activations.linear:
        return x
    fused = activations.fusable(function)
    op = Activate(fused) if fused is not None else _WHOLE.get(function)
    if op is None:
        raise ValueError(
            f"The activation {activation!r} of layer '{layer}' is a function of Python's, which no network calls."
        )
    return Symbol.made(f"{layer}{part}", op, [x])


def combined(kind: str, *inputs: Symbol) -> Symbol:
    """Symbols, element by element."""
    return Symbol.made(automatic_name(kind), Combine(kind), inputs)


def Input(channels: int, length: int | None = None, dtype: str = "float32", name: str | None = None) -> Symbol:
    """An input of a network: arrays `(batch, steps, channels)`, of `length` steps where that is fixed.

    Raises ValueError for sizes below 1, or a dtype that no layer has.
    """
    for what, size in (("channels", channels), ("length", 1 if length is None else length)):
        if type(size) is not int or size < 1:
            raise ValueError(f"`{what}` of an Input is an int of 1 or more. Received: {size!r}.")
    if dtype not in PROBLEM_DTYPES:
        raise ValueError(f"`dtype` of an Input is one of {', '.join(PROBLEM_DTYPES)}. Received: {dtype!r}.")
    own = name or automatic_name("Input")
    steps = var(f"T_{own}") if length is None else index(length)
    return Symbol(own, None, (), (), Shape(steps, channels), PROBLEM_DTYPES[dtype])


def traced(inputs: Sequence[Symbol], outputs: Sequence[Symbol]) -> tuple[Graph, dict[str, WeightOf]]:
    """The graph between symbols, and the layers' weights by their names in it.

    Raises ValueError for outputs that need an input that is not given, and for two layers of one name.
    """
    names: dict[Symbol, str] = {}
    taken: set[str] = set()
    nodes: list[Node] = []
    weights: dict[str, WeightOf] = {}
    for x in inputs:
        if x.op is not None:
            raise ValueError(f"The inputs of a network are made by `Input`. Received: {x!r}.")
        names[x] = free_name(x.name, taken)
        taken.add(names[x])
    for x in _ordered(outputs):
        if x in names:
            continue
        if x.op is None:
            raise ValueError(f"The outputs need {x!r}, which is not among the network's inputs.")
        names[x] = free_name(x.name, taken)
        taken.add(names[x])
        nodes.append(Node(names[x], x.op, tuple(names[i] for i in x.inputs), tuple(w.full_name for w in x.weights)))
        for weight in x.weights:
            other = weights.setdefault(weight.full_name, weight)
            if other.layer is not weight.layer:
                raise ValueError(
                    f"Layers of a network have names of their own. Received two called '{weight.layer.name}'."
                )
    sources = [
        Source(names[x], x.known.channels, None if x.known.steps is None else x.known.steps.constant) for x in inputs
    ]
    return Graph(tuple(sources), tuple(nodes), tuple(names[x] for x in outputs), inputs[0].dtype), weights


def _ordered(outputs: Sequence[Symbol]) -> list[Symbol]:
    """All that the outputs need, each after what it reads; without recursion, as networks may be deep."""
    found: list[Symbol] = []
    seen: set[Symbol] = set()
    waiting = [(x, False) for x in reversed(outputs)]
    while waiting:
        x, ready = waiting.pop()
        if ready:
            found.append(x)
        elif x not in seen:
            seen.add(x)
            waiting.append((x, True))
            waiting += [(i, False) for i in reversed(x.inputs)]
    return found
