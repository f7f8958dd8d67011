"""Teams of threads that tests take in the place of the usual one."""

from collections.abc import Callable

import pytest
from support.type_helpers import known

from conv1d_codegen.runtime import openmp, pool, processors, team, threads
from conv1d_codegen.runtime.work import Work

#: What runs work on a number of threads.
Run = Callable[[Work, int], None]

TEAM = pytest.mark.skipif(team.fork_join() is None, reason="no team is known here")
OPENMP = pytest.mark.skipif(openmp.fork_join() is None, reason="no OpenMP runtime")


RUNTIMES = [pytest.param("team", marks=TEAM), pytest.param("openmp", marks=OPENMP), "pool"]


def use(monkeypatch: pytest.MonkeyPatch, run: Run, least_flops: int = 1) -> None:
    """Take this runtime, on a machine of many processors."""
    monkeypatch.setattr(threads, "runtime", lambda: threads.Runtime("test", run, least_flops))
    monkeypatch.setattr(processors, "usable", lambda: 64)


def run_of(name: str) -> Run:
    return known({"team": team.fork_join, "openmp": openmp.fork_join}[name]()) if name != "pool" else pool.run
