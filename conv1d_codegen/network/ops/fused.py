"""What the passes over graphs make of operations: one kernel each. No file has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from ...ir import Expression, weight_names
from ..reach import Reach
from .op import Op, Shape, check
from .recurrent import Gru, Recurrent
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


@dataclass(frozen=True, slots=True)
class CellSteps(Op):
    """The steps of a recurrent cell, of the products of its inputs with their weights and bias; and of its first state, if
    that is given.
    """

    cell: Recurrent

    @property
    def use_bias(self) -> bool:
        """Whether the products of the state have a bias of their own."""
        return isinstance(self.cell, Gru) and self.cell.reset_after and self.cell.use_bias

    def shape(self, *inputs: Shape) -> Shape:
        x = inputs[0]
        check(x.channels == self.cell.wide, f"{self} takes {self.cell.wide} channels. Received: {x}.")
        return self.cell.shape(*inputs)

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        own = {"recurrent_kernel": (self.cell.units, self.cell.wide)}
        return {**own, "recurrent_bias": (self.cell.wide,)} if self.use_bias else own

    def reach(self) -> Reach | None:
        return None

    def __str__(self) -> str:
        return f"steps of {self.cell}"
