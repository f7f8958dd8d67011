"""The passes, in order: `PIPELINE`. Each is a function from a kernel to a kernel, in a file or, where it has several
forms, a folder of its own; each leaves the result the same, but for rounding where `chunk_reduction` and `tile/sums.py`
fix the order of summation.

On top of each stands what the pass does, to which loops, and what in the plan it obeys. A pass looks at the axis,
level and part of a loop, at storage, access and axes of an array, at the plan and the problem, and at no name
(`tests/passes/test_no_names.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..ir import Block, Kernel, Nest, Statement
from ..ir.rewrite import loads_of, map_statements, walk
from ..verify import verify
from . import (
    block_time,
    chunk_reduction,
    collapse_loops,
    expand_epilogue,
    interchange,
    pack_weights,
    peel_edges,
    prefetch,
    share_windows,
    simplify,
    stage_operands,
    tile,
    transpose_output,
    turn_blocks,
    unroll_reduction,
)
from .context import Context


class Pass(NamedTuple):
    """One pass: its name, what runs it, and why it stands where it does."""

    name: str
    run: Callable[[Kernel, Context], Kernel]
    reason: str


PIPELINE: tuple[Pass, ...] = (
    Pass(
        "block_time",
        block_time.run,
        "first, as it decides what the parallel iterations are, and all else happens inside one of them",
    ),
    Pass(
        "turn_blocks",
        turn_blocks.run,
        "once there are blocks; before edges are peeled, as all steps of a block read what it turned",
    ),
    Pass(
        "peel_edges",
        peel_edges.run,
        "before tiling: only rows whose taps all fall on the input can share a register tile",
    ),
    Pass(
        "chunk_reduction",
        chunk_reduction.run,
        "before tiling, as the sums of the chunks are tiled like the accumulators",
    ),
    Pass(
        "simplify",
        simplify.run,
        "now that every loop's range is known: drops the tap guards that can be proved, and the edges that can't exist",
    ),
    Pass(
        "interchange",
        interchange.run,
        "once the edges that exist are known, and after chunks, over which steps go by turns; before tiling, as it makes "
        "loops over steps",
    ),
    Pass(
        "tile",
        tile.run,
        "after interchange, whose loops over steps it cuts too; before packing, which needs the panels",
    ),
    Pass("pack_weights", pack_weights.run, "after tiling, as the panels are those that the tiles read"),
    Pass(
        "stage_operands",
        stage_operands.run,
        "after packing: it is the packed weights that are loaded once for all the rows of a tile",
    ),
    Pass(
        "unroll_reduction", unroll_reduction.run, "after staging, so that the staged loads are unrolled with their uses"
    ),
    Pass("share_windows", share_windows.run, "after unrolling, as it is the unrolled taps that read the same input"),
    Pass(
        "transpose_output",
        transpose_output.run,
        "before the activation is written out, as it is then in the lanes of steps",
    ),
    Pass(
        "prefetch",
        prefetch.run,
        "once tiles load and store as they will: requests stand beside the loads, rows and stores that they are for",
    ),
    Pass(
        "expand_epilogue",
        expand_epilogue.run,
        "large activations get a loop of their own, for which the tiles must be there",
    ),
    Pass(
        "collapse_loops",
        collapse_loops.run,
        "last: the loops of one iteration that tiling and unrolling leave where a size is small",
    ),
)


#: Passes that look at a whole kernel, and at no plan.
_OF_KERNELS = (simplify.run, collapse_loops.run)


def stages(
    kernel: Kernel, context: Context | Mapping[str, Context], check: bool = False
) -> Iterator[tuple[str, Kernel]]:
    """The kernel after each pass, with the pass's name. With `check`, the verifier runs after each.

    A kernel of several nests has a context for each, by its name.
    """
    for name, run, _ in PIPELINE:
        if isinstance(context, Context):
            kernel = run(kernel, context)
        elif run in _OF_KERNELS:
            kernel = run(kernel, next(iter(context.values())))
        else:
            kernel = _in_nests(run, kernel, context)
        if check:
            verify(kernel, scheduled=run is PIPELINE[-1].run)
        yield name, kernel


def _in_nests(run: Callable[[Kernel, Context], Kernel], kernel: Kernel, contexts: Mapping[str, Context]) -> Kernel:
    """The kernel with a pass applied to each nest, by its own plan."""
    whole = kernel

    def changed(s: Statement) -> Block | None:
        nonlocal whole
        if not isinstance(s, Nest):
            return None
        used = {load.buffer for inner in walk(s.body) for load in loads_of(inner)}
        own = [buffer for buffer in whole.buffers if buffer in used]
        part = run(replace(whole, buffers=tuple(own), packings=(), body=s.body), contexts[s.name])
        now = dict(zip(own, part.buffers, strict=True))
        buffers = tuple(now.get(buffer, buffer) for buffer in whole.buffers)
        whole = replace(whole, buffers=buffers, packings=(*whole.packings, *part.packings))
        return (Nest(s.name, part.body),)

    body = map_statements(kernel.body, changed)
    return whole.with_body(body)


#: Why each pass stands where it does, by its name.
REASONS = {name: reason for name, _, reason in PIPELINE}


def log(kernel: Kernel, after: Sequence[tuple[str, Kernel]], reasons: Mapping[str, str]) -> str:
    """The kernel after each pass that changed it, with the reason for the pass's place; those that changed nothing are
    named together.
    """
    text, unchanged = "", []
    for name, now in after:
        if now == kernel:
            unchanged.append(name)
            continue
        text += _idle(unchanged) + f"# {name}: {reasons[name]}\n{now}\n"
        kernel, unchanged = now, []
    return text + _idle(unchanged)


def _idle(names: list[str]) -> str:
    return f"# unchanged by {', '.join(names)}\n\n" if names else ""


__all__ = ["PIPELINE", "REASONS", "Context", "Pass", "log", "stages"]
