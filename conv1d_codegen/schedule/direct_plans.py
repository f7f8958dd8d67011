"""The direct plan: what lies in the lanes, the tile, the blocks and how far it is unrolled, with the measurements that they
come from; the rest is in `details.py`.
"""

from __future__ import annotations

import math

from ..machine.target import PAGE, Target
from ..number_types import TYPES
from ..problem import Problem
from .code_size import shortened
from .details import CLEARLY_LESS, detailed
from .direct_cycles import of_direct_input
from .plan import Plan
from .registers import (
    CHAINS,
    channels_in_lanes,
    fitting_width,
    heights,
    most_rows,
    panel_vectors,
    steps_in_lanes,
    weight_bytes,
)

# Steps that share one reading of all weights: convtasnet/pw_up ran at 90, 89, 94, 83 and 83 % of the peak with 13, 52,
# 104, 208 and 416.
STEPS_OF_A_BLOCK = 104
_PAGES_OF_A_BLOCK = 16  # where each group reads a part of each, besides those that its taps reach into
_FEW_PRODUCTS, _FEW_ACCUMULATORS = 128, 14
_PRODUCTS_TO_TURN = 48  # fewer are too few to turn a tile of their sums for
# With so few products writing is all that counts, and it should go through memory in order: all filters of few steps.
# wav2vec2/1s_conv0, with 10 products and 512 filters, takes 328 us in blocks of one tile, and 462 in blocks of 8.
_HARDLY_ANY_PRODUCTS = 16
# In channels_first memory is in order along the steps of a filter: with up to `_PRODUCTS_TO_TURN`, so many steps. It takes
# 746 us in blocks of one tile, 503 of 8, 452 of 32 and 430 of 256; convtasnet/encoder, of 20 products, 369 in blocks of
# 8, 340 of 32 and 332 of 128 (Xeon with AVX-512 and AMX).
_STEPS_OF_ROWS = 416
# Steps of a block with channels in the lanes: many rows of tiles, and still blocks for several threads in a short sequence.
_CHANNELS_BLOCK = 256


def lanes_of_direct(problem: Problem, target: Target, length: int | None = None) -> str:
    """What lies in the lanes of the direct plan that is taken, for inputs of so many steps, or for long ones."""
    if channels_in_lanes(problem, target):
        return "channels"
    if steps_in_lanes(problem, target):
        return "time"
    if _filters_in_lanes(problem, target):
        return "filters"
    return "filters" if length is not None and _filters_are_faster(problem, target, length) else "time"


def usual_direct(problem: Problem, target: Target, length: int | None = None) -> Plan:
    """The direct plan that is taken, with its details."""
    plan = shortened(problem, direct_plan(problem, target, lanes_of_direct(problem, target, length)))
    return detailed(problem, target, plan, length)


def direct_plan(problem: Problem, target: Target, lanes: str) -> Plan:
    """The direct plan with one of `LANES` in its lanes, without details."""
    return {"channels": _direct_channels, "filters": direct_filters, "time": direct_time}[lanes](problem, target)


def _block(problem: Problem, target: Target, rows: int, item: int) -> int:
    """Output steps of a block, a multiple of a tile's rows.

    Blocks are short, so that their input and output stay in L1 or L2 while all filters go over them, unless the weights
    of a group don't fit in half of L2 and would be fetched anew for each: then as many steps as have their input there.

    Where there are groups beside each other, each reads a part of every page of the block's input: hifigan/msd3 takes
    36.9 ms with blocks of 13 steps, whose input lies in 24 pages, 38.7 with 52, and 42.8 with 117, in more pages than
    the TLB of L1 has room for.
    """
    steps, bytes_a_step = STEPS_OF_A_BLOCK, problem.stride * problem.channels * item
    if weight_bytes(problem) // problem.groups > target.l2_bytes // 2:
        steps = max(steps, (target.l2_bytes // 2) // bytes_a_step)
    elif problem.groups > 1 and not problem.channels_first:
        steps = min(steps, _PAGES_OF_A_BLOCK * PAGE // bytes_a_step)
    return max(rows, min(steps, 4096) // rows * rows)


def _direct_channels(problem: Problem, target: Target) -> Plan:
    """Two filters, or one, by as many steps as their accumulators leave registers for the weights of a few taps.

    c64_f6_k7@1x8000 reaches 75 % of the peak with 12x2 and 3 taps, 70 with 16x1 and 7, 65 with 8x3 and 1, 57 with 6x4;
    c32_f1_k7 57 with 16x1 and 7 taps, 46 with one tap (avx512).
    """
    many = target.registers >= 32
    width = math.gcd(problem.group_channels, target.lanes(problem.compute))
    vectors = min(problem.group_filters, 2 if many else 1)
    rows = min(width, 12 if vectors == 2 else 16 if many else 8)
    most, taps = (3 if vectors == 2 else 8 if many else 5), problem.kernel_size
    unroll = taps if taps <= most else max(1, min(most, taps // 2))
    return Plan(
        "direct", "channels", width, vectors, tuple(dict.fromkeys((rows, min(rows, 4), 1))), _CHANNELS_BLOCK, unroll
    )


def _filters_in_lanes(problem: Problem, target: Target) -> bool:
    """Where steps lie side by side, they go into the lanes only if filters would leave lanes empty, or if turning tiles
    before they are stored (`passes/transpose_output.py`) takes long beside few products; and a stride makes steps lie
    apart.

    With 32 filters and more, filters in the lanes take 0.75 to 1.0 of the time of steps from 64 products on, and 1.4
    times it with 21; with 30 filters both take about the same, with 16 and 15 steps 0.8 to 0.9 (channels_first,
    avx512).
    """
    if not problem.channels_first or problem.stride > 1:
        return True
    width, filters = target.lanes(problem.compute), problem.group_filters
    full = filters >= 2 * width and filters / (-(-filters // width) * width) >= 0.9
    return full and problem.kernel_size * problem.group_channels >= _PRODUCTS_TO_TURN


def _filters_are_faster(problem: Problem, target: Target, length: int) -> bool:
    """Whether an input of so many steps would rather have filters in the lanes where a long one has steps: few steps leave
    lanes empty, and those that lack taps are vectors beside the others.

    Times with filters in the lanes as shares of those with steps, with inputs of 4 to 200 steps of 8 sequences, and what
    is counted (channels_first, Xeon with AVX-512 and AMX). Of 110 such pairs the count is 25 % off (standard deviation), 17
    where both take 5 us or more; where it says less than 0.9, no more than 1.11 was measured, 0.62 as a mean.

                                 4           16          40          100
        c64_f16_k3_same      0.30 0.37   0.60 0.72   0.71 0.82   0.84 0.90
        c32_f40_k9_same      0.28 0.36   0.37 0.47   0.71 0.81   0.87 0.95
        c14_f352_k3_same     0.21 0.17   0.46 0.60   0.69 0.78   0.82 0.89
        c128_f49_k2_causal   0.36 0.37   1.07 1.04   0.97 1.03   1.08 1.10
    """
    if 2 * problem.group_filters < target.lanes(problem.compute):
        return False
    filters, time = (
        detailed(problem, target, shortened(problem, plan(problem, target)), length)
        for plan in (direct_filters, direct_time)
    )
    counted = of_direct_input(problem, target, filters, length, 0)
    return counted < CLEARLY_LESS * of_direct_input(problem, target, time, length, 0)


def direct_filters(problem: Problem, target: Target, sums: int = 1) -> Plan:
    """Tiles of four vectors, where there are as many registers and filters: the more vectors, the fewer steps a tile
    takes, and the less is left over. With few products, what comes before and after them takes time; it overlaps with
    the next tile's if tiles are small.

    Measured against the best of a menu of tiles on the 59 shapes of the bench (avx512): 6x4 gains 7 to 23 % over 13x2
    on those of four vectors and more with steps left over, and changes the others by 3 % at most; 9x3 gains 22 % where
    there are three; 7x2 gains 5 to 34 % with up to 128 products, and loses up to 9 % with more.

    A tile that is transposed before it is stored should fill the lanes of steps: 13x2 takes 0.85 to 0.99 of the time of 6x4
    and of smaller ones in channels_first, with few products too.
    """
    compute = problem.compute
    width = fitting_width(problem.group_filters, target.lanes(compute))
    transposed = problem.channels_first
    thirds = -(-problem.group_filters // width) % 3 == 0
    most = 2 if target.registers <= 16 else 4 if not transposed else 3 if thirds else 2
    vectors = panel_vectors(problem.group_filters, width, most // sums)
    rows = min(most_rows(target, vectors * sums), 13)
    products = problem.kernel_size * problem.group_channels
    if products <= _FEW_PRODUCTS and not transposed:
        rows = min(rows, -(-_FEW_ACCUMULATORS // vectors))
    if transposed and products <= _PRODUCTS_TO_TURN:
        block = _STEPS_OF_ROWS // rows * rows
    elif products <= _HARDLY_ANY_PRODUCTS:
        block = max(rows, STEPS_OF_A_BLOCK * width * vectors // problem.group_filters // rows * rows)
    else:
        block = _block(problem, target, rows, TYPES[compute].bytes)
    return Plan("direct", "filters", width, vectors, heights(rows, vectors), block, unroll=4)


def direct_time(problem: Problem, target: Target, sums: int = 1) -> Plan:
    """Filters in the rows, all tiles about as high; the fewer rows, the more vectors of steps, so that the pipes have
    chains to work on.

    Vectors of steps mostly cross cache lines, so few vectors and many rows are best: of eleven shapes of 30 MFLOP and
    more in channels_first, 12x2 reached 81.1 % of the peak (geometric mean), 8x3 80.0 % (avx512); blocks of 3, 6 and 24
    tiles 80.3 to 80.8 %.
    """
    compute = problem.compute
    width = target.lanes(compute)
    most = most_rows(target, 2) // 6 * 6 // sums
    rows = -(-problem.group_filters // -(-problem.group_filters // most))
    vectors = next(v for v in range(CHAINS, 0, -1) if v == 1 or rows * sums <= most_rows(target, v))
    block = 12 * width * vectors
    return Plan("direct", "time", width, vectors, (rows,), block, unroll=4)
