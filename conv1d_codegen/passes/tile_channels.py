"""tile_channels: the register tiles of depthwise kernels, step after step over all channels.

    for t, for g:                               for tile of steps, for panel of channels:
      acc := 0                                    for i, p, lanes l: acc[i, p, l] := 0
      for j: acc += x * w              →          for j, for i, p, lanes l: acc[i, p, l] += x * w
      y[t, g] := act(acc + b)                     for i, p, lanes l: y[...] := act(acc[i, p, l] + b[...])

What a tile reads is read again only by the steps that follow. So the channels run inside the steps, other than in `tile`: input and
output are gone through once, in the order of memory, as a copy does it (c512_f512_k3_d16_g512@1x3199, avx512, with the output asked for
ahead in both: 0.57 ms, and 1.78 ms with the steps inside; a copy 0.48). The last panel is moved inward until it is whole: a channel that
two panels hold is computed twice, with the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from ..index import index, minimum, var
from ..ir import Block, For, Kernel, Let, Statement, loop
from ..rewrite import walk
from .context import Context
from .tile import STEPS, Piece, RegisterTile, cut_steps


def run(kernel: Kernel, context: Context) -> Kernel:
    if context.plan.algorithm != "depthwise":
        return kernel
    return kernel.with_body(tuple(_tiled(kernel.body, context, kernel.compute)))


def _tiled(body: Block, context: Context, compute: str) -> Iterator[Statement]:
    for s in body:
        if isinstance(s, For) and s.var in STEPS:
            yield from _nest(s, context, compute)
        elif isinstance(s, For):
            yield replace(s, body=tuple(_tiled(s.body, context, compute)))
        else:
            yield s


def _nest(steps: For, context: Context, compute: str) -> Block:
    plan, width = context.plan, context.plan.width
    (channels,) = steps.body
    assert isinstance(channels, For)
    count = channels.hi.constant
    assert count is not None

    def tile(row: Piece, panel: Piece) -> Block:
        return RegisterTile(row, panel, width, steps, channels, compute).statements()

    if any(isinstance(s, For) and steps.var in {*s.lo.variables(), *s.hi.variables()} for s in walk(channels.body)):
        # The taps of each step have a range of their own, so the steps go one by one: for each panel in turn, as few rows share a weight.
        one = Piece("", 1, var(steps.var), 1)
        return _panels(count, width, plan.tiles[-1].panels, lambda panel: (replace(steps, body=tile(one, panel)),))
    lets, rows = cut_steps(steps, tuple(each.rows for each in plan.tiles))
    nests = [row.around(_panels(count, width, each.panels, partial(tile, row))) for row, each in zip(rows, plan.tiles, strict=True)]
    return (*lets, *(s for nest in nests for s in nest))


def _panels(count: int, width: int, wanted: int, body: Callable[[Piece], Block]) -> Block:
    """The body for `count` channels, in panels of `wanted` vectors, or of as many as the channels fill."""
    vectors = min(wanted, count // width)
    if not vectors:
        return body(Piece("", 1, 0, width, active=count))
    size = vectors * width
    start = var("panel") * size
    lets: Block = ()
    if count % size:
        start, lets = var("first"), (Let("first", index(minimum(start, count - size))),)
    panel = Piece("", 1, start, size, panels=vectors, vectors=1, active=width)
    return (loop("panel", 0, -(-count // size), (*lets, *body(panel))),)
