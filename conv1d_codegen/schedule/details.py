"""The details of a plan: what follows, by measurements, from its algorithm and tiles, the problem and the machine. By which
command, `__init__.py` says.

`detailed` fills them in. A plan that is given by hand has only what it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..machine.target import Target
from ..number_types import TYPES
from ..problem import Problem
from ..problem.folding import folded, weights_of_tap
from ..problem.padding import edges
from ..problem.summation import LONGEST_CHAIN
from .direct_cycles import of_direct_input
from .plan import Plan
from .registers import CHAINS, fitting_width, weight_bytes, weights_are_large

#: Sequences that share a panel of weights fetched from beyond L2. onednn/1d/conv1d_gemm:3, of two sequences of 19 steps
#: and 6.3 MB of weights, takes 765 us so, and 934 where each sequence fetches them (avx512). Short ones are more, as it
#: takes the steps of several to hide the way of the next chunk of weights.
_SEQUENCES, _SHORT_SEQUENCES = 4, 16
#: Channels from which the sums of one tap are worth putting away and taking up again for each: see `_stream`.
_CHANNELS_TO_STREAM, _CHANNELS_TO_STREAM_SHORT = 128, 64
#: Output steps of short sequences, which leave much of their register tiles empty, and of those that have all taps.
_SHORT, _SHORT_WITHOUT_EDGES = 16, 4
#: Most steps that stream together. Their sums, of four sequences and four vectors of filters, take 128 KiB, of which
#: few are in use at a time. encodec/down256_k16s8, of 75 steps, takes 2.09 ms with 128, and 2.18 with 64 (avx512).
_STEPS_OF_STREAM = 128
#: Panels of filters from which the input of a block is turned for all of them: see `_turns_input`.
_PANELS_TO_TURN = 4
#: ... and blocks and steps of a sequence. With two threads c256_f256_k1_first takes 228 us at 420 steps, and 216 in place;
#: 1.1 ms at 2000 both ways (a virtual machine's two cores, Xeon with AVX-512 and AMX).
_BLOCKS_TO_TURN, _STEPS_TO_TURN = 4, 832
#: Blocks of a sequence, where they are turned, up to which they are half as long: two threads share whole ones, and may
#: have one more than the other. With blocks of 52 and 104 steps, two take 354 and 388 us of c256_f256_k1_first@1x900,
#: one 697 and 681; with 117 and 247 1.89 and 2.15 ms of c512_f512_k1_first@1x1200, one 3.54 and 3.58. Of longer sequences
#: one thread loses 3 % by it, c256_f256_k1_first@1x10000 (Xeon with AVX-512 and AMX).
_FEW_BLOCKS = 16
#: How many times as long as usual another direct plan must be counted to take, where it is for inputs of a known length.
CLEARLY_LESS = 0.9
#: Steps of a block of edges. Their sums, of two vectors of filters, take 8 KiB of L1.
_EDGE = 64
#: ... and where they are in the lanes, of a single filter that is longer than this. c1_f1_k1025_same@1x4000 with
#: F(12,12) of 16 steps a row takes 59 us with 512, 64 with 256, 69 with 128 and 87 with 64; c1_f1_k129_same@1x4000 with
#: F(4,5) 10.2 with 256 and 9.5 with 64 (avx512, Xeon 6/167).
_LONG_EDGE = 512
#: ... and of a channel by itself, with up to so many taps: c32_f32_k15_g32_same_first@1x256 takes 8.4 us one by one and 11.4
#: shared, k31 18.3 and 18.8, k65 64 and 31, k129 259 and 54; k1025 at 1x2000 18.6 ms and 1.7 (avx512, Xeon 6/167).
_FEW_TAPS_ALONE = 32
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
#: ... and channels from which it does: the processor follows fewer rows by itself. c3_f64_k7_s2@1x5000 takes 62 us
#: without requests and 90 with them (channels_first, Xeon with AVX-512 and AMX).
_CHANNELS_OF_REQUESTS = 16
#: Products of one output up to which a tile of a direct kernel asks for its output too: it has little else to do.
#: encodec/in, of 7, takes 139 us instead of 189; from 20 on nothing changes (avx512).
_FEW_PRODUCTS_OF_OUTPUT = 16


def detailed(problem: Problem, target: Target, plan: Plan, length: int | None = None) -> Plan:
    """The plan with its details, for inputs of so many steps, or for long ones."""
    if plan.algorithm == "direct":
        details = _direct(problem, target, plan, length)
    else:
        by_algorithm = {"depthwise": _depthwise, "cook_toom": _cook_toom, "generic": _generic}
        details = by_algorithm[plan.algorithm](problem, target, plan)
    plan = replace(plan, **details)
    return replace(plan, prefetch=tuple(_prefetches(problem, target, plan)))


def _generic(problem: Problem, target: Target, plan: Plan) -> dict[str, Any]:
    return {"transposed": problem.channels_first}


def _direct(problem: Problem, target: Target, plan: Plan, length: int | None) -> dict[str, Any]:
    filters, turned = plan.lanes == "filters", _turns_input(length, problem, target, plan)
    steps = None if length is None else max(problem.output_length(length), 1)
    half = plan.block // 2 // plan.rows[0] * plan.rows[0]
    few = turned and steps is not None and steps <= _FEW_BLOCKS * plan.block
    read_of_neighbours = 2 * (problem.extent - 1) // problem.stride
    halved = few and half >= max(read_of_neighbours, 1)
    stream = 0 if turned else _stream(problem, target, plan, steps)
    several = _SHORT_SEQUENCES if _is_short(steps) else _SEQUENCES
    # The few steps at the edges of a channel by itself, with few weights, are soon computed one by one: see
    # `_channels_beside` of the cost model. Shared, those of 8 sequences of 64 channels and 3 taps take 29 us, one by one 4.
    few = problem.kernel_size <= _FEW_TAPS_ALONE
    single = plan.lanes == "time" and problem.groups == problem.channels > 1 and few
    kind = ("alone", 0) if plan.sums_in_lanes or single else ("shared", _edge_steps(problem, plan))
    details: dict[str, Any] = {
        "block": half if halved else plan.block,
        "sequences": several if (stream or weights_are_large(problem, target)) and not turned else 1,
        "stream": stream,
        # Rows of several sequences have addresses of their own, in channels_first for every channel.
        "across": stream > 0 and not problem.channels_first,
        "edges": kind[0],
        "edge_steps": kind[1],
        "borrow": 0,
        "transposed": filters and problem.channels_first,
        "turned": turned,
    }
    if filters and not stream and plan.rows[0] > 1:
        details["borrow"] = _borrowed(problem, target, replace(plan, **details), length)
    return details


def _borrowed(problem: Problem, target: Target, plan: Plan, length: int | None) -> int:
    """Steps that an edge has at least, so that most of its taps have enough to keep the pipes busy; or 0 where those that
    it would take from the middle of a short sequence leave worse tiles there.

    c101_f16_k5_s2_causal@24x54, of 27 output steps, takes 80 us with 13 and 54 with none, which leave 14 and 25 steps for
    tiles of 13 and 12; c200_f16_k5_causal@8x24 44 and 37. For 240 layers of 2 to 31 taps at 8x24 and 8x100 the count is 5 %
    off (standard deviation) in how many times as fast none is, so it decides where that is clear (Xeon with AVX-512 and AMX).
    """
    tall = plan.rows[0]
    if length is None or problem.channels_first:  # where the height of an edge's tiles is that of the turned ones too
        return tall
    with_tall = of_direct_input(problem, target, replace(plan, borrow=tall), length, 0)
    return 0 if of_direct_input(problem, target, plan, length, 0) < CLEARLY_LESS * with_tall else tall


def _turns_input(length: int | None, problem: Problem, target: Target, plan: Plan) -> bool:
    """Whether a block's input is turned in channels_first, once for all panels of filters: where there are several, and
    taps that reach into few other steps.

    c256_f256_k1@1x1000 takes 867 us so, and 915 where each panel reads the rows of channels in place; at 1024 steps 909
    and 1053, at 4096 3.5 and 4.4 ms. c512_f512_k1@1x1000 takes 3.3 and 3.5 ms, at 1024 steps 3.3 and 5.6;
    c512_f512_k3_s2@1x3199, whose weights streamed, 15.4 and 22.1. Of a single
    panel, c32_f32_k3@1x1000 takes 49 us and 45 (channels_first, Xeon with AVX-512 and AMX). Threads share blocks then, and
    not panels, so there must be many.
    """
    if length is not None and problem.output_length(length) < max(_BLOCKS_TO_TURN * plan.block, _STEPS_TO_TURN):
        return False
    extent, steps = (problem.kernel_size - 1) * problem.dilation, plan.block * problem.stride
    return (
        problem.channels_first
        and plan.lanes == "filters"
        and problem.group_filters >= _PANELS_TO_TURN * plan.panel
        and problem.group_channels >= target.lanes(problem.compute)
        and 2 * extent <= steps
        and (steps + extent) * problem.group_channels <= target.l2_bytes // 8
    )


def _stream(problem: Problem, target: Target, plan: Plan, steps: int | None) -> int:
    """Steps of a part of a block, all of which go over one chunk of the weights before the next, and of short sequences
    no more than these have; 0 where that does not pay. Sequences have so many `steps`, or many.

    Where weights nearly fit in L2, or where one tap has few channels, putting away the sums of each chunk costs more
    than it saves. With an L2 taken to be 1 MiB (avx512): c80_f512_k7 of 1.1 MiB takes 323 us instead of 300,
    c384_f384_k3_s2 of 1.7 MiB 8.28 ms instead of 8.42, c512_f512_k2_s2 of 2 MiB 674 us instead of 711. Of 6 MiB, at 131
    steps, c128_f1024_k12 takes 2.53 ms instead of 2.69; at 415, c96_f1024_k16 9.1 instead of 8.2.

    Where sequences are short, steps of several fill the register tiles together then (`interchange/blocks.py`).
    Times of 8 sequences of 4, 8, 16 and 32 steps, and of one alone, as shares of those without (avx512, Xeon 6/167):

        c256_f256_k3_same     0.60  0.69  0.77  0.97     0.97  0.90  0.91  0.91
        c128_f128_k5_same     0.74  0.85  0.90  1.09     1.01  0.98  0.93  1.02
        c64_f64_k3_same       0.82  0.94  0.99  1.14     1.02  1.04  0.95  1.04
    """
    large = 2 * weight_bytes(problem) > 3 * target.l2_bytes and problem.group_channels >= _CHANNELS_TO_STREAM
    if plan.lanes != "filters" or not (large or _goes_together(problem, steps)):
        return 0
    tall, parts = plan.rows[0], -(-plan.block // _STEPS_OF_STREAM)
    most = -(-plan.block // (parts * tall)) * tall
    return min(most, -(-_SHORT // tall) * tall) if _is_short(steps) else most


def _edge_steps(problem: Problem, plan: Plan) -> int:
    """Steps of a block of edges that share weights."""
    single = plan.lanes == "time" and problem.group_filters == 1
    return _LONG_EDGE if single and problem.extent > _LONG_EDGE else _EDGE


def _is_short(steps: int | None) -> bool:
    return steps is not None and steps <= _SHORT


def _goes_together(problem: Problem, steps: int | None) -> bool:
    """Whether sequences of so many steps are so short that they had better fill register tiles together, also where
    weights are near.
    """
    complete = problem.kernel_size == 1 or not edges(problem.padding)
    few = steps is not None and steps <= (_SHORT_WITHOUT_EDGES if complete else _SHORT)
    return few and problem.group_channels >= _CHANNELS_TO_STREAM_SHORT and not problem.channels_first


def _depthwise(problem: Problem, target: Target, plan: Plan) -> dict[str, Any]:
    tiles = _MANY_TAPS <= problem.kernel_size <= LONGEST_CHAIN
    turned = problem.channels_first
    parts = _parts_of_channels(problem.channels, plan.width) if turned else 1
    vectors = problem.channels // parts // plan.width
    return {
        "turned": turned,
        "parts": parts,
        "edges": "tiles" if tiles else "alone",
        "edge_steps": min(plan.rows[0], _EDGE_ROWS) if tiles else 0,
        "abreast": tuple(side_by_side(rows, vectors) for rows in plan.rows),
    }


def _parts_of_channels(channels: int, width: int) -> int:
    """Parts of one vector of channels each, whose blocks are long and stay in L1; where channels fill no whole vectors,
    one part.
    """
    return channels // width if channels % width == 0 else 1


def side_by_side(rows: int, vectors: int) -> int:
    """How many of `vectors` vectors a tile of few rows takes at once: enough for the pipes, without computing many
    channels twice.
    """

    def cycles(panels: int) -> int:
        return -(-vectors // panels) * max(rows * panels, CHAINS)

    return min(range(1, max(1, min(vectors, CHAINS)) + 1), key=cycles)


def _cook_toom(problem: Problem, target: Target, plan: Plan) -> dict[str, Any]:
    rows = folded(problem, plan.fold)
    split = plan.split(problem)
    alone = one_by_one(problem, target)
    inputs = fitting_width(rows.group_channels, target.lanes(problem.compute))
    return {
        "edges": "alone" if alone else "shared",
        "edge_steps": 0 if alone else _edge_steps(problem, plan.of_steps),
        "rest": plan.rows[0] if plan.fold == 1 else CHAINS,
        "parts": 1 if plan.fold > 1 else parts(problem, plan),
        "input_width": 0 if inputs == plan.width else inputs,
        "stream": plan.block if streams(problem, target, plan) else 0,
        "looped": split.transforms(plan.outputs) > (_MOST_NESTED_UNROLLED if plan.nested else _MOST_UNROLLED),
        "transposed": rows.channels_first,
        "turned": split.turns(rows),
    }


def one_by_one(problem: Problem, target: Target) -> bool:
    """Whether the steps beside windows that lack taps are computed one by one, and do not share the weights of each tap."""
    return problem.extent <= _FEW_EDGES and not weights_are_large(problem, target)


def streams(problem: Problem, target: Target, plan: Plan) -> bool:
    """Whether the windows of a block go over one chunk of the weights before the next."""
    split = plan.split(problem)
    many = _SHARE_TO_STREAM * _transformed_bytes_a_filter(problem, plan) * problem.group_filters > target.l2_bytes
    # Windows that read what others transformed, several sequences apart, are not proved to stay within it then.
    return (bool(plan.nested) or many) and not (split.sequences > 1 and split.shares(plan.outputs))


def parts(problem: Problem, plan: Plan) -> int:
    """Into how many parts the filters of a Cook–Toom plan can be cut evenly, each of whole panels and not too few; an even
    number, where there is one, as a short sequence is one block, and two threads share its parts.

    Of c768_f768_k3_same@1x140 they take 0.93 ms with two parts and 1.28 with three, one thread 1.88 and 1.85; of
    c768_f768_k5_same@1x90 1.04 and 1.48, one 2.12 and 2.32 (Xeon with AVX-512 and AMX).
    """
    filters, panel = problem.group_filters, plan.panel
    if filters * _transformed_bytes_a_filter(problem, plan) < _BYTES_TO_PART:
        return 1
    most = max(filters // _FILTERS_OF_A_PART, 2 if filters >= _FILTERS_OF_A_PART else 1)
    possible = [count for count in range(most, 1, -1) if filters % (count * panel) == 0]
    return next((count for count in possible if count % 2 == 0), possible[0] if possible else 1)


def _transformed_bytes_a_filter(problem: Problem, plan: Plan) -> int:
    numbers = plan.toom.multiplications * plan.split(problem).terms * weights_of_tap(problem, plan.fold)
    return numbers // problem.group_filters * TYPES[problem.compute].bytes


def _prefetches(problem: Problem, target: Target, plan: Plan) -> Iterator[str]:
    products, filters = problem.kernel_size * problem.group_channels, plan.lanes == "filters"
    direct = plan.algorithm == "direct" and filters
    if plan.computes_steps and filters and weights_are_large(problem, target):
        yield "weights"
    few = products <= _FEW_PRODUCTS_OF_INPUT and problem.group_filters <= _FEW_VECTORS * plan.width
    # Not of taps that lie far apart: of each, a tile reads other lines. c32_f32_k3_d512_causal_first takes 41 us at 1024
    # steps with requests, and 37 without (Xeon with AVX-512 and AMX).
    few = few and problem.group_channels >= _CHANNELS_OF_REQUESTS and problem.extent <= 2 * plan.block
    if direct and problem.channels_first and few and not plan.turned:
        yield "input"
    if plan.algorithm == "depthwise":
        yield "output_by_row" if problem.kernel_size > plan.unroll else "output"
    elif direct and (products <= _FEW_PRODUCTS_OF_OUTPUT or problem.channels_first):
        yield "output"
    # What large weights take of L2, a block's input and output would take too: with requests for these,
    # c256_f256_k3@1x20000 with F(6,3) is 1.39 times as fast as directly, and 1.49 without them. Small weights leave
    # room: c192_f192_k3@1x20000 with F(5,3) 1.49 and 1.29, c64_f64_k3@1x80000 with F(4,3) 1.50 and 1.24 (the same Xeon).
    crowded = weights_are_large(problem, target)
    # In channels_first a request is for a line of one filter or channel, which pays where several panels go over a block:
    # c80_f384_k3_first@1x3000 with F(5,3) takes 2.43 ms with them and 2.92 without, c64_f64_k3_first@1x1000 with F(4,3)
    # 109 us and 105 (Xeon with AVX-512 and AMX). Where the padding depends on the length, it is not proved that the lines of
    # a channel begin within it.
    least, most = problem.left_paddings()
    lines = plan.turned and problem.group_filters > plan.panel and least == most
    rows = not problem.channels_first or lines
    if plan.algorithm == "cook_toom" and rows and not plan.looped and not crowded and plan.fold == 1:
        yield "next_block"
