"""A detector of speech of the form of Silero VAD 5, at 16 kHz: a spectrum, four convolutions, an LSTM.

The spectrum is the magnitude of a short-time Fourier transform, whose real and imaginary parts are one convolution's.
"""

from __future__ import annotations

from conv1d_codegen import Conv1D
from conv1d_codegen.network import Input, ops
from conv1d_codegen.network.layers import LSTM, Activation, Add, Dense, ZeroPadding1D
from conv1d_codegen.network.symbols import Symbol

_BANDS = 129
_CONVOLUTIONS = ((128, 1), (64, 2), (64, 2), (128, 1))  # filters and stride


def detector(length: int) -> tuple[Symbol, Symbol]:
    """One channel of audio in, 512 samples and 64 from before; the probability of speech out."""
    x = Input(1, length, name="audio")
    reflected = Symbol.made("reflected", ops.Pad(0, 64, "reflect"), [x])
    waves = Conv1D(2 * _BANDS, 256, strides=128, use_bias=False, name="transform")(reflected)
    parts = [Symbol.made(f"part{n}", ops.ChannelSlice(n * _BANDS, _BANDS), [waves]) for n in (0, 1)]
    power = Add(name="power")([part * part for part in parts])
    trunk = Symbol.made("magnitude", ops.Function("sqrt"), [power])
    for number, (filters, stride) in enumerate(_CONVOLUTIONS):
        padded = ZeroPadding1D(1, name=f"conv{number}_pad")(trunk)
        trunk = Conv1D(filters, 3, strides=stride, activation="relu", name=f"conv{number}")(padded)
    state = Activation("relu", name="state")(LSTM(128, name="lstm")(trunk))
    return x, Dense(1, activation="sigmoid", name="speech")(state)
