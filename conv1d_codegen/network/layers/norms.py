"""Norms of the channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import ops
from ..ops import Shape
from ..symbols import Symbol
from .base import NetworkLayer, check_axis


class _Norm(NetworkLayer):
    """A layer that is one norm of the channels."""

    def __init__(self, op: ops.Op, axis: Any, arguments: dict[str, Any]) -> None:
        super().__init__(arguments)
        self._op, self._axis = op, axis

    def weight_shapes(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        return self._op.weights(*inputs)

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        check_axis(self._axis, x, self.name)
        return self.made(self._op, x, weights=list(self._op.weights(x.known)))


class BatchNormalization(_Norm):
    """(x − mean) ÷ √(variance + epsilon) · gamma + beta, with the mean and variance that training left."""

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        names = {"moving_mean_initializer": "mean_initializer", "moving_variance_initializer": "variance_initializer"}
        for_training = ("synchronized", "renorm", "renorm_clipping", "renorm_momentum", "fused", "virtual_batch_size")
        given = {names.get(name, name): value for name, value in kwargs.items() if name not in for_training}
        super().__init__(ops.BatchNorm(epsilon, scale, center), axis, given)


class LayerNormalization(_Norm):
    """The same, with the mean and variance of each step's channels."""

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("rms_scaling", False):
            raise ValueError(
                "rms_scaling=True divides by the standard deviation, without subtracting the mean. Use RMSNormalization."
            )
        super().__init__(ops.LayerNorm(epsilon, scale, center), axis, kwargs)


class RMSNormalization(_Norm):
    """x ÷ √(mean of x² over the channels + epsilon) · gamma."""

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(ops.RmsNorm(epsilon), axis, kwargs)


class GroupNormalization(_Norm):
    """The same as LayerNormalization, with the mean and variance of all steps of each group of channels."""

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(ops.GroupNorm(epsilon, scale, center, groups), axis, kwargs)

    def apply(self, *inputs: Symbol) -> Symbol:
        if isinstance(self._op, ops.GroupNorm) and self._op.groups == -1:  # Keras: each channel is a group
            self._op = ops.GroupNorm(self._op.epsilon, self._op.scale, self._op.center, inputs[0].known.channels)
        return super().apply(*inputs)
