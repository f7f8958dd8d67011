"""Register tiles for few filters. The lanes are input channels: each adds up its own products, and the lanes
are added last.

    for f, for t:                                  for panel of filters, for tile of steps:
      acc := 0                                       for i, v, lanes l: part[i, v, l] := 0
      for j, for c: acc += x * w            →        for vector of channels, for j, for i, v, lanes l:
      y[t, f] := act(acc + b)                          part[i, v, l] += x[t + i, c + l] * w[c + l, v]
                                                     for v, lanes l: y[t + l, v] := act(Σ_q part[l, v, q] + b)

With filters in the lanes, a layer of one filter would leave all lanes but one empty. To add the lanes of a tile up, its
rows are transposed (`emit/transposition.py`): 4 shuffles and an addition for each output (avx512).

An output's terms are taken in another order than the formula's: channel by channel in each lane, then the sums of the
lanes in pairs. The order is the same for all tiles and at the edges, so that an output does not depend on where it
lies; but other plans give other bits.
"""

from __future__ import annotations

from dataclasses import replace

from ...ir import (
    Accumulate,
    Alloc,
    Axis,
    Block,
    Buffer,
    Const,
    For,
    Kernel,
    Level,
    Load,
    Statement,
    Storage,
    Store,
    Value,
    buffer,
    lanes,
    load,
    loop,
    written_out,
)
from ...ir.rewrite import is_guarded, map_statements, rewrite_value, substitute
from ...schedule.plan import Plan
from ...symbolic.index import var
from . import cut
from .cut import Piece


def run(kernel: Kernel, plan: Plan) -> Kernel:
    return kernel.with_body(_filters(kernel.body, plan, kernel.compute))


def _filters(body: Block, plan: Plan, compute: str) -> Block:
    """The loops over filters, in panels."""

    def in_panels(s: Statement) -> Block | None:
        if not (isinstance(s, For) and s.axis is Axis.FILTER):
            return None
        panels = cut.cut_rows(s.axis, s.hi, plan.vectors)
        kind = s.kind if len(panels) == 1 else "serial"
        return tuple(statement for panel in panels for statement in panel.around(_steps(s, panel, plan, compute), kind))

    return map_statements(body, in_panels)


def _steps(filters: For, panel: Piece, plan: Plan, compute: str) -> Block:
    """The loops over steps, in tiles."""

    def in_tiles(s: Statement) -> Block | None:
        if not (isinstance(s, For) and s.axis is Axis.STEP and s.level is Level.ELEMENT):
            return None
        lets, tiles = ((), cut.single(s)) if is_guarded(s) else cut.repeatable_steps(s, plan.rows, cut.suffix(s))
        of_filter = {filters.var: panel.base + var("v")}
        tiled = (statement for rows in tiles for statement in rows.around(_tile(s, rows, panel, plan.width, compute)))
        return (*lets, *substitute(tuple(tiled), of_filter))

    return map_statements(filters.body, in_tiles)


def _tile(steps: For, rows: Piece, panel: Piece, width: int, compute: str) -> Block:
    """The statements of one output, `Alloc, Store, For, Store …`, for a tile of them. Where all taps fall on padding,
    there is no loop.
    """
    _, _, *nest = steps.body
    stores = [s for s in nest if isinstance(s, Store)]
    part = buffer("part", compute, (rows.size, panel.size, width), "register")
    place = (var("i"), var("v"), var("l"))

    def over_tile(leaf: Statement) -> For:
        vectors = written_out(panel.axis, Level.VECTOR, panel.size, (lanes(Axis.CHANNEL, width, (leaf,), width),))
        return written_out(rows.axis, Level.ROW, rows.size, (vectors,))

    def sums(taps: For) -> For:
        (channels,) = taps.body
        assert isinstance(channels, For)
        (term,) = channels.body
        assert isinstance(term, Accumulate)
        product = replace(term, buffer=part, index=place)
        at = {steps.var: rows.base + var("i"), channels.var: var("vector") * width + var("l")}
        (of_tile,) = substitute((product,), at)
        bounds = {steps.var: rows.base}  # of taps, which guard one step only
        tile = substitute((replace(taps, body=(over_tile(of_tile),)),), bounds)
        return loop("vector", 0, channels.hi // width, tile, axis=Axis.CHANNEL, level=Level.CHUNK)

    def of_rows(leaf: Store) -> For:
        vector = lanes(rows.axis, rows.size, (_finished(leaf, part),), 1 << (rows.size - 1).bit_length())
        outputs = substitute((vector,), {steps.var: rows.base + var("l")})
        return written_out(panel.axis, Level.VECTOR, panel.size, outputs)

    return (
        Alloc(part),
        over_tile(Store(part, place, Const(0.0))),
        *(sums(s) for s in nest if isinstance(s, For)),
        *(of_rows(leaf) for leaf in stores),
    )


def _finished(finish: Store, part: Buffer) -> Store:
    """The store of one output, of the sum of the lanes of row `l`."""
    total = _sum([load(part, var("l"), var("v"), q) for q in range(part.shape[-1].constant or 0)])
    return replace(finish, value=rewrite_value(finish.value, lambda node: total if _is_accumulator(node) else node))


def _is_accumulator(node: Value) -> bool:
    return isinstance(node, Load) and node.buffer.storage is Storage.REGISTER and not node.index


def _sum(terms: list[Value]) -> Value:
    """Neighbours first, then the sums of neighbours."""
    while len(terms) > 1:
        terms = [a + b for a, b in zip(terms[::2], terms[1::2], strict=True)]
    return terms[0]
