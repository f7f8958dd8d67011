"""share_windows: a vector of input that several steps of a tile read, each for another tap, is loaded once.

    unrolled j                                    for each step r that the taps of the tile's rows read, in order:
      wv[l] := w[j, l]                     →        xv[l] := x[t + r, l]
      for i, lanes l:                               for all (i, j) with i*stride + j*dilation = r:
        acc[i, l] += x[t + i + j, l] * wv[l]          acc[i, l] += xv[l] * wv[j, l]

A tile of 16 rows and 8 taps loads 23 vectors instead of 128. Each accumulator still takes its taps in order. Where the
rows read nothing in common, as with a dilation of more than the rows, all stays as it is. A condition on a product
becomes one on the step.

needs   taps written out around rows with a vector of weights
leaves  one load of each step that they read
obeys   `lanes`
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import (
    Accumulate,
    Alloc,
    Axis,
    Block,
    Buffer,
    For,
    If,
    Kernel,
    Level,
    Load,
    Statement,
    Store,
    load,
    loop,
    store,
)
from ..ir.rewrite import map_leaves, map_statements, substitute
from ..symbolic.index import Index, Indexable, var
from .context import Context
from .stage_operands import condition_of


def run(kernel: Kernel, context: Context) -> Kernel:
    if context.plan.lanes != "channels":
        return kernel
    stride, dilation = context.problem.stride, context.problem.dilation

    def shared(s: Statement) -> Block | None:
        match s:
            case For(axis=Axis.TAP, kind="unrolled", body=(Alloc(weights), *fill, For(level=Level.ROW) as rows)):
                return _shared(s, weights, tuple(fill), rows, stride, dilation)
        return None

    return kernel.with_body(map_statements(kernel.body, shared))


def _shared(taps: For, weights: Buffer, fill: Block, rows: For, stride: int, dilation: int) -> Block:
    pairs: dict[int, list[tuple[int, int]]] = {}
    height, count = rows.hi.constant or 0, taps.hi.constant or 0
    for j in range(count):
        for i in range(height):
            pairs.setdefault(i * stride + j * dilation, []).append((i, j))
    if len(pairs) == height * count:
        return (taps,)
    everything = replace(weights, shape=(taps.hi, *weights.shape))
    window = replace(weights, name="xv")
    condition = condition_of(rows)
    nest = rows.body if condition is None else condition.body
    result: list[Statement] = [
        Alloc(everything),
        replace(taps, body=map_leaves(fill, lambda s: _widened(s, everything, taps))),
    ]
    result += [Alloc(window)] if condition is None else []
    for step in sorted(pairs):
        (i, j), *others = pairs[step]
        at: dict[str, Indexable] = {rows.var: i, taps.var: j}
        read = substitute(map_leaves(nest, lambda s: _filled(s, window)), at)
        # The pairs lie apart evenly: from one to the next, the row goes back by as many strides as the tap goes on by
        # dilations.
        back, on = (i - others[0][0], others[0][1] - j) if others else (0, 0)
        multiply = map_leaves(nest, lambda s: _multiplied(s, window, everything, taps))
        each = substitute(multiply, {rows.var: i - back * var("q"), taps.var: j + on * var("q")})
        shared: Block = (*read, loop("q", 0, 1 + len(others), each, "unrolled", axis=Axis.TAP))
        if condition is not None:
            on_input = tuple(part.substitute(at) for part in condition.conditions)
            shared = (If(on_input, (Alloc(window), *shared)),)
        result += shared
    return tuple(result)


def _widened(s: Statement, everything: Buffer, taps: For) -> Store:
    assert isinstance(s, Store)
    return store(everything, (var(taps.var), *s.index), s.value)


def _place(s: Accumulate) -> tuple[Index, ...]:
    """The place of an accumulator's vector and lane in a panel."""
    return s.index[1:]


def _filled(s: Statement, window: Buffer) -> Store:
    assert isinstance(s, Accumulate)
    assert isinstance(s.a, Load)
    return store(window, _place(s), s.a)


def _multiplied(s: Statement, window: Buffer, everything: Buffer, taps: For) -> Accumulate:
    assert isinstance(s, Accumulate)
    return replace(s, a=load(window, *_place(s)), b=load(everything, var(taps.var), *_place(s)))
