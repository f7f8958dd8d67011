"""The layers of a network beside Conv1D, with Keras's names and arguments. They are called on symbols (see `symbols.py`).

base.py           what they share
convolutions.py   Dense, DepthwiseConv1D, SeparableConv1D
transposed.py     Conv1DTranspose
recurrent.py      LSTM, GRU, Bidirectional
norms.py          norms of the channels
activations.py    activations as layers
merging.py        layers of several tensors
steps.py          padding, pools, repetition, other shapes
training.py       what does something in training only
distributed.py    TimeDistributed

What an argument asks of training alone (regularizers, constraints, momentum, rates of dropout) is taken and not used.
"""

from .activations import Activation, PReLU, Softmax
from .base import NetworkLayer
from .convolutions import Dense, DepthwiseConv1D, SeparableConv1D
from .distributed import TimeDistributed
from .merging import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract
from .norms import BatchNormalization, GroupNormalization, LayerNormalization, RMSNormalization
from .recurrent import GRU, LSTM, Bidirectional
from .steps import (
    AveragePooling1D,
    Cropping1D,
    Flatten,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    MaxPooling1D,
    Permute,
    Reshape,
    UpSampling1D,
    ZeroPadding1D,
)
from .training import (
    ActivityRegularization,
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    Identity,
    SpatialDropout1D,
)
from .transposed import Conv1DTranspose

__all__ = [
    "GRU",
    "LSTM",
    "Activation",
    "ActivityRegularization",
    "Add",
    "AlphaDropout",
    "Average",
    "AveragePooling1D",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1DTranspose",
    "Cropping1D",
    "Dense",
    "DepthwiseConv1D",
    "Dropout",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalMaxPooling1D",
    "GroupNormalization",
    "Identity",
    "LayerNormalization",
    "MaxPooling1D",
    "Maximum",
    "Minimum",
    "Multiply",
    "NetworkLayer",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "Reshape",
    "SeparableConv1D",
    "Softmax",
    "SpatialDropout1D",
    "Subtract",
    "TimeDistributed",
    "UpSampling1D",
    "ZeroPadding1D",
]
