"""The peers: other libraries that compute the same, each as fast as its users can call it. One file each.

A peer's file is named as what it imports, and has two functions:

    prepare(problem, x, weights, bias, threads) -> Prepared             a layer: convolution, bias and relu
    prepare_network(graph, weights, x, threads) -> Prepared             a network, by its file of `translations`

`x` is `(N, C, T)`, `weights` of a layer `(F, C/g, k)`, `bias` `(F,)`, all float32 and C-contiguous, whatever the problem's
data format. What can be done once for many inferences of one shape is done there: layouts, compiling, buffers. The
imports are at the top of each file, so a file is loaded, by `load`, only once its library is wanted and known to be there.
`torch_compile` has networks only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from ...network.graph import Graph, Weights
from ...problem import Problem

Array = np.ndarray[Any, Any]
Needs = Mapping[str, tuple[str, ...]]
#: Each peer of a layer, and the modules it needs; that of the library first.
NEEDS: Needs = {"torch": ("torch",), "onnxruntime": ("onnxruntime", "onnx"), "openvino": ("openvino",), "jax": ("jax",)}
#: The same of a network.
NETWORK_NEEDS: Needs = {
    "torch": ("torch",),
    "torch_compile": ("torch",),
    "onnxruntime": ("onnxruntime", "onnx"),
    "openvino": ("openvino", "onnx"),
    "jax": ("jax",),
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """One inference, ready to be called again and again; and the output of the last, `(N, F, T')`, or `(N, F)` where that
    has no steps.
    """

    call: Callable[[], object]
    result: Callable[[], Array]


class Peer(Protocol):
    """What a peer's file offers."""

    def prepare(self, problem: Problem, x: Array, weights: Array, bias: Array, threads: int) -> Prepared: ...

    def prepare_network(self, graph: Graph, weights: Weights, x: Array, threads: int) -> Prepared: ...


def load(name: str) -> Peer:
    """The peer of that name. Raises ImportError where its library is missing."""
    peer: Peer = import_module(f"{__name__}.{name}")
    return peer


def missing(names: Iterable[str], needs: Needs) -> list[str]:
    """The modules, of those that these peers need, that are not installed."""
    modules = dict.fromkeys(module for name in names for module in needs[name])
    return [module for module in modules if find_spec(module) is None]


def versions(names: Iterable[str]) -> dict[str, str]:
    """The version of each of these peers, as the package says that has its module: there are several of ONNX Runtime,
    for one.
    """
    packages = metadata.packages_distributions()
    return {name: metadata.version(packages[NETWORK_NEEDS[name][0]][0]) for name in names}


def sides(problem: Problem) -> tuple[int, int]:
    """Steps of zeros before and after the input, for any length: a case's padding is "valid" or a pair."""
    return problem.padding if isinstance(problem.padding, tuple) else (0, 0)
