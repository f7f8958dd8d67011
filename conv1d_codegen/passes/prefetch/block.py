"""While a block of Cook–Toom forms its products, it asks for the next block's input, and for where its
own output goes.

    for p                                   for p
      for tile: yt[p, ...] := ...     →       for ahead in an n-th part of the block's windows
                                                prefetch x[steps of that window of the next block], y[steps of that
                                                window of this one]
                                              for tile: yt[p, ...] := ...

Direct kernels load as they compute. Here the transforms at a block's start and the outputs at its end do little else
than load and store, and would wait for memory alone, while the products between them leave it idle. The input is needed
only when the products are formed, so it goes to L2; L1 is full. Shares of the FMA peak with F(4,3), without requests
and with them (avx512):

    c32_f32_k3@1x84350   96  150        c64_f64_k3@1x80000   117  154        c128_f128_k3@1x40000   158  164
    c32_f32_k3@1x22016  157  165        c64_f64_k3@1x10000   170  169        c128_f128_k3@1x4000    181  177
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...ir import Axis, Bind, Block, For, Kernel, Let, Level, Load, Prefetch, Statement, Store, loop
from ...ir.rewrite import walk
from ...lower.cook_toom import FIRST_WINDOW, ROOM, SHARE
from ...machine.target import LINE
from ...number_types import TYPES
from ...symbolic.index import Index, index, minimum, var
from ...toom.split import Split
from ..context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    return kernel.with_body(tuple(_block(kernel.body, context, None)))


def _block(body: Block, context: Context, transforms: For | None) -> Iterator[Statement]:
    """The statements of a block; `transforms` is the loop over windows before them that transforms inputs, if that is
    written out.
    """
    for at, s in enumerate(body):
        match s:
            case For(axis=Axis.WINDOW, level=Level.ELEMENT):
                transforms = s
                yield s
            case For(axis=Axis.POINT) if transforms is not None:
                (results,) = (after for after in body[at + 1 :] if isinstance(after, For))
                yield replace(s, body=(_ahead(s, transforms, results, context), *s.body))
            case For():
                yield replace(s, body=tuple(_block(s.body, context, transforms)))
            case _:
                yield s


def _ahead(products: For, transforms: For, results: For, context: Context) -> For:
    """The requests beside the products of one multiplication: those of an equal part of the windows."""
    plan, split, n = context.plan, Split.of(context.problem, context.plan.taps), products.hi.constant or 1
    part = -(-plan.block // plan.outputs // n)
    before = var(products.var) * part
    window = before + var("prefetch")
    numbers = LINE // TYPES[context.problem.compute].bytes
    # Each step of the input once: of the first chunk of each phase, as many rows as a window has outputs.
    panels = next(s for s in walk(transforms.body) if isinstance(s, For))
    vector = next(s for s in walk(transforms.body) if isinstance(s, For) and s.kind == "lanes")
    reads = [b.value for b in vector.body if isinstance(b, Bind) and isinstance(b.value, Load)]
    reach = plan.toom.reach
    rows = [reads[phase * reach + u] for phase in range(min(split.phases, split.terms)) for u in range(plan.outputs)]
    following = Let("following", index(minimum(SHARE + window, ROOM - FIRST_WINDOW - 1)))
    at = {transforms.var: var("following"), panels.var: index(0), vector.var: var("line") * numbers}
    inputs = tuple(Prefetch(read.buffer, tuple(i.substitute(at) for i in read.index), level=2) for read in rows)
    lines = loop("line", 0, -(-context.problem.group_channels // numbers), inputs, axis=Axis.CHANNEL, level=Level.BLOCK)
    outputs = _outputs(results.body, {results.var: window})
    return loop(
        "prefetch",
        0,
        minimum(results.hi - before, part),
        (following, lines, *outputs),
        axis=Axis.WINDOW,
        level=Level.BLOCK,
    )


def _outputs(body: Block, window: dict[str, Index]) -> Iterator[Statement]:
    """The nest that stores a window's outputs as one of requests for their lines."""
    for s in body:
        if isinstance(s, For) and s.kind == "lanes":
            for leaf in s.body:
                if isinstance(leaf, Store):
                    yield Prefetch(leaf.buffer, tuple(i.substitute({**window, s.var: 0}) for i in leaf.index))
        elif isinstance(s, For):
            yield replace(s, body=tuple(_outputs(s.body, window)))
