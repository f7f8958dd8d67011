"""Which row of the table of targets fits a machine."""

import platform
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from conv1d_codegen.machine import host as room
from conv1d_codegen.machine import jit
from conv1d_codegen.machine.target import TARGETS

Pretend = Callable[[frozenset[str]], None]

#: What the levels of the x86-64 psABI ask for beyond the baseline, as far as code for vectors and loops may use it.
LEVELS = {
    "x86-64": {"sse2"},
    "x86-64-v3": {"avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "popcnt", "sse4.2"},
}
LEVELS["x86-64-v4"] = LEVELS["x86-64-v3"] | {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"}


@pytest.fixture
def machine_with(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretend]:
    """Makes this a machine of the same architecture that has just these features."""

    def pretend(features: frozenset[str]) -> None:
        machine = replace(jit.host_machine(), features=dict.fromkeys(features, True))
        monkeypatch.setattr(room, "_machine", lambda: machine)
        room.host.cache_clear()

    yield pretend
    room.host.cache_clear()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="about the rows of x86-64")
@pytest.mark.parametrize("name", [name for name, row in TARGETS.items() if row.triple.startswith("x86_64")])
def test_a_machine_gets_the_row_that_has_all_of_its_features(name: str, machine_with: Pretend) -> None:
    machine_with(TARGETS[name].required)
    assert room.host().name == name


@pytest.mark.skipif(platform.machine() != "x86_64", reason="about the rows of x86-64")
@pytest.mark.parametrize("name", [name for name, row in TARGETS.items() if len(row.required) > 1])
def test_a_machine_that_lacks_a_feature_does_not_run_the_row(name: str, machine_with: Pretend) -> None:
    for feature in TARGETS[name].required:
        machine_with(TARGETS[name].required - {feature} | {"sse2"})
        assert not room.runs_here(TARGETS[name]), feature


@pytest.mark.parametrize("name", [name for name, row in TARGETS.items() if row.cpu in LEVELS])
def test_a_row_asks_for_what_its_cpu_lets_llvm_use(name: str) -> None:
    assert TARGETS[name].required == LEVELS[TARGETS[name].cpu]
