"""Layers of several tensors."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..symbols import Symbol
from .base import SingleOp, check_axis


class Add(SingleOp):
    """The sum of several tensors."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ops.Combine("add"), kwargs)


class Subtract(SingleOp):
    """The first tensor less the second."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ops.Combine("subtract"), kwargs)


class Multiply(SingleOp):
    """The product of several tensors."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ops.Combine("multiply"), kwargs)


class Average(SingleOp):
    """The mean of several tensors."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ops.Combine("average"), kwargs)


class Maximum(SingleOp):
    """The largest of several tensors, element by element."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ops.Combine("maximum"), kwargs)


class Minimum(SingleOp):
    """The smallest of several tensors, element by element."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ops.Combine("minimum"), kwargs)


class Concatenate(SingleOp):
    """The channels of several tensors, one after another."""

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(ops.Concat(), kwargs)
        self._axis = axis

    def apply(self, *inputs: Symbol) -> Symbol:
        check_axis(self._axis, inputs[0], self.name)
        return super().apply(*inputs)
