"""Dense layers, depthwise and separable convolutions: all of them convolutions with an activation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...layers import activations
from ...layers import arguments as check
from ...problem import Activation as Fused
from ...problem import Problem
from .. import ops
from ..ops import Shape
from ..symbols import Symbol, activated
from .base import NetworkLayer, check_format


def _fused(activation: Any) -> Fused:
    """An activation as a kernel computes it; linear where it is an operation of its own."""
    return activations.fusable(activations.get(activation)) or Fused()


class _Convolution(NetworkLayer):
    """What layers share that are a convolution with an activation."""

    def __init__(self, activation: Any, use_bias: bool, arguments: dict[str, Any]) -> None:
        super().__init__(arguments)
        self._activation = activations.get(activation)
        self._use_bias = bool(use_bias)

    def convolved(self, x: Symbol, weights: Sequence[str], part: str = "", **problem: Any) -> Symbol:
        """A convolution of this layer's dtype; the last of the layer has its activation."""
        made = ops.Conv(Problem(channels=x.known.channels, dtype=x.dtype, **problem))
        return self.made(made, x, weights=weights, part=part)

    def finished(self, x: Symbol, weights: Sequence[str], part: str = "", **problem: Any) -> Symbol:
        """The last convolution of the layer: with its bias and activation."""
        fused = _fused(self._activation)
        bias = ["bias"] if self._use_bias else []
        y = self.convolved(x, [*weights, *bias], part, activation=fused, use_bias=self._use_bias, **problem)
        return y if fused != Fused() else activated(y, self._activation, self.name)


class Dense(_Convolution):
    """Every step's channels, or a vector, times a matrix: `activation(x @ kernel + bias)`."""

    def __init__(self, units: int, activation: Any = None, use_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(activation, use_bias, kwargs)
        self._units = units

    def weight_shapes(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        return {"kernel": (inputs[0].channels, self._units), **({"bias": (self._units,)} if self._use_bias else {})}

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        return self.finished(x, ["kernel"], filters=self._units, kernel_size=1)


class DepthwiseConv1D(_Convolution):
    """Each channel with `depth_multiplier` filters of its own; kernel `(k, channels, depth_multiplier)`."""

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Any = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs = {_OF_DEPTHWISE.get(name, name): value for name, value in kwargs.items()}
        if (groups := kwargs.pop("groups", 1)) != 1:  # Keras 2 writes it
            raise ValueError(f"Each channel is a group of its own. Received: groups={groups}.")
        super().__init__(activation, use_bias, kwargs)
        check_format(data_format, self.name)
        self._multiplier = depth_multiplier
        self._window: dict[str, Any] = {
            "kernel_size": check.one_tuple(kernel_size, "kernel_size")[0],
            "stride": check.one_tuple(strides, "strides")[0],
            "dilation": check.one_tuple(dilation_rate, "dilation_rate")[0],
            "padding": check.padding_name(padding),
        }

    def weight_shapes(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        channels = inputs[0].channels
        bias = {"bias": (channels * self._multiplier,)} if self._use_bias else {}
        return {"kernel": (self._window["kernel_size"], channels, self._multiplier), **bias}

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        channels = x.known.channels
        return self.finished(x, ["kernel"], filters=channels * self._multiplier, groups=channels, **self._window)


_OF_DEPTHWISE = {"depthwise_initializer": "kernel_initializer"}


class SeparableConv1D(DepthwiseConv1D):
    """A depthwise convolution, then one of one tap: `depthwise_kernel` `(k, channels, depth_multiplier)`,
    `pointwise_kernel` `(1, channels·depth_multiplier, filters)`, bias.
    """

    def __init__(self, filters: int, kernel_size: int | Sequence[int], *args: Any, **kwargs: Any) -> None:
        names = ("strides", "padding", "data_format", "dilation_rate", "depth_multiplier", "activation", "use_bias")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        own = {
            f"{part}_kernel_initializer": given.pop(f"{part}_initializer")
            for part in ("depthwise", "pointwise")
            if f"{part}_initializer" in given
        }
        super().__init__(kernel_size, **given, **own)
        self._filters = filters

    def weight_shapes(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        channels = inputs[0].channels
        bias = {"bias": (self._filters,)} if self._use_bias else {}
        return {
            "depthwise_kernel": (self._window["kernel_size"], channels, self._multiplier),
            "pointwise_kernel": (1, channels * self._multiplier, self._filters),
            **bias,
        }

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        channels = x.known.channels
        wide = {"filters": channels * self._multiplier, "groups": channels, "use_bias": False, **self._window}
        between = self.convolved(x, ["depthwise_kernel"], "depthwise", **wide)
        return self.finished(between, ["pointwise_kernel"], filters=self._filters, kernel_size=1)
