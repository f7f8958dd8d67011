"""Garbage for arguments, some hundreds of cases that are always the same: `garbage_fuzzer.py` says
more, and runs longer.
"""

import contextlib
import gc
import tracemalloc
from collections.abc import Callable

import garbage_fuzzer as fuzzer
import numpy as np
import pytest

from conv1d_codegen.selftest.checks import Failed
from conv1d_codegen.selftest.driver import outcomes

COUNT = 3000  # some 10 s


def test_whatever_the_arguments_an_exception_that_says_so_or_a_right_answer() -> None:
    failures = [f"{o.case}: {o.failure}" for o in outcomes(fuzzer.cases(0, COUNT), 2, fuzzer.COMMAND) if o.failure]
    assert not failures, "run again with `python tests/garbage_fuzzer.py --case CASE`:\n" + "\n".join(failures)


@pytest.mark.parametrize("door", ["options", "problem", "plan", "text", "name", "shape"])
def test_what_is_refused_leaves_nothing_behind(door: str) -> None:
    """The same three hundred cases once more take no memory."""

    def all_of_them() -> None:
        for seed in range(300):
            with contextlib.suppress(*fuzzer.DOCUMENTED, AttributeError, Failed):
                fuzzer.DOORS[door](np.random.default_rng(seed))
        gc.collect()

    all_of_them()
    all_of_them()
    tracemalloc.start()
    try:
        all_of_them()
        before = tracemalloc.get_traced_memory()[0]
        all_of_them()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000, f"{door}: {grown} bytes more after the same 300 cases"


def test_the_fuzzer_finds_what_is_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    def door(error: BaseException) -> Callable[[np.random.Generator], None]:
        def raises(rng: np.random.Generator) -> None:
            raise error

        return raises

    for error in (
        KeyError("tap"),
        ZeroDivisionError("division by zero"),
        AttributeError("'int' object has no attribute 'x'"),
    ):
        monkeypatch.setitem(fuzzer.DOORS, "layer", door(error))
        with pytest.raises(type(error)):
            fuzzer.run("layer 1")
    monkeypatch.setitem(fuzzer.DOORS, "layer", door(ValueError("no")))
    with pytest.raises(Failed, match="says only 'no'"):
        fuzzer.run("layer 1")
