"""What the tests of tuning and of the files of winners share: a problem, a plan for it, and what other processes find."""

from conv1d_codegen import Plan, Problem
from conv1d_codegen.machine.host import host
from conv1d_codegen.schedule import tuned_plans

PROBLEM = Problem.parse("c4_f8_k3_same_relu_f32")
WINNER = Plan("direct", "filters", 4, 2, (5, 1), 35, 2)


def forget(monkeypatch):
    """As in a new process."""
    monkeypatch.setattr(tuned_plans, "_found", {})
    tuned_plans._read.cache_clear()


def recall(directory, monkeypatch, problem=PROBLEM, target=None):
    """What another process finds in a directory."""
    forget(monkeypatch)
    monkeypatch.setenv("CONV1D_CODEGEN_CACHE_DIR", str(directory))
    return tuned_plans.recall(problem, target or host())
