"""Activations as layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...layers import activations
from .. import ops
from ..ops import Shape
from ..symbols import Symbol, activated
from .base import NetworkLayer, check_axis


class Activation(NetworkLayer):
    """An activation, by what Conv1D takes for one."""

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(kwargs)
        self._function = activations.get(activation)

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        return activated(x, self._function, self.name, part="")


class Softmax(NetworkLayer):
    """exp(x) ÷ its sum over the channels."""

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(kwargs)
        self._axis = axis

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        check_axis(self._axis, x, self.name)
        return self.made(ops.Softmax(), x)


class PReLU(NetworkLayer):
    """x where it is positive, else alpha·x, with an alpha for each channel: `shared_axes=[1]`, in Keras."""

    def __init__(self, shared_axes: Sequence[int] | None = None, **kwargs: Any) -> None:
        super().__init__(kwargs)
        self._shared = list(shared_axes or ())

    def weight_shapes(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        (x,) = inputs
        if x.steps is not None and self._shared != [1]:
            raise ValueError(
                f"Layer '{self.name}' has an alpha for each step, which no network of any length can have. Give shared_axes=[1]."
            )
        return {"alpha": (1, x.channels) if x.steps is not None else (x.channels,)}

    def apply(self, *inputs: Symbol) -> Symbol:
        return self.made(ops.PRelu(), *inputs, weights=["alpha"])
