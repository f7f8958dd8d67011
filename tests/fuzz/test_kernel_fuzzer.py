"""Random plans, orders of passes and mutated loops, a few that are always the same: `kernel_fuzzer.py` says more, and
runs longer.
"""

from dataclasses import replace

import kernel_fuzzer as fuzzer
import numpy as np
import pytest
from support.helpers import RUNNABLE, lowered
from support.mutations import mutate, spots, with_changed
from support.type_helpers import the

from conv1d_codegen.ir import Block, Kernel, Statement, Store
from conv1d_codegen.machine.target import TARGETS, Target
from conv1d_codegen.passes import Context, stages
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.plan import Plan
from conv1d_codegen.selftest.checks import Failed
from conv1d_codegen.selftest.driver import outcomes

COUNT = 40


def test_what_the_verifier_accepts_runs_as_it_reads() -> None:
    results = list(outcomes(fuzzer.cases(0, COUNT), 2, fuzzer.COMMAND))
    failures = [f"{o.case}: {o.failure}" for o in results if o.failure]
    assert not failures, "run again with `python tests/kernel_fuzzer.py --case CASE`:\n" + "\n".join(failures)
    assert sum(o.outputs > 0 for o in results) > COUNT // 4, "hardly any kernel was run"


def small() -> tuple[Problem, Plan, Target, Kernel]:
    problem, target = Problem.parse("c2_f5_k3_same_linear_f32"), TARGETS[RUNNABLE[-1]]
    plan = choose(problem, target, "direct")
    kernel = lowered(problem, "direct", target.name)
    return problem, plan, target, list(stages(kernel, Context(problem, plan, target)))[-1][1]


def test_a_statement_is_changed_by_its_number() -> None:
    *_, kernel = small()
    for spot in spots(kernel):
        assert with_changed(kernel, spot.number, lambda s: (s,)) == kernel
        shorter = with_changed(kernel, spot.number, lambda _: ())
        assert len(spots(shorter)) < len(spots(kernel))


def test_mutants_are_the_same_for_a_seed_and_of_every_kind() -> None:
    *_, kernel = small()
    kinds = set()
    for seed in range(300):
        drawn = [next(fuzzer.mutants(kernel, np.random.default_rng(seed))) for _ in range(2)]
        assert drawn[0] == drawn[1]
        assert drawn[0][0] != kernel
        kinds.add(drawn[0][1].split()[0])
    assert len(kinds) >= 10


def test_a_difference_between_interpreter_and_formula_is_found() -> None:
    """A kernel that writes its last output twice as large."""
    problem, plan, target, kernel = small()
    number = next(s.number for s in spots(kernel) if isinstance(s.statement, Store) and s.statement.buffer.name == "y")

    def twice(s: Statement) -> Block:
        store = the(Store, s)
        return (replace(store, value=store.value + store.value),)

    doubled = with_changed(kernel, number, twice)
    rng = np.random.default_rng(0)
    assert fuzzer.agree(rng, kernel, problem, target, plan, original=True) > 0
    with pytest.raises(Failed, match="interpreter and formula"):
        fuzzer.agree(rng, doubled, problem, target, plan, original=True)


@pytest.mark.parametrize("seed", range(20))
def test_what_can_not_be_mutated_is_refused(seed: int) -> None:
    """Then another mutation is drawn."""
    *_, kernel = small()
    with pytest.raises(ValueError, match="nothing to"):
        mutate(kernel.with_body(()), np.random.default_rng(seed))
