"""Keras's Conv1DTranspose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...layers import activations
from ...layers import arguments as check
from ...problem import padding as pad
from .. import ops
from ..ops import Shape
from ..symbols import Symbol, activated
from .base import NetworkLayer, check_format


class Conv1DTranspose(NetworkLayer):
    """The transpose of a convolution, with kernel `(k, filters, channels)` and a bias.

    Output steps, with e = (k − 1)·dilation + 1 (Keras's `compute_conv_transpose_output_length`):

        "valid"   T·stride + max(e − stride, 0); with output_padding p, (T − 1)·stride + e + p
        "same"    T·stride;                      with output_padding p, (T − 1)·stride + e % 2 + p
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        output_padding: int | Sequence[int] | None = None,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Any = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        if (groups := kwargs.pop("groups", 1)) != 1:  # Keras 2 writes it
            raise ValueError(f"Conv1DTranspose has no groups, as in Keras. Received: groups={groups}.")
        super().__init__(kwargs)
        check_format(data_format, self.name)
        name = check.padding_name(padding)
        if name == "causal":
            raise ValueError(f'Conv1DTranspose has padding "valid" or "same". Received: padding={padding!r}.')
        (size,), (stride,) = check.one_tuple(kernel_size, "kernel_size"), check.one_tuple(strides, "strides")
        (dilation,) = check.one_tuple(dilation_rate, "dilation_rate")
        more = output_padding if output_padding is None or isinstance(output_padding, int) else output_padding[0]
        left, right = pad.transposed_crops(size, stride, dilation, name, more)
        self._activation = activations.get(activation)
        self._parameters: dict[str, Any] = {
            "filters": filters,
            "kernel_size": size,
            "stride": stride,
            "dilation": dilation,
            "left": left,
            "right": right,
            "use_bias": bool(use_bias),
        }

    def weight_shapes(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        return ops.ConvTranspose(inputs[0].channels, **self._parameters).weights(*inputs)

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        op = ops.ConvTranspose(x.known.channels, **self._parameters)
        y = self.made(op, x, weights=list(op.weights(x.known)))
        return activated(y, self._activation, self.name)
