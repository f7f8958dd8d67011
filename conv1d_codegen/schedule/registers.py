"""Register tiles: how many rows and vectors a machine's registers hold, and which heights and widths suit a size; and
the weights' size.

What the cost model, the search for plans and the passes agree on.
"""

from __future__ import annotations

import math

from ..machine.target import Target
from ..number_types import TYPES
from ..problem import Problem
from ..problem.summation import LONGEST_CHAIN

#: Independent accumulators that two fused multiply-add pipes with a latency of 4 cycles need.
CHAINS = 8
#: Take as long as adding up the lanes of an output, by the measurements at `channels_in_lanes`
PRODUCTS_TO_ADD_LANES = 130


#: Steps that filters of channels that are groups of their own reach over, at most, for these to lie in the lanes in
#: channels_first: blocks are turned for that (`_channels_beside` of the cost model).
LONGEST_BESIDE = 256


def most_rows(target: Target, vectors: int) -> int:
    """Most rows of a tile `vectors` wide that LLVM keeps in registers.

    A step needs the tile, the vectors it multiplies and one more number. Loads are scheduled early, which needs
    registers to spare, more so when the loop is unrolled. Found by counting spills in the inner loop, unrolled by 4: of
    16 registers 6x2 spills nothing and 4x3 four accumulators; of 32, 13x2 and 8x3 nothing, 14x2 and 9x3 eight.
    """
    spare = 1 if target.registers <= 16 else 3
    return max(1, (target.registers - spare - 1 - vectors) // vectors)


def panel_vectors(count: int, width: int, most: int) -> int:
    """Vectors a panel, at most `most`: as few panels as can be, all of about the same width (5 = 3 + 2, not 4 + 1)."""
    vectors = -(-count // width)
    panels = -(-vectors // most)
    return -(-vectors // panels)


def heights(rows: int, vectors: int) -> tuple[int, ...]:
    """The tallest tile, one of a row less to share the steps out evenly, and the shortest that keeps the pipes busy,
    for what is left.
    """
    shortest = -(-CHAINS // vectors)
    return tuple(dict.fromkeys(height for height in (rows, rows - 1, shortest, 1) if 1 <= height <= rows))


def weight_bytes(problem: Problem) -> int:
    """Bytes of the weights, as numbers of the compute type."""
    return problem.kernel_size * problem.group_channels * problem.filters * TYPES[problem.compute].bytes


def weights_are_large(problem: Problem, target: Target) -> bool:
    """Whether the weights take more than half of L2, and so would come from further away for every block."""
    return weight_bytes(problem) > target.l2_bytes // 2


def fitting_width(count: int, lanes: int) -> int:
    """Lanes for `count` numbers: a full vector, or the shorter one that is enough."""
    width = lanes
    while width > 1 and width // 2 >= count:
        width //= 2
    return width


def channels_in_lanes(problem: Problem, target: Target) -> bool:
    """Whether filters would leave so many lanes empty that adding up lanes at the end costs less.

    Shares of the peak with filters and with channels in the lanes (1x8000, avx512): c32_f1_k7 7 and 55, c32_f1_k1 5 and
    16, c64_f3_k3 18 and 42, c64_f8_k7 47 and 71, c32_f8_k3 46 and 39, c24_f3_k7 20 and 46, c20_f3_k7 19 and 22.
    """
    lanes = target.lanes(problem.compute)
    width = math.gcd(problem.group_channels, lanes)
    products = problem.kernel_size * problem.group_channels
    if problem.channels_first or width == 1 or products > LONGEST_CHAIN * width:
        return False
    used = width / lanes
    return fitting_width(problem.group_filters, lanes) / lanes < 0.85 * used * products / (
        products + used * PRODUCTS_TO_ADD_LANES
    )


#: Cycles of a step with few filters, by 60 problems of 1 to 4 channels, 1 to 8 filters and 1 to 64 taps at 1x20000. With
#: filters in the lanes, each product takes a load and a multiply-add that leave most lanes empty, and more with two,
#: for which AVX-512 has no vectors. With steps, a vector of products takes a load that mostly crosses lines, a number that
#: lies apart one of its own, and so does an output, which AVX-512 scatters.
_FILTERS_STEP, _FILTERS_PRODUCT, _TWO_FILTERS_PRODUCT = 1.3, 0.42, 0.53
_STEPS_VECTOR, _STEPS_APART, _STEPS_OUTPUT, _STEPS_SCATTERED = 0.75, 0.29, 1.3, 1.0
_FEW_FILTERS = 8
#: How many times as fast steps must be by that.
_STEPS_GAIN = 1.05


def steps_in_lanes(problem: Problem, target: Target) -> bool:
    """Whether steps of a channels-last problem go into the lanes, as a few filters of a few channels leave most of them
    empty: c1_f1_k1025@1x48000 takes 1.2 ms so, and 6.8 with filters there, c1_f4_k31@1x20000 54 us and 94,
    c3_f2_k31@1x20000 240 us and 280 (avx512). Numbers that lie apart are gathered, which takes an instruction:
    on avx2 c3_f2_k31 takes 2.3 times as long so.
    """
    apart = problem.channels > 1 or problem.stride > 1
    few = problem.group_filters <= min(_FEW_FILTERS, target.lanes(problem.compute) // 2)
    if problem.channels_first or problem.groups > 1 or not few or (apart and not _gathers(target)):
        return False
    if channels_in_lanes(problem, target):
        return False
    return _cycles_of_filters(problem, target) > _STEPS_GAIN * cycles_of_steps(problem, target)


def _gathers(target: Target) -> bool:
    """Whether instructions load and store numbers that lie apart, fast enough: of AVX-512."""
    return target.masked_stores


def _cycles_of_filters(problem: Problem, target: Target) -> float:
    each = _TWO_FILTERS_PRODUCT if problem.group_filters == 2 and _gathers(target) else _FILTERS_PRODUCT
    return _FILTERS_STEP + each * problem.kernel_size * problem.group_channels


def cycles_of_steps(problem: Problem, target: Target) -> float:
    """Cycles of an output step, of all filters, with steps in the lanes of a channels-last problem."""
    products, filters = problem.kernel_size * problem.group_channels, problem.group_filters
    apart = problem.channels > 1 or problem.stride > 1
    each = filters * _STEPS_VECTOR / target.lanes(problem.compute) + (_STEPS_APART if apart else 0.0)
    return products * each + filters * (_STEPS_SCATTERED if _gathers(target) else _STEPS_OUTPUT)
