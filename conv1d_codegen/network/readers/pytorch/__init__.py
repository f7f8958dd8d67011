"""Modules of torch as networks: what `torch.export` says that they compute, operation by operation.

export.py         the operations of a module, with torch
any_length.py     what lets torch export for any length
module.py         the operations → a network
ends.py           what goes in and comes out
held.py           parameters, buffers and what is computed from them alone
call.py           an operation and its arguments
builder.py        the graph in the making
layout.py         where the axes of torch's tensors lie in those of a network
convolutions.py   convolutions and dense layers
norms.py          norms
activations.py    functions of single numbers, and of each step's channels
arithmetic.py     sums, products and the like
shapes.py         other shapes, and parts of tensors
windows.py        pools, padding, means, other lengths
recurrent.py      LSTM and GRU

No module here imports torch before a user's module is read.
"""

from .module import from_torch

__all__ = ["from_torch"]
