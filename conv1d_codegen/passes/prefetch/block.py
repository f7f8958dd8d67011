"""While a block of Cook–Toom forms its products, it asks for the next block's input, and for where its
own output goes.

    for panel, for p                          for panel, for p
      for tile, for chunk                →      for tile, for chunk
        yt[p, tile, ...] += ...                   for ahead in an equal part of the block's windows
                                                    prefetch x[steps of that window of the next block, a part of the
                                                    channels], y[steps of that window of this one, a part of the vectors]
                                                  yt[p, tile, ...] += ...

Direct kernels load as they compute. Here the transforms at a block's start and the outputs at its end do little else
than load and store, and would wait for memory alone, while the products between them leave it idle. The input is needed
only when the products are formed, so it goes to L2; L1 is full.

Few lines are asked for at once: a core waits for some sixteen, and stops where it is asked for more. GFLOP/s with 10 000 and
with 1 000 000 steps (`python -m bench scale --quick PROBLEM`, Emerald Rapids):

    all of a point's before its products      c128_f128_k3   324  248
    a tile's before its sums, then a chunk's                 306  256,  321  302      c64_f64_k9   454  392
    those of some steps of a line                            294  279                              441  446

Kernels of 64 to 600 channels take 0.90 to 1.0 of the time of the first (`python tools/speeds.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...ir import Axis, Bind, Block, For, Kernel, Let, Level, Load, Prefetch, Statement, Store, loop
from ...ir.rewrite import walk
from ...lower.cook_toom import FIRST_WINDOW, ROOM, SHARE
from ...machine.target import LINE
from ...number_types import TYPES
from ...symbolic.index import Index, index, maximum, minimum, var
from ..context import Context

_FEW = 6  # lines that are asked for at once without harm: c32_f32_k15@1x10000 takes 1.05 times as long with 8


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
    """The products of one multiplication with requests: in the first loop over tiles that sum up, which are the tallest,
    and in all chunks of their sums, be these within tiles or around them; before all, where how many there are depends on
    the multiplication.
    """

    def asking(tiles: For, within: For, chunk: Index, chunks: int) -> For:
        """A loop over tiles that asks in one of some chunks, with which the body of the loop `within` begins."""
        requests = _ahead(products, tiles, (chunk, chunks), transforms, panels, results, context)
        return _with(tiles, within, replace(within, body=(requests, *within.body)))

    tiles, around = _tallest(products.body), _cut(products.body)
    within = None if tiles is None else _cut(tiles.body)
    again = None if around is None or within is not None else _tallest(around.body)
    if tiles is None and again is None:
        yield _ahead(products, None, (index(0), 1), transforms, panels, results, context)
    first = 0 if tiles is None else 1
    for s in products.body:
        if s is tiles and tiles is not None:
            if within is not None:
                yield asking(tiles, within, var(within.var) - within.lo, _length(within))
            else:
                yield asking(tiles, tiles, index(0), first + (_length(around) if again and around else 0))
        elif s is around and around is not None and again is not None:
            chunk = var(around.var) - around.lo + first
            yield _with(around, again, asking(again, again, chunk, first + _length(around)))
        else:
            yield s


def _with(outer: For, inner: For, other: For) -> For:
    """A loop with another one in place of one in its body, or of itself."""
    if inner is outer:
        return other
    return replace(outer, body=tuple(other if s is inner else s for s in outer.body))


def _tallest(body: Block) -> For | None:
    """The first loop over tiles that sum up."""
    tiles = (s for s in body if isinstance(s, For) and s.level is Level.TILE)
    return next((s for s in tiles if any(isinstance(inner, For) and inner.kind == "serial" for inner in s.body)), None)


def _cut(body: Block) -> For | None:
    """The loop over chunks of the sums, if there are as many for all multiplications."""
    chunks = (s for s in body if isinstance(s, For) and s.level is Level.CHUNK)
    return next((s for s in chunks if (s.hi - s.lo).constant is not None), None)


def _length(chunks: For) -> int:
    return (chunks.hi - chunks.lo).constant or 1


def _ahead(
    products: For,
    tiles: For | None,
    chunk: tuple[Index, int],
    transforms: For,
    panels: For | None,
    results: For,
    context: Context,
) -> For:
    """The requests of one of so many chunks of a tile, or of all tiles of a point. Tiles ask for an equal part of the
    windows; chunks, and tiles where there are many more points than windows, for a part of the lines of these.
    """
    plan, split, n = context.plan, context.plan.split(context.problem), products.hi.constant or 1
    tile, count = (index(0), index(1)) if tiles is None else (var(tiles.var), tiles.hi)
    windows = -(-plan.block // plan.outputs) if tiles is None else plan.rows[0]
    part, turns = -(-windows // n), max(1, n // windows)
    point = var(products.var)
    before = (point // turns * count + tile) * part
    window = before + var("prefetch")
    piece, pieces = (point - point // turns * turns) * chunk[1] + chunk[0], turns * chunk[1]
    numbers = LINE // TYPES[context.problem.compute].bytes
    # Each step of the input once: of the first chunk of each phase, as many rows as a window has outputs.
    channels = next(s for s in walk(transforms.body) if isinstance(s, For))
    vector = next(s for s in walk(transforms.body) if isinstance(s, For) and s.kind == "lanes")
    reads = [b.value for b in vector.body if isinstance(b, Bind) and isinstance(b.value, Load)]
    reach = plan.toom.reach
    rows = [reads[phase * reach + u] for phase in range(min(split.phases, split.terms)) for u in range(plan.outputs)]
    apart = split.sequences > 1
    following = Let("following", index(minimum(SHARE + window, ROOM - FIRST_WINDOW - 1)))
    at = {transforms.var: var("following"), channels.var: index(0), vector.var: var("line") * numbers}
    inputs = tuple(Prefetch(read.buffer, tuple(i.substitute(at) for i in read.index), level=2) for read in rows)
    of_panel, of_all = (index(0), 1) if panels is None else (var(panels.var), panels.hi.constant or 1)
    lines = loop("line", 0, -(-context.problem.group_channels // numbers), inputs, axis=Axis.CHANNEL, level=Level.BLOCK)
    return loop(
        "prefetch",
        0,
        minimum(results.hi - before, part),
        (
            following,
            *_part(lines, of_all * pieces, of_panel * pieces + piece, apart),
            *(s for every in _outputs(results, {results.var: window}) for s in _part(every, pieces, piece, apart)),
        ),
        axis=Axis.WINDOW,
        level=Level.BLOCK,
    )


def _part(every: For, parts: int, number: Index, apart: bool) -> Block:
    """Of a loop over lines that asks for those of some steps, one of so many parts, by its number: some lines; or, where
    there are more parts than lines and many steps, some of the steps of one. Not of sequences that lie between each other,
    whose steps are found by a division: of c64_f64_k9_d4 with F(3,3) ⊗ F(4,3) it would not be proved.
    """
    count = every.hi.constant or 1
    groups = 1 if apart else max(1, min(-(-len(every.body) // _FEW), parts // count))
    if groups == 1:
        own = -(-count // parts)
        return (replace(every, lo=number * own, hi=index(minimum((number + 1) * own, count))),)
    return tuple(
        replace(
            every,
            lo=index(maximum(number - count * group, 0)),
            hi=index(minimum(number - count * group + 1, count)),
            body=every.body[group::groups],
        )
        for group in range(groups)
    )


def _outputs(results: For, window: dict[str, Index]) -> Iterator[For]:
    """Loops over vectors that ask for where those of a window's outputs are stored: whole ones, and one that is not full."""
    for inner in results.body:
        if isinstance(inner, For):
            whole = inner if inner.kind != "lanes" else loop("v", 0, 1, (inner,), axis=inner.axis, level=Level.VECTOR)
            (lane,) = (s for s in whole.body if isinstance(s, For))
            at = {**window, lane.var: index(0)}
            stores = (leaf for leaf in lane.body if isinstance(leaf, Store))
            requests = tuple(Prefetch(s.buffer, tuple(i.substitute(at) for i in s.index)) for s in stores)
            yield replace(whole, body=requests)
