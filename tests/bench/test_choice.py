"""tools/choice.py, which judges the cost model by times that were measured before."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conv1d_codegen import Plan, Problem
from conv1d_codegen.machine.host import host
from conv1d_codegen.schedule.cost_model import choose

pytestmark = pytest.mark.quick
TOP = Path(__file__).resolve().parents[2]
PROBLEM = Problem.parse("c64_f64_k3_same_relu_f32")
TAKEN, DIRECT = choose(PROBLEM, host(), length=3000), choose(PROBLEM, host(), "direct", length=3000)


def line(seconds: dict[Plan, float], threads: int = 1) -> str:
    """A record of a case."""
    times = {str(plan): taken for plan, taken in seconds.items()}
    return json.dumps({"case": f"{PROBLEM}@1x3000", "threads": threads, "taken": "", "seconds": times})


def report(tmp_path: Path, *lines: str) -> str:
    """What is printed of a file with these records."""
    file = tmp_path / "records.json"
    file.write_text("\n".join(lines))
    command = [sys.executable, str(TOP / "tools" / "choice.py"), str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def test_the_plan_that_is_taken_now_is_looked_up(tmp_path: Path) -> None:
    out = report(tmp_path, line({TAKEN: 2e-4, DIRECT: 1e-4}))
    assert f"{PROBLEM}@1x3000" in out.splitlines()[0]
    assert out.splitlines()[0].endswith("0.50")
    assert "1 cases: for 1 another plan is near or better" in out
    assert "worst 0.50, slower 1" in out


def test_the_least_of_several_records_counts_and_other_threads_do_not(tmp_path: Path) -> None:
    lines = (line({TAKEN: 2e-4, DIRECT: 1e-4}), line({TAKEN: 1e-4, DIRECT: 3e-4}), line({TAKEN: 9e-9}, threads=2))
    assert "worst 1.00, slower 0" in report(tmp_path, *lines)


def test_plans_that_were_not_measured_are_named(tmp_path: Path) -> None:
    assert f"not measured: {PROBLEM}@1x3000 {TAKEN}" in report(tmp_path, line({DIRECT: 1e-4}))
