"""Operations on each step by itself: activations, norms of the channels, combinations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...problem import Activation
from ..reach import Reach
from .op import Op, Shape, check, check_epsilon, check_sizes

COMBINATIONS = ("add", "subtract", "multiply", "average", "maximum", "minimum", "divide")


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
        check(x.channels % 2 == 0, f"{self} halves the channels. Received: {x}.")
        return Shape(x.steps, x.channels // 2)


@dataclass(frozen=True, slots=True)
class Scaling(Op):
    """What norms share: a factor `gamma` and an offset `beta` for each channel, or none."""

    epsilon: float = 1e-3
    scale: bool = True
    center: bool = True

    def __post_init__(self) -> None:
        check_epsilon(self.epsilon)

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
        check_epsilon(self.epsilon)

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        return {"gamma": (inputs[0].channels,)}


@dataclass(frozen=True, slots=True)
class GroupNorm(Scaling):
    """The same, with the mean and variance of all steps of each group of channels."""

    groups: int = 1

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        check_sizes("A norm has one group or more", self.groups)
        check(x.channels % self.groups == 0, f"{self} divides the channels by groups. Received: {x}.")
        return x

    def reach(self) -> Reach | None:
        return None


@dataclass(frozen=True, slots=True)
class Combine(Op):
    """Element by element, one of `COMBINATIONS`. One step, a vector or one channel counts for all steps or channels."""

    kind: str

    def __post_init__(self) -> None:
        check(self.kind in COMBINATIONS, f"A combination is one of {', '.join(COMBINATIONS)}. Received: {self.kind!r}.")

    def shape(self, *inputs: Shape) -> Shape:
        check(len(inputs) > 1, f"{self} takes two inputs or more. Received: {len(inputs)}.")
        check(
            len(inputs) == 2 or self.kind not in ("subtract", "divide"),
            f"{self} takes two inputs. Received: {len(inputs)}.",
        )
        channels = {x.channels for x in inputs} - {1} or {1}
        check(len(channels) == 1, f"{self} takes inputs of equal channels. Received: {', '.join(map(str, inputs))}.")
        steps = [x.steps for x in inputs if x.steps is not None and x.steps != 1]
        one = next((x.steps for x in inputs if x.steps is not None), None)
        return Shape(steps[0] if steps else one, channels.pop())

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True, slots=True)
class Concat(Op):
    """The channels of several tensors, one after another."""

    def shape(self, *inputs: Shape) -> Shape:
        check(len({x.steps is None for x in inputs}) == 1, f"{self} takes sequences, or vectors, and not both.")
        return Shape(inputs[0].steps, sum(x.channels for x in inputs))
