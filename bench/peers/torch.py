"""PyTorch: `F.conv1d` with a bias, then `relu_`, eager, in inference mode; oneDNN as it is on by default.

`conv1d` pads both sides alike, so where they differ `F.pad` is part of what is timed. Compiling the module with
`torch.jit.freeze` and `optimize_for_inference` was no faster on any of the ten shapes tried but one (by 7 %).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from bench.peers import Array, Prepared, sides
from conv1d_codegen import Problem

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
