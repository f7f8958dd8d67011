"""An element-wise expression: what is made of each number of a tensor, where a convolution stores it or in a kernel of
its own.

    relu((sum + in0))                       in0: the number of a further input, at the same step and channel
    max((in0 * channel0), (in0 * in1))      channel0: a weight, one for each channel
    (sum + in0), also relu(stored)          a second tensor, of the numbers of the first
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .rewrite import nodes, rewrite_value
from .values import Ref, Value, require

#: The number that a convolution stores without an expression.
SUM = Ref("sum")
#: The number that was stored, for what is stored beside it.
STORED = Ref("stored")


@dataclass(frozen=True, slots=True)
class Operand:
    """A further input `[N, steps, channels]`, of which an expression reads one number for each of its own.

    Its channel `first` stands for channel 0. One channel counts for all channels, and without `steps` one step for all
    steps.
    """

    channels: int
    first: int = 0
    steps: bool = True

    def __post_init__(self) -> None:
        require(0 <= self.first < self.channels, f"an operand of {self.channels} channels has no channel {self.first}")

    def __str__(self) -> str:
        first = f" from {self.first}" if self.first else ""
        return f"[N, {'T' if self.steps else 1}, {self.channels}]{first}"


@dataclass(frozen=True, slots=True)
class Expression:
    """A value of the names `sum`, `in0` … of its inputs, and `channel0` … of so many weights for each channel.

    What is `also` stored, each value in an array of its own, is made of `stored`, the value as the first array has it,
    and of the same names but `sum`.
    """

    value: Value
    inputs: tuple[Operand, ...] = ()
    weights: int = 0
    also: tuple[Value, ...] = ()
    size: int = field(init=False, repr=False, compare=False)  # nodes of the value

    def __post_init__(self) -> None:
        names = {*input_names(len(self.inputs)), *weight_names(self.weights)}
        for value, known in (
            (self.value, {SUM.name, *names}),
            *((value, {STORED.name, *names}) for value in self.also),
        ):
            unknown = {node.name for node in nodes(value) if isinstance(node, Ref)} - known
            if unknown:
                raise ValueError(f"{value} has no {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
        object.__setattr__(self, "size", len(list(nodes(self.value))))

    def of(self, given: Mapping[str, Value]) -> Value:
        """The value with its names replaced."""
        return _named(self.value, given)

    def also_of(self, given: Mapping[str, Value]) -> tuple[Value, ...]:
        """What is also stored, with the names replaced."""
        return tuple(_named(value, given) for value in self.also)

    def __str__(self) -> str:
        inputs = zip(input_names(len(self.inputs)), self.inputs, strict=True)
        also = (f"also {value}" for value in self.also)
        return ", ".join([str(self.value), *also, *(f"{name}{operand}" for name, operand in inputs)])


def _named(value: Value, given: Mapping[str, Value]) -> Value:
    return rewrite_value(value, lambda node: given[node.name] if isinstance(node, Ref) else node)


def input_names(count: int) -> Sequence[str]:
    return [f"in{number}" for number in range(count)]


def weight_names(count: int) -> Sequence[str]:
    return [f"channel{number}" for number in range(count)]


def also_names(count: int) -> Sequence[str]:
    """The arrays of what is also stored, beside `y`."""
    return [f"y{number}" for number in range(1, count + 1)]
