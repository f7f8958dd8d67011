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

Few lines are asked for at once: a core waits for some sixteen, and stops where it is asked for more. Of all requests of a
point before its products, c128_f128_k3@1x1000000 makes 248 GFLOP/s, of those of a tile before each 256, and of those of a
chunk 275 (`python -m bench scale c128_f128_k3_same_relu_f32`, AVX-512), and 324, 306 and 306 with 10 000 steps; kernels of
64 to 600 channels take 0.91 to 0.99 of the time of the first (`python tools/speeds.py`).
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
    """The products of one multiplication with requests: in the first loop over tiles that sum up, which are the tallest,
    and in their chunks, if they have some; or before all, where weights are gone through outside tiles.
    """
    tiles = next((s for s in products.body if isinstance(s, For) and s.level is Level.TILE and _sums_up(s)), None)
    chunks = None if tiles is None else next((s for s in tiles.body if isinstance(s, For) and _is_cut(s)), None)
    requests = _ahead(products, tiles, chunks, transforms, panels, results, context)
    if tiles is None:
        yield requests
    for s in products.body:
        if not (isinstance(s, For) and s is tiles):
            yield s
        elif chunks is None:
            yield replace(s, body=(requests, *s.body))
        else:
            asking = replace(chunks, body=(requests, *chunks.body))
            yield replace(s, body=tuple(asking if inner is chunks else inner for inner in s.body))


def _sums_up(tiles: For) -> bool:
    return any(isinstance(s, For) and s.kind == "serial" for s in tiles.body)


def _is_cut(s: For) -> bool:
    return s.level is Level.CHUNK and (s.hi - s.lo).constant is not None


def _ahead(
    products: For,
    tiles: For | None,
    chunks: For | None,
    transforms: For,
    panels: For | None,
    results: For,
    context: Context,
) -> For:
    """The requests of one chunk, or tile, or of all tiles of a point. Tiles ask for an equal part of the windows; chunks,
    and tiles where there are many more points than windows, for a part of the lines of these.
    """
    plan, split, n = context.plan, Split.of(context.problem, context.plan.taps), products.hi.constant or 1
    tile, count = (index(0), index(1)) if tiles is None else (var(tiles.var), tiles.hi)
    windows = -(-plan.block // plan.outputs) if tiles is None else plan.rows[0]
    part, pieces = -(-windows // n), max(1, n // windows)
    point = var(products.var)
    piece = point - point // pieces * pieces
    before = (point // pieces * count + tile) * part
    window = before + var("prefetch")
    if chunks is not None:
        several = (chunks.hi - chunks.lo).constant or 1
        piece, pieces = piece * several + var(chunks.var) - chunks.lo, pieces * several
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
    of_panel, of_all = (index(0), 1) if panels is None else (var(panels.var), panels.hi.constant or 1)
    first, end = _part(-(-context.problem.group_channels // numbers), of_all * pieces, of_panel * pieces + piece)
    lines = loop("line", first, end, inputs, axis=Axis.CHANNEL, level=Level.BLOCK)
    outputs = _outputs(results.body, {results.var: window}, pieces, piece)
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


def _outputs(body: Block, window: dict[str, Index], pieces: int, piece: Index) -> Iterator[Statement]:
    """The nest that stores a window's outputs as one of requests for a part of their lines."""
    for s in body:
        if isinstance(s, For) and s.kind == "lanes":
            at = {**window, s.var: index(0)}
            requests = tuple(
                Prefetch(leaf.buffer, tuple(i.substitute(at) for i in leaf.index))
                for leaf in s.body
                if isinstance(leaf, Store)
            )
            yield from requests if pieces == 1 else (If((-piece,), requests),)  # the vectors that no loop is over
        elif isinstance(s, For):
            lo, hi = _part(s.hi.constant or 1, pieces, piece)
            yield replace(s, lo=lo, hi=hi, body=tuple(_outputs(s.body, window, 1, piece)))
