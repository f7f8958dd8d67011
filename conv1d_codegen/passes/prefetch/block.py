"""While a block of Cook–Toom forms its products, it asks for the next block's input, and for where its
own output goes.

    for panel, for p                            for panel, for p
      for tile: yt[p, tile, ...] := ...    →      for tile
                                                    for ahead in an equal part of the block's windows
                                                      prefetch x[steps of that window of the next block, a panel's part
                                                      of the channels], y[steps of that window of this one]
                                                    yt[p, tile, ...] := ...

Direct kernels load as they compute. Here the transforms at a block's start and the outputs at its end do little else
than load and store, and would wait for memory alone, while the products between them leave it idle. The input is needed
only when the products are formed, so it goes to L2; L1 is full.

Each of the tallest tiles asks for something: a core waits for some sixteen lines at once, and where it asks for more it
stops. Asked for by each tile, and not all of a point's at once, kernels take 0.92 to 0.97 of the time with 64 to 600
channels (c384_f384_k3_s2 0.93, c512_f512_k3_s2 0.92, c256_f256_k3 0.95, c128_f256_k3_d8 0.95; `python tools/speeds.py`
before and after, AVX-512), and c128_f128_k3 as long for a step of 300 000 as for one of 10 000, where it took 8 % more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...ir import Axis, Bind, Block, For, If, Kernel, Let, Level, Load, Prefetch, Statement, Store, loop
from ...ir.rewrite import walk
from ...lower.cook_toom import FIRST_WINDOW, ROOM, SHARE
from ...machine.target import LINE
from ...number_types import TYPES
from ...symbolic.index import Index, index, minimum, var
from ...toom.split import Split
from ..context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    return kernel.with_body(tuple(_block(kernel.body, context, None, None)))


def _block(body: Block, context: Context, transforms: For | None, panels: For | None) -> Iterator[Statement]:
    """The statements of a block; `transforms` is the loop over windows before them that transforms inputs, if that is
    written out, and `panels` the one around them over panels of filters, if there are several.
    """
    for at, s in enumerate(body):
        match s:
            case For(axis=Axis.WINDOW, level=Level.ELEMENT):
                transforms = s
                yield s
            case For(axis=Axis.POINT) if transforms is not None:
                (results,) = (after for after in body[at + 1 :] if isinstance(after, For))
                yield replace(s, body=tuple(_with_requests(s, transforms, panels, results, context)))
            case For():
                around = s if (s.axis, s.level) == (Axis.FILTER, Level.PANEL) else panels
                yield replace(s, body=tuple(_block(s.body, context, transforms, around)))
            case _:
                yield s


def _with_requests(
    products: For, transforms: For, panels: For | None, results: For, context: Context
) -> Iterator[Statement]:
    """The products of one multiplication with requests: in the first loop over tiles that sum up, which are the tallest;
    or before all, where weights are gone through outside tiles.
    """
    tiles = next((s for s in products.body if isinstance(s, For) and s.level is Level.TILE and _sums_up(s)), None)
    requests = _ahead(products, tiles, transforms, panels, results, context)
    if tiles is None:
        yield requests
    for s in products.body:
        yield replace(s, body=(requests, *s.body)) if isinstance(s, For) and s is tiles else s


def _sums_up(tiles: For) -> bool:
    return any(isinstance(s, For) and s.kind == "serial" for s in tiles.body)


def _ahead(
    products: For, tiles: For | None, transforms: For, panels: For | None, results: For, context: Context
) -> For:
    """The requests of one tile, or of all tiles of a point: those of an equal part of the windows, or, where there are
    many more points than windows, a part of the lines of one.
    """
    plan, split, n = context.plan, Split.of(context.problem, context.plan.taps), products.hi.constant or 1
    tile, count = (index(0), index(1)) if tiles is None else (var(tiles.var), tiles.hi)
    windows = -(-plan.block // plan.outputs) if tiles is None else plan.rows[0]
    part, turns = -(-windows // n), max(1, n // windows)
    point = var(products.var)
    turn = point - point // turns * turns
    before = (point // turns * count + tile) * part
    window = before + var("prefetch")
    numbers = LINE // TYPES[context.problem.compute].bytes
    # Each step of the input once: of the first chunk of each phase, as many rows as a window has outputs.
    channels = next(s for s in walk(transforms.body) if isinstance(s, For))
    vector = next(s for s in walk(transforms.body) if isinstance(s, For) and s.kind == "lanes")
    reads = [b.value for b in vector.body if isinstance(b, Bind) and isinstance(b.value, Load)]
    reach = plan.toom.reach
    rows = [reads[phase * reach + u] for phase in range(min(split.phases, split.terms)) for u in range(plan.outputs)]
    following = Let("following", index(minimum(SHARE + window, ROOM - FIRST_WINDOW - 1)))
    at = {transforms.var: var("following"), channels.var: index(0), vector.var: var("line") * numbers}
    inputs = tuple(Prefetch(read.buffer, tuple(i.substitute(at) for i in read.index), level=2) for read in rows)
    of_panel, several = (index(0), 1) if panels is None else (var(panels.var), panels.hi.constant or 1)
    first, end = _part(-(-context.problem.group_channels // numbers), several * turns, of_panel * turns + turn)
    lines = loop("line", first, end, inputs, axis=Axis.CHANNEL, level=Level.BLOCK)
    outputs = _outputs(results.body, {results.var: window}, turns, turn)
    return loop(
        "prefetch",
        0,
        minimum(results.hi - before, part),
        (following, lines, *outputs),
        axis=Axis.WINDOW,
        level=Level.BLOCK,
    )


def _part(count: int, parts: int, number: Index) -> tuple[Index, Index]:
    """The first of so many that are a part's, by its number, and that after its last."""
    own = -(-count // parts)
    return number * own, index(minimum((number + 1) * own, count))


def _outputs(body: Block, window: dict[str, Index], turns: int, turn: Index) -> Iterator[Statement]:
    """The nest that stores a window's outputs as one of requests for a part of their lines."""
    for s in body:
        if isinstance(s, For) and s.kind == "lanes":
            at = {**window, s.var: index(0)}
            requests = tuple(
                Prefetch(leaf.buffer, tuple(i.substitute(at) for i in leaf.index))
                for leaf in s.body
                if isinstance(leaf, Store)
            )
            yield from requests if turns == 1 else (If((-turn,), requests),)  # the vectors that no loop is over
        elif isinstance(s, For):
            lo, hi = _part(s.hi.constant or 1, turns, turn)
            yield replace(s, lo=lo, hi=hi, body=tuple(_outputs(s.body, window, 1, turn)))
