"""PyTorch's compiler, Inductor, on networks: with a C++ compiler it makes kernels of what is between convolutions.

Weights are frozen, as they are in the other peers' models.
"""

from __future__ import annotations

import torch

from ...network.graph import Graph, Weights
from ..peers import Array, Prepared
from ..peers.torch import called
from ..translations import torch_module


def prepare_network(graph: Graph, weights: Weights, x: Array, threads: int) -> Prepared:
    """The network, compiled for this shape."""
    module = torch_module.module(graph, weights, len(x), x.shape[2]).eval()
    torch.compiler.reset()  # what it remembers of the network before
    return called(torch.compile(module, dynamic=False, options={"freezing": True}), x, threads)
