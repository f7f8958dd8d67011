"""A detector of speech of the form of Silero VAD 5, at 16 kHz: a spectrum, four convolutions, an LSTM.

The spectrum is that of power: a network has no square root. It is the square of a short-time Fourier transform, and a
convolution of one tap, which in Silero would add real and imaginary parts.
"""

from __future__ import annotations

from conv1d_codegen import Conv1D
from conv1d_codegen.network import Input, ops
from conv1d_codegen.network.layers import LSTM, Activation, Dense, ZeroPadding1D
from conv1d_codegen.network.symbols import Symbol

_BANDS = 129
_CONVOLUTIONS = ((128, 1), (64, 2), (64, 2), (128, 1))  # filters and stride


def detector(length: int) -> tuple[Symbol, Symbol]:
    """One channel of audio in, 512 samples and 64 from before; the probability of speech out."""
    x = Input(1, length, name="audio")
    reflected = Symbol.made("reflected", ops.Pad(0, 64, "reflect"), [x])
    waves = Conv1D(2 * _BANDS, 256, strides=128, use_bias=False, name="transform")(reflected)
    trunk = Conv1D(_BANDS, 1, use_bias=False, name="power")(waves * waves)
    for number, (filters, stride) in enumerate(_CONVOLUTIONS):
        padded = ZeroPadding1D(1, name=f"conv{number}_pad")(trunk)
        trunk = Conv1D(filters, 3, strides=stride, activation="relu", name=f"conv{number}")(padded)
    state = Activation("relu", name="state")(LSTM(128, name="lstm")(trunk))
    return x, Dense(1, activation="sigmoid", name="speech")(state)
