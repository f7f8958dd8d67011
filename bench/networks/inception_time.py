"""InceptionTime: modules of three convolutions of different lengths and a pool side by side, with shortcuts."""

from __future__ import annotations

from conv1d_codegen import Conv1D
from conv1d_codegen.network import Input
from conv1d_codegen.network.layers import (
    Activation,
    BatchNormalization,
    Concatenate,
    Dense,
    GlobalAveragePooling1D,
    MaxPooling1D,
)
from conv1d_codegen.network.symbols import Symbol

_FILTERS = 32


def classifier(length: int) -> tuple[Symbol, Symbol]:
    """One channel in, 10 classes out; six modules, a shortcut around every third."""
    x = trunk = shortcut = Input(1, length, name="series")
    for depth in range(6):
        trunk = _module(trunk, f"module{depth}")
        if depth % 3 == 2:
            around = Conv1D(4 * _FILTERS, 1, use_bias=False, name=f"shortcut{depth}")(shortcut)
            trunk = trunk + BatchNormalization(name=f"shortcut{depth}_norm")(around)
            trunk = shortcut = Activation("relu", name=f"shortcut{depth}_relu")(trunk)
    return x, Dense(10, activation="softmax", name="classes")(GlobalAveragePooling1D(name="mean")(trunk))


def _module(x: Symbol, name: str) -> Symbol:
    narrow = x
    if x.known.channels > 1:
        narrow = Conv1D(_FILTERS, 1, use_bias=False, name=f"{name}_bottleneck")(x)
    branches = [
        Conv1D(_FILTERS, taps, padding="same", use_bias=False, name=f"{name}_k{taps}")(narrow) for taps in (40, 20, 10)
    ]
    pooled = MaxPooling1D(3, strides=1, padding="same", name=f"{name}_pool")(x)
    branches.append(Conv1D(_FILTERS, 1, use_bias=False, name=f"{name}_pooled")(pooled))
    together = BatchNormalization(name=f"{name}_norm")(Concatenate(name=f"{name}_all")(branches))
    return Activation("relu", name=f"{name}_relu")(together)
