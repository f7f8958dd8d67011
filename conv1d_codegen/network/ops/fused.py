"""What the passes over graphs make of several operations: one kernel each. No file has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from ...ir import Expression, weight_names
from .op import Op, Shape, check
from .windows import Conv, ConvTranspose


@dataclass(frozen=True, slots=True)
class Mapped(Op):
    """An expression of the numbers at one place, of `channels` channels."""

    channels: int
    expression: Expression

    def shape(self, *inputs: Shape) -> Shape:
        check(len(inputs) == len(self.expression.inputs), f"{self} takes {len(self.expression.inputs)} inputs.")
        steps = next(x.steps for x, operand in zip(inputs, self.expression.inputs, strict=True) if operand.steps)
        return Shape(steps, self.channels)

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        return dict.fromkeys(weight_names(self.expression.weights), (self.channels,))

    def __str__(self) -> str:
        return f"map {self.expression.value}"


@dataclass(frozen=True, slots=True)
class ConvThen(Conv):
    """A convolution of the first input, and an expression of what it makes and of the other inputs."""

    expression: Expression

    def shape(self, *inputs: Shape) -> Shape:
        return Conv.shape(self, inputs[0])

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        own = dict.fromkeys(weight_names(self.expression.weights), (self.problem.filters,))
        return {**Conv.weights(self, inputs[0]), **own}

    def __str__(self) -> str:
        return f"conv {self.problem} then {self.expression.value}"


@dataclass(frozen=True, slots=True)
class TransposeThen(ConvTranspose):
    """A transposed convolution of the first input, and an expression of what it makes and of the other inputs."""

    expression: Expression = field(kw_only=True)

    @classmethod
    def of(cls, op: ConvTranspose, expression: Expression) -> TransposeThen:
        """The same with an expression, in place of the one that it has."""
        return cls(*(getattr(op, own.name) for own in fields(ConvTranspose)), expression=expression)

    def shape(self, *inputs: Shape) -> Shape:
        return ConvTranspose.shape(self, inputs[0])

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        own = dict.fromkeys(weight_names(self.expression.weights), (self.filters,))
        return {**ConvTranspose.weights(self, inputs[0]), **own}

    def __str__(self) -> str:
        plain = ConvTranspose(*(getattr(self, own.name) for own in fields(ConvTranspose)))
        return f"{plain} then {self.expression.value}"
