"""What a node of a network computes: a small frozen class an operation.

Each says the shape of its output, the shapes of its weights, and which steps an output step reads. What it means in
numbers is in `reference.py`. Tensors are sequences `(batch, steps, channels)`, or vectors `(batch, channels)`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

from ..layers.registry import snake_case
from ..problem import Activation, Problem
from ..problem import padding as pad
from ..symbolic.index import Index, index
from .reach import Reach

COMBINATIONS = ("add", "subtract", "multiply", "average", "maximum", "minimum")
POOLS = ("max", "average")
PAD_MODES = ("zeros", "reflect", "replicate", "circular")


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a tensor that a network knows: its steps, in the lengths of the inputs, and its channels. A vector has
    no steps.
    """

    steps: Index | None
    channels: int

    def __str__(self) -> str:
        return f"[N, {self.channels}]" if self.steps is None else f"[N, {self.steps}, {self.channels}]"


@dataclass(frozen=True, slots=True)
class Op:
    """An operation. Raises ValueError, with the numbers, for parameters or inputs that it can't have."""

    def shape(self, *inputs: Shape) -> Shape:
        """The shape of the output."""
        (x,) = inputs
        return x

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        """The weights by name, in order, with their shapes."""
        return {}

    def reach(self) -> Reach | None:
        """The steps that an output step reads; None: all of them."""
        return Reach()

    @classmethod
    def word(cls) -> str:
        """Its name in texts and files."""
        return snake_case(cls.__name__)

    def __str__(self) -> str:
        given = [f"{f.name}={_text(getattr(self, f.name))}" for f in fields(self) if getattr(self, f.name) != f.default]
        return self.word() + (f"({', '.join(given)})" if given else "")


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _check_sizes(what: str, *sizes: object, least: int = 1) -> None:
    """Raises ValueError unless they are integers of `least` or more."""
    _check(
        all(isinstance(size, Integral) and int(size) >= least for size in sizes),
        f"{what}. Received: {', '.join(map(str, sizes))}.",
    )


def _check_epsilon(epsilon: object) -> None:
    _check(
        isinstance(epsilon, Real) and 0 <= float(epsilon) < math.inf,
        f"A norm's epsilon is a number of 0 or more. Received: {epsilon!r}.",
    )


def _sequence(op: Op, x: Shape) -> Index:
    """The steps of an input that must have some."""
    if x.steps is None:
        raise ValueError(f"{op} takes a sequence [N, steps, channels]. Received: {x}.")
    return x.steps


@dataclass(frozen=True, slots=True)
class Conv(Op):
    """A convolution; of one tap, a dense layer, which takes vectors too."""

    problem: Problem

    def shape(self, *inputs: Shape) -> Shape:
        (x,), p = inputs, self.problem
        _check(x.channels == p.channels, f"{self} takes {p.channels} channels. Received: {x}.")
        if x.steps is None and p.kernel_size == p.stride == 1 and pad.left_paddings(1, 1, 1, p.padding) == (0, 0):
            return Shape(None, p.filters)
        steps = pad.output_length(_sequence(self, x), p.kernel_size, p.stride, p.dilation, p.padding)
        return Shape(index(steps), p.filters)

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        return {
            "kernel": self.problem.kernel_shape,
            **({"bias": (self.problem.filters,)} if self.problem.use_bias else {}),
        }

    def reach(self) -> Reach | None:
        p = self.problem
        least, most = p.left_paddings()
        return Reach(Fraction(p.stride), Fraction(-most), Fraction(p.extent - 1 - least))

    def __str__(self) -> str:
        return f"conv {self.problem}"


@dataclass(frozen=True, slots=True)
class Activate(Op):
    """An element-wise activation."""

    activation: Activation

    def __str__(self) -> str:
        return str(self.activation)


@dataclass(frozen=True, slots=True)
class PRelu(Op):
    """x where it is positive, else alpha·x, with an alpha for each channel."""

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        return {"alpha": (inputs[0].channels,)}


@dataclass(frozen=True, slots=True)
class Softmax(Op):
    """exp(x) ÷ its sum over the channels, or the logarithm of that."""

    log: bool = False


@dataclass(frozen=True, slots=True)
class Glu(Op):
    """The first half of the channels times the sigmoid of the second."""

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        _check(x.channels % 2 == 0, f"{self} halves the channels. Received: {x}.")
        return Shape(x.steps, x.channels // 2)


@dataclass(frozen=True, slots=True)
class Scaling(Op):
    """What norms share: a factor `gamma` and an offset `beta` for each channel, or none."""

    epsilon: float = 1e-3
    scale: bool = True
    center: bool = True

    def __post_init__(self) -> None:
        _check_epsilon(self.epsilon)

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        shape = (inputs[0].channels,)
        return {name: shape for name, wanted in (("gamma", self.scale), ("beta", self.center)) if wanted}


@dataclass(frozen=True, slots=True)
class BatchNorm(Scaling):
    """(x − mean) ÷ √(variance + epsilon) · gamma + beta, with the mean and variance that training left."""

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        shape = (inputs[0].channels,)
        return {**Scaling.weights(self, *inputs), "mean": shape, "variance": shape}


@dataclass(frozen=True, slots=True)
class LayerNorm(Scaling):
    """The same, with the mean and variance of each step's channels."""


@dataclass(frozen=True, slots=True)
class RmsNorm(Op):
    """x ÷ √(mean of x² over the channels + epsilon) · gamma."""

    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        _check_epsilon(self.epsilon)

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        return {"gamma": (inputs[0].channels,)}


@dataclass(frozen=True, slots=True)
class GroupNorm(Scaling):
    """The same, with the mean and variance of all steps of each group of channels."""

    groups: int = 1

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        _check_sizes("A norm has one group or more", self.groups)
        _check(x.channels % self.groups == 0, f"{self} divides the channels by groups. Received: {x}.")
        return x

    def reach(self) -> Reach | None:
        return None


@dataclass(frozen=True, slots=True)
class Combine(Op):
    """Element by element, one of `COMBINATIONS`. One step, a vector or one channel counts for all steps or channels."""

    kind: str

    def __post_init__(self) -> None:
        _check(
            self.kind in COMBINATIONS, f"A combination is one of {', '.join(COMBINATIONS)}. Received: {self.kind!r}."
        )

    def shape(self, *inputs: Shape) -> Shape:
        _check(len(inputs) > 1, f"{self} takes two inputs or more. Received: {len(inputs)}.")
        _check(len(inputs) == 2 or self.kind != "subtract", f"{self} takes two inputs. Received: {len(inputs)}.")
        channels = {x.channels for x in inputs} - {1} or {1}
        _check(len(channels) == 1, f"{self} takes inputs of equal channels. Received: {', '.join(map(str, inputs))}.")
        steps = [x.steps for x in inputs if x.steps is not None and x.steps != 1]
        one = next((x.steps for x in inputs if x.steps is not None), None)
        return Shape(steps[0] if steps else one, channels.pop())

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True, slots=True)
class Concat(Op):
    """The channels of several tensors, one after another."""

    def shape(self, *inputs: Shape) -> Shape:
        _check(len({x.steps is None for x in inputs}) == 1, f"{self} takes sequences, or vectors, and not both.")
        return Shape(inputs[0].steps, sum(x.channels for x in inputs))


@dataclass(frozen=True, slots=True)
class Pad(Op):
    """Steps before and after: zeros, or a reflection, the first and last step again, or the other end."""

    left: int
    right: int
    mode: str = "zeros"

    def __post_init__(self) -> None:
        _check_sizes("Padding is 0 steps or more", self.left, self.right, least=0)
        _check(self.mode in PAD_MODES, f"Padding is one of {', '.join(PAD_MODES)}. Received: {self.mode!r}.")

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return Shape(_sequence(self, x) + self.left + self.right, x.channels)

    def reach(self) -> Reach | None:
        return Reach(first=Fraction(-self.left), last=Fraction(-self.left)) if self.mode == "zeros" else None


@dataclass(frozen=True, slots=True)
class Crop(Op):
    """Without the first steps and the last."""

    left: int
    right: int

    def __post_init__(self) -> None:
        _check_sizes("Cropping is 0 steps or more", self.left, self.right, least=0)

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return Shape(_sequence(self, x) - (self.left + self.right), x.channels)

    def reach(self) -> Reach | None:
        return Reach(first=Fraction(self.left), last=Fraction(self.left))


@dataclass(frozen=True, slots=True)
class Pool(Op):
    """The maximum or the average of `size` steps. Padding takes no part; with `count_padding` an average counts it."""

    kind: str
    size: int
    stride: int
    padding: pad.Padding = "valid"
    count_padding: bool = False

    def __post_init__(self) -> None:
        _check(self.kind in POOLS, f"A pool is one of {', '.join(POOLS)}. Received: {self.kind!r}.")
        _check_sizes("A pool's size and stride are 1 or more", self.size, self.stride)

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return Shape(index(pad.output_length(_sequence(self, x), self.size, self.stride, 1, self.padding)), x.channels)

    def reach(self) -> Reach | None:
        least, most = pad.left_paddings(self.size, self.stride, 1, self.padding)
        return Reach(Fraction(self.stride), Fraction(-most), Fraction(self.size - 1 - least))


@dataclass(frozen=True, slots=True)
class GlobalPool(Op):
    """The maximum or the average of all steps: a vector, or with `keep` a sequence of one step."""

    kind: str
    keep: bool = False

    def __post_init__(self) -> None:
        _check(self.kind in POOLS, f"A pool is one of {', '.join(POOLS)}. Received: {self.kind!r}.")

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        _sequence(self, x)
        return Shape(index(1) if self.keep else None, x.channels)

    def reach(self) -> Reach | None:
        return None


@dataclass(frozen=True, slots=True)
class Repeat(Op):
    """Each step several times."""

    times: int

    def __post_init__(self) -> None:
        _check_sizes("Steps are repeated once or more", self.times)

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return Shape(_sequence(self, x) * self.times, x.channels)

    def reach(self) -> Reach | None:
        return Reach(Fraction(1, self.times))


@dataclass(frozen=True, slots=True)
class Reshape(Op):
    """The numbers of a tensor of known size, in their order, as a sequence of `steps`, or as a vector (None)."""

    steps: int | None
    channels: int

    def __post_init__(self) -> None:
        _check_sizes("A shape has sizes of 1 or more", self.channels, *(() if self.steps is None else (self.steps,)))

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        size = x.channels if x.steps is None else (x.steps * x.channels).constant
        wanted = self.channels * (1 if self.steps is None else self.steps)
        _check(size is not None, f"{self} takes an input of known length. Received: {x}; give `Input` a length.")
        _check(size == wanted, f"{self} takes {wanted} numbers. Received: {x}, of {size}.")
        return Shape(None if self.steps is None else index(self.steps), self.channels)

    def reach(self) -> Reach | None:
        return None


@dataclass(frozen=True, slots=True)
class ConvTranspose(Op):
    """The transpose of a convolution: each input step adds `kernel[j]ᵀ · x` to output step `t·stride + j·dilation − left`.

    There are `(T − 1)·stride + (k − 1)·dilation + 1 − left − right` output steps; where `right` is negative, the last ones
    have no products.
    """

    channels: int
    filters: int
    kernel_size: int
    stride: int = 1
    dilation: int = 1
    left: int = 0
    right: int = 0
    use_bias: bool = True

    def __post_init__(self) -> None:
        for name in ("channels", "filters", "kernel_size", "stride", "dilation"):
            _check(getattr(self, name) >= 1, f"{name} of {self} is 1 or more.")
        _check(self.left >= 0, f"left of {self} is 0 or more.")

    def output_length(self, length: Any) -> Any:
        """Steps of output for `length` steps of input, which may be an index expression."""
        return (length - 1) * self.stride + pad.extent(self.kernel_size, self.dilation) - (self.left + self.right)

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        _check(x.channels == self.channels, f"{self} takes {self.channels} channels. Received: {x}.")
        return Shape(index(self.output_length(_sequence(self, x))), self.filters)

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        kernel = {"kernel": (self.kernel_size, self.filters, self.channels)}
        return {**kernel, "bias": (self.filters,)} if self.use_bias else kernel

    def reach(self) -> Reach | None:
        """Output step t has products with input steps (t + left − j·dilation) ÷ stride, where that is whole."""
        extent = pad.extent(self.kernel_size, self.dilation)
        return Reach(
            Fraction(1, self.stride), Fraction(self.left - extent + 1, self.stride), Fraction(self.left, self.stride)
        )


@dataclass(frozen=True, slots=True)
class Recurrent(Op):
    """What recurrent cells share. With `sequences` the output has each step's state, at that step, also where the steps
    are gone through `backwards`; without, it is the last state.
    """

    units: int
    activation: Activation
    gate: Activation
    use_bias: bool = True
    sequences: bool = False
    backwards: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        steps = _sequence(self, x)
        return Shape(steps if self.sequences else None, self.units)

    def reach(self) -> Reach | None:
        return None


@dataclass(frozen=True, slots=True)
class Lstm(Recurrent):
    """Gates i, f, the candidate c and gate o, in this order: s = f·s + i·act(c), h = o·act(s)."""

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        wide = 4 * self.units
        own = {"kernel": (inputs[0].channels, wide), "recurrent_kernel": (self.units, wide)}
        return {**own, "bias": (wide,)} if self.use_bias else own


@dataclass(frozen=True, slots=True)
class Gru(Recurrent):
    """Gates z and r, and the candidate c, in this order: h = z·h + (1 − z)·act(c).

    With `reset_after`, r multiplies the recurrent product of c, else the state before it; then there are two biases, one
    of the input's products and one of the state's.
    """

    reset_after: bool = True

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        wide = 3 * self.units
        own = {"kernel": (inputs[0].channels, wide), "recurrent_kernel": (self.units, wide)}
        return {**own, "bias": (2, wide) if self.reset_after else (wide,)} if self.use_bias else own
