"""The peers: other libraries that compute the same convolution, each as fast as its users can call it. One file each.

A peer's file is named as what it imports, and has one function:

    prepare(problem, x, weights, bias, threads) -> Prepared

`x` is `(N, C, T)`, `weights` `(F, C/g, k)`, `bias` `(F,)`, all float32 and C-contiguous, whatever the problem's data
format. What can be done once for many inferences of one shape is done there: layouts, compiling, buffers. The imports
are at the top of each file, so a file is loaded, by `load`, only once its library is wanted and known to be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from conv1d_codegen import Problem

Array = np.ndarray[Any, Any]
#: Each peer, and the modules it needs.
NEEDS = {"torch": ("torch",), "onnxruntime": ("onnxruntime", "onnx"), "openvino": ("openvino",), "jax": ("jax",)}


@dataclass(frozen=True, slots=True)
class Prepared:
    """One inference, ready to be called again and again; and the output `(N, F, T')` of the last."""

    call: Callable[[], object]
    result: Callable[[], Array]


class Peer(Protocol):
    """What a peer's file offers."""

    def prepare(self, problem: Problem, x: Array, weights: Array, bias: Array, threads: int) -> Prepared: ...


def load(name: str) -> Peer:
    """The peer of that name. Raises ImportError where its library is missing."""
    peer: Peer = import_module(f"bench.peers.{name}")
    return peer


def missing(names: Iterable[str]) -> list[str]:
    """The modules, of those that these peers need, that are not installed."""
    return [module for name in names for module in NEEDS[name] if find_spec(module) is None]


def versions(names: Iterable[str]) -> dict[str, str]:
    """The version of each of these peers, as the package says that has its module: there are several of ONNX Runtime,
    for one.
    """
    packages = metadata.packages_distributions()
    return {name: metadata.version(packages[name][0]) for name in names}


def sides(problem: Problem) -> tuple[int, int]:
    """Steps of zeros before and after the input, for any length: a case's padding is "valid" or a pair."""
    return problem.padding if isinstance(problem.padding, tuple) else (0, 0)
