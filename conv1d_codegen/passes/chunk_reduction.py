"""chunk_reduction: sums a limited number of products in one chain; longer reductions are sums of such chunks.

    acc := 0                                      total := 0
    for j, for c: acc += x * w                    for chunk
    y := act(acc + b)                  →            acc := 0
                                                    for j, for c of the chunk: acc += x * w
                                                    total := total + acc
                                                  y := act(total + b)

The sums of Cook–Toom's windows are cut too, into shorter chunks. Where they stream, all windows of a block go over one
chunk before the next, whose weights stay in L1 meanwhile:

    for window                                    for window: yt[window] := sum of the first chunk
      yt[window] := 0                      →      for chunk, from the second
      for chunk: yt[window] += sum of it            for window: yt[window] += sum of the chunk

A sum that starts at zero is never -0, so the bits are the same. c64_f64_k9@1x10000 with F(3,3) ⊗ F(4,3) takes 0.92 of
the time so, c128_f128_k9@1x10000 0.96 (avx512). What a chunk is, and why, says `problem/summation.py`.
Totals wait in scratch memory, which stays in L1. Where the lanes of a vector add up products of their own
(`tile/sums.py`), each has a chain that is short enough.

needs   sums of one output, as the lowering writes them
leaves  no chain of more products than `problem/summation.py` allows
obeys   the problem, as chunks decide bits and are no part of a schedule; `outputs`, `split`, `unroll`, `stream`
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..ir import (
    Alloc,
    Axis,
    Block,
    Buffer,
    For,
    If,
    Kernel,
    Level,
    Load,
    Nest,
    Statement,
    Store,
    Value,
    buffer,
    load,
    loop,
    store,
)
from ..ir.rewrite import map_statements, rewrite_values, shifted, substitute
from ..problem.summation import chunk_shape, window_chunk_shape
from ..symbolic.index import Index, Indexable, index, maximum, minimum, var
from .context import Context

_Chunk = Callable[[Block], Block]  # terms → the terms summed from zero, and the sum added to the total


def run(kernel: Kernel, context: Context) -> Kernel:
    if context.plan.sums_in_lanes:
        return kernel
    return kernel.with_body(_in_nests(kernel.body, context))


def _split(taps: For, chunk: _Chunk, context: Context) -> Block | None:
    """The chunks of a loop over taps, or None where it is short enough."""
    count, channels = context.sizes.kernel_size, context.sizes.channels
    if not (isinstance(count, int) and isinstance(channels, int)):
        return _at_run_time(taps, chunk, index(count))
    some_taps, some_channels = chunk_shape(count, channels)
    if some_channels < channels:
        return _by_channels(taps, chunk, some_channels)
    if some_taps < count:
        return _by_taps(taps, chunk, count, some_taps, even=channels >= context.plan.unroll)
    return None


def _in_nests(body: Block, context: Context) -> Block:
    """Every nest of one output, or of one product of a window, with its reduction split."""
    match body:
        case (Alloc(acc), Store() as start, For(axis=Axis.TAP) as terms, Store() as finish) if _is_window(
            finish, context
        ):
            return _of_window(body, acc, start, terms, finish, context)
        case (Alloc(acc), Store() as start, For(axis=Axis.TAP) as taps, Store(), *_):
            total = buffer("total", acc.dtype, (), "scratch")

            def chunk(terms: Block) -> Block:
                return (Alloc(acc), start, *terms, store(total, (), load(total) + load(acc)))

            def from_total(node: Value) -> Value:
                return load(total) if isinstance(node, Load) and node.buffer == acc else node

            chunks = _split(taps, chunk, context)
            if chunks is not None:
                return (Alloc(total), store(total, (), start.value), *chunks, *rewrite_values(body[3:], from_total))

    def within(s: Statement) -> Block | None:
        match s:
            case For(axis=Axis.WINDOW) if context.plan.stream:
                return _streamed(s, _in_nests(s.body, context), context)
            case For() | If() | Nest():
                return (replace(s, body=_in_nests(s.body, context)),)
        return None

    return map_statements(body, within)


def _is_window(finish: Store, context: Context) -> bool:
    return context.plan.outputs > 0 and finish.buffer.is_local


def _of_window(nest: Block, acc: Buffer, start: Store, terms: For, finish: Store, context: Context) -> Block:
    """The sum over the terms of a window: the first chunk goes to where the sum is wanted, and the
    others are added there.
    """
    (channels,) = terms.body
    assert isinstance(channels, For)
    count, all_channels = context.plan.split(context.problem).terms, context.windows.group_channels
    some_terms, some_channels = window_chunk_shape(count, all_channels)
    number = var("chunk")
    if some_channels < all_channels:
        each = -(-all_channels // some_channels)
        term, first = number // each, (number - number // each * each) * some_channels
        within = minimum(some_channels, all_channels - first) if all_channels % some_channels else some_channels
        sums: Block = (
            replace(channels, hi=index(within), body=substitute(shifted(channels, first), {terms.var: term})),
        )
        chunks = terms.hi * each
    elif some_terms < count:
        first = number * some_terms
        within = minimum(some_terms, terms.hi - first)
        sums = (replace(terms, hi=index(within), body=shifted(terms, first)),)
        chunks = (terms.hi + (some_terms - 1)) // some_terms
    else:
        return nest

    zero, total = replace(finish, value=start.value), load(acc) + Load(finish.buffer, finish.index)
    return (zero, _chunks(Axis.TAP, chunks, (Alloc(acc), start, *sums, replace(finish, value=total))))


def _streamed(windows: For, nest: Block, context: Context) -> Block:
    """The sums of a block's windows, all of which go over one chunk of the terms before the next. The first chunk is
    not added to anything where there is one for each multiplication.
    """
    match nest:
        case (
            Store() as zero,
            For(level=Level.CHUNK, body=(Alloc() as acc, start, *sums, Store() as finish)) as chunks,
        ):
            pass
        case _:
            return (replace(windows, body=nest),)
    start_at_zero: Block = (zero,)
    if context.plan.split(context.problem).whole_terms:
        first = substitute((acc, start, *sums), {chunks.var: 0})
        start_at_zero, chunks = (*first, replace(zero, value=load(acc.buffer))), replace(chunks, lo=index(1))
    return (
        replace(windows, body=start_at_zero),
        replace(chunks, body=(replace(windows, body=(acc, start, *sums, finish)),)),
    )


def _chunks(axis: Axis, count: Indexable, body: Block) -> For:
    return loop("chunk", 0, count, body, axis=axis, level=Level.CHUNK)


def _by_taps(taps: For, chunk: _Chunk, count: int, size: int, even: bool) -> Block:
    """Chunks of `size` taps of the `count` that there are; with `even`, one loop for all, else a loop of constant
    length and a rest.
    """

    def part(base: Index, within: Indexable) -> Block:
        first, last = maximum(taps.lo - base, 0), minimum(taps.hi - base, within)
        return chunk((replace(taps, lo=index(first), hi=index(last), body=shifted(taps, base)),))

    whole, rest = divmod(count, size)
    base = var("chunk") * size
    if not rest or even:
        return (_chunks(Axis.TAP, -(-count // size), part(base, size)),)
    # The one number of a loop that runs once is given as such: what is proved of its bounds is then a constant.
    first = _chunks(Axis.TAP, whole, part(base if whole > 1 else index(0), size))
    return (first, *part(index(whole * size), rest))


def _by_channels(taps: For, chunk: _Chunk, size: int) -> Block:
    """One tap after another, its channels in chunks of `size` and a last one of what is left."""
    (channels,) = taps.body
    assert isinstance(channels, For)
    whole = channels.hi // size

    def part(base: Index, within: Indexable) -> Block:
        return chunk((replace(channels, hi=index(within), body=shifted(channels, base)),))

    chunks: Block = (_chunks(Axis.CHANNEL, whole, part(var("chunk") * size, size)),)
    rest = channels.hi - whole * size
    return (replace(taps, body=(*chunks, *part(whole * size, rest)) if rest != 0 else chunks),)


def _at_run_time(taps: For, chunk: _Chunk, all_taps: Index) -> Block:
    """The same chunks, their shape given as run-time sizes J and M: of the two loops around a chunk, one runs once. One
    channel, known to be one, has no loop.
    """
    base, part = var("chunk") * var("J"), var("part") * var("M")
    some_taps = replace(taps, lo=index(maximum(taps.lo, base)), hi=index(minimum(taps.hi, base + var("J"))))
    chunks = (all_taps + var("J") - 1) // var("J")
    match taps.body:
        case (For(axis=Axis.CHANNEL) as channels,):
            inner = replace(channels, hi=index(minimum(var("M"), channels.hi - part)), body=shifted(channels, part))
            count = (channels.hi + var("M") - 1) // var("M")
            some = chunk((replace(some_taps, body=(inner,)),))
            parts = loop("part", 0, count, some, axis=Axis.CHANNEL, level=Level.CHUNK)
            return (_chunks(Axis.TAP, chunks, (parts,)),)
    return (_chunks(Axis.TAP, chunks, chunk((some_taps,))),)
