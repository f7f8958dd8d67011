"""Passes over graphs: each makes a network into one that computes the same with less.

    drop_unused        nodes that no output needs
    share_equal        what several nodes compute of the same tensors is computed once
    fuse_crops         steps left out after a transposed convolution are not computed
    split_recurrent    the products of a recurrent cell's inputs become a convolution (`split.py`)
    fold_norms         a batch norm after a convolution goes into its weights
    fuse_activations   an activation after a convolution becomes part of it
    fuse_paddings      zeros around the input of a convolution become its padding

Most look at a pair of nodes of which the second is the only reader of the first. They are in the order of `PASSES`, as
a norm stands between a convolution and its activation. Those of `fuse.py` come last: what is element-wise.

A norm *before* a padded convolution is not folded into it: padding is zero after the norm, and would be another number
before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..number_types import TYPES
from ..problem import Activation
from . import fuse
from .distribute import distribute_maps
from .graph import Graph, Node, Weights, free_name, with_nodes
from .ops import Activate, BatchNorm, Clip, Conv, ConvTranspose, Crop, Pad, PRelu
from .split import split_recurrent


@dataclass(frozen=True, slots=True)
class Pair:
    """Two nodes, of which the second reads what the first makes, and nothing else does."""

    first: Node
    second: Node


#: What a pair becomes: one node, named as the second, and the weights that it adds; None where it stays.
Merge = Callable[[Pair, Graph, Weights], "tuple[Node, Weights] | None"]


def drop_unused(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """The network without nodes that no output needs."""
    needed = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if node.name in needed:
            kept.append(node)
            needed.update(node.inputs)
    return with_nodes(graph, weights, kept[::-1])


def share_equal(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """The network in which no two nodes do the same with the same tensors and weights, but for outputs."""
    kept: dict[str, Node] = {}
    instead: dict[str, str] = {}
    found: dict[tuple[object, ...], str] = {}
    for node in graph.nodes:
        node = replace(node, inputs=tuple(instead.get(name, name) for name in node.inputs))
        first = kept.get(found.setdefault((node.op, node.inputs, node.weights), node.name))
        if first is None or node.name in graph.outputs:
            kept[node.name] = node
        else:
            kept[first.name] = replace(first, merged=(*first.merged, node.name, *node.merged))
            instead[node.name] = first.name
    return with_nodes(graph, weights, list(kept.values()))


def fuse_crops(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """A transposed convolution, of whose output steps are left out, leaves these out, also where what is done to each step
    by itself lies between.
    """
    made: dict[str, Node] = {}
    for node in graph.nodes:
        way = _from_transposed(node, graph, made)
        if not way:
            made[node.name] = node
            continue
        conv, crop = way[0].op, node.op
        assert isinstance(conv, ConvTranspose)
        assert isinstance(crop, Crop)
        op = replace(conv, left=conv.left + crop.left, right=conv.right + crop.right)
        *before, last = (replace(way[0], op=op), *way[1:])
        for each in way:
            del made[each.name]
        made |= {each.name: each for each in before}
        made[node.name] = replace(last, name=node.name, merged=(*last.merged, last.name, *node.merged))
    return with_nodes(graph, weights, list(made.values()))


def _from_transposed(node: Node, graph: Graph, made: dict[str, Node]) -> list[Node]:
    """The nodes from a transposed convolution to a crop, each of which only the next reads; none where there are others."""
    way: list[Node] = []
    name = node.inputs[0]
    while isinstance(node.op, Crop) and name in made and graph.reads[name] == 1 and name not in graph.outputs:
        way.insert(0, made[name])
        if isinstance(made[name].op, ConvTranspose):
            return way
        if not isinstance(made[name].op, Activate | BatchNorm | Clip | PRelu):
            break
        name = made[name].inputs[0]
    return []


def fold_norms(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """y = (w·x + b − mean)·s + beta, with s = gamma ÷ √(variance + epsilon), is (w·s)·x + (b − mean)·s + beta."""

    def folded(pair: Pair, graph: Graph, weights: Weights) -> tuple[Node, Weights] | None:
        conv, norm = pair.first.op, pair.second.op
        if not isinstance(conv, Conv | ConvTranspose) or not isinstance(norm, BatchNorm):
            return None
        if isinstance(conv, Conv) and conv.problem.activation != Activation():
            return None
        if graph.dtype != TYPES[graph.dtype].compute:
            return None  # the product would be rounded to float16 or bfloat16 once more
        shape = graph.shapes[pair.first.name]
        own = {
            name: weights[w].astype(np.float64)
            for name, w in zip(norm.weights(shape), pair.second.weights, strict=True)
        }
        kernel, *bias = (weights[w].astype(np.float64) for w in pair.first.weights)
        scale = own.get("gamma", np.ones(shape.channels)) / np.sqrt(own["variance"] + norm.epsilon)
        offset = ((bias[0] if bias else 0.0) - own["mean"]) * scale + own.get("beta", 0.0)
        names = tuple(free_name(f"{pair.second.name}/folded_{name}", weights) for name in ("kernel", "bias"))
        op: Conv | ConvTranspose
        if isinstance(conv, ConvTranspose):
            op, kernel = replace(conv, use_bias=True), kernel * scale[:, None]  # whose filters come before its channels
        else:
            op, kernel = Conv(conv.problem.with_(use_bias=True)), kernel * scale
        return Node(pair.second.name, op, pair.first.inputs, names), dict(zip(names, (kernel, offset), strict=True))

    return _merged(graph, weights, folded)


def fuse_activations(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """act(conv(x)) is one kernel."""

    def fused(pair: Pair, graph: Graph, weights: Weights) -> tuple[Node, Weights] | None:
        conv, then = pair.first.op, pair.second.op
        if not isinstance(conv, Conv) or not isinstance(then, Activate) or conv.problem.activation != Activation():
            return None
        op = Conv(conv.problem.with_(activation=then.activation))
        return replace(pair.first, name=pair.second.name, op=op), {}

    return _merged(graph, weights, fused)


def fuse_paddings(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """conv(zeros, x, zeros), with no padding or explicit padding of its own, has that padding too."""

    def fused(pair: Pair, graph: Graph, weights: Weights) -> tuple[Node, Weights] | None:
        around, conv = pair.first.op, pair.second.op
        if not isinstance(around, Pad) or around.mode != "zeros" or not isinstance(conv, Conv):
            return None
        own = conv.problem.padding
        if own == "same" or (own == "causal" and conv.problem.stride > 1):
            return None  # `same` depends on the length that it sees, and strided `causal` rounds it up
        right = own[1] if isinstance(own, tuple) else 0
        padding = (around.left + conv.problem.left_padding(0), around.right + right)
        return replace(pair.second, op=Conv(conv.problem.with_(padding=padding)), inputs=pair.first.inputs), {}

    return _merged(graph, weights, fused)


PASSES = (
    *(drop_unused, share_equal, split_recurrent, fuse_crops, fold_norms, fuse_activations, fuse_paddings),
    *(fuse.as_maps, fuse.fuse_maps, distribute_maps, fuse.fuse_maps, fuse.fuse_epilogues),
)


#: Passes that change what is rounded, and so the last bits.
INEXACT = (fold_norms,)


def stages(graph: Graph, weights: Weights, exact: bool) -> Iterator[tuple[str, Graph, Weights]]:
    """The network after each pass, with the pass's name; without those that change bits where it is to be `exact`."""
    for run in PASSES:
        if not exact or run not in INEXACT:
            with np.errstate(all="ignore"):  # weights may be any numbers
                graph, weights = run(graph, weights)
            yield run.__name__, graph, weights


def simplified(graph: Graph, weights: Weights, exact: bool = False) -> tuple[Graph, Weights]:
    """The network after all passes."""
    *_, (_, graph, weights) = stages(graph, weights, exact)
    return graph, weights


def _merged(graph: Graph, weights: Weights, merge: Merge) -> tuple[Graph, Weights]:
    """The network with each pair that `merge` takes as one node."""
    made: dict[str, Node] = {}
    added = dict(weights)
    for node in graph.nodes:
        first = made.get(node.inputs[0]) if len(node.inputs) == 1 else None
        alone = first is not None and graph.reads[node.inputs[0]] == 1 and first.name not in graph.outputs
        result = merge(Pair(first, node), graph, added) if first is not None and alone else None
        if first is not None and result is not None:
            del made[first.name]
            merged = (*first.merged, first.name, *node.merged)
            node = replace(result[0], merged=merged)
            added.update(result[1])
        made[node.name] = node
    return with_nodes(graph, added, list(made.values()))
