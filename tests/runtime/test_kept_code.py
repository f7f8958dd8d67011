"""Object code in files: which is believed, and that what is wrong with a file is a miss that never reaches LLVM."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.kept_code import PROBLEM, ROWS, check, only, program

from conv1d_codegen import Problem, knobs
from conv1d_codegen.compiler import Program, compile_operation
from conv1d_codegen.ir import Binary, Expression, Operand
from conv1d_codegen.ir.expression import SUM
from conv1d_codegen.ir.values import Ref
from conv1d_codegen.lower import Placement
from conv1d_codegen.lower.operations import Map, Pool
from conv1d_codegen.machine import jit
from conv1d_codegen.machine.host import host
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.runtime import kept_code
from conv1d_codegen.runtime.python_function import is_known
from conv1d_codegen.schedule.cost_model import choose


@pytest.mark.parametrize("algorithm", ["direct", "generic"])
def test_code_is_made_once(folder: Path, made: list[str], algorithm: str) -> None:
    for _ in range(3):
        check(PROBLEM, algorithm)
    assert len(made) == 1
    assert only(folder).stat().st_mode & 0o777 == 0o600


def test_what_is_read_is_what_was_written(folder: Path) -> None:
    added = Expression(Binary("add", SUM, Ref("in0")), (Operand(2),))
    several = [
        program(),
        program(epilogue=added),
        program(Problem.parse("c8_f8_k3_same_relu_f32"), "cook_toom"),
        program(PROBLEM, "generic"),
        Program(PROBLEM, choose(PROBLEM, host(), "direct"), host(), placement=ROWS),
        program(Problem.parse("c8_f8_k3_g8_same_linear_f32")),
        compile_operation(Map("f32", 5, Expression(Binary("max", Ref("in0"), Ref("channel0")), (Operand(5),), 1))),
        compile_operation(Pool("f32", 6, "max", 3, 2, "same", False)),
    ]
    for one in several:
        image = jit.in_llvm(one._begun())
        kept_code.write("0" * 64 + ".code", image)
        assert kept_code.read("0" * 64 + ".code") == image, one.title


def test_nothing_is_kept_that_was_not_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONV1D_CODEGEN_CACHE_DIR", str(tmp_path))
    check()
    assert not list(tmp_path.iterdir())
    monkeypatch.delenv("CONV1D_CODEGEN_CACHE_DIR")
    monkeypatch.setenv("CONV1D_CODEGEN_CODE_MIB", "1")
    with pytest.raises(ValueError, match="CONV1D_CODEGEN_CACHE_DIR, which is not set"):
        check()
    monkeypatch.setenv("CONV1D_CODEGEN_CODE_MIB", "many")
    with pytest.raises(ValueError, match=r"a whole number of MiB, up to 999999. Received: 'many'"):
        knobs.code_bytes()


def test_what_code_depends_on_is_in_the_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def name(one: Program, red_zones: bool = False) -> str | None:
        return kept_code.key(one.target, one.identity, red_zones)

    one = program()
    plan = choose(PROBLEM, host())
    relu = Expression(Binary("max", SUM, Ref("in0")), (Operand(2),))
    names = [
        name(one),
        name(one, red_zones=True),
        name(Program(PROBLEM, plan, TARGETS["sse2"])),
        name(Program(PROBLEM.with_(dilation=2), plan, host())),
        name(Program(PROBLEM, choose(PROBLEM, host(), "generic"), host())),
        name(Program(PROBLEM, plan, host(), epilogue=relu)),
        name(Program(PROBLEM, plan, host(), epilogue=Expression(relu.value, relu.inputs, 1))),
        name(Program(PROBLEM, plan, host(), placement=ROWS)),
        name(Program(PROBLEM, plan, host(), placement=Placement(4, 20, -20))),
    ]
    for owner, attribute, value in (
        (kept_code, "__version__", "0.0.0"),
        (kept_code, "_FORMAT", 0),
        (kept_code, "_sources", lambda: "others"),
        (jit, "version", lambda: "1.2.3"),
        (jit, "library", lambda: "0.0.0"),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(owner, attribute, value)
            names.append(name(one))
    assert len(set(names)) == len(names)
    assert name(program()) == names[0]


def test_the_sources_are_all_of_the_compiler_and_its_templates() -> None:
    files = {path.name for path in kept_code._files()}
    assert {"executable.py", "nodes.py", "knobs.py", "kernel.ll.j2", "instructions.ll.j2"} <= files


def test_who_checks_every_pass_makes_the_code(folder: Path, made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    check()
    monkeypatch.setenv("CONV1D_CODEGEN_VERIFY", "1")
    check()
    assert len(made) == 2


def test_what_is_no_folder_keeps_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise NotADirectoryError("archive.zip")

    monkeypatch.setattr(kept_code, "_sources", missing)
    check()
    assert not list(folder.iterdir())


def test_a_directory_that_others_can_write_is_not_used(folder: Path, made: list[str]) -> None:
    check()
    for mode, misses in ((0o755, 0), (0o775, 1), (0o757, 1), (0o1777, 1)):
        made.clear()
        folder.chmod(mode)
        check()
        assert len(made) == misses, oct(mode)
    folder.chmod(0o700)


def test_what_belongs_to_another_user_is_not_used(
    folder: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check()
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    check()
    assert len(made) == 2


def test_the_files_have_a_limit(folder: Path, made: list[str]) -> None:
    """Those that were used least lately go, and what a writer left behind that was killed."""
    check()
    file = only(folder)
    image = kept_code.read(file.name)
    assert image is not None
    large = kept_code.Image(image.kernel, image.entry, bytes(300 << 10))
    plan, left = folder / ("0" * 64 + ".plan"), [folder / f".{digit * 32}" for digit in "ab"]
    for other in (plan, *left):
        other.write_bytes(b"")
    os.utime(left[0], (0, 0))
    names = [f"{digit * 64}.code" for digit in "abcd"]
    for number, name in enumerate(names[:3]):
        kept_code.write(name, large)
        os.utime(folder / name, (1000 + number, 1000 + number))
    assert kept_code.read(names[0]) == large  # used again, so the second is now the oldest
    kept_code.write(names[3], large)
    assert {path.name for path in folder.iterdir()} == {
        file.name,
        names[0],
        names[2],
        names[3],
        plan.name,
        left[1].name,
    } - ({file.name} if not file.exists() else set())
    assert not left[0].exists()
    assert sum(path.stat().st_size for path in folder.glob("*.code")) <= 1 << 20
    kept_code.write("e" * 64 + ".code", kept_code.Image(image.kernel, image.entry, bytes(1 << 20)))
    assert not (folder / ("e" * 64 + ".code")).exists(), "what is larger than all of the room is not kept"


def test_a_disk_that_is_full_or_read_only_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    check()
    assert not list(folder.iterdir())


_WORK = """
import numpy as np
from conv1d_codegen import Conv1D
for size in (1, 2):
    layer = Conv1D(1, size, kernel_initializer="ones")
    assert layer(np.ones((1, 20, 1), "float32"))[0, 9, 0] == size
"""


def test_processes_share_the_files(folder: Path) -> None:
    """Some write the same files while others read them, and one deletes them."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [
        subprocess.Popen([sys.executable, "-c", _WORK], env=environment, stderr=subprocess.PIPE) for _ in range(2)
    ]
    done = threading.Event()

    def sweep() -> None:
        while not done.wait(0.02):
            for path in folder.glob("*.code"):
                path.unlink(missing_ok=True)

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    errors = [process.communicate()[1].decode() for process in running]
    done.set()
    sweeper.join()
    assert [process.returncode for process in running] == [0, 0], errors
    subprocess.run([sys.executable, "-c", _WORK], env=environment, check=True)
    assert len(list(folder.iterdir())) == 2 + is_known()  # that of fast calls
    before = {path: path.read_bytes() for path in folder.iterdir()}
    subprocess.run([sys.executable, "-c", _WORK], env=environment, check=True)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_code_is_shown_where_it_was_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONV1D_CODEGEN_LOG", "scheduled")
    shown = []
    for _ in range(2):
        check()
        shown.append(capsys.readouterr().err)
    assert shown[0] == shown[1]
    assert ": scheduled\nkernel direct_c1_f2_" in shown[0]
