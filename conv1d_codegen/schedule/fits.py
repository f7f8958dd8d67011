"""Which plans fit which problems: an algorithm, or a detail, may not be for a layout, a group or a size."""

from __future__ import annotations

from ..errors import CompileError
from ..problem import Problem
from ..problem.folding import folds
from ..problem.summation import LONGEST_CHAIN
from .plan import Plan

#: Numbers of a block's input that are kept turned, at most: they should stay in a core's caches.
_MOST_TURNED = 1 << 18


def check_fits(problem: Problem, plan: Plan) -> None:
    """Raises CompileError where `plan` can't compute `problem`."""
    if plan.algorithm == "depthwise" and (problem.groups != problem.channels or problem.groups == 1):
        raise CompileError(
            f"The depthwise algorithm computes problems with as many groups as channels, and more than one. Received: {problem}; "
            'use algorithm="direct" or "auto".'
        )
    if plan.algorithm == "depthwise" and problem.channels_first != plan.turned:
        raise CompileError(
            "A depthwise plan is turned where the problem is channels-first, and only there. "
            f"Received: {problem}, with the plan `{plan}`."
        )
    products = problem.kernel_size * problem.group_channels
    fills = (
        problem.group_channels > 1
        and problem.group_channels % plan.width == 0
        and products <= LONGEST_CHAIN * plan.width
    )
    if plan.sums_in_lanes and (problem.channels_first or not fills):
        raise CompileError(
            f"A direct plan with channels in the lanes computes channels-last problems with a multiple of its {plan.width} lanes as "
            f"channels of a group, and up to {LONGEST_CHAIN} products a lane. Received: {problem}, with {problem.group_channels} "
            f"channels of a group and {products} products; leave the plan away, or put filters in the lanes."
        )
    if plan.edges == "tiles" and problem.kernel_size > LONGEST_CHAIN:
        raise CompileError(
            f'Edges are "tiles" with up to {LONGEST_CHAIN} taps. Received: {problem}, with the plan `{plan}`.'
        )
    if (plan.transposed or plan.turned or "input" in plan.prefetch) and not problem.channels_first:
        raise CompileError(
            "Tiles are transposed, blocks turned, and input is prefetched, in channels-first problems. "
            f"Received: {problem} and `{plan}`."
        )
    if plan.turned:
        steps = plan.block * problem.stride + (problem.kernel_size - 1) * problem.dilation + 1
        channels = problem.channels // plan.parts if plan.algorithm == "depthwise" else problem.group_channels
        if plan.algorithm == "cook_toom":  # some channels at a time; beside a block's own, windows that it shares
            steps += plan.outputs * (problem.dilation + problem.kernel_size) * problem.stride
            channels = plan.input_width or plan.width
        if steps * channels > _MOST_TURNED:
            raise CompileError(
                f"A plan that is turned keeps up to {_MOST_TURNED} numbers of its input. Received: {problem} and `{plan}`, which "
                f"keeps {steps} steps of {channels} channels; use shorter blocks, or a plan that is not turned."
            )
    if plan.fold > 1 and not folds(problem):
        raise CompileError(
            "A plan folds steps of problems with one channel and one filter of each group, beside each other, and no stride or "
            f"dilation. Received: {problem}, with the plan `{plan}`; leave `fold` away."
        )
    if plan.turned and problem.group_channels == 1 and plan.algorithm == "direct":
        raise CompileError(f"A direct plan that is turned has several channels. Received: {problem} and `{plan}`.")
    if "next_block" in plan.prefetch and problem.channels_first and not plan.turned:
        raise CompileError(
            f"The next block is prefetched in channels-last problems, or where it is turned. Received: {problem} and `{plan}`."
        )
    if plan.algorithm == "depthwise" and problem.groups % (plan.parts * plan.width) and plan.parts > 1:
        raise CompileError(
            f"The parts of a depthwise plan are as many whole vectors of {plan.width} channels each. Received: {plan.parts} "
            f"parts of the {problem.groups} channels of {problem}."
        )
    if plan.algorithm == "cook_toom" and plan.parts > 1 and problem.group_filters % (plan.parts * plan.panel):
        raise CompileError(
            f"The parts of a plan are as many whole panels of {plan.panel} filters each. Received: {plan.parts} parts of the "
            f"{problem.group_filters} filters of a group of {problem}."
        )
