"""What a node of a network computes: a small frozen class an operation. What it means in numbers is in `reference.py`.

Tensors are sequences `(batch, steps, channels)`, or vectors `(batch, channels)`.

op.py            what every operation has
elementwise.py   activations, norms of the channels, combinations
windows.py       convolutions and pools
unary.py         functions that are no activations
moves.py         padding, cropping, repetition, other shapes
selection.py     some channels, or some steps
resize.py        other lengths by interpolation
recurrent.py     LSTM and GRU
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
from .resize import COORDINATES, MODES, Resize
from .selection import Last, Take
from .unary import FUNCTIONS, Unary
from .windows import POOLS, Conv, ConvTranspose, GlobalPool, Pool

__all__ = [
    "COMBINATIONS",
    "COORDINATES",
    "FUNCTIONS",
    "MODES",
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
    "Last",
    "LayerNorm",
    "Lstm",
    "Op",
    "PRelu",
    "Pad",
    "Pool",
    "Recurrent",
    "Repeat",
    "Reshape",
    "Resize",
    "RmsNorm",
    "Scaling",
    "Shape",
    "Softmax",
    "Take",
    "Unary",
]
