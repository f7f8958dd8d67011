"""Teams of threads that tests take in the place of the usual one."""

import pytest

from conv1d_codegen.runtime import openmp, pool, threads

OPENMP = pytest.mark.skipif(openmp.fork_join() is None, reason="no OpenMP runtime")


RUNTIMES = [pytest.param("openmp", marks=OPENMP), "pool"]


def use(monkeypatch, run, least_flops=1):
    """Take this runtime, on a machine of many processors."""
    monkeypatch.setattr(threads, "runtime", lambda: threads.Runtime("test", run, least_flops))
    monkeypatch.setattr(threads, "processors", lambda: 64)


def run_of(name):
    return openmp.fork_join() if name == "openmp" else pool.run
