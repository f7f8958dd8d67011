"""SpliceAI's 10k model: 16 residual units of two dilated convolutions, each after its batch norm and relu.

The published network crops 5000 steps at either end in the end; here all are kept.
"""

from __future__ import annotations

from conv1d_codegen import Conv1D
from conv1d_codegen.network import Input
from conv1d_codegen.network.layers import Activation, BatchNormalization
from conv1d_codegen.network.symbols import Symbol

_CHANNELS = 32
_STACKS = ((11, 1), (11, 4), (21, 10), (41, 25))  # taps and dilation, of four units each


def residual_dilated(length: int) -> tuple[Symbol, Symbol]:
    """4 channels (the bases) in, 3 (no site, acceptor, donor) out; 39 convolutions."""
    x = Input(4, length, name="bases")
    trunk = Conv1D(_CHANNELS, 1, name="first")(x)
    skip = Conv1D(_CHANNELS, 1, name="skip")(trunk)
    for stack, (taps, dilation) in enumerate(_STACKS):
        for unit in range(4):
            trunk = trunk + _unit(trunk, taps, dilation, f"unit{stack}_{unit}")
        skip = skip + Conv1D(_CHANNELS, 1, name=f"skip{stack}")(trunk)
    return x, Conv1D(3, 1, activation="softmax", name="sites")(skip)


def _unit(x: Symbol, taps: int, dilation: int, name: str) -> Symbol:
    for half in ("a", "b"):
        x = Activation("relu", name=f"{name}{half}_relu")(BatchNormalization(name=f"{name}{half}_norm")(x))
        x = Conv1D(_CHANNELS, taps, dilation_rate=dilation, padding="same", name=f"{name}{half}")(x)
    return x
