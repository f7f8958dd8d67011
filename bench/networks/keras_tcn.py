"""keras-tcn with the defaults of its versions before 3 taps were the default: 64 filters of 2 taps, dilations 1 to 32, one
stack, causal, relu, skip connections.
"""

from __future__ import annotations

from conv1d_codegen import Conv1D
from conv1d_codegen.network import Input
from conv1d_codegen.network.layers import Activation, Add
from conv1d_codegen.network.symbols import Symbol

_FILTERS = 64


def temporal(length: int) -> tuple[Symbol, Symbol]:
    """8 channels in, 64 out, at every step (`return_sequences=True`)."""
    x = trunk = Input(8, length, name="x")
    skips = []
    for dilation in (1, 2, 4, 8, 16, 32):
        name = f"d{dilation}"
        y = trunk
        for half in ("a", "b"):
            y = Conv1D(_FILTERS, 2, dilation_rate=dilation, padding="causal", activation="relu", name=f"{name}{half}")(
                y
            )
        same = trunk if trunk is not x else Conv1D(_FILTERS, 1, name="matching")(trunk)
        skips.append(y)
        trunk = Activation("relu", name=f"{name}_relu")(same + y)
    return x, Add(name="skips")(skips)
