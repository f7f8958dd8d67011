"""What a network computes beside convolutions, as loops: each operation is frozen, prints in one line, and writes its
formula.

operation.py     what all of them have
elementwise.py   an expression of the numbers at one place
pools.py         the maximum or the average of some steps, or of all
norms.py         layer, RMS and group norms
softmax.py       softmax, and its logarithm
recurrent.py     LSTM and GRU, but for the products of their inputs
moves.py         channels side by side, padding, cropping, repetition, the other layout

Blocks of steps, or sequences, are the parallel iterations, and channels the innermost loop, which
`passes/operations.py` puts into vectors. There is no plan: what such a kernel takes is the time of reading and writing
its arrays.
"""

from .elementwise import Map
from .moves import Concat, Crop, Pad, Repeat, Turn
from .norms import GroupNorm, LayerNorm, RmsNorm
from .operation import Operation
from .pools import GlobalPool, Pool
from .recurrent import Gru, Lstm
from .softmax import Softmax

__all__ = [
    "Concat",
    "Crop",
    "GlobalPool",
    "GroupNorm",
    "Gru",
    "LayerNorm",
    "Lstm",
    "Map",
    "Operation",
    "Pad",
    "Pool",
    "Repeat",
    "RmsNorm",
    "Softmax",
    "Turn",
]
