"""The generator of HiFi-GAN, V3: a mel spectrogram becomes 256 times as many samples of audio."""

from __future__ import annotations

from conv1d_codegen import Conv1D
from conv1d_codegen.network import Input
from conv1d_codegen.network.layers import Activation, Average, Conv1DTranspose
from conv1d_codegen.network.symbols import Symbol

_UPSAMPLED = ((8, 16), (8, 16), (4, 8))  # stride and taps
_BLOCKS = ((3, (1, 2)), (5, (2, 6)), (7, (3, 12)))  # taps and dilations


def generator(length: int) -> tuple[Symbol, Symbol]:
    """80 mel bands in, one channel of audio out."""
    x = Input(80, length, name="mel")
    trunk = Conv1D(256, 7, padding="same", name="first")(x)
    for stage, (stride, taps) in enumerate(_UPSAMPLED):
        channels = 256 >> (stage + 1)
        trunk = Conv1DTranspose(channels, taps, strides=stride, padding="same", name=f"up{stage}")(
            _leaky(trunk, f"up{stage}")
        )
        blocks = [_block(trunk, channels, size, dilations, f"up{stage}_k{size}") for size, dilations in _BLOCKS]
        trunk = Average(name=f"up{stage}_mean")(blocks)
    return x, Conv1D(1, 7, padding="same", activation="tanh", name="last")(_leaky(trunk, "last"))


def _block(x: Symbol, channels: int, size: int, dilations: tuple[int, ...], name: str) -> Symbol:
    for dilation in dilations:
        own = f"{name}_d{dilation}"
        x = x + Conv1D(channels, size, dilation_rate=dilation, padding="same", name=own)(_leaky(x, own))
    return x


def _leaky(x: Symbol, name: str) -> Symbol:
    slope = {"class_name": "leaky_relu", "config": {"negative_slope": 0.1}}
    return Activation(slope, name=f"{name}_leaky")(x)
