"""What a network computes beside convolutions, as loops: each operation is frozen, prints in one line, and writes its
formula.

operation.py     what all of them have
elementwise.py   an expression of the numbers at one place
pools.py         the maximum or the average of some steps, of all, or of all channels
norms.py         layer, RMS and group norms
softmax.py       softmax, and its logarithm
recurrent.py     LSTM, GRU and the simple cell, but for the products of their inputs
moves.py         channels side by side, padding, repetition, channels in another order, the other layout
parts.py         steps that are copied from or to some place of a sequence
resize.py        more steps or fewer, between those of the input
transposed.py    transposed convolutions of very many phases
packing.py       weights in the panels of a kernel

Blocks of steps, or sequences, are the parallel iterations, and channels the innermost loop, which
`passes/operations.py` puts into vectors. There is no plan: what such a kernel takes is the time of reading and writing
its arrays.
"""

from .elementwise import Map
from .moves import Concat, EachChannel, Pad, Repeat, Shuffle, Transpose, Turn
from .norms import GroupNorm, LayerNorm, RmsNorm
from .operation import Operation
from .packing import Pack
from .parts import Copy, EachStep
from .pools import ChannelPool, GlobalPool, Pool
from .recurrent import Gru, Lstm, SimpleRnn
from .resize import Resize
from .softmax import Softmax, SoftmaxOfSteps
from .transposed import ConvTranspose

__all__ = [
    "ChannelPool",
    "Concat",
    "ConvTranspose",
    "Copy",
    "EachChannel",
    "EachStep",
    "GlobalPool",
    "GroupNorm",
    "Gru",
    "LayerNorm",
    "Lstm",
    "Map",
    "Operation",
    "Pack",
    "Pad",
    "Pool",
    "Repeat",
    "Resize",
    "RmsNorm",
    "Shuffle",
    "SimpleRnn",
    "Softmax",
    "SoftmaxOfSteps",
    "Transpose",
    "Turn",
]
