"""What a node of a network computes: a small frozen class an operation. What it means in numbers is in `reference.py`.

Tensors are sequences `(batch, steps, channels)`, or vectors `(batch, channels)`.

op.py            what every operation has
elementwise.py   activations, norms of the channels, combinations
windows.py       convolutions and pools
moves.py         padding, cropping, repetition, other shapes
recurrent.py     LSTM and GRU
fused.py         what the passes over graphs make of several
"""

from .elementwise import (
    COMBINATIONS,
    Activate,
    BatchNorm,
    Combine,
    Concat,
    Glu,
    GroupNorm,
    LayerNorm,
    PRelu,
    RmsNorm,
    Scaling,
    Softmax,
)
from .moves import PAD_MODES, Crop, Pad, Repeat, Reshape
from .op import Op, Shape
from .recurrent import Gru, Lstm, Recurrent
from .windows import POOLS, Conv, ConvTranspose, GlobalPool, Pool

__all__ = [
    "COMBINATIONS",
    "PAD_MODES",
    "POOLS",
    "Activate",
    "BatchNorm",
    "Combine",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Crop",
    "GlobalPool",
    "Glu",
    "GroupNorm",
    "Gru",
    "LayerNorm",
    "Lstm",
    "Op",
    "PRelu",
    "Pad",
    "Pool",
    "Recurrent",
    "Repeat",
    "Reshape",
    "RmsNorm",
    "Scaling",
    "Shape",
    "Softmax",
]
