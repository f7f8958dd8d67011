"""How a network runs: kernels for its nodes, called one after another in memory that is planned beforehand.

tasks.py     nodes as kernels
parts.py     those of a transposed convolution
stores.py    where kernels store
beside.py    what is written where a concatenation has it
along.py     what is stored by the kernel of another node
within.py    what lies in another tensor's memory
arena.py     where tensors lie
groups.py    how many sequences go through it together
launch.py    all that a call with inputs of certain sizes needs
program.py   a graph, ready to run
staged.py    a graph of which ONNX Runtime computes some parts, which onnxruntime.py calls
"""

from __future__ import annotations

from ...options import CompileOptions
from ..graph import Graph, Weights
from ..ops.delegated import Delegated
from .program import Program
from .staged import Staged


def runnable(graph: Graph, weights: Weights, options: CompileOptions) -> Program | Staged:
    """A graph with weights, ready to run."""
    if any(isinstance(node.op, Delegated) for node in graph.nodes):
        return Staged(graph, weights, options)
    return Program(graph, weights, options)


__all__ = ["Program", "Staged", "runnable"]
