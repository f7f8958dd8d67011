"""prefetch_output: a tile asks for the lines that it is going to store to while it forms its sums.

    prefetch y[t + i, first]                    one for each vector of the tile
    acc := 0 ... y[t + i, first + l] := ...

A store that misses the cache holds up the stores after it, most of all where vectors straddle two lines, as they do in most arrays: NumPy
aligns to 16 bytes. Depthwise kernels store as much as they read: c1536_f1536_k4_g1536@1x2048, avx512, takes 1.02 ms instead of 1.90 (a
copy takes 0.94), and where all is aligned to lines 1.00 instead of 1.10.

With many taps, a tile asks for one row at each step of its last window (`share_windows`): all at once, the requests take the places that
the loads of the input wait for. c512_f512_k31_g512@1x1024 takes 312 us so where it is aligned, and 261 one by one. With few taps it asks
at its start, as memory is what takes time: c512_f512_k7_g512@1x2000 takes 359 to 373 us so, and 371 to 421 one by one.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import Alloc, Block, For, Kernel, Let, Load, Prefetch, Statement, Store
from ..rewrite import substitute, walk
from .context import Context

#: Products of one output up to which a tile of a direct kernel asks for its output too: it has little else to do. encodec/in, of 7, takes
#: 139 us instead of 189; from 20 on nothing changes (avx512).
_FEW_PRODUCTS = 16


def run(kernel: Kernel, context: Context) -> Kernel:
    problem, plan = context.problem, context.plan
    few = problem.kernel_size * problem.group_channels <= _FEW_PRODUCTS
    if plan.algorithm == "depthwise" or (plan.algorithm == "direct" and plan.lanes == "filters" and few):
        one_by_one = plan.algorithm == "depthwise" and problem.kernel_size > plan.unroll
        return kernel.with_body(_block(kernel.body, one_by_one))
    return kernel


def _block(body: Block, one_by_one: bool) -> Block:
    last = body[-1] if body else None
    tile = isinstance(last, For) and last.var == "i" and any(isinstance(s, Alloc) for s in body)
    if isinstance(last, For) and tile and any(isinstance(s, Store) and s.buffer.space == "output" for s in walk((last,))):
        return _with_requests(body, last, one_by_one)
    return tuple(replace(s, body=_block(s.body, one_by_one)) if isinstance(s, For) else s for s in body)


def _with_requests(body: Block, rows: For, one_by_one: bool) -> Block:
    """The statements of a tile with requests for what its last nest, over `rows`, stores to."""
    steps = [at for at, s in enumerate(body) if one_by_one and _reads_a_step(s)]
    if not steps:
        lets = sum(isinstance(s, Let) for s in body)
        return (*body[:lets], *_requests((rows,)), *body[lets:])
    result: list[Statement] = []
    for at, s in enumerate(body):
        if at in steps and (i := steps.index(at)) < (rows.hi.constant or 0):
            result += substitute(_requests(rows.body), {"i": i})
        result.append(s)
    return tuple(result)


def _reads_a_step(s: Statement) -> bool:
    """Whether this nest loads a step of the input into registers."""
    while isinstance(s, For) and s.kind in ("unrolled", "lanes"):
        s = s.body[0]
    return isinstance(s, Store) and isinstance(s.value, Load) and s.value.buffer.space == "input"


def _requests(body: Block) -> Block:
    """A nest of stores as one of prefetches, of the first lane of each vector."""
    result: list[Statement] = []
    for s in body:
        assert isinstance(s, For)
        if s.kind == "lanes":
            (leaf,) = s.body
            assert isinstance(leaf, Store)
            result.append(Prefetch(leaf.buffer, tuple(i.substitute({s.var: 0}) for i in leaf.index)))
        else:
            result.append(replace(s, body=_requests(s.body)))
    return tuple(result)
