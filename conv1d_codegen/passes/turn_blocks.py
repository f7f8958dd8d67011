"""turn_blocks: in channels_first, keeps the input of a block in scratch memory with its channels behind its steps, as in
channels_last, while all filters go over it; and where neighbouring channels are computed together, their output too.

    parallel n, block                                 parallel n, block
      for f, for t of the block                         for c, for i of the block's input: xt[i - origin, c] := x[n, c, i]
        acc += x[n, c, t*s + j*d - left] * w     →      for f, for t of the block
        y[n, f, t] := acc                                 acc += xt[t*s + j*d - left - origin, c] * w
                                                          y[n, f, t] := acc

In channels_first the numbers of a step lie as far apart as the input is long. A tile that reads them in place meets as
many lines of the caches, and pages, as there are channels, and at some lengths all lie in one set. They are turned in
registers (`tile/turns.py`), once for all filters and taps.

Cook–Toom's lowering has blocks of its own, and turns them itself.

needs   blocks of steps, the only parallel loops within which are over filters
leaves  what a block reads in scratch memory, and for a depthwise kernel what it writes; filters one after another
obeys   `turned`, `block`
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import (
    Alloc,
    Axis,
    Block,
    Buffer,
    For,
    Kernel,
    Let,
    Level,
    Load,
    Part,
    Statement,
    Storage,
    Store,
    Value,
    buffer,
    load,
    loop,
    store,
)
from ..ir.rewrite import loads_of, map_leaves, map_statements, rewrite_values, walk
from ..lower.cook_toom import apart
from ..symbolic.index import Index, index, maximum, minimum, var
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    if not context.plan.turned or any(isinstance(s, For) and s.axis is Axis.WINDOW for s in walk(kernel.body)):
        return kernel
    return kernel.with_body(_within(kernel.body, kernel.compute, context))


def _within(body: Block, compute: str, context: Context) -> Block:
    """The block with the innermost of its parallel loops that are not over filters turned."""

    def turned(s: Statement) -> Block | None:
        if not (isinstance(s, For) and s.kind == "parallel"):
            return None
        inner = _within(s.body, compute, context) if _has_blocks(s.body) else _turned(s.body, compute, context)
        return (replace(s, body=inner),)

    return map_statements(body, turned)


def _has_blocks(body: Block) -> bool:
    return any(isinstance(s, For) and s.kind == "parallel" and s.axis is not Axis.FILTER for s in walk(body))


def _turned(body: Block, compute: str, context: Context) -> Block:
    """The loops of one block, of all filters, with its input turned first."""
    sizes, plan = context.sizes, context.plan
    assert isinstance(sizes.stride, int)
    assert isinstance(sizes.kernel_size, int)
    assert isinstance(sizes.dilation, int)
    loops = {s.var: s for s in walk(body) if isinstance(s, For)}
    steps = next(s for s in loops.values() if s.axis is Axis.STEP and s.level is Level.ELEMENT)
    read = next(read for s in walk(body) for read in loads_of(s) if _lies_in_steps(read.buffer))
    channels = _channels(read.index, loops)
    reach = (plan.block - 1) * sizes.stride + (sizes.kernel_size - 1) * sizes.dilation + 1
    origin = var("origin")
    first, last = index(maximum(origin, 0)), index(minimum(origin + reach, sizes.length))
    count = channels.hi.constant
    assert count is not None
    # c512_f512_k1_first@1x1000 takes 3.11 ms with rows that lie an odd number of lines apart, and 3.21 without.
    xt = buffer(f"{read.buffer.name}t", compute, (reach, apart(count, compute)), "scratch")
    i, c = var("i_in"), var(channels.var)

    def in_block(node: Value) -> Value:
        if isinstance(node, Load) and node.buffer == read.buffer:
            return load(xt, node.index[-1] - origin, c)
        return node

    copied = store(xt, (i - origin, c), load(read.buffer, *read.index[:-1], i))
    moved = map_statements(body, lambda s: _one_by_one(s, compute, steps, channels, plan.block))
    return (
        Let("origin", steps.lo * sizes.stride - sizes.left),
        Alloc(xt),
        _copy(channels, "i_in", first, last, copied),
        *rewrite_values(moved, in_block),
    )


def _lies_in_steps(array: Buffer) -> bool:
    """Whether it is the caller's array of a convolution with its steps side by side."""
    return array.storage is Storage.ARGUMENT and array.axes[-1:] == (Axis.STEP,)


def _channels(place: tuple[Index, ...], loops: dict[str, For]) -> For:
    """The loop over channels, or over groups of one channel each, whose variable is in a place of the input."""
    for i in place[:-1]:
        for name in i.variables():
            if name in loops and loops[name].axis in (Axis.CHANNEL, Axis.GROUP):
                return loops[name]
    raise ValueError(f"No loop within a block goes over the channels of {place}.")


def _copy(channels: For, name: str, first: Index, last: Index, moved: Store) -> For:
    """All channels of all steps moved; `Part.INTERIOR`, as no step lacks anything."""
    steps = loop(name, first, last, (moved,), axis=Axis.STEP, part=Part.INTERIOR)
    return loop(channels.var, 0, channels.hi, (steps,), note="turned", axis=channels.axis)


def _one_by_one(s: Statement, compute: str, steps: For, channels: For, size: int) -> Block | None:
    """The loop over filters as a serial one; where channels are computed beside each other, with what they write in
    scratch memory until the block is done.
    """
    match s:
        case For(axis=Axis.FILTER, level=Level.ELEMENT):
            inner = _written(s.body, compute, steps, channels, size) if channels.axis is Axis.GROUP else s.body
            return (replace(s, kind="serial", body=inner),)
    return None


def _written(body: Block, compute: str, steps: For, channels: For, size: int) -> Block:
    stores = [s for s in walk(body) if isinstance(s, Store) and _lies_in_steps(s.buffer)]
    y, place = stores[0].buffer, stores[0].index
    yt = buffer(f"{y.name}t", compute, (size, channels.hi), "scratch")
    t, c = var("t_out"), var(channels.var)

    def kept(s: Statement) -> Statement:
        if isinstance(s, Store) and s.buffer == y:
            return store(yt, (s.index[-1] - steps.lo, c), s.value)
        return s

    copied = store(y, (*place[:-1], t), load(yt, t - steps.lo, c))
    return (Alloc(yt), *map_leaves(body, kept), _copy(channels, "t_out", steps.lo, steps.hi, copied))
