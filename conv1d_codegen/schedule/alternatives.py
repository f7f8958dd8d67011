"""What the cost model compared: the plans that it could have taken for a problem, with what they are counted to cost, and
why each is not taken.

Cycles are those of a core with two pipes for multiply-adds, of one sequence, as `cook_toom_cycles.py` counts them: what
ranks plans, and no prediction of a processor's clock. Where plans are told apart by a rule, which measurements gave, and
not by a count, the rule is what the words say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..errors import CompileError
from ..machine.target import Target
from ..problem import Problem
from .code_size import shortened
from .cook_toom_model import weighed
from .cost_model import choose
from .details import detailed
from .direct_cycles import of_direct, of_direct_input
from .direct_plans import direct_plan, lanes_of_direct, usual_direct
from .fits import check_fits
from .plan import LANES, Plan
from .registers import PRODUCTS_TO_ADD_LANES, steps_in_lanes

#: Steps that are taken for a sequence where no length is given: plans are those of long inputs then.
LONG = 4096


@dataclass(frozen=True, slots=True)
class Alternative:
    """One plan; the cycles of one sequence, where they are counted; and why it is not taken: nothing of the one that is."""

    plan: Plan
    cycles: float | None
    objection: str


def alternatives(
    problem: Problem,
    target: Target,
    taken: Plan,
    accuracy: str = "standard",
    length: int | None = None,
    others: int = 0,
) -> list[Alternative]:
    """All plans of a problem that the cost model can tell of, `taken` first; the others in the order in which they are
    looked at, windows the fastest first. Arguments as of `choose`. Raises CompileError as that does.
    """
    found = [
        *_windows(problem, target, taken, accuracy, length, others),
        *_directly(problem, target, taken, length, others),
    ]
    own = next((each for each in found if each.plan == taken), Alternative(taken, None, ""))
    return [replace(own, objection=""), *(each for each in found if each.plan != taken)]


def _windows(
    problem: Problem, target: Target, taken: Plan, accuracy: str, length: int | None, others: int
) -> Iterator[Alternative]:
    steps = problem.output_length(LONG) if length is None else 1
    for each in weighed(problem, target, accuracy, length, others):
        plan = detailed(problem, target, shortened(problem, each.plan))
        cycles = each.cycles * steps * problem.groups
        yield Alternative(plan, cycles, each.objection or _by_hand(taken))


def _directly(problem: Problem, target: Target, taken: Plan, length: int | None, others: int) -> Iterator[Alternative]:
    """Plans that compute every product, one for all that can lie in lanes."""
    steps = problem.output_length(LONG if length is None else length)
    usual = choose(problem, target, "auto", "strict", length)
    depthwise = usual.algorithm == "depthwise"
    if depthwise:
        cycles = problem.kernel_size * -(-problem.channels // target.lanes(problem.compute)) / 2 * steps
        yield Alternative(usual, cycles, _beaten_by(taken))
    lanes_taken = lanes_of_direct(problem, target, length)
    for lanes in LANES["direct"]:
        plan = _fitting(problem, target, lanes)
        if plan is None:
            continue
        if lanes != lanes_taken:
            objection = _RULES[lanes_taken]
        elif depthwise:
            objection = "each group is one channel: filters of a group would fill one lane, channels fill all"
        else:
            objection = _beaten_by(taken)
        if lanes == lanes_taken != "channels" and length is not None:  # as windows are compared with
            plan = usual_direct(problem, target, length)
            cycles = of_direct_input(problem, target, plan, length, others)
        else:
            cycles = _cycles(problem, target, plan) * steps
        yield Alternative(plan, cycles * problem.groups, objection)
    generic = choose(problem, target, "generic", "strict")
    yield Alternative(
        generic,
        None,
        "one kernel for all sizes, known at run time only: taken when asked for, or if no other is proved",
    )


#: Why the lanes hold what they do, and nothing else.
_RULES = {
    "filters": "filters fill the lanes, or more of them than few steps do; they need not be added up or gathered",
    "time": "filters would leave lanes empty, or take longer to be turned than to be summed up; steps lie side by side",
    "channels": "filters would leave most lanes empty: adding up the lanes of channels costs less",
}


def _by_hand(taken: Plan) -> str:
    return f"another plan was asked for: {taken.algorithm}"


def _beaten_by(taken: Plan) -> str:
    """Of the best plan without windows."""
    if taken.algorithm == "cook_toom":
        return f"{taken.toom} needs fewer products"
    return _by_hand(taken)


def _fitting(problem: Problem, target: Target, lanes: str) -> Plan | None:
    """The direct plan with such lanes, where there is one."""
    try:
        plan = direct_plan(problem, target, lanes)
        check_fits(problem, plan)
    except CompileError:
        return None
    if lanes == "time" and not (problem.channels_first or steps_in_lanes(problem, target)):  # each would be gathered
        return None
    return detailed(problem, target, shortened(problem, plan))


def _cycles(problem: Problem, target: Target, plan: Plan) -> float:
    """Of one output step of one group, by the lanes that are in use."""
    products, width = problem.kernel_size * problem.group_channels, target.lanes(problem.compute)
    match plan.lanes:
        case "channels":
            return problem.group_filters * (products / width + PRODUCTS_TO_ADD_LANES / width) / 2
        case "time":
            return problem.group_filters * products / width / 2
    return of_direct(problem, target, plan)
