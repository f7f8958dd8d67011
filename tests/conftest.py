"""Options, and the fixture that compares with golden files."""

from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden files of tests/golden anew instead of comparing")


@pytest.fixture
def golden(request):
    """`golden(name, text)`: `text` is what tests/golden/name holds."""

    def check(name, text):
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.write_text(text)
        if not path.exists():
            pytest.fail(f"There is no golden file {path.name}. `pytest --update-golden` writes it.")
        assert text == path.read_text(), f"{path.name} differs; if the change is meant, `pytest --update-golden` writes it anew"

    return check
