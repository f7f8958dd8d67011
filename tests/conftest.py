"""Options, the fixture that compares with golden files, and that of a process that has not tuned anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.tuning_helpers import forget, forget_files
from support.type_helpers import Golden

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
