"""While a block of Cook–Toom that is turned forms its products, it asks for the next block's input, and for where its
own output goes: of each channel, and of each filter, the lines of some windows.

    for p                                   for p
      for tile: yt[p, ...] := ...     →       for some in an n-th part of the block's windows, a line of them at a time
                                                for c: prefetch x[c, first step of that window of the next block]
                                                for f: prefetch y[f, first output of that window of this one]
                                              for tile: yt[p, ...] := ...

Each row lies in a page of its own, and a block takes only a few lines of it, so that the processor sees no stream. As
in `block.py`, requests for the input go to L2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...ir import Axis, Block, For, If, Kernel, Let, Level, Load, Prefetch, Statement, Store, loop
from ...ir.rewrite import loads_of, walk
from ...lower.cook_toom import FIRST_WINDOW, ROOM, SHARE, first_output
from ...machine.target import LINE
from ...number_types import TYPES
from ...symbolic.index import Index, index, minimum, var
from ..context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    return kernel.with_body(tuple(_block(kernel.body, context, None)))


def _block(body: Block, context: Context, source: Load | None) -> Iterator[Statement]:
    """The statements of a block; `source` is a number that was turned before them."""
    for at, s in enumerate(body):
        match s:
            case For(axis=Axis.POINT) if source is not None:
                yield replace(s, body=(_ahead(s, source, body[at + 1 :], context), *s.body))
            case For() | If():
                if isinstance(s, For) and s.axis is Axis.CHANNEL:
                    source = next((read for inner in walk(s.body) for read in loads_of(inner) if _is_far(read)), source)
                yield replace(s, body=tuple(_block(s.body, context, source)))
            case _:
                yield s


def _is_far(read: Load) -> bool:
    return not read.buffer.is_local and read.buffer.axes[-1:] == (Axis.STEP,)


def _ahead(products: For, source: Load, after: Block, context: Context) -> For:
    """The requests beside the products of one multiplication: those of an equal part of the windows."""
    problem, plan, sizes = context.problem, context.plan, context.sizes
    split, n = plan.split(problem), products.hi.constant or 1
    apart = plan.outputs * problem.stride * split.sequences
    numbers = LINE // TYPES[problem.compute].bytes
    some = max(1, numbers // apart) * split.sequences  # windows whose input is in about one line
    most = -(-plan.block // plan.outputs // some)
    part = -(-most // n)
    window = (var(products.var) * part + var("line")) * some
    following, own = var("following"), var("own")
    step = first_output(following, problem, plan, sizes) * problem.stride - sizes.left
    asked = Prefetch(source.buffer, (*source.index[:-2], var("row"), step), level=2)
    inputs = loop("row", 0, problem.group_channels, (asked,), axis=Axis.CHANNEL, level=Level.BLOCK)
    outputs = _outputs(after, first_output(own, problem, plan, sizes))
    lets = (
        Let("following", index(minimum(SHARE + window, ROOM - FIRST_WINDOW - 1))),
        Let("own", index(minimum(window, var("count") - 1))),
    )
    hi = minimum(index(minimum(var("count"), 1)) * part, most - var(products.var) * part)
    return loop("line", 0, hi, (*lets, inputs, *outputs), axis=Axis.WINDOW, level=Level.BLOCK)


def _outputs(body: Block, step: Index) -> Iterator[Statement]:
    """The first nests that store to rows of the output, as ones of requests for a step of each row."""
    for s in body:
        if isinstance(s, For | If):
            found = tuple(_rows(s.body, step))
            if found:
                yield from found
                return


def _rows(body: Block, step: Index) -> Iterator[Statement]:
    for s in body:
        match s:
            case For(kind="lanes"):
                yield from _row(s, step)
            case For(level=Level.ROW | Level.VECTOR):
                rows = tuple(_rows(s.body, step))
                yield from (replace(s, kind="serial", body=rows),) if rows else ()
            case For() | If():
                yield from _rows(s.body, step)


def _row(vector: For, step: Index) -> Iterator[Statement]:
    """The request for the row that a vector of steps is stored to, or for those of a vector of filters."""
    for s in vector.body:
        if isinstance(s, Store) and not s.buffer.is_local:
            asked = Prefetch(s.buffer, (*s.index[:-1], step), level=2)
            each_filter = vector.var in s.index[-2].variables()
            yield replace(vector, kind="serial", width=0, body=(asked,)) if each_filter else asked
            return
