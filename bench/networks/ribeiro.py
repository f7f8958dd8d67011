"""The residual network that reads twelve-lead ECGs: 16 taps everywhere, and pools on the way around."""

from __future__ import annotations

from conv1d_codegen import Conv1D
from conv1d_codegen.network import Input
from conv1d_codegen.network.layers import Activation, BatchNormalization, Dense, Flatten, MaxPooling1D
from conv1d_codegen.network.symbols import Symbol

_TAPS, _STRIDE = 16, 4


def classifier(length: int) -> tuple[Symbol, Symbol]:
    """Twelve leads in, the probabilities of six abnormalities out; a length that 256 divides."""
    x = Input(12, length, name="leads")
    trunk = around = _normed(Conv1D(64, _TAPS, padding="same", use_bias=False, name="first")(x), "first")
    for number, filters in enumerate((128, 196, 256, 320)):
        trunk, around = _unit(trunk, around, filters, f"unit{number}")
    return x, Dense(6, activation="sigmoid", name="abnormalities")(Flatten(name="flat")(trunk))


def _unit(x: Symbol, around: Symbol, filters: int, name: str) -> tuple[Symbol, Symbol]:
    """What the next unit computes from, and what goes around it: the sum, before its norm."""
    pooled = MaxPooling1D(_STRIDE, strides=_STRIDE, padding="same", name=f"{name}_pool")(around)
    pooled = Conv1D(filters, 1, padding="same", use_bias=False, name=f"{name}_match")(pooled)
    y = _normed(Conv1D(filters, _TAPS, padding="same", use_bias=False, name=f"{name}a")(x), f"{name}a")
    y = Conv1D(filters, _TAPS, strides=_STRIDE, padding="same", use_bias=False, name=f"{name}b")(y)
    both = y + pooled
    return _normed(both, f"{name}b"), both


def _normed(x: Symbol, name: str) -> Symbol:
    return Activation("relu", name=f"{name}_relu")(BatchNormalization(name=f"{name}_norm")(x))
