"""WaveNet: gated causal convolutions with residual and skip connections; and a tiny network without gates."""

from __future__ import annotations

from conv1d_codegen import Conv1D
from conv1d_codegen.network import Input
from conv1d_codegen.network.layers import Add
from conv1d_codegen.network.symbols import Symbol


def gated(length: int, channels: int) -> tuple[Symbol, Symbol]:
    """One channel of audio in and out; 10 layers of 3 taps and dilations 1 to 512.

    The two halves of a gate are convolutions of their own, as in the paper's formula. Where they are one that is split, the
    peers take longer.
    """
    x = Input(1, length, name="audio")
    trunk = Conv1D(channels, 1, name="first")(x)
    skips = []
    for layer in range(10):
        name, window = f"layer{layer}", {"dilation_rate": 2**layer, "padding": "causal"}
        signal = Conv1D(channels, 3, activation="tanh", name=f"{name}_signal", **window)(trunk)
        gate = Conv1D(channels, 3, activation="sigmoid", name=f"{name}_gate", **window)(trunk)
        z = signal * gate
        skips.append(Conv1D(channels, 1, name=f"{name}_skip")(z))
        if layer < 9:
            trunk = trunk + Conv1D(channels, 1, name=f"{name}_residual")(z)
    head = Conv1D(channels, 1, activation="relu", name="head")(Add(name="skips")(skips))
    return x, Conv1D(1, 1, name="last")(head)


def tiny(length: int) -> tuple[Symbol, Symbol]:
    """8 causal convolutions, one after another, of so little arithmetic that the calls show."""
    x = y = Input(8, length, name="x")
    for layer in range(8):
        y = Conv1D(8, 3, dilation_rate=2 ** (layer % 4), padding="causal", activation="relu", name=f"layer{layer}")(y)
    return x, y
