"""Plans drawn at random: details that suit a plan."""

from dataclasses import replace
from typing import Any

from support.type_helpers import Pick

from conv1d_codegen.errors import CompileError
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.fits import check_fits
from conv1d_codegen.schedule.plan import PREFETCHES, Plan


def with_details(plan: Plan, problem: Problem, pick: Pick) -> Plan:
    """The plan with some details, each where it may have it. `pick` takes a list and gives one of its elements."""
    edges = pick(
        [("alone", 0), *(("shared", steps) for steps in (1, 3, 16, 64)), *(("tiles", rows) for rows in (1, 2, 3, 8))]
    )
    changes: list[dict[str, Any]] = [
        {"edges": edges[0], "edge_steps": edges[1]},
        {"borrow": pick([0, 1, 2, 5, 13])},
        {"sequences": pick([1, 2, 4])},
        {"stream": pick([0, 1, 3, plan.block])},
        {"across": pick([False, True])},
        {"abreast": pick([(), tuple(pick([1, 2, 3, 8]) for _ in plan.rows)])},
        {"rest": pick([1, 2, 5])},
        {"parts": pick([1, 2, 3, 4])},
        {"input_width": pick([0, 1, 4, 16])},
        {"looped": pick([False, True])},
        {"transposed": pick([False, True])},
        {"turned": pick([False, True])},
        {"epilogue": pick([0, 20, 100, 1000])},
    ]
    for change in changes:
        plan = _if_legal(plan, problem, change)
    for kind in PREFETCHES:
        if pick([False, True]):
            plan = _if_legal(plan, problem, {"prefetch": (*plan.prefetch, kind)})
    return plan


def _if_legal(plan: Plan, problem: Problem, change: dict[str, Any]) -> Plan:
    try:
        changed = replace(plan, **change)
        check_fits(problem, changed)
    except CompileError:
        return plan
    return changed
