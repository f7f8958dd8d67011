"""The passes, in order. Each is a function from a kernel to a kernel in a file of its own; each leaves the result the same.

The order, and why:

    block_time        first, as it decides what the parallel iterations are, and everything else happens inside one of them
    peel_edges        before tiling: only rows whose taps all fall on the input can share a register tile
    chunk_reduction   before tiling, as the sums of the chunks are tiled like the accumulators
    stream_weights    after that, as the chunks are what all steps go over by turns; in place of peeling and interchanging edges
    simplify          now that every loop's range is known: drops the tap guards that can be proved, and the edges that can't exist
    interchange_edges once the edges that exist are known, and before tiling, as it makes loops over steps that are tiled
    tile              cuts output steps and filters into register tiles, and puts the lanes in place
    tile_channels     the same for depthwise kernels, whose loops are the other way round
    tile_sums         the same where filters are few, and the lanes hold channels
    prefetch_block    while both transforms of Cook–Toom still say which steps they read and write
    tile_transform    the same as `tile` for the transforms of inputs
    pack_weights      after tiling, as the panels are those that the tiles read
    stage_operands    after packing, so that it is the packed weights that are loaded once for all the rows of a tile
    unroll_reduction  after staging, so that the staged loads are unrolled with their uses
    share_windows     after unrolling, as it is the unrolled taps that read the same input
    prefetch_weights  after unrolling too, as each round of the unrolled loop asks for some lines
    prefetch_input    after staging: the one load of a row's number is where its successors are asked for
    transpose_output  before the activation is written out, as it is then in the lanes of steps
    prefetch_output   after that and sharing, as a tile asks for its output while it goes through the input
    expand_epilogue   activations become arithmetic; large ones get a loop of their own, for which the tiles must be there
    collapse_loops    last: the loops of one iteration that tiling and unrolling leave where a size is small
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..ir import Kernel
from ..verify import verify
from . import (
    block_time,
    chunk_reduction,
    collapse_loops,
    expand_epilogue,
    interchange_edges,
    pack_weights,
    peel_edges,
    prefetch_block,
    prefetch_input,
    prefetch_output,
    prefetch_weights,
    share_windows,
    simplify,
    stage_operands,
    stream_weights,
    tile,
    tile_channels,
    tile_sums,
    tile_transform,
    transpose_output,
    unroll_reduction,
)
from .context import Context

Pass = Callable[[Kernel, Context], Kernel]

PIPELINE: tuple[tuple[str, Pass], ...] = (
    ("block_time", block_time.run),
    ("peel_edges", peel_edges.run),
    ("chunk_reduction", chunk_reduction.run),
    ("stream_weights", stream_weights.run),
    ("simplify", simplify.run),
    ("interchange_edges", interchange_edges.run),
    ("tile", tile.run),
    ("tile_channels", tile_channels.run),
    ("tile_sums", tile_sums.run),
    ("prefetch_block", prefetch_block.run),
    ("tile_transform", tile_transform.run),
    ("pack_weights", pack_weights.run),
    ("stage_operands", stage_operands.run),
    ("unroll_reduction", unroll_reduction.run),
    ("share_windows", share_windows.run),
    ("prefetch_weights", prefetch_weights.run),
    ("prefetch_input", prefetch_input.run),
    ("transpose_output", transpose_output.run),
    ("prefetch_output", prefetch_output.run),
    ("expand_epilogue", expand_epilogue.run),
    ("collapse_loops", collapse_loops.run),
)


def stages(kernel: Kernel, context: Context, check: bool = False) -> Iterator[tuple[str, Kernel]]:
    """The kernel after each pass, with the pass's name. With `check`, the verifier runs after each."""
    for name, run in PIPELINE:
        kernel = run(kernel, context)
        if check:
            verify(kernel, scheduled=run is PIPELINE[-1][1])
        yield name, kernel


__all__ = ["PIPELINE", "Context", "Pass", "stages"]
