"""A tile asks for the lines that it is going to store to while it forms its sums.

    prefetch y[t + i, first]                    one for each vector of the tile
    acc := 0 ... y[t + i, first + l] := ...

A store that misses the cache holds up the stores after it, most of all where vectors straddle two lines, as they do in
most arrays: NumPy aligns to 16 bytes. Depthwise kernels store as much as they read: c1536_f1536_k4_g1536@1x2048,
avx512, takes 1.02 ms instead of 1.90 (a copy takes 0.94), and where all is aligned to lines 1.00 instead of 1.10.

With many taps, one request stands before each load of the input that the taps after the loop share (`share_windows`):
all at once, the requests take the places that those loads wait for. c512_f512_k31_g512@1x1024, aligned, takes 312 us
with all requests at once, and 261 with one after another. With few taps a tile asks at its start, as memory is what
takes time: c512_f512_k7_g512@1x2000 takes 359 to 373 us with all at once, and 371 to 421 with one after another.

A tile that is transposed (`transpose_output`) stores a few steps to the row of each filter, each time to another line:
c32_f32_k2@1x84350 in channels_first reaches 85 % of the peak so, and 79 without. It asks for the last of them, as the
first may lie where the tile before stored.
"""

from __future__ import annotations

from dataclasses import replace

from ...ir import Alloc, Block, Compound, For, Kernel, Let, Load, Prefetch, Statement, Storage, Store
from ...ir.rewrite import map_statements, substitute, walk
from ..transpose_output import is_turned


def run(kernel: Kernel, one_by_one: bool) -> Kernel:
    return kernel.with_body(_block(kernel.body, one_by_one))


def _block(body: Block, one_by_one: bool) -> Block:
    stores = tuple(s for s in body if isinstance(s, For) and s.kind == "unrolled" and _stores_output(s))
    if stores and any(isinstance(s, Alloc) for s in body):
        return _with_requests(body, stores, one_by_one)
    return map_statements(
        body, lambda s: (replace(s, body=_block(s.body, one_by_one)),) if isinstance(s, Compound) else None
    )


def _stores_output(nest: For) -> bool:
    return any(isinstance(s, Store) and not s.buffer.is_local for s in walk((nest,)))


def _with_requests(body: Block, stores: tuple[For, ...], one_by_one: bool) -> Block:
    """The statements of a tile with requests for what its last nests store to."""
    steps = [at for at, s in enumerate(body) if one_by_one and _reads_a_step(s)]
    if not steps:
        lets = sum(isinstance(s, Let) for s in body)
        return (*body[:lets], *_requests(stores), *body[lets:])
    result: list[Statement] = []
    for at, s in enumerate(body):
        for rows in stores if at in steps else ():
            if (i := steps.index(at)) < (rows.hi.constant or 0):
                result += substitute(_requests(rows.body), {rows.var: i})
        result.append(s)
    return tuple(result)


def _reads_a_step(s: Statement) -> bool:
    """Whether this nest loads a step of the input into registers."""
    while isinstance(s, For) and s.kind in ("unrolled", "lanes"):
        s = s.body[0]
    return isinstance(s, Store) and isinstance(s.value, Load) and s.value.buffer.storage is Storage.ARGUMENT


def _requests(body: Block) -> Block:
    """A nest of stores as one of prefetches, of the first lane of each vector; of a tile that is transposed, the last."""
    result: list[Statement] = []
    for s in body:
        if isinstance(s, For) and s.kind == "lanes":
            (leaf,) = s.body
            if isinstance(leaf, Store) and not leaf.buffer.is_local:
                lane = s.hi - 1 if is_turned(leaf.value, s) else 0
                result.append(Prefetch(leaf.buffer, tuple(i.substitute({s.var: lane}) for i in leaf.index)))
        elif isinstance(s, For) and _stores_output(s):
            result.append(replace(s, body=_requests(s.body)))
    return tuple(result)
