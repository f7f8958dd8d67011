"""block_time: cuts the output steps into blocks, and makes (sequence, block, group, filter) the space of parallel iterations.

A block's input stays in the caches while panel after panel of weights goes over it. Threads share the iterations among themselves:
blocks where there are many, and filters where the sequence is one block.

Where the weights are too large to stay in L2, one panel goes over the blocks of several sequences before the next panel is fetched:

    parallel n, block, f: for t      →      parallel some, block, f: for n of some: for t

The blocks of Cook–Toom are its lowering's own, as what they keep in scratch memory is part of the algorithm.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import Axis, Block, For, Kernel, Level, Statement, loop
from ..ir.rewrite import map_statements, walk
from ..schedule.registers import weight_bytes, weights_are_large
from ..symbolic.index import Index, index, minimum, var
from .context import Context

#: Sequences that share a panel of weights fetched from beyond L2. onednn/1d/conv1d_gemm:3, of two sequences of 19 steps and 6.3 MB of
#: weights, takes 765 us so, and 934 where each sequence fetches them (avx512).
SEQUENCES = 4
#: Channels from which the sums of one tap are worth putting away and taking up again for each: see `streams_weights`.
_CHANNELS = 128


def run(kernel: Kernel, context: Context) -> Kernel:
    if context.plan.algorithm == "cook_toom":
        return kernel
    size = context.plan.block
    steps = _steps(kernel.body)
    result: list[Statement] = []
    for s in kernel.body:
        if isinstance(s, For) and s.kind == "parallel":
            blocks = (steps + size - 1) // size
            inner = _parallel(_cut(s.body, size, steps))
            if fetches_panels(context):
                inner, s = _gathered(inner, s.hi), replace(s, var="some", hi=(s.hi + SEQUENCES - 1) // SEQUENCES, level=Level.BLOCK)
            s = replace(s, body=(loop("block", 0, blocks, inner, "parallel", axis=Axis.STEP, level=Level.BLOCK),))
        result.append(s)
    return kernel.with_body(tuple(result))


def fetches_panels(context: Context) -> bool:
    """Whether a panel of weights comes from beyond L2 each time that a block, or several sequences, have it read."""
    return context.plan.algorithm == "direct" and weights_are_large(context.problem, context.target)


def streams_weights(context: Context) -> bool:
    """Whether all steps of a block go over one chunk of the weights before the next: see `stream_weights`.

    Where weights nearly fit in L2, or where one tap has few channels, putting away the sums of each chunk costs more than it saves. With
    an L2 taken to be 1 MiB (avx512): c80_f512_k7 of 1.1 MiB takes 323 us instead of 300, c384_f384_k3_s2 of 1.7 MiB 8.28 ms instead of
    8.42, c512_f512_k2_s2 of 2 MiB 674 us instead of 711. Of 6 MiB, at 131 steps, c128_f1024_k12 takes 2.53 ms instead of 2.69; at 415,
    c96_f1024_k16 9.1 instead of 8.2.
    """
    problem = context.problem
    large = 2 * weight_bytes(problem) > 3 * context.target.l2_bytes
    return fetches_panels(context) and large and context.plan.lanes == "filters" and problem.group_channels >= _CHANNELS


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


def _gathered(body: Block, count: Index) -> Block:
    """The loops over steps within one over some of `count` sequences, inside the parallel loops."""
    match body:
        case (For(kind="parallel") as s,):
            return (replace(s, body=_gathered(s.body, count)),)
    first = var("some") * SEQUENCES
    return (loop("n", first, minimum(first + SEQUENCES, count), body, axis=Axis.SEQUENCE),)


def _parallel(body: Block) -> Block:
    """The loops over groups and filters that stand around the steps, as parallel ones."""
    match body:
        case (For(axis=Axis.GROUP | Axis.FILTER) as s,):
            return (replace(s, kind="parallel", body=_parallel(s.body)),)
    return body


def _steps(body: Block) -> Index:
    """How many output steps there are."""
    return next(s.hi for s in walk(body) if isinstance(s, For) and s.axis is Axis.STEP)
