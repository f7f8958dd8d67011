"""The details of a plan: what follows, by measurements, from its algorithm and tiles, the problem and the machine.

`detailed` fills them in. A plan that is given by hand has only what it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..machine.target import Target
from ..number_types import TYPES
from ..problem import Problem
from ..problem.summation import LONGEST_CHAIN
from ..toom.split import Split
from .plan import Plan
from .registers import CHAINS, fitting_width, weight_bytes, weights_are_large

#: Sequences that share a panel of weights fetched from beyond L2. onednn/1d/conv1d_gemm:3, of two sequences of 19 steps
#: and 6.3 MB of weights, takes 765 us so, and 934 where each sequence fetches them (avx512).
_SEQUENCES = 4
#: Channels from which the sums of one tap are worth putting away and taking up again for each: see `_stream`.
_CHANNELS_TO_STREAM = 128
#: Most steps that stream together. Their sums, of four sequences and four vectors of filters, take 128 KiB, of which
#: few are in use at a time. encodec/down256_k16s8, of 75 steps, takes 2.09 ms with 128, and 2.18 with 64 (avx512).
_STEPS_OF_STREAM = 128
#: Steps of a block of edges. Their sums, of two vectors of filters, take 8 KiB of L1.
_EDGE = 64
#: Beside windows, so few steps that lack taps are computed one by one: c64_f64_k3_same takes 50 ms less to compile.
_FEW_EDGES = 8
#: Conditions are expensive to compile. So there are tiles at the edges of depthwise kernels from so many taps on only,
#: and of so many rows at most: conformer/dw256_L250, of 31 taps, takes 36.5 us instead of 40, and 264 ms to compile
#: instead of 187; with tiles of 16 and 4 rows no less, and half as long again to compile.
_MANY_TAPS, _EDGE_ROWS = 9, 8
#: Filters of a part of a Cook–Toom kernel: at least so many, or half as many of two. Each part transforms the input
#: anew, which costs 2 % of the time with parts of 128 filters (c128_f256_k3_d8@1x10240), but reads weights of its own
#: only; so it takes many bytes of weights for more than one part.
_FILTERS_OF_A_PART, _BYTES_TO_PART = 256, 3 << 19
#: Transforms of a window that are written out beside each other; more are computed in loops over chunks and phases.
#: Written out, the 64 of c64_f64_k256@1x4000 take 15.2 ms, and 410 ms to compile, in loops 14.9 and 120; the 250 of
#: c16_f16_k1000@1x6000 take 7.3 ms and 1.6 s, in loops 7.1 ms and 110 (avx512).
_MOST_UNROLLED = 16
#: ... of nested algorithms, each of 100 to 300 steps.
_MOST_NESTED_UNROLLED = 2
#: The windows of a block go over one chunk of transformed weights before the next where these take more than one part in
#: so many of L2: the chunk waits in L1 then, and the next one is asked for meanwhile. How many times as fast as directly,
#: without that and with it: c192_f192_k3@1x2000 with F(5,3) 1.60 and 1.67, c256_f256_k3@1x2000 with F(6,3) 1.61 and 1.64,
#: c512_f512_k5@1x1000 with F(4,5) 1.87 and 2.00, and at 1x150 1.00 and 1.34, c768_f768_k3@1x600 with F(5,3) 1.40 and
#: 1.59. Less of them are near anyway: c128_f128_k3@1x2000 takes as long either way (a Xeon with AVX-512, 2 MiB of L2 a
#: core and L3 read at 26 GB/s).
_SHARE_TO_STREAM = 2
#: Products of an output, and vectors of filters, up to which a tile in channels_first asks for the input of later ones:
#: with more, all is in the caches, and a request is one more load. c64_f64_k11_d5@1x11008 loses 4 % by it,
#: c512_f512_k3_s2@1x3199 15.
_FEW_PRODUCTS_OF_INPUT, _FEW_VECTORS = 128, 8
#: Products of one output up to which a tile of a direct kernel asks for its output too: it has little else to do.
#: encodec/in, of 7, takes 139 us instead of 189; from 20 on nothing changes (avx512).
_FEW_PRODUCTS_OF_OUTPUT = 16


def detailed(problem: Problem, target: Target, plan: Plan) -> Plan:
    """The plan with its details."""
    by_algorithm = {"direct": _direct, "depthwise": _depthwise, "cook_toom": _cook_toom, "generic": _generic}
    plan = replace(plan, **by_algorithm[plan.algorithm](problem, target, plan))
    return replace(plan, prefetch=tuple(_prefetches(problem, target, plan)))


def _generic(problem: Problem, target: Target, plan: Plan) -> dict[str, Any]:
    return {"transposed": problem.channels_first}


def _direct(problem: Problem, target: Target, plan: Plan) -> dict[str, Any]:
    filters = plan.lanes == "filters"
    stream = _stream(problem, target, plan)
    edges = ("alone", 0) if plan.sums_in_lanes else ("shared", _EDGE)
    return {
        "sequences": _SEQUENCES if weights_are_large(problem, target) else 1,
        "stream": stream,
        "edges": edges[0],
        "edge_steps": edges[1],
        # Most of an edge's taps then have enough steps to keep the pipes busy.
        "borrow": plan.rows[0] if filters and not stream and plan.rows[0] > 1 else 0,
        "transposed": filters and problem.channels_first,
    }


def _stream(problem: Problem, target: Target, plan: Plan) -> int:
    """Steps of a part of a block, all of which go over one chunk of the weights before the next; 0 where that does not
    pay.

    Where weights nearly fit in L2, or where one tap has few channels, putting away the sums of each chunk costs more
    than it saves. With an L2 taken to be 1 MiB (avx512): c80_f512_k7 of 1.1 MiB takes 323 us instead of 300,
    c384_f384_k3_s2 of 1.7 MiB 8.28 ms instead of 8.42, c512_f512_k2_s2 of 2 MiB 674 us instead of 711. Of 6 MiB, at 131
    steps, c128_f1024_k12 takes 2.53 ms instead of 2.69; at 415, c96_f1024_k16 9.1 instead of 8.2.
    """
    large = 2 * weight_bytes(problem) > 3 * target.l2_bytes
    if not large or plan.lanes != "filters" or problem.group_channels < _CHANNELS_TO_STREAM:
        return 0
    tall, parts = plan.rows[0], -(-plan.block // _STEPS_OF_STREAM)
    return -(-plan.block // (parts * tall)) * tall


def _depthwise(problem: Problem, target: Target, plan: Plan) -> dict[str, Any]:
    tiles = _MANY_TAPS <= problem.kernel_size <= LONGEST_CHAIN
    vectors = problem.channels // plan.width
    return {
        "edges": "tiles" if tiles else "alone",
        "edge_steps": min(plan.rows[0], _EDGE_ROWS) if tiles else 0,
        "abreast": tuple(side_by_side(rows, vectors) for rows in plan.rows),
    }


def side_by_side(rows: int, vectors: int) -> int:
    """How many of `vectors` vectors a tile of few rows takes at once: enough for the pipes, without computing many
    channels twice.
    """

    def cycles(panels: int) -> int:
        return -(-vectors // panels) * max(rows * panels, CHAINS)

    return min(range(1, max(1, min(vectors, CHAINS)) + 1), key=cycles)


def _cook_toom(problem: Problem, target: Target, plan: Plan) -> dict[str, Any]:
    split = Split.of(problem, plan.taps)
    alone = problem.extent <= _FEW_EDGES and not weights_are_large(problem, target)
    inputs = fitting_width(problem.group_channels, target.lanes(problem.compute))
    return {
        "edges": "alone" if alone else "shared",
        "edge_steps": 0 if alone else _EDGE,
        "rest": plan.rows[0],
        "parts": parts(problem, plan),
        "input_width": 0 if inputs == plan.width else inputs,
        "stream": plan.block if streams(problem, target, plan) else 0,
        "looped": split.transforms(plan.outputs) > (_MOST_NESTED_UNROLLED if plan.nested else _MOST_UNROLLED),
        "transposed": problem.channels_first,
    }


def streams(problem: Problem, target: Target, plan: Plan) -> bool:
    """Whether the windows of a block go over one chunk of the weights before the next."""
    split = Split.of(problem, plan.taps)
    many = _SHARE_TO_STREAM * _transformed_bytes_a_filter(problem, plan) * problem.group_filters > target.l2_bytes
    # Windows that read what others transformed, several sequences apart, are not proved to stay within it then.
    return (bool(plan.nested) or many) and not (split.sequences > 1 and split.shares(plan.outputs))


def parts(problem: Problem, plan: Plan) -> int:
    """Into how many parts the filters of a Cook–Toom plan can be cut evenly, each of whole panels and not too few."""
    filters, panel = problem.group_filters, plan.panel
    if filters * _transformed_bytes_a_filter(problem, plan) < _BYTES_TO_PART:
        return 1
    most = max(filters // _FILTERS_OF_A_PART, 2 if filters >= _FILTERS_OF_A_PART else 1)
    return next((count for count in range(most, 0, -1) if filters % count == 0 and filters // count % panel == 0), 1)


def _transformed_bytes_a_filter(problem: Problem, plan: Plan) -> int:
    terms = Split.of(problem, plan.taps).terms
    return plan.toom.multiplications * terms * problem.group_channels * TYPES[problem.compute].bytes


def _prefetches(problem: Problem, target: Target, plan: Plan) -> Iterator[str]:
    products, filters = problem.kernel_size * problem.group_channels, plan.lanes == "filters"
    direct = plan.algorithm == "direct" and filters
    if plan.computes_steps and filters and weights_are_large(problem, target):
        yield "weights"
    few = products <= _FEW_PRODUCTS_OF_INPUT and problem.group_filters <= _FEW_VECTORS * plan.width
    if direct and problem.channels_first and few:
        yield "input"
    if plan.algorithm == "depthwise":
        yield "output_by_row" if problem.kernel_size > plan.unroll else "output"
    elif direct and (products <= _FEW_PRODUCTS_OF_OUTPUT or problem.channels_first):
        yield "output"
    # What large weights take of L2, a block's input and output would take too: with requests for these,
    # c256_f256_k3@1x20000 with F(6,3) is 1.39 times as fast as directly, and 1.49 without them. Small weights leave
    # room: c192_f192_k3@1x20000 with F(5,3) 1.49 and 1.29, c64_f64_k3@1x80000 with F(4,3) 1.50 and 1.24 (the same Xeon).
    crowded = weights_are_large(problem, target)
    if plan.algorithm == "cook_toom" and not problem.channels_first and not plan.looped and not crowded:
        yield "next_block"
