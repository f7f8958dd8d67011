"""stage_operands: loads each operand of a tile's multiply-adds once, and not once for every row or vector that uses it.

    unrolled i, v, lanes l: acc[i, v, l] += x[t + i, c] * wp[c, v, l]

becomes, as the weights do not depend on the row `i`, nor the input on the vector `v`:

    unrolled v, lanes l: wv[v, l] := wp[c, v, l]
    unrolled i
      xi := x[t + i, c]
      unrolled v, lanes l: acc[i, v, l] += xi * wv[v, l]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..ir import Alloc, Bind, Block, Buffer, Fma, For, Kernel, Load, Ref, Statement, Store, Value, store
from ..ir.rewrite import rewrite_values
from ..symbolic.index import Index
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    return kernel.with_body(_block(kernel.body, kernel.compute))


def _block(body: Block, compute: str) -> Block:
    result: list[Statement] = []
    for s in body:
        if isinstance(s, For) and s.kind == "unrolled" and s.var == "i" and _multiplies(s.body):
            result += _stage(s, compute)
        elif isinstance(s, For):
            result.append(replace(s, body=_block(s.body, compute)))
        else:
            result.append(s)
    return tuple(result)


def guard_of(rows: For) -> For | None:
    """The loop around a row's products that leaves them out where they lie beside the input, if there is one."""
    first = rows.body[0]
    return first if isinstance(first, For) and first.kind == "serial" else None


def _multiplies(body: Block) -> bool:
    return all(_multiplies(s.body) if isinstance(s, For) else isinstance(s, Store) and isinstance(s.value, Fma) for s in body)


def _leaf(body: Block) -> tuple[Store, Fma]:
    inner = body[0]
    if isinstance(inner, For):
        return _leaf(inner.body)
    assert isinstance(inner, Store)
    assert isinstance(inner.value, Fma)
    return inner, inner.value


def _stage(rows: For, compute: str) -> Block:
    target, product = _leaf(rows.body)
    before: list[Statement] = []
    each_row: list[Statement] = []
    guard = guard_of(rows)
    nest = inner = rows.body if guard is None else guard.body
    for operand, name in ((product.a, "xv"), (product.b, "wv")):
        assert isinstance(operand, Load)
        variables = {name for i in operand.index for name in i.variables()}
        if "l" in variables and "i" not in variables:
            staged = Buffer(name, compute, target.buffer.shape[1:], "register")
            before += [Alloc(staged), *_to_registers(nest, operand.buffer, staged)]
            inner = _from_registers(inner, operand.buffer, staged)
        elif not variables & {"l", "v", "p"}:
            (each_row if "i" in variables else before).append(Bind(name, operand))
            inner = rewrite_values(inner, _put(operand, Ref(name)))
    inner = (*each_row, *inner)
    return (*before, replace(rows, body=inner if guard is None else (replace(guard, body=inner),)))


def _put(operand: Load, instead: Value) -> Callable[[Value], Value]:
    return lambda node: instead if node == operand else node


def _lane_place(s: Store) -> tuple[Index, ...]:
    """Where in the staged registers the operand of an accumulator lies: at its vector and lane."""
    return s.index[1:]


def _to_registers(body: Block, source: Buffer, staged: Buffer) -> Block:
    """The tile's loops over vectors and lanes, filling the registers."""

    def fill(s: Statement) -> Statement:
        if isinstance(s, For):
            return replace(s, body=tuple(fill(inner) for inner in s.body))
        assert isinstance(s, Store)
        assert isinstance(s.value, Fma)
        operand = next(o for o in (s.value.a, s.value.b) if isinstance(o, Load) and o.buffer == source)
        return store(staged, _lane_place(s), operand)

    return tuple(fill(s) for s in body)


def _from_registers(body: Block, source: Buffer, staged: Buffer) -> Block:
    result: list[Statement] = []
    for s in body:
        if isinstance(s, For):
            s = replace(s, body=_from_registers(s.body, source, staged))
        elif isinstance(s, Store):
            place = _lane_place(s)

            def change(node: Value, place: tuple[Index, ...] = place) -> Value:
                return Load(staged, place) if isinstance(node, Load) and node.buffer == source else node

            (s,) = rewrite_values((s,), change)
        result.append(s)
    return tuple(result)
