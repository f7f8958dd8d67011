"""What a node of a network computes: a small frozen class an operation. What it means in numbers is in `reference/`.

Tensors are sequences `(batch, steps, channels)`, or vectors `(batch, channels)`.

op.py            what every operation has
elementwise.py   activations, norms of the channels, combinations
windows.py       convolutions and pools
moves.py         padding, slices, repetition, other shapes
recurrent.py     LSTM, GRU and the simple cell
fused.py         what the passes over graphs make of several
delegated.py     what ONNX Runtime computes
"""

from .elementwise import (
    COMBINATIONS,
    FUNCTIONS,
    Activate,
    BatchNorm,
    Clip,
    Combine,
    Concat,
    Function,
    Glu,
    GroupNorm,
    LayerNorm,
    Power,
    PRelu,
    RmsNorm,
    Scaling,
    Softmax,
)
from .moves import PAD_MODES, ChannelSlice, Crop, Last, Pad, Repeat, Reshape, Resize, Shuffle, Slice, Transpose, Trim
from .op import Op, Shape
from .recurrent import Gru, Lstm, Recurrent, SimpleRnn
from .windows import POOLS, REDUCTIONS, ChannelPool, Conv, ConvTranspose, GlobalPool, Pool

__all__ = [
    "COMBINATIONS",
    "FUNCTIONS",
    "PAD_MODES",
    "POOLS",
    "REDUCTIONS",
    "Activate",
    "BatchNorm",
    "ChannelPool",
    "ChannelSlice",
    "Clip",
    "Combine",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Crop",
    "Function",
    "GlobalPool",
    "Glu",
    "GroupNorm",
    "Gru",
    "Last",
    "LayerNorm",
    "Lstm",
    "Op",
    "PRelu",
    "Pad",
    "Pool",
    "Power",
    "Recurrent",
    "Repeat",
    "Reshape",
    "Resize",
    "RmsNorm",
    "Scaling",
    "Shape",
    "Shuffle",
    "SimpleRnn",
    "Slice",
    "Softmax",
    "Transpose",
    "Trim",
]
