"""Blocks that are turned: numbers that lie in the order of steps are stored in that of channels, or the other way
round.

    for c, for t: xt[t, c] := x[c, t]    →    for panel of 16 channels, for tile of 16 steps
                                                for i, lanes l: turned[i, l] := x[c + i, t + l]
                                                for i, lanes l: xt[t + i, c + l] := turned[l, i]

Rows are loaded and stored whole, and in between columns of registers are read (`emit/transposition.py`). The last tile
is moved back to end with the range; single steps, whose channels are gathered, are only where there are fewer than a
tile has.
"""

from __future__ import annotations

from ...ir import (
    Alloc,
    Axis,
    Block,
    For,
    Kernel,
    Level,
    Load,
    Statement,
    Store,
    buffer,
    lanes,
    load,
    store,
    written_out,
)
from ...ir.rewrite import map_statements, substitute
from ...symbolic.index import Index, Indexable, var
from . import cut
from .cut import Piece


def run(kernel: Kernel, width: int) -> Kernel:
    return kernel.with_body(map_statements(kernel.body, lambda s: _turned(s, width, kernel.compute)))


def _turned(s: Statement, width: int, compute: str) -> Block | None:
    match s:
        case For(
            axis=(Axis.CHANNEL | Axis.GROUP) as axis, level=Level.ELEMENT, body=(For(axis=Axis.STEP) as steps,)
        ) if isinstance(steps.body[0], Store) and isinstance(steps.body[0].value, Load):
            panels = cut.cut_filters(axis, s.hi, width, 1)
            pieces = cut.overlapping(steps.lo, steps, width) if width > 1 else cut.single(steps)
            return tuple(
                part
                for panel in panels
                for part in panel.around(
                    tuple(t for piece in pieces for t in piece.around(_tile(s, steps, panel, piece, compute)))
                )
            )
    return None


def _tile(channels: For, steps: For, panel: Piece, piece: Piece, compute: str) -> Block:
    """One panel of channels by one tile of steps."""
    (move,) = steps.body
    assert isinstance(move, Store)
    assert isinstance(move.value, Load)
    count = panel.active
    assert isinstance(count, int)

    def at(channel: Indexable, step: Indexable) -> dict[str, Indexable]:
        return {channels.var: panel.base + channel, steps.var: piece.base + step}

    i, lane = var("i"), var("l")
    if piece.size == 1:
        return substitute((lanes(channels.axis, count, (move,), panel.size),), at(lane, 0))
    by_steps = steps.var in move.value.index[-1].variables()
    # What lies side by side where it comes from is in the lanes; then what lies side by side where it goes.
    across, down = (piece.size, count) if by_steps else (count, piece.size)
    width = 1 << (max(across, down) - 1).bit_length()
    turned = buffer("turned", compute, (down, width), "register")

    def nest(rows: int, active: int, leaf: Store, place: dict[str, Indexable]) -> Statement:
        (here,) = substitute((leaf,), place)
        return written_out(None, Level.ROW, rows, (lanes(None, active, (here,), width),))

    there, back = (at(i, lane), at(lane, i)) if by_steps else (at(lane, i), at(i, lane))
    row: tuple[Index, ...] = (i, lane)
    return (
        Alloc(turned),
        nest(down, across, store(turned, row, move.value), there),
        nest(across, down, Store(move.buffer, move.index, load(turned, lane, i)), back),
    )
