"""While the tiles of a block go over one chunk of large weights, each asks for an equal share of the
next chunk.

    for j, for chunk, for n, for tile                 for j, for chunk, for n, for tile
      for c_4                                   →       for c_4
        acc += x * w[panel, j, c + 256 * chunk]           for line of this tile's share: prefetch w[next chunk, line]
                                                          acc += x * w[panel, j, c + 256 * chunk]

A tile of 6 steps by 4 vectors uses 55 GB of weights a second; a core reads 29 from L3, and 17 to 21 from memory
(avx512). So the first tile of a chunk waits, while those that follow find it in L2 and leave the way to memory idle.
Asked for by all of them, a few lines at a time, the next chunk arrives while they compute: as many requests can be
under way at once as the core has buffers for, and what asks for more waits too. A tile asks for the same lines of each
group of channels (of an unrolled loop). Chunks lie one after another in the order in which they are used, from panel to
panel; the very last asks for itself.

Where other large layers have just been through the caches, so that weights come from memory (avx512):

    ms                          no requests    2 lines a group    4 lines    equal shares    ... into L1
    onednn/1d/conv1d_gemm:3        1.05             0.89            0.79          0.76            0.80
    encodec/down256_k16s8          2.58             2.12            2.20          2.12            2.12
    onednn/1d/conv1d:21            2.66             2.35            2.42          2.36            2.34

All tiles ask, the short ones of what is left over too, where one is tall: of one sequence of 11 steps, of which a tap has
one tile of 6, one of 2 and up to three of 1, c512_f512_k5_same takes 0.89 of the time that it takes if only the first asks,
c320_f320_k16_same of 16 steps 0.88 (Xeon 6/167).

The same goes for edges that share the weights of a tap (`interchange/edges.py`): wav2vec2/1s_pos_conv, where nearly all
steps are, takes 1.70 ms instead of 2.36.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...ir import Alloc, Axis, Block, For, If, Kernel, Level, Load, Prefetch, Statement, Storage, loop
from ...ir.rewrite import loads_of, map_statements, walk
from ...machine.target import LINE
from ...number_types import TYPES
from ...symbolic.index import Index, index, maximum, minimum, var


def run(kernel: Kernel, tall: int) -> Kernel:
    return kernel.with_body(_block(kernel.body, tall, LINE // TYPES[kernel.compute].bytes))


def _block(body: Block, tall: int, numbers: int, in_chunk: bool = False, sequences: For | None = None) -> Block:
    """The statements, within a chunk or not, and within which loop over sequences that share its weights. A line holds
    `numbers`.
    """
    places = _places(body, tall) if in_chunk else {}

    def asking(s: Statement) -> Block | None:
        match s:
            case For() if id(s) in places:
                return (_asking(s, *places[id(s)], sequences, numbers),)
            case For(axis=Axis.TAP, kind="serial") | For(level=Level.CHUNK):
                return (replace(s, body=_block(s.body, tall, numbers, in_chunk=True)),)
            case For(axis=Axis.SEQUENCE) if in_chunk:
                return (replace(s, body=_block(s.body, tall, numbers, in_chunk, sequences=s)),)
            case If() if in_chunk:
                return (replace(s, body=_block(s.body, tall, numbers, in_chunk, sequences)),)
        return None

    return map_statements(body, asking)


def _places(body: Block, tall: int) -> dict[int, tuple[Index, Index]]:
    """Of loops over tiles that stand beside each other, one of them over tall ones: how many tiles come before each, and
    how many there are.
    """
    loops = [s for s in body if isinstance(s, For) and s.level is Level.TILE and _height(s) is not None]
    if all(_height(tiles) != tall for tiles in loops):
        return {}
    counts = [tiles.hi - tiles.lo for tiles in loops]
    total = sum(counts, index(0))
    return {id(tiles): (sum(counts[:at], index(0)), total) for at, tiles in enumerate(loops)}


def _height(tiles: For) -> int | None:
    """Rows of the register tile that this loop computes."""
    return next(
        (
            s.buffer.shape[0].constant
            for s in tiles.body
            if isinstance(s, Alloc) and s.buffer.storage is Storage.REGISTER
        ),
        None,
    )


def _asking(tiles: For, before: Index, count: Index, sequences: For | None, numbers: int) -> For:
    """The loop over tiles, in which each asks for its share of the next chunk, as one of so many."""
    channels = next(
        (s for s in tiles.body if isinstance(s, For) and s.axis is Axis.CHANNEL and s.level is Level.UNROLLED), None
    )
    if channels is None:  # too few for a loop
        return tiles
    (group,) = channels.body
    assert isinstance(group, For)
    weights = next(_weights(channels))
    panel, unrolled = weights.buffer.shape[-1].constant, group.hi.constant
    assert panel is not None
    assert unrolled is not None
    lines = -(-unrolled * panel // numbers)  # of a group

    tile = before + var(tiles.var) - tiles.lo
    if sequences is not None:
        count, tile = count * (sequences.hi - sequences.lo), tile + (var(sequences.var) - sequences.lo) * count
    share = (count + (lines - 1)) // index(maximum(count, 1))
    first = maximum(minimum(tile * share, lines), 0)  # a product is not known to be 0 or more
    request = Prefetch(weights.buffer, (*_next_chunk(weights, channels, tiles.body), var("line") * numbers), level=2)
    asking = replace(channels, body=(loop("line", first, minimum(first + share, lines), (request,)), *channels.body))
    return replace(tiles, body=tuple(asking if s is channels else s for s in tiles.body))


def _next_chunk(weights: Load, channels: For, beside: Block) -> tuple[Index, ...]:
    """Where the present group of channels lies in the next chunk: as far from that one's start, counted on past the end
    of the tap.
    """
    # what groups leave over
    rest = (s for s in beside if isinstance(s, For) and s.axis is Axis.CHANNEL and s.level is Level.ELEMENT)
    within = {s.var: 0 for s in walk(channels.body) if isinstance(s, For)}
    group = next(s.hi for s in channels.body if isinstance(s, For))
    size = sum((s.hi - s.lo for s in rest), channels.hi * group)
    *outer, channel, _ = (i.substitute(within) for i in weights.index)
    panel = weights.buffer.shape[-1]
    before = weights.buffer.offset((*outer, index(0), index(0))) // panel
    start = before + channel.substitute({channels.var: 0})
    last = weights.buffer.size // panel - size
    return (*outer, index(minimum(start + size, last)) - before + var(channels.var) * group)


def _weights(channels: For) -> Iterator[Load]:
    """The loads of weights within."""
    return (load for s in walk(channels.body) for load in loads_of(s) if load.buffer.storage is Storage.CONSTANT)
