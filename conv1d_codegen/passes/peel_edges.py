"""peel_edges: splits the output steps into those before, within and after the range where every tap falls on the input.

The loops on both sides keep the guarded tap range. The one in the middle has no use for it: `simplify` proves
that and drops the guard. Where the kernel is wider than the input, the middle is empty and the sides meet.

A side that has steps at all gets at least as many as the plan's `borrow`, taken from the middle: most of its taps then
have enough steps to keep the pipes busy.

Where all steps of several sequences share the weights of each tap anyway (`interchange/stream.py`), there is nothing to peel.

needs   loops over steps whose taps have bounds that depend on the step
leaves  loops over the parts before, interior and after
obeys   `borrow`; with `stream` and several `sequences`, nothing is peeled
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..ir import Axis, Block, For, Kernel, Let, Level, Part, Statement
from ..ir.rewrite import map_statements, substitute
from ..problem import padding as pad
from ..symbolic.index import Index, Indexable, index, maximum, minimum, var
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    if context.plan.stream and context.plan.sequences > 1:
        return kernel
    s = context.sizes
    interior = pad.interior(s.length, s.lefts, s.kernel_size, s.stride, s.dilation)
    return kernel.with_body(_peel(kernel.body, interior, context.plan.borrow))


def _peel(body: Block, interior: tuple[Indexable, Indexable], height: int) -> Block:
    def peeled(s: Statement) -> Block | None:
        match s:
            case For(axis=Axis.STEP, level=Level.ELEMENT, part=Part.WHOLE):
                return tuple(_peeled(s, interior, height))
        return None

    return map_statements(body, peeled)


def _peeled(s: For, interior: tuple[Indexable, Indexable], height: int) -> Iterator[Statement]:
    first, last = var("inner_first"), var("inner_last")
    begin, end = maximum(s.lo, interior[0]), minimum(s.hi, interior[1])
    if height:
        # how many steps each side has, and how many more it gets
        for name, count in (("before", begin - s.lo), ("after", s.hi - end)):
            yield Let(name, index(maximum(minimum(height, count * height) - count, 0)))
        begin, end = begin + var("before"), end - var("after")
    yield Let("inner_first", index(begin))
    yield Let("inner_last", index(maximum(first, end)))
    yield _part(s, Part.BEFORE, s.lo, index(minimum(s.hi, first)), "the first taps fall before the input")
    yield replace(s, lo=first, hi=last, part=Part.INTERIOR)
    yield _part(s, Part.AFTER, index(minimum(s.hi, last)), s.hi, "the last taps fall after the input")


def _part(s: For, part: Part, lo: Index, hi: Index, note: str) -> For:
    name = s.var + part.value
    return replace(s, var=name, lo=lo, hi=hi, body=substitute(s.body, {s.var: var(name)}), note=note, part=part)
