"""chunk_reduction: sums at most 256 products in one chain; longer reductions are sums of such chunks.

    acc := 0                                      total := 0
    for j, for c: acc += x * w                    for chunk
    y := act(acc + b)                  →            acc := 0
                                                    for j, for c of the chunk: acc += x * w
                                                    total := total + acc
                                                  y := act(total + b)

The rounding error of a chain grows with the partial sums that it goes through. `chunk_shape` says what a chunk is; that depends
neither on where the output lies nor on the algorithm, so that the bits do not either. Totals wait in scratch memory, which stays in L1.
Where the lanes of a vector add up products of their own (`tile_sums.py`), each has a chain that is short enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..index import Index, Indexable, index, maximum, minimum, var
from ..ir import Alloc, Block, For, Kernel, Load, Store, Value, buffer, load, loop, store
from ..plan import LONGEST_CHAIN
from ..rewrite import rewrite_values, substitute
from .context import Context

_Chunk = Callable[[Block], Block]  # terms → the terms summed from zero, and the sum added to the total
_Split = Callable[[For, _Chunk], Block]  # the loop over taps → its chunks


def chunk_shape(taps: int, channels: int) -> tuple[int, int]:
    """Taps and channels of a chunk, of up to LONGEST_CHAIN products: whole taps, evenly many, or an even part of one tap's channels."""
    if channels > LONGEST_CHAIN:
        parts = (size for size in range(LONGEST_CHAIN, LONGEST_CHAIN // 4, -1) if channels % size == 0)
        return 1, next(parts, LONGEST_CHAIN)
    most = LONGEST_CHAIN // channels
    return -(-taps // -(-taps // most)), channels


def run(kernel: Kernel, context: Context) -> Kernel:
    problem = context.problem
    taps, channels = problem.kernel_size, problem.group_channels
    some_taps, some_channels = chunk_shape(taps, channels)
    if context.plan.sums_in_lanes:
        return kernel
    if context.plan.algorithm == "generic":
        split = _at_run_time
    elif some_channels < channels:
        split = partial(_by_channels, size=some_channels)
    elif some_taps < taps:
        split = partial(_by_taps, count=taps, size=some_taps, even=channels >= context.plan.unroll)
    else:
        return kernel
    return kernel.with_body(_in_nests(kernel.body, split))


def _in_nests(body: Block, split: _Split) -> Block:
    """Every nest of one output, with its reduction split."""
    match body:
        case (Alloc(acc), Store() as start, For(var="j") as taps, Store() as finish):
            total = buffer("total", acc.dtype, (), "scratch")

            def chunk(terms: Block) -> Block:
                return (Alloc(acc), start, *terms, store(total, (), load(total) + load(acc)))

            def from_total(node: Value) -> Value:
                return load(total) if isinstance(node, Load) and node.buffer == acc else node

            return (Alloc(total), store(total, (), start.value), *split(taps, chunk), *rewrite_values((finish,), from_total))
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
