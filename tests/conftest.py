"""Options, what all tests share of LLVM's work, the fixture that compares with golden files, and that of a process that has
not tuned anything.
"""

import gc
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import made_once
from support.tuning_helpers import forget, forget_files
from support.type_helpers import Golden

from conv1d_codegen.machine import jit

GOLDEN = Path(__file__).parent / "golden"


#: What a contributor runs while working (`pytest -m quick`), a minute of it: rooms and files whose tests compile
#: little.
QUICK = {
    "symbolic",
    "problem",
    "toom",
    "ir",
    "schedule",
    "test_verify.py",
    "test_rooms.py",
    "test_golden.py",
    "test_interpreter.py",
    "test_cut.py",
    "test_graph.py",
    "test_heads.py",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if QUICK & {item.path.name, item.path.parent.name} and not item.get_closest_marker("slow"):
            item.add_marker("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files of tests/golden anew instead of comparing"
    )


_OBJECT_CODE = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    given: str | None = getattr(config, "workerinput", {}).get("object_code")  # of pytest-xdist
    config.stash[_OBJECT_CODE] = Path(given or tempfile.mkdtemp(prefix="object_code."))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Of pytest-xdist: what a worker is told."""
    node.workerinput["object_code"] = str(node.config.stash[_OBJECT_CODE])


def pytest_collection_finish() -> None:
    """Ten thousand tests and all modules are there now, and stay: Python need not look for garbage among them. Of the rest
    it looks less often than by itself, at each 700 new objects: that took 2.9 of the 34 s of tests/passes/test_passes.py
    and tests/verify/test_verify.py, and takes 1.0.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(config.stash[_OBJECT_CODE], ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def object_code_is_made_once(pytestconfig: pytest.Config) -> Iterator[None]:
    """Of each text that LLVM gets, in whichever process: see `support/made_once.py`."""
    with made_once.shared(pytestconfig.stash[_OBJECT_CODE]):
        yield


@pytest.fixture
def llvm_makes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """LLVM makes what a test asks for, also what was made before."""
    for name in made_once.FUNCTIONS:
        monkeypatch.setattr(jit, name, getattr(jit, name).__wrapped__)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """`golden(name, text)`: `text` is what tests/golden/name holds."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.write_text(text)
        if not path.exists():
            pytest.fail(f"There is no golden file {path.name}. `pytest --update-golden` writes it.")
        assert text == path.read_text(), (
            f"{path.name} differs; if the change is meant, `pytest --update-golden` writes it anew"
        )

    return check


@pytest.fixture
def nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test starts like a new process without a directory, and leaves nothing behind."""
    monkeypatch.delenv("CONV1D_CODEGEN_CACHE_DIR", raising=False)
    forget(monkeypatch)
    yield
    forget_files()
