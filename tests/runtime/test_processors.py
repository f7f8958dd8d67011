"""How many threads there are if nobody says: one a core, as far as the quota of the process's group goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.helpers import python

from conv1d_codegen.runtime import processors


@pytest.fixture(autouse=True)
def _counted_anew() -> Iterator[None]:
    for count in (processors.usable, processors.sensible):
        count.cache_clear()
    yield
    for count in (processors.usable, processors.sensible):
        count.cache_clear()


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A system of eight processors, two a core, whose files are in a folder; the process may use six of them."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3, 4, 6}, raising=False)
    for processor in range(8):
        first = processor // 2 * 2
        _write(tmp_path / f"cpu{processor}/topology", f"{first},{first + 1}\n")
    monkeypatch.setattr(processors, "_TOPOLOGY", f"{tmp_path}/cpu{{}}/topology")
    monkeypatch.setattr(processors, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(processors, "_OF_PROCESS", tmp_path / "mine")
    return tmp_path


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.usefixtures("system")
def test_one_thread_a_core_of_those_that_may_be_used() -> None:
    assert processors.usable() == 6
    assert processors.sensible() == 4


def test_processors_count_where_the_system_does_not_know_the_cores(system: Path) -> None:
    for processor in range(8):
        (system / f"cpu{processor}/topology").unlink()
    assert processors.sensible() == 6


@pytest.mark.parametrize(
    ("mine", "files", "count"),
    [
        ("0::/\n", {"cpu.max": "250000 100000"}, 2),
        ("0::/a/b\n", {"a/cpu.max": "150000 100000", "a/b/cpu.max": "max 100000"}, 1),
        ("0::/a/b\n", {"a/b/cpu.max": "50000 100000"}, 1),  # at least one
        ("0::/a\n", {"a/cpu.max": "900000 100000"}, 4),  # more than there are cores
        (
            "3:cpuset:/\n2:cpu,cpuacct:/job\n",
            {"cpu/job/cpu.cfs_quota_us": "300000", "cpu/job/cpu.cfs_period_us": "100000"},
            3,
        ),
        ("2:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 4),
        ("0::/\n", {"cpu.max": "nonsense"}, 4),
        ("0::/\n", {"cpu.max": "100000 0"}, 4),
        ("0::/gone\n", {}, 4),
        ("", {}, 4),
    ],
)
def test_no_more_than_the_quota_pays_for(system: Path, mine: str, files: dict[str, str], count: int) -> None:
    _write(system / "mine", mine)
    for name, text in files.items():
        _write(system / "groups" / name, text + "\n")
    assert processors.sensible() == count


def test_all_cores_are_the_default() -> None:
    code = (
        "from conv1d_codegen.runtime import processors; import conv1d_codegen as cc\n"
        "assert cc.get_num_threads() == processors.sensible()"
    )
    assert python(code, CONV1D_CODEGEN_THREADS="")[0] == 0
