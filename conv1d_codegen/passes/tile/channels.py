"""The register tiles of depthwise kernels, step after step over all channels.

    for t, for g:                               for tile of steps, for panel of channels:
      acc := 0                                    for i, p, lanes l: acc[i, p, l] := 0
      for j: acc += x * w              →          for j, for i, p, lanes l: acc[i, p, l] += x * w
      y[t, g] := act(acc + b)                     for i, p, lanes l: y[...] := act(acc[i, p, l] + b[...])

What a tile reads is read again only by the steps that follow. So the channels run inside the steps, other than in
`steps_and_filters.py`: input and output are gone through once, in the order of memory, as a copy does it (c512_f512_k3_d16_g512@1x3199,
avx512, with the output asked for ahead in both: 0.57 ms, and 1.78 ms with the steps inside; a copy 0.48). The last
panel is moved inward until it is whole: a channel that two panels hold is computed twice, with the same bits.

Where a step lacks taps its neighbours lack others, and still most of what they read is the same (`share_windows.py`).
So with many taps there are tiles at the edges too, where what lies beside the input is left out by conditions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...ir import Axis, Block, For, If, Kernel, Let, Level, Statement, loop
from ...ir.rewrite import is_guarded, map_statements
from ...lower import Sizes
from ...schedule.plan import Plan
from ...symbolic.index import index, minimum, var
from . import cut
from .cut import Piece
from .register_tile import RegisterTile, Side


def run(kernel: Kernel, plan: Plan, sizes: Sizes) -> Kernel:
    def tiled(s: Statement) -> Block | None:
        match s:
            case For(axis=Axis.STEP, level=Level.ELEMENT):
                return _nest(s, plan, sizes)
        return None

    return kernel.with_body(map_statements(kernel.body, tiled))


def _nest(steps: For, plan: Plan, sizes: Sizes) -> Block:
    width = plan.width
    (channels,) = steps.body
    assert isinstance(channels, For)
    count = channels.hi.constant
    assert count is not None

    def tile(row: Piece, panel: Piece) -> Block:
        rows, lanes = Side(steps.var, row, False, 0), Side(channels.var, panel, True, width)
        return RegisterTile(rows, lanes, False, {}).statements(channels.body)

    def with_conditions(row: Piece, panel: Piece) -> Block:
        return tile(row, panel) if row.size == 1 else _on_conditions(tile(row, panel), row, sizes)

    suffix, abreast = cut.suffix(steps), dict(zip(plan.rows, plan.abreast or (1,) * len(plan.rows), strict=True))
    if is_guarded(steps) and plan.edges != "tiles":
        # One by one, and for each panel in turn: of few taps few rows share a weight.
        one = Piece(Axis.STEP, None, 1, var(steps.var), 1)
        return _panels(count, width, abreast[1], lambda panel: (replace(steps, body=tile(one, panel)),))
    if is_guarded(steps):
        first, last = f"first{suffix}", f"last{suffix}"
        lets: Block = (Let(first, steps.lo), Let(last, steps.hi))  # names, of which more can be proved
        rows = cut.overlapping(var(first), replace(steps, lo=var(first), hi=var(last)), plan.edge_steps)
        make = with_conditions
    else:
        lets, rows = cut.repeatable_steps(steps, plan.rows, suffix)
        make = tile
    nests = []
    for row in rows:
        vectors = abreast.get(row.size, plan.abreast[0] if plan.abreast else 1)
        nests.append(row.around(_panels(count, width, vectors, lambda panel, row=row: make(row, panel))))  # type: ignore[misc]
    return (*lets, *(s for nest in nests for s in nest))


def _on_conditions(tile: Block, rows_of: Piece, sizes: Sizes) -> Block:
    """A tile whose rows lack different taps: all taps, on the condition that what a row and a tap
    read is on the input.
    """
    result: list[Statement] = []
    for s in tile:
        match s:
            case For(axis=Axis.TAP, body=(For(level=Level.ROW) as rows,)):
                step = (rows_of.base + var(rows.var)) * sizes.stride + var(s.var) * sizes.dilation - sizes.left
                on_input = If((step, sizes.length - 1 - step), rows.body)
                body = (replace(rows, body=(on_input,)),)
                result.append(replace(s, lo=index(0), hi=index(sizes.kernel_size), body=body, note=""))
            case _:
                result.append(s)
    return tuple(result)


def _panels(count: int, width: int, vectors: int, body: Callable[[Piece], Block]) -> Block:
    """The body for `count` channels, in panels of so many vectors, or of as many as the channels fill."""
    if count < width:
        return body(Piece(Axis.GROUP, None, 1, 0, width, active=count))
    vectors = min(vectors, count // width)
    size = vectors * width
    start = var("panel") * size
    lets: Block = ()
    if count % size:
        start, lets = var("first"), (Let("first", index(minimum(start, count - size))),)
    panel = Piece(Axis.GROUP, None, 1, start, size, vectors=vectors, active=width)
    return (loop("panel", 0, -(-count // size), (*lets, *body(panel)), axis=Axis.GROUP, level=Level.PANEL),)
