"""The cost model: which plan suits a problem on a machine, without measuring.

    layout                        in the lanes of vectors
    channels_last                 filters (`direct_filters`); with very few of them channels (`_direct_channels`), or steps
    channels_first                filters, in tiles that are transposed, or steps (`direct_time`)
    a group for each channel      channels (`_depthwise`)

Where windows of several outputs from fewer products pay, they come first: see `cook_toom_model.py`.

Each has its tile, its blocks and how far it is unrolled, with the measurements they come from (`__init__.py` says by which
command); the rest is in `details.py`. `python -m bench plans` holds the choice against a search.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import CompileError
from ..ir import Expression
from ..machine.target import Target
from ..problem import Problem
from .code_size import shortened
from .cook_toom_model import best_windows, plan_of_windows
from .details import detailed
from .direct_plans import STEPS_OF_A_BLOCK, direct_filters, direct_plan, direct_time, lanes_of_direct
from .fits import check_fits
from .plan import ALGORITHMS, Plan
from .registers import (
    LONGEST_BESIDE,
    fitting_width,
    most_rows,
)

# From so many taps on, blocks of depthwise kernels are turned however long the input is; with fewer, up to so many steps
# for each tap of each tap; and not of inputs with a larger stride, of which a block has too many steps.
_TAPS_TO_TURN, _STEPS_TO_TURN, _MOST_STRIDE_TO_TURN = 21, 3, 4
#: Filters of a channel up to which channels go into the lanes, and taps from which few of them do too: see
#: `_few_filters_apart`.
_FEW_FILTERS_APART, _MOST_FILTERS_APART, _MANY_TAPS_APART = 2, 6, 9
#: Steps of a block of depthwise kernels: many rows of tiles, and still blocks for several threads in a short sequence. Two
#: threads take 18 us of conformer/dw256_L250 with 128 and 31 with 256, one 31 both ways (Xeon with AVX-512 and AMX).
_DEPTHWISE_BLOCK = 128
#: ... and at most, where they are turned, whose block is of a vector of channels.
_TURNED_BLOCK = 256


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
        direct = direct_time if problem.channels_first else direct_filters  # a tile that is transposed has one sum
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
        return direct_plan(problem, target, lanes_of_direct(problem, target, length))
    if algorithm == "cook_toom":
        return best_windows(problem, target, accuracy)
    if algorithm == "generic":
        return _generic(problem, target)
    raise CompileError(f"No algorithm is named {algorithm!r}. Known: auto, {', '.join(ALGORITHMS)}.")


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
    step_by_step = Plan("direct", "filters", width, 1, (1,), STEPS_OF_A_BLOCK, unroll=1)
    for simpler in (
        choose(problem, target, "direct", "strict", epilogue=epilogue),
        step_by_step,
        choose(problem, target, "generic", "strict"),
    ):
        if simpler != plan:
            yield simpler


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
        steps = _TURNED_BLOCK * target.lanes(problem.compute) // channels // width * width
        plan = plan.with_tiles(block=min(max(steps, width), _TURNED_BLOCK))
    check_fits(problem, detailed(problem, target, plan))
    return plan


def _generic(problem: Problem, target: Target) -> Plan:
    width = target.lanes(problem.compute)
    rows = min(most_rows(target, 2), 8)
    # Unrolled by 4, LLVM loads the numbers of all steps first and spills them: 100 GFLOP/s instead of 158
    # (c64_f64_k3@1x5000, avx512).
    return Plan("generic", "filters", width, 2, (rows, 1), 256, unroll=2)
