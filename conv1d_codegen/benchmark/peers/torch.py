"""PyTorch: `F.conv1d` with a bias, then `relu_`, or a network, eager, in inference mode; oneDNN as it is on by default.

`conv1d` pads both sides alike, so where they differ `F.pad` is part of what is timed. Compiling the module with
`torch.jit.freeze` and `optimize_for_inference` was no faster on any of the ten shapes tried but one (by 7 %).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from ...network.graph import Graph, Weights
from ...problem import Problem
from ..peers import Array, Prepared, sides
from ..translations import torch_module

_INFERENCE = torch.inference_mode()
_INFERENCE.__enter__()  # for good: within each call it costs 2 µs


def prepare(problem: Problem, x: Array, weights: Array, bias: Array, threads: int) -> Prepared:
    """Tensors of torch's own, which are aligned as it likes them."""
    torch.set_num_threads(threads)
    inputs, kernel, offsets = (torch.tensor(array) for array in (x, weights, bias))
    left, right = sides(problem)
    stride, dilation, groups = problem.stride, problem.dilation, problem.groups
    outputs = inputs

    def even() -> None:
        nonlocal outputs
        outputs = F.conv1d(inputs, kernel, offsets, stride, left, dilation, groups).relu_()

    def uneven() -> None:
        nonlocal outputs
        outputs = F.conv1d(F.pad(inputs, (left, right)), kernel, offsets, stride, 0, dilation, groups).relu_()

    return Prepared(even if left == right else uneven, lambda: outputs.numpy())


def prepare_network(graph: Graph, weights: Weights, x: Array, threads: int) -> Prepared:
    """The network as a module, eager."""
    return called(torch_module.module(graph, weights, len(x), x.shape[2]), x, threads)


def called(network: Callable[[Any], Any], x: Array, threads: int) -> Prepared:
    """Inferences of a module."""
    torch.set_num_threads(threads)
    inputs = outputs = torch.tensor(x)

    def call() -> None:
        nonlocal outputs
        outputs = network(inputs)

    return Prepared(call, lambda: outputs.numpy())
