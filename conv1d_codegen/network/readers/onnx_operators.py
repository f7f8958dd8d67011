"""Which operation of a network an operator of ONNX is, by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import onnx_axes, onnx_elementwise, onnx_layers, onnx_moves, onnx_recurrent, onnx_windows
from .onnx_builder import Builder
from .onnx_node import OnnxNode
from .onnx_values import Tensor, Value

Operator = Callable[[Builder, OnnxNode, Sequence[Value | None]], "Tensor | tuple[Tensor, ...]"]

OPERATORS: dict[str, Operator] = {
    **onnx_axes.OPERATORS,
    **onnx_elementwise.OPERATORS,
    **onnx_layers.OPERATORS,
    **onnx_moves.OPERATORS,
    **onnx_recurrent.OPERATORS,
    **onnx_windows.OPERATORS,
}
