"""The sdist and the wheel carry the templates, and an installed wheel works from any directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from support.type_helpers import known

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = sorted(
    str(path.relative_to(ROOT / "templates")) for path in (ROOT / "templates").rglob("*") if path.is_file()
)

USE = """
import numpy as np, conv1d_codegen
from conv1d_codegen import Conv1D
layer = Conv1D(4, 3, padding="causal", activation="tanh")
print(layer(np.ones((2, 9, 3), "float32")).shape, "llvm" in layer.dump("llvm"), conv1d_codegen.__file__)
"""


def run(*command: str, cwd: Path, path: Path | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(path)} if path else dict(os.environ)
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT), cwd=ROOT)
    return folder


@pytest.mark.slow
def test_the_sdist_has_what_a_checkout_has(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {f"templates/{name}" for name in TEMPLATES} <= names
    assert {"README.md", "pyproject.toml", "tests/test_packaging.py", "bench/run.py"} <= names


@pytest.mark.slow
def test_an_installed_wheel_works_from_any_directory(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {f"conv1d_codegen/templates/{name}" for name in TEMPLATES} <= set(archive.namelist())
        assert not [name for name in archive.namelist() if not name.startswith("conv1d_codegen")]
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel), cwd=elsewhere
    )
    output = run(sys.executable, "-c", USE, cwd=elsewhere, path=site)
    assert output.split(") ")[0] == "(2, 9, 4"
    assert f"True {site}" in output
    dumped = run(
        sys.executable,
        "-m",
        "conv1d_codegen",
        "dump",
        "c3_f4_k3_causal_tanh_f32",
        "--stage",
        "asm",
        cwd=elsewhere,
        path=site,
    )
    assert "c3_f4_k3_causal_tanh_f32" in dumped
    run(
        sys.executable,
        "-m",
        "conv1d_codegen",
        "explore",
        "c3_f4_k3_causal_tanh_f32",
        "-o",
        "a.html",
        cwd=elsewhere,
        path=site,
    )
    assert "c3_f4_k3_causal_tanh_f32" in (elsewhere / "a.html").read_text(encoding="utf-8")
    tested = run(
        sys.executable,
        "-m",
        "conv1d_codegen",
        "selftest",
        "--layers",
        "3",
        "--seconds",
        "100",
        cwd=elsewhere,
        path=site,
    )
    assert "0 failures" in tested


def test_importing_the_package_is_light() -> None:
    """The compiler and LLVM are loaded with the first kernel."""
    code = "import sys, conv1d_codegen; print([m for m in ('llvmlite', 'jinja2', 'keras', 'torch', 'ml_dtypes') if m in sys.modules])"
    assert run(sys.executable, "-c", code, cwd=ROOT).strip() == "[]"


def test_the_package_does_not_import_its_self_test() -> None:
    """Nor does anything that a layer does."""
    code = USE + "import sys; print([m for m in sys.modules if 'selftest' in m])"
    assert run(sys.executable, "-c", code, cwd=ROOT).splitlines()[-1] == "[]"


def test_the_bench_extra_has_all_that_the_peers_need() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    (extra,) = re.findall(r"^bench = \[(.*?)^\]$", text, re.DOTALL | re.MULTILINE)
    listed = {known(re.match(r"[a-z]+", entry))[0] for entry in re.findall(r'"(.*?)"', extra)}
    peers = re.findall(
        r"^(?:import|from) (\w+)",
        "\n".join(path.read_text() for path in (ROOT / "conv1d_codegen" / "benchmark" / "peers").glob("*.py")),
        re.MULTILINE,
    )
    third_party = set(peers) - set(sys.stdlib_module_names) - {"numpy"}
    assert third_party == {"torch", "onnxruntime", "onnx", "openvino", "jax"}
    assert third_party | {"matplotlib", "rich"} == listed
    assert '"torch==' in extra


def test_the_readme_has_two_lines_to_set_up_with() -> None:
    lines = re.findall(r"^python3 -m venv .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(lines) == 2
    assert lines[0].endswith("-m conv1d_codegen demo")
    assert lines[1].endswith("-m pytest -n auto")


def test_the_readme_shows_what_the_commands_print() -> None:
    text = (ROOT / "README.md").read_text()
    (command,) = re.findall(r"^conv1d-codegen (dump .*) --stage loop --target avx2$", text, re.MULTILINE)
    blocks = [body for kind, body in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE) if not kind]
    *of_stages, of_explain = blocks
    for stage, block in zip(("loop", "scheduled"), of_stages, strict=True):
        printed = run(
            sys.executable, "-m", "conv1d_codegen", *command.split(), "--stage", stage, "--target", "avx2", cwd=ROOT
        )
        assert block in printed, f"what README.md shows of the stage {stage} is no part of it"
    printed = run(
        sys.executable,
        "-m",
        "conv1d_codegen",
        *command.replace("dump", "explain").split(),
        "--target",
        "avx2",
        cwd=ROOT,
    )
    for part in re.split(r"^The inner loop\n─+\n", of_explain, flags=re.MULTILINE):
        assert part in printed, "what README.md shows of an explanation is no part of it"
