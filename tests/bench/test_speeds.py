"""tools/speeds.py, which compares two checkouts: that it measures what it is given, each with its own code."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
CASE = "c128_f32_k3_valid_relu_f32@4x10"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOP / "tools" / "speeds.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def slower(tmp_path: Path) -> Path:
    """A checkout whose layers spend a hundredth of a second before each call."""
    for room in ("conv1d_codegen", "templates", "bench"):
        shutil.copytree(TOP / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    layer = tmp_path / "conv1d_codegen" / "layers" / "conv1d.py"
    with layer.open("a", encoding="utf-8") as file:
        file.write(
            "\n\ndef _slowly(self, *arguments, _call=Conv1D.__call__, **options):\n"
            "    import time\n\n"
            "    end = time.process_time() + 0.01\n"
            "    while time.process_time() < end:\n        pass\n"
            "    return _call(self, *arguments, **options)\n\n\n"
            "Conv1D.__call__ = _slowly\n"
        )
    return tmp_path


def test_a_slower_checkout_is_slower(slower: Path) -> None:
    result = run(TOP, slower, "--filter", CASE, "--rounds", 3)
    assert result.returncode == 0, result.stderr
    line, mean = result.stdout.splitlines()
    assert line.startswith(CASE)
    assert mean.startswith("geometric mean of 1: ")
    assert float(mean.split()[-1]) > 10


@pytest.mark.quick
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "."), "Expected a checkout of conv1d_codegen. nowhere has no bench/shapes.py."),
        ((TOP, TOP, "--filter", "nosuch"), "No case of both checkouts holds 'nosuch' in its text."),
    ],
)
def test_wrong_arguments(arguments: tuple[Path | str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert message in result.stderr
