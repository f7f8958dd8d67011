"""unroll_reduction: writes out several steps of the innermost reduction loop, to spend its counting and addressing on
more arithmetic.

The loop over channels is unrolled by the plan's factor. Where it has fewer channels than that it disappears,
and the loop over taps, if its range is constant, is unrolled in its place. The order of the terms stays.

needs   loops over channels or taps that begin at 0
leaves  some rounds written out, in a loop, and what is left over
obeys   `unroll`
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..ir import Axis, Block, For, If, Kernel, Level, Statement
from ..ir.rewrite import map_statements, shifted
from ..symbolic.index import Index, index, maximum, var
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    sizes = {var(name) for name, _ in kernel.sizes}
    return kernel.with_body(_block(kernel.body, context.plan.unroll, sizes))


def _block(body: Block, factor: int, sizes: set[Index]) -> Block:
    def unrolled(s: Statement) -> Block | None:
        match s:
            case For(axis=Axis.TAP | Axis.CHANNEL, level=Level.ELEMENT, kind="serial"):
                return _unrolled(s, factor, sizes)
        return None

    return map_statements(body, unrolled)


def _beneath_conditions(body: Block) -> Iterator[Statement]:
    """The statements of a block, those on a condition in its place."""
    for s in body:
        yield from _beneath_conditions(s.body) if isinstance(s, If) else (s,)


def _unrolled(s: For, factor: int, sizes: set[Index]) -> Block:
    inner = next((i for i in _beneath_conditions(s.body) if isinstance(i, For) and i.kind == "serial"), None)
    if inner is not None:
        s = replace(s, body=_block(s.body, factor, sizes))
        channels = (
            inner.hi.constant if inner.axis is Axis.CHANNEL and inner.level is Level.ELEMENT else None
        ) or factor
        factor = factor // channels if channels < factor else 1
    if factor == 1 or s.lo != 0 or (s.axis is Axis.TAP and s.hi.constant is None):
        return (s,)
    name = f"{s.var}_{factor}"
    certain = s.hi.constant is not None or s.hi in sizes
    # the range of taps on the input may end before it starts
    whole = (s.hi if certain else index(maximum(s.hi, 0))) // factor
    step = shifted(s, var(name) * factor)
    group = replace(s, hi=index(factor), body=step, kind="unrolled", note="")
    repeated = replace(s, var=name, hi=whole, body=(group,), level=Level.UNROLLED)
    if s.hi.constant is None:
        return (repeated, replace(s, lo=whole * factor))
    rest = replace(group, hi=s.hi - whole * factor, body=shifted(s, whole * factor))
    return tuple(part for part in (repeated, rest) if not part.runs_nothing)
