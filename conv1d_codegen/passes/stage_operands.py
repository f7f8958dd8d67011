"""stage_operands: loads each operand of a tile's multiply-adds once, and not once for every row or vector that uses it.

    unrolled i, v, lanes l: acc[i, v, l] += x[t + i, c] * wp[c, v, l]

becomes, as the weights do not depend on the row `i`, nor the input on the vector `v`:

    unrolled v, lanes l: wv[v, l] := wp[c, v, l]
    unrolled i
      xv := x[t + i, c]
      unrolled v, lanes l: acc[i, v, l] += xv * wv[v, l]

needs   rows of a tile that do nothing but add products
leaves  what rows or vectors share in a register or a name
obeys   nothing
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..ir import Accumulate, Alloc, Bind, Block, Buffer, For, If, Kernel, Level, Load, Ref, Statement, Value, store
from ..ir.rewrite import map_leaves, map_statements, rewrite_values, walk
from ..symbolic.index import Index
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    def staged(s: Statement) -> Block | None:
        match s:
            case For(level=Level.ROW, kind="unrolled") if _multiplies(s):
                return _stage(s)
        return None

    return kernel.with_body(map_statements(kernel.body, staged))


def condition_of(rows: For) -> If | None:
    """The condition on which a row has its products, where some of them lie beside the input."""
    first = rows.body[0]
    return first if isinstance(first, If) else None


def _multiplies(rows: For) -> bool:
    """Whether a nest does nothing but add products."""
    return all(isinstance(s, For | If | Accumulate) for s in walk(rows.body))


def _stage(rows: For) -> Block:
    product = next(s for s in walk(rows.body) if isinstance(s, Accumulate))
    before: list[Statement] = []
    each_row: list[Statement] = []
    condition = condition_of(rows)
    nest = inner = rows.body if condition is None else condition.body
    across = {s.var: s.level for s in walk((rows,)) if isinstance(s, For)}
    for operand, name in ((product.a, "xv"), (product.b, "wv")):
        assert isinstance(operand, Load)
        levels = {across.get(name) for i in operand.index for name in i.variables()}
        if Level.LANE in levels and Level.ROW not in levels:
            staged = replace(product.buffer, name=name, shape=product.buffer.shape[1:])
            before += [Alloc(staged), *_to_registers(nest, operand.buffer, staged)]
            inner = _from_registers(inner, operand.buffer, staged)
        elif not levels & {Level.LANE, Level.VECTOR}:
            (each_row if Level.ROW in levels else before).append(Bind(name, operand))
            inner = rewrite_values(inner, _put(operand, Ref(name)))
    inner = (*each_row, *inner)
    return (*before, replace(rows, body=inner if condition is None else (replace(condition, body=inner),)))


def _put(operand: Load, instead: Value) -> Callable[[Value], Value]:
    return lambda node: instead if node == operand else node


def _lane_place(s: Accumulate) -> tuple[Index, ...]:
    """Where in the staged registers the operand of an accumulator lies: at its vector and lane."""
    return s.index[1:]


def _to_registers(body: Block, source: Buffer, staged: Buffer) -> Block:
    """The tile's loops over vectors and lanes, filling the registers."""

    def fill(s: Statement) -> Statement:
        assert isinstance(s, Accumulate)
        operand = next(o for o in (s.a, s.b) if isinstance(o, Load) and o.buffer == source)
        return store(staged, _lane_place(s), operand)

    return map_leaves(body, fill)


def _from_registers(body: Block, source: Buffer, staged: Buffer) -> Block:
    """The tile's loops over vectors and lanes, reading the registers."""

    def read(s: Statement) -> Statement:
        assert isinstance(s, Accumulate)
        here = Load(staged, _lane_place(s))
        (s,) = rewrite_values((s,), lambda node: here if isinstance(node, Load) and node.buffer == source else node)
        return s

    return map_leaves(body, read)
