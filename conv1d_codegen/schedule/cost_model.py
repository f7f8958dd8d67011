"""The cost model: which plan suits a problem on a machine, without measuring.

    layout                        in the lanes of vectors
    channels_last                 filters (`_direct_filters`); with very few of them channels (`_direct_channels`), or steps
    channels_first                filters, in tiles that are transposed, or steps (`_direct_time`)
    a group for each channel      channels (`_depthwise`)

Where windows of several outputs from fewer products pay, they come first: see `cook_toom_model.py`.

Each has its tile, its blocks and how far it is unrolled, with the measurements they come from; the rest is in
`details.py`. `python -m bench plans` holds the choice against a search.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..errors import CompileError
from ..ir import Expression
from ..machine.target import PAGE, Target
from ..number_types import TYPES
from ..problem import Problem
from .code_size import shortened
from .cook_toom_model import best_windows, plan_of_windows
from .details import detailed
from .fits import check_fits
from .plan import ALGORITHMS, Plan
from .registers import (
    CHAINS,
    LONGEST_BESIDE,
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
_STEPS_OF_A_BLOCK = 104
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
# From so many taps on, blocks of depthwise kernels are turned however long the input is; with fewer, up to so many steps
# for each tap of each tap; and not of inputs with a larger stride, of which a block has too many steps.
_TAPS_TO_TURN, _STEPS_TO_TURN, _MOST_STRIDE_TO_TURN = 21, 3, 4
#: Filters of a channel up to which channels go into the lanes, and taps from which few of them do too: see
#: `_few_filters_apart`.
_FEW_FILTERS_APART, _MOST_FILTERS_APART, _MANY_TAPS_APART = 2, 6, 9
_DEPTHWISE_BLOCK = 256  # steps: many rows of tiles, and still blocks for several threads in a short sequence


def choose(
    problem: Problem,
    target: Target,
    algorithm: str = "auto",
    accuracy: str = "standard",
    length: int | None = None,
    others: int = 0,
    epilogue: Expression | None = None,
) -> Plan:
    """The plan that the cost model picks. Raises CompileError where `algorithm` can't compute `problem`.

    `accuracy` is one of `window_forms.ACCURACIES`: how large an error may be for "auto" to take Cook–Toom. That may
    pay for long inputs, and not for those of a certain `length`, nor where other kernels read `others` bytes of weights
    between two calls. An `epilogue` of several convolutions is computed step by step, sums beside each other, terms one
    after another.
    """
    if not target.converts(problem.dtype):
        raise CompileError(
            f"{target} has no instruction that converts float16, so {problem} has no kernel there; float32 has one."
        )
    if epilogue is not None and epilogue.convolutions > 1:
        direct = _direct_time if problem.channels_first else _direct_filters  # a tile that is transposed has one sum
        plan = direct(problem, target, epilogue.sums)
        return detailed(problem, target, shortened(problem, plan))
    plan = shortened(problem, _fast(problem, target, algorithm, accuracy, length, others))
    plan = detailed(problem, target, plan, length)
    if plan.turned and algorithm == "auto" and epilogue is not None and epilogue.also:  # of what is stored in place
        return choose(problem, target, "direct", accuracy, epilogue=epilogue)
    return plan


def _fast(problem: Problem, target: Target, algorithm: str, accuracy: str, length: int | None, others: int) -> Plan:
    """The plan that is the fastest, however much code it makes."""
    if algorithm == "auto":
        windows = plan_of_windows(problem, target, accuracy, length, others)
        if windows is not None:
            return windows
        algorithm = "depthwise" if _channels_beside(problem, target, length) else "direct"
    if algorithm == "depthwise":
        return _depthwise(problem, target)
    if algorithm == "direct":
        return direct_plan(problem, target, lanes_of_direct(problem, target))
    if algorithm == "cook_toom":
        return best_windows(problem, target, accuracy)
    if algorithm == "generic":
        return _generic(problem, target)
    raise CompileError(f"No algorithm is named {algorithm!r}. Known: auto, {', '.join(ALGORITHMS)}.")


def lanes_of_direct(problem: Problem, target: Target) -> str:
    """What lies in the lanes of the direct plan that is taken."""
    if channels_in_lanes(problem, target):
        return "channels"
    if steps_in_lanes(problem, target):
        return "time"
    return "filters" if _filters_in_lanes(problem, target) else "time"


def direct_plan(problem: Problem, target: Target, lanes: str) -> Plan:
    """The direct plan with one of `LANES` in its lanes, without details."""
    return {"channels": _direct_channels, "filters": _direct_filters, "time": _direct_time}[lanes](problem, target)


def _few_filters_apart(problem: Problem, target: Target) -> bool:
    """Whether channels that are groups of their own have too few filters each to fill the lanes (channels_last).

    How many times as fast as directly that is, with 2, 4, 8 and 16 filters of each channel at 1x6300 to 1x74: 64 channels
    with 3 taps 2.9, 1.5, 0.71 and 0.31, with 21 taps 3.5, 1.6, 0.62 and 0.29; 256 channels 3.8 to 4.3, 1.6 to 1.9, 0.75
    and 0.33; 16 channels with 3 taps 1.4, 0.66, 0.54 and 0.22, with 21 taps 3.6, 1.8, 0.66 and 0.25 (avx512).
    """
    many = problem.channels >= 4 * target.lanes(problem.compute) or problem.kernel_size >= _MANY_TAPS_APART
    return problem.group_filters <= (_MOST_FILTERS_APART if many else _FEW_FILTERS_APART)


def simpler_plans(problem: Problem, target: Target, plan: Plan, epilogue: Expression | None = None) -> Iterator[Plan]:
    """Plans that may take the place of one whose kernel is not proved safe, the fastest first."""
    width = fitting_width(problem.group_filters, target.lanes(problem.compute))
    step_by_step = Plan("direct", "filters", width, 1, (1,), _STEPS_OF_A_BLOCK, unroll=1)
    for simpler in (
        choose(problem, target, "direct", "strict", epilogue=epilogue),
        step_by_step,
        choose(problem, target, "generic", "strict"),
    ):
        if simpler != plan:
            yield simpler


def _block(problem: Problem, target: Target, rows: int, item: int) -> int:
    """Output steps of a block, a multiple of a tile's rows.

    Blocks are short, so that their input and output stay in L1 or L2 while all filters go over them, unless the weights
    of a group don't fit in half of L2 and would be fetched anew for each: then as many steps as have their input there.

    Where there are groups beside each other, each reads a part of every page of the block's input: hifigan/msd3 takes
    36.9 ms with blocks of 13 steps, whose input lies in 24 pages, 38.7 with 52, and 42.8 with 117, in more pages than
    the TLB of L1 has room for.
    """
    steps, bytes_a_step = _STEPS_OF_A_BLOCK, problem.stride * problem.channels * item
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
        "direct", "channels", width, vectors, tuple(dict.fromkeys((rows, min(rows, 4), 1))), _DEPTHWISE_BLOCK, unroll
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


def _direct_filters(problem: Problem, target: Target, sums: int = 1) -> Plan:
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
        block = max(rows, _STEPS_OF_A_BLOCK * width * vectors // problem.group_filters // rows * rows)
    else:
        block = _block(problem, target, rows, TYPES[compute].bytes)
    return Plan("direct", "filters", width, vectors, heights(rows, vectors), block, unroll=4)


def _direct_time(problem: Problem, target: Target, sums: int = 1) -> Plan:
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


def _channels_beside(problem: Problem, target: Target, length: int | None) -> bool:
    """Whether each channel is a group, and channels should lie in the lanes. In channels_first blocks are turned for that,
    which takes as long as some taps; with steps in the lanes, each step beside the interior takes as long as a vector
    of them.

    With channels in the lanes 8 sequences of 64 channels and 3 taps (channels_first) take 2.9, 4.3 and 17 us at 16, 32
    and 128 steps, and with steps 5.5, 6.8 and 14; of 7 taps 4.1, 12 and 55 us at 16, 64 and 256 steps, and 20, 21 and 52.
    c512_f512_k15_g512 takes 14, 65 and 455 us at 64, 256 and 1024, and 51, 100 and 300; c256_f256_k31_g256 42, 265 and
    1000 us at 250, 1024 and 4000, and 143, 340 and 1060 (Xeon with AVX-512 and AMX).
    """
    if problem.groups != problem.channels or problem.groups == 1:
        return False
    if not problem.channels_first:
        return _few_filters_apart(problem, target)
    taps = problem.kernel_size
    extent = (taps - 1) * problem.dilation + 1
    if extent > LONGEST_BESIDE or problem.stride > _MOST_STRIDE_TO_TURN:
        return False
    long = taps >= _TAPS_TO_TURN or problem.stride > 1
    return long if length is None else long or problem.output_length(length) <= _STEPS_TO_TURN * taps * taps


def _depthwise(problem: Problem, target: Target) -> Plan:
    """Tiles of steps by one vector; where few steps are left over, `tile/channels.py` takes more vectors.

    With few taps memory is what takes time, and each row of a tile is a stream of its own.
    c512_f512_k3_d16_g512@1x3199, whose rows read nothing in common: 600 us with 4 rows, 610 to 800 with 8, as arrays
    lie; c1536_f1536_k4_g1536@1x2048: 1.02 ms with 8, 1.02 to 1.36 with
    16. With many taps it is loads: c256_f256_k31_g256@1x250 takes 28 us with 8 rows and 25 with 16. (avx512)
    """
    width, taps = fitting_width(problem.channels, target.lanes(problem.compute)), problem.kernel_size
    many = target.registers >= 32
    rows = 16 if many and taps >= 8 else 8 if problem.dilation < 8 else 4
    # Whose weights wait in registers. c512_f512_k15_g512@1x1024 reaches 43 % of the peak with 8 of its 15 taps at a
    # time, 40 with 6 and 32 with 7, which leave one; with 9 taps 27, and 23 with 4. From 17 on 7 are as good (56 and 50
    # % with 21, 67 and 67 with 31), and take less code. Of 16 registers 4 taps leave more to spare than 5: 58 and 53 %
    # of avx2's peak with 15.
    at_a_time = (8 if taps < 17 else 7) if many else 4
    unroll = taps if taps <= (8 if many else 5) else at_a_time
    plan = Plan("depthwise", "channels", width, 1, tuple(dict.fromkeys((rows, 4, 1))), _DEPTHWISE_BLOCK, unroll)
    fitted = detailed(problem, target, plan)
    if fitted.turned:  # whose block stays in L1
        channels = problem.channels // fitted.parts
        steps = _DEPTHWISE_BLOCK * target.lanes(problem.compute) // channels // width * width
        plan = plan.with_tiles(block=min(max(steps, width), _DEPTHWISE_BLOCK))
    check_fits(problem, detailed(problem, target, plan))
    return plan


def _generic(problem: Problem, target: Target) -> Plan:
    width = target.lanes(problem.compute)
    rows = min(most_rows(target, 2), 8)
    # Unrolled by 4, LLVM loads the numbers of all steps first and spills them: 100 GFLOP/s instead of 158
    # (c64_f64_k3@1x5000, avx512).
    return Plan("generic", "filters", width, 2, (rows, 1), 256, unroll=2)
