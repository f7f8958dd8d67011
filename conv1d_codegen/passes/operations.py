"""The passes over what is no convolution: channels go into vectors, and what is computed becomes arithmetic.

    for c: y[n, t, c] := e(x[n, t, c])      →      for panel, for v, lanes l: y[n, t, …] := e(x[n, t, …])

What is kept for one channel, as the sum of a pool, is kept for all lanes. The loops within, over taps or steps, stay
where they are: a row of channels is read together. Where channels themselves are summed up, as for a norm, several steps
are taken together first (`tile/rows.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..ir import Alloc, Axis, Block, Buffer, For, Kernel, Level, Statement
from ..ir.packing import Packing
from ..ir.rewrite import map_statements
from ..lower.operations import Operation
from ..machine.target import Target
from ..number_types import TYPES
from ..symbolic.index import index
from ..verify import verify
from . import collapse_loops, expand_epilogue, pack_weights
from .tile import cut, rows
from .tile.register_tile import RegisterTile, Side

#: Vectors of a row that are written out beside each other, so that one need not wait for another; and sums that are
#: kept beside each other, where each channel has several.
VECTORS, SUMS = 4, 8
#: Operations times vectors that are written out.
_MOST_WRITTEN_OUT = 400


#: Why each pass stands where it does.
REASONS = {
    "tile_rows": "first, as several steps are taken together only where channels are summed up, which are loops yet",
    "vectorize": "before packing, which needs the vectors",
    "pack_weights": "once channels lie in vectors: weights are padded to whole ones",
    "expand_epilogue": "functions become arithmetic, in a loop of its own where there is much of it",
    "collapse_loops": "last: the loops of one iteration that the others leave where a size is small",
}


def stages(operation: Operation, kernel: Kernel, target: Target, check: bool = False) -> Iterator[tuple[str, Kernel]]:
    """The kernel after each pass, with the pass's name. With `check`, the verifier runs after each."""
    width = target.vector_bytes // TYPES[operation.compute].bytes
    passes: dict[str, Callable[[Kernel], Kernel]] = {
        "tile_rows": lambda k: k.with_body(rows.tiled(k.body, width, k.compute)),
        "vectorize": lambda k: k.with_body(_vectorized(k.body, width)),
        "pack_weights": lambda k: pack_weights.packed(k, lambda buffer: _in_vectors(buffer, width)),
        "expand_epilogue": lambda k: k.with_body(expand_epilogue.expanded(k.body, k.compute, _MOST_WRITTEN_OUT)),
        "collapse_loops": lambda k: k.with_body(collapse_loops.collapsed(k.body)),
    }
    for name, run in passes.items():
        kernel = run(kernel)
        if check:
            verify(kernel, scheduled=name == "collapse_loops")
        yield name, kernel


def _in_vectors(weights: Buffer, width: int) -> Packing:
    """Channels in whole vectors, the last one padded; the other axes within."""
    axes = tuple(axis.value for axis in weights.axes)
    return Packing(weights.name, f"{weights.name}p", weights.shape, axes, (), Axis.CHANNEL.value, width)


def _vectorized(body: Block, width: int) -> Block:
    def in_vectors(s: Statement) -> Block | None:
        match s:
            case For(axis=Axis.CHANNEL, level=Level.ELEMENT):
                kept = sum(isinstance(inner, Alloc) for inner in s.body)
                pieces = cut.cut_filters(Axis.CHANNEL, s.hi, width, max(1, min(VECTORS, SUMS // max(1, kept))))
                return tuple(statement for piece in pieces for statement in piece.around(_vectors(s, piece, width)))
        return None

    return map_statements(body, in_vectors)


def _vectors(channels: For, piece: cut.Piece, width: int) -> Block:
    one = cut.Piece(Axis.STEP, None, 1, index(0), 1)
    tile = RegisterTile(Side("row", one, False, 0), Side(channels.var, piece, True, width), False, {})
    return tile.statements(channels.body)
