"""PhaseNet: a U-Net of strided and transposed convolutions over seismograms."""

from __future__ import annotations

from conv1d_codegen import Conv1D
from conv1d_codegen.network import Input
from conv1d_codegen.network.layers import Activation, BatchNormalization, Concatenate, Conv1DTranspose, Cropping1D
from conv1d_codegen.network.symbols import Symbol

_FILTERS = (8, 16, 32, 64, 128)
_TAPS, _STRIDE = 7, 4


def picker(length: int) -> tuple[Symbol, Symbol]:
    """Three components in; the probabilities of noise, P and S out, at every step."""
    x = Input(3, length, name="components")
    trunk = _normed(Conv1D(_FILTERS[0], _TAPS, padding="same", name="first")(x), "first")
    kept = []
    for depth, filters in enumerate(_FILTERS):
        name = f"down{depth}"
        trunk = _normed(Conv1D(filters, _TAPS, padding="same", use_bias=False, name=name)(trunk), name)
        if depth < len(_FILTERS) - 1:
            kept.append(trunk)
            strided = Conv1D(filters, _TAPS, strides=_STRIDE, padding="same", use_bias=False, name=f"{name}_strided")
            trunk = _normed(strided(trunk), f"{name}_strided")
    for depth, skip in reversed(list(enumerate(kept))):
        name, filters = f"up{depth}", _FILTERS[depth]
        wide = Conv1DTranspose(
            filters, _TAPS, strides=_STRIDE, padding="same", use_bias=False, name=f"{name}_transposed"
        )(trunk)
        wide = _cropped(_normed(wide, f"{name}_transposed"), skip, name)
        trunk = Concatenate(name=f"{name}_both")([skip, wide])
        trunk = _normed(Conv1D(filters, _TAPS, padding="same", use_bias=False, name=name)(trunk), name)
    return x, Conv1D(3, 1, activation="softmax", name="phases")(trunk)


def _cropped(x: Symbol, other: Symbol, name: str) -> Symbol:
    """As many steps as the other has, out of the middle."""
    long, short = x.shape[1], other.shape[1]
    assert long is not None
    assert short is not None
    spare = long - short
    return Cropping1D((spare // 2, spare - spare // 2), name=f"{name}_crop")(x) if spare else x


def _normed(x: Symbol, name: str) -> Symbol:
    return Activation("relu", name=f"{name}_relu")(BatchNormalization(name=f"{name}_norm")(x))
