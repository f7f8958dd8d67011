"""QuartzNet 5x5: five blocks of five separable convolutions, each with a batch norm and relu, and shortcuts."""

from __future__ import annotations

from typing import Any

from conv1d_codegen import Conv1D
from conv1d_codegen.network import Input
from conv1d_codegen.network.layers import Activation, BatchNormalization, DepthwiseConv1D
from conv1d_codegen.network.symbols import Symbol

_BLOCKS = ((33, 256), (39, 256), (51, 512), (63, 512), (75, 512))  # taps and filters


def encoder(length: int) -> tuple[Symbol, Symbol]:
    """64 mel bands in, the logarithms of 29 letters' probabilities out, at every second step."""
    x = Input(64, length, name="mel")
    trunk = _relu(_separable(x, 33, 256, "first", strides=2), "first")
    for number, (taps, filters) in enumerate(_BLOCKS):
        name = f"block{number}"
        around = _norm(Conv1D(filters, 1, use_bias=False, name=f"{name}_around")(trunk), f"{name}_around")
        for repeat in range(4):
            trunk = _relu(_separable(trunk, taps, filters, f"{name}_{repeat}"), f"{name}_{repeat}")
        trunk = _relu(_separable(trunk, taps, filters, f"{name}_4") + around, name)
    trunk = _relu(_separable(trunk, 87, 512, "wide", dilation_rate=2), "wide")
    trunk = _relu(_norm(Conv1D(1024, 1, use_bias=False, name="many")(trunk), "many"), "many")
    return x, Conv1D(29, 1, activation="log_softmax", name="letters")(trunk)


def _separable(x: Symbol, taps: int, filters: int, name: str, **window: Any) -> Symbol:
    deep = DepthwiseConv1D(taps, padding="same", use_bias=False, name=f"{name}_depthwise", **window)(x)
    return _norm(Conv1D(filters, 1, use_bias=False, name=f"{name}_pointwise")(deep), name)


def _norm(x: Symbol, name: str) -> Symbol:
    return BatchNormalization(name=f"{name}_norm")(x)


def _relu(x: Symbol, name: str) -> Symbol:
    return Activation("relu", name=f"{name}_relu")(x)
