"""block_time: cuts the output steps into blocks, and makes (sequence, block, group, filter) the space of parallel
iterations.

A block's input stays in the caches while panel after panel of weights goes over it. Threads share the iterations among
themselves: blocks where there are many, and filters where the sequence is one block.

Where the weights are too large to stay in L2, one panel goes over the blocks of several sequences before the next panel
is fetched:

    parallel n, block, f: for t      →      parallel some, block, f: for n of some: for t

The blocks of Cook–Toom are its lowering's own, as what they keep in scratch memory is part of the algorithm.

needs   a loop over steps inside one over sequences, and no blocks yet
leaves  (sequence, block, group, filter) as parallel loops, each loop over steps within a block
obeys   `block`, `sequences`
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import Axis, Block, For, Kernel, Level, Statement, loop
from ..ir.rewrite import map_statements, walk
from ..symbolic.index import Index, index, minimum, var
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    if any(isinstance(s, For) and s.level is Level.BLOCK and s.axis is not Axis.GROUP for s in walk(kernel.body)):
        return kernel
    size, sequences = context.plan.block, context.plan.sequences
    steps = _steps(kernel.body)
    result: list[Statement] = []
    for s in kernel.body:
        if isinstance(s, For) and s.kind == "parallel":
            blocks = (steps + size - 1) // size
            inner = _parallel(_cut(s.body, size, steps))
            if sequences > 1:
                inner = _gathered(inner, s.hi, sequences)
                s = replace(s, var="some", hi=(s.hi + sequences - 1) // sequences, level=Level.BLOCK)
            s = replace(s, body=(loop("block", 0, blocks, inner, "parallel", axis=Axis.STEP, level=Level.BLOCK),))
        result.append(s)
    return kernel.with_body(tuple(result))


def _cut(body: Block, size: int, steps: Index) -> Block:
    """The loops over steps, each within one block."""
    first = var("block") * size
    end = index(minimum(first + size, steps))

    def within(s: Statement) -> Block | None:
        match s:
            case For(axis=Axis.STEP, level=Level.ELEMENT):
                return (replace(s, lo=first, hi=end),)
        return None

    return map_statements(body, within)


def _gathered(body: Block, count: Index, size: int) -> Block:
    """The loops over steps within one over `size` of `count` sequences, inside the parallel loops."""
    match body:
        case (For(kind="parallel") as s,):
            return (replace(s, body=_gathered(s.body, count, size)),)
    first = var("some") * size
    return (loop("n", first, minimum(first + size, count), body, axis=Axis.SEQUENCE),)


def _parallel(body: Block) -> Block:
    """The loops over groups and filters that stand around the steps, as parallel ones."""
    match body:
        case (For(axis=Axis.GROUP | Axis.FILTER) as s,):
            return (replace(s, kind="parallel", body=_parallel(s.body)),)
    return body


def _steps(body: Block) -> Index:
    """How many output steps there are."""
    return next(s.hi for s in walk(body) if isinstance(s, For) and s.axis is Axis.STEP)
