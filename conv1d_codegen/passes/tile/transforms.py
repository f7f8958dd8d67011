"""The transforms of Cook–Toom's inputs, for as many channels at once as a vector has lanes.

    for window, for c: xt[p, window, c] := Σ_u B[p, u] * x[t + u, c]
                             →        for window, for panel, lanes l: xt[p, window, 16*panel + l] := Σ_u B[p, u] * x[t + u, 16*panel + l]

Those of the sums are for windows and filters, as the products are (`steps_and_filters.py`).
"""

from __future__ import annotations

from dataclasses import replace

from ...ir import Axis, Block, For, Kernel, Statement, lanes
from ...ir.rewrite import map_statements, substitute
from ...schedule.plan import Plan
from ...symbolic.index import var
from . import cut


def run(kernel: Kernel, plan: Plan) -> Kernel:
    return kernel.with_body(_block(kernel.body, plan.input_width or plan.width))


def _block(body: Block, width: int) -> Block:
    def in_vectors(s: Statement) -> Block | None:
        match s:
            case For(axis=Axis.WINDOW, body=(For(axis=Axis.CHANNEL) as channels,)):
                pieces = cut.cut_filters(Axis.CHANNEL, channels.hi, width, 1)
                vectors = [piece.around((_vector(channels, piece, width),)) for piece in pieces]
                return (replace(s, body=tuple(statement for vector in vectors for statement in vector)),)
        return None

    return map_statements(body, in_vectors)


def _vector(channels: For, piece: cut.Piece, width: int) -> For:
    program = substitute(channels.body, {channels.var: piece.base + var("l")})
    return lanes(piece.axis, piece.active, program, width)
