"""chunk_reduction: sums a limited number of products in one chain; longer reductions are sums of such chunks.

    acc := 0                                      total := 0
    for j, for c: acc += x * w                    for chunk
    y := act(acc + b)                  →            acc := 0
                                                    for j, for c of the chunk: acc += x * w
                                                    total := total + acc
                                                  y := act(total + b)

What a chunk is, and why, says `chunks.py`. Totals wait in scratch memory, which stays in L1.
Where the lanes of a vector add up products of their own (`tile_sums.py`), each has a chain that is short enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..chunks import chunk_shape, window_chunk_shape
from ..index import Index, Indexable, index, maximum, minimum, var
from ..ir import Alloc, Block, For, Kernel, Load, Store, Value, buffer, load, loop, store
from ..rewrite import rewrite_values, substitute
from ..toom.split import Split
from .context import Context

_Chunk = Callable[[Block], Block]  # terms → the terms summed from zero, and the sum added to the total
_Split = Callable[[For, Store, _Chunk], Block | None]  # the loop over taps → its chunks


def run(kernel: Kernel, context: Context) -> Kernel:
    if context.plan.sums_in_lanes:
        return kernel
    return kernel.with_body(_in_nests(kernel.body, partial(_split, context=context)))


def _split(taps: For, finish: Store, chunk: _Chunk, context: Context) -> Block | None:
    """The chunks of a loop over taps, or over the terms of a window, for a sum that goes to `finish`; None where it is short enough."""
    problem, plan = context.problem, context.plan
    if plan.algorithm == "generic":
        return _at_run_time(taps, chunk)
    of_window = finish.buffer.space == "scratch"
    channels, count = problem.group_channels, Split.of(problem, plan.taps).terms if of_window else problem.kernel_size
    some_taps, some_channels = (window_chunk_shape if of_window else chunk_shape)(count, channels)
    if some_channels < channels:
        return _by_channels(taps, chunk, some_channels)
    if some_taps < count:
        return _by_taps(taps, chunk, count, some_taps, even=channels >= plan.unroll)
    return None


def _in_nests(body: Block, split: _Split) -> Block:
    """Every nest of one output, with its reduction split."""
    match body:
        case (Alloc(acc), Store() as start, For(var="j") as taps, Store() as finish):
            total = buffer("total", acc.dtype, (), "scratch")

            def chunk(terms: Block) -> Block:
                return (Alloc(acc), start, *terms, store(total, (), load(total) + load(acc)))

            def from_total(node: Value) -> Value:
                return load(total) if isinstance(node, Load) and node.buffer == acc else node

            chunks = split(taps, finish, chunk)
            if chunks is not None:
                return (Alloc(total), store(total, (), start.value), *chunks, *rewrite_values((finish,), from_total))
    return tuple(replace(s, body=_in_nests(s.body, split)) if isinstance(s, For) else s for s in body)


def _by_taps(taps: For, chunk: _Chunk, count: int, size: int, even: bool) -> Block:
    """Chunks of `size` taps of the `count` that there are; with `even`, one loop for all, else a loop of constant length and a rest."""

    def part(base: Index, within: Indexable) -> Block:
        first, last = maximum(taps.lo - base, 0), minimum(taps.hi - base, within)
        return chunk((loop("j", first, last, substitute(taps.body, {"j": base + var("j")}), note=taps.note),))

    whole, rest = divmod(count, size)
    base = var("chunk") * size
    if not rest or even:
        return (loop("chunk", 0, -(-count // size), part(base, size)),)
    return (loop("chunk", 0, whole, part(base, size)), *part(index(whole * size), rest))


def _by_channels(taps: For, chunk: _Chunk, size: int) -> Block:
    """One tap after another, its channels in chunks of `size` and a last one of what is left."""
    (channels,) = taps.body
    assert isinstance(channels, For)
    whole = channels.hi // size

    def part(base: Index, within: Indexable) -> Block:
        return chunk((replace(channels, hi=index(within), body=substitute(channels.body, {"c": base + var("c")})),))

    chunks: Block = (loop("chunk", 0, whole, part(var("chunk") * size, size)),)
    rest = channels.hi - whole * size
    return (replace(taps, body=(*chunks, *part(whole * size, rest)) if rest != 0 else chunks),)


def _at_run_time(taps: For, chunk: _Chunk) -> Block:
    """The same chunks, their shape given as run-time sizes J and M: of the two loops around a chunk, one runs once."""
    (channels,) = taps.body
    assert isinstance(channels, For)
    base, part = var("chunk") * var("J"), var("part") * var("M")
    inner = replace(channels, hi=index(minimum(var("M"), channels.hi - part)), body=substitute(channels.body, {"c": part + var("c")}))
    some_taps = replace(taps, lo=index(maximum(taps.lo, base)), hi=index(minimum(taps.hi, base + var("J"))), body=(inner,))
    parts = loop("part", 0, (channels.hi + var("M") - 1) // var("M"), chunk((some_taps,)))
    return (loop("chunk", 0, (var("K") + var("J") - 1) // var("J"), (parts,)),)
