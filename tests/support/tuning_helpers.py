"""What the tests of tuning and of the files of tuned plans share: a problem, a plan for it, and
what other processes find.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from conv1d_codegen import Plan, Problem
from conv1d_codegen.machine.host import host
from conv1d_codegen.machine.target import Target
from conv1d_codegen.schedule import tuned_plans
from conv1d_codegen.tuning import Trial, trials

PROBLEM = Problem.parse("c4_f8_k3_same_relu_f32")
WINNER = Plan("direct", "filters", 4, 2, (5, 1), 35, 2)


def forget_files() -> None:
    """Files of plans are read again."""
    tuned_plans._read.cache_clear()


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process."""
    monkeypatch.setattr(tuned_plans, "_found", {})
    forget_files()


def recall(
    directory: Path, monkeypatch: pytest.MonkeyPatch, problem: Problem = PROBLEM, target: Target | None = None
) -> Plan | None:
    """What another process finds in a directory."""
    forget(monkeypatch)
    monkeypatch.setenv("CONV1D_CODEGEN_CACHE_DIR", str(directory))
    return tuned_plans.recall(problem, target or host())


def pretend(monkeypatch: pytest.MonkeyPatch, seconds: Callable[[Plan], float]) -> None:
    """Makes a call take `seconds(plan)`, and nothing but the unrolling be tried (what is compiled takes its time)."""

    def sample(trial: Trial) -> float:
        trial.times.append(seconds(trial.plan))
        return trial.times[-1]

    monkeypatch.setattr(Trial, "sample", sample)
    monkeypatch.setattr(trials, "ASPECTS", ("unroll",))
    monkeypatch.setattr(trials, "_BRIEF_SECONDS", 0)
    monkeypatch.setattr(trials, "_FINAL_SECONDS", 0)


def without_unrolling(plan: Plan) -> float:
    """A time, for `pretend`."""
    return 1.0 if plan.unroll == 1 else 2.0
