"""The files of tuned plans: which are believed, and that what is wrong with one is a miss."""

import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from support.damage import NO_FILES
from support.tuning_helpers import PROBLEM, WINNER, recall
from support.type_helpers import known

from conv1d_codegen import knobs
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.machine import jit
from conv1d_codegen.machine.host import host
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule import tuned_plans
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.plan import Plan

pytestmark = pytest.mark.usefixtures("nothing_is_remembered")


def remember(directory: Path, problem: Problem = PROBLEM, found: Plan = WINNER) -> Path:
    return known(tuned_plans.remember(problem, host(), found, directory, {}))


def test_a_file_is_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = remember(tmp_path)
    assert recall(tmp_path, monkeypatch) == WINNER
    file.unlink()
    assert tuned_plans.recall(PROBLEM, host()) == WINNER
    assert recall(tmp_path, monkeypatch) is None


def test_a_later_plan_replaces_an_earlier_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert remember(tmp_path, found=choose(PROBLEM, host())) == remember(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    assert recall(tmp_path, monkeypatch) == WINNER


def _rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def defect(file: Path) -> None:
        file.write_bytes(change(file.read_bytes()))

    return defect


def sealed(text: bytes) -> bytes:
    """What a file holds: a digest, and the text."""
    return sha256(text).hexdigest().encode() + b"\n" + text


def _forged(**changes: Any) -> Callable[[Path], None]:
    """A file with a right digest and wrong content."""

    def change(content: bytes) -> bytes:
        record = json.loads(content.partition(b"\n")[2])
        return sealed(json.dumps({**record, **changes}).encode())

    return _rewrite(change)


DEFECTS = {
    "empty": _rewrite(lambda content: b""),
    "half": _rewrite(lambda content: content[: len(content) // 2]),
    "one other digit": _rewrite(lambda content: content.replace(b"rows=5", b"rows=6")),
    "not text": _rewrite(lambda content: bytes(range(256))),
    "too large": _rewrite(lambda content: content + b" " * (1 << 20)),
    "no record": _rewrite(lambda content: sealed(b"[]")),
    "nested": _rewrite(lambda content: sealed(b"[" * 8000 + b"]" * 8000)),
    "no JSON": _rewrite(lambda content: sealed(b"{")),
    "another problem": _forged(problem="c4_f8_k3_valid_relu_f32"),
    "another format": _forged(format=0),
    "no plan": _forged(plan=None),
    "not a plan": _forged(plan="direct lanes=filters 4x2 rows=1,5 block=35 unroll=2"),
    "a plan for another problem": _forged(plan="depthwise lanes=channels 4x1 rows=1 block=35 unroll=2"),
    **NO_FILES,
}


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=DEFECTS)
def test_a_defect_of_a_file_is_a_miss_and_is_written_over(
    defect: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = remember(tmp_path)
    defect(file)
    assert recall(tmp_path, monkeypatch) is None
    assert compile_problem(PROBLEM).plan == choose(PROBLEM, host())
    if file.is_dir():
        return
    assert remember(tmp_path) == file
    assert recall(tmp_path, monkeypatch) == WINNER


def test_a_directory_that_others_can_write_is_not_believed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    remember(tmp_path)
    for mode, plan_read in ((0o755, WINNER), (0o775, None), (0o757, None), (0o1777, None)):
        tmp_path.chmod(mode)
        assert recall(tmp_path, monkeypatch) == plan_read, oct(mode)
    tmp_path.chmod(0o700)
    link = tmp_path / "link"
    link.symlink_to(tmp_path, target_is_directory=True)
    assert recall(link, monkeypatch) is None
    with pytest.raises(OSError, match="link"):
        remember(link)
    assert recall(tmp_path / "nowhere", monkeypatch) is None
    assert not (tmp_path / "nowhere").exists()


def test_what_belongs_to_another_user_is_not_believed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    remember(tmp_path)
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert recall(tmp_path, monkeypatch) is None
    with pytest.raises(PermissionError, match=f"belongs to user {user}, not to {user + 1}"):
        remember(tmp_path)


def test_a_write_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = remember(tmp_path)
    file.unlink()
    file.mkdir()
    with pytest.raises(OSError, match="directory"):
        remember(tmp_path)
    assert list(tmp_path.iterdir()) == [file]


def test_another_machine_or_version_finds_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    remember(tmp_path)
    assert recall(tmp_path, monkeypatch) == WINNER
    assert recall(tmp_path, monkeypatch, PROBLEM.with_(dilation=2)) is None
    assert recall(tmp_path, monkeypatch, target=TARGETS["sse2"]) is None
    with monkeypatch.context() as changed:
        changed.setattr(tuned_plans, "__version__", "0.0.0")
        assert recall(tmp_path, monkeypatch) is None
    with monkeypatch.context() as changed:
        changed.setattr(jit, "version", lambda: "1.2.3")
        assert recall(tmp_path, monkeypatch) is None


def test_the_switch_takes_absolute_paths_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert knobs.cache_directory() is None
    monkeypatch.setenv("CONV1D_CODEGEN_CACHE_DIR", "plans")
    with pytest.raises(ValueError, match=r"CONV1D_CODEGEN_CACHE_DIR must be an absolute path. Received: 'plans'"):
        compile_problem(PROBLEM)
