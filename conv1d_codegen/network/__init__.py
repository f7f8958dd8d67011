"""Whole networks: graphs of layers, built by hand or read from files.

ops/           what a node computes: shapes and weights
lengths.py     how long the formulas of lengths may be
reach.py       which steps of its input an output step reads
graph.py       nodes, inputs and outputs, frozen
reference/     what each operation means, in NumPy
symbols.py     building a graph by calling layers
layers/        Keras's layers beside Conv1D
simplify.py    passes over graphs
split.py       the one for recurrent cells
fuse.py        those for what is element-wise
distribute.py  that for what follows a concatenation
sums.py        that for sums of convolutions
gates.py       that for the halves of a gate
layout.py      that for which axis lies side by side
execution/     a graph, run by kernels
network.py     what a user holds
stored.py      weights as other programs store them
saved.py       a network in one plain file
readers/       trained networks from files
"""

from .network import Network, Sequential, save
from .readers import load
from .readers.keras_live import from_keras
from .readers.pytorch import from_torch
from .symbols import Input

__all__ = ["Input", "Network", "Sequential", "from_keras", "from_torch", "load", "save"]
