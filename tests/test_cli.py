"""The command line: what it prints, and that what is wrong is said in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conv1d_codegen import Conv1D, Input, Network, __version__, save
from conv1d_codegen.__main__ import main
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.ir import Kernel
from conv1d_codegen.knobs import STAGES
from conv1d_codegen.machine.host import host
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.network import layers
from conv1d_codegen.passes import PIPELINE, Context, Pass
from conv1d_codegen.problem import Problem

PROBLEM = "c4_f4_k3_valid_relu_f32"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The line that a command with wrong arguments ends with."""
    try:
        code: object = main(arguments)
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("stage", STAGES)
def test_dump_prints_a_stage(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dump", PROBLEM, "--stage", stage]) == 0
    out, err = capsys.readouterr()
    expected = {
        "problem": PROBLEM,
        "plan": "direct",
        "loop": "for ",
        "scheduled": "for ",
        "llvm": "define ",
        "optimized": "define ",
    }
    assert expected.get(stage, "ret") in out
    assert err == ""


def test_dump_prints_the_scheduled_loops_by_default_and_several_stages_with_titles(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["dump", PROBLEM]) == 0
    scheduled = capsys.readouterr().out
    assert main(["dump", PROBLEM, "--stage", "plan", "--stage", "scheduled"]) == 0
    both = capsys.readouterr().out
    assert both.startswith("--- plan\n")
    assert both.endswith(f"\n--- scheduled\n{scheduled}")
    assert main(["dump", PROBLEM, "--stage", "all"]) == 0
    assert [line[4:] for line in capsys.readouterr().out.splitlines() if line.startswith("--- ")] == list(STAGES)


def test_dump_shows_the_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dump", PROBLEM, "--passes"]) == 0
    out = capsys.readouterr().out
    assert out.count("\nkernel ") > 3
    assert "# peel_edges: before tiling" in out
    table = out[out.index("\nPasses\n") :].splitlines()
    assert [line.split()[0] for line in table[4 : 4 + len(PIPELINE)]] == [each.name for each in PIPELINE]
    assert "--stage scheduled" in refused(capsys, "dump", PROBLEM, "--stage", "asm", "--passes")


def test_dump_shows_what_each_pass_changed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dump", PROBLEM, "--passes", "--diff"]) == 0
    out = capsys.readouterr().out
    assert out.count("\nkernel ") == 0
    assert out.startswith("kernel ")
    assert "\n+  parallel n in 0..N" in out or "\n+    parallel block" in out
    assert "\n# unchanged by " in out


def test_dump_stops_after_a_pass(capsys: pytest.CaptureFixture[str]) -> None:
    problem = Problem.parse(PROBLEM)
    stages = dict(compile_problem(problem).program.passes)
    for name in ("tile", "collapse_loops"):
        assert main(["dump", PROBLEM, "--stop-after", name]) == 0
        assert capsys.readouterr().out == str(stages[name])
    assert main(["dump", PROBLEM, "--stop-after", "tile", "--passes"]) == 0
    out = capsys.readouterr().out
    assert "# tile:" in out
    assert "pack_weights" not in out
    assert "block_time, turn_blocks" in refused(capsys, "dump", PROBLEM, "--stop-after", "frobnicate")
    assert "--stop-after" in refused(capsys, "dump", PROBLEM, "--stage", "asm", "--stop-after", "tile")


def test_dump_runs_the_interpreter_after_each_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dump", f"{PROBLEM}@1x9", "--run-interpreted"]) == 0
    out = capsys.readouterr().out
    assert "1 sequences of 9 steps" in out
    assert out.count("28 outputs, 0.0") > 5
    assert "WRONG" not in out

    def without_bias(kernel: Kernel, context: Context) -> Kernel:
        return kernel.with_body(())

    broken = (*PIPELINE[:-1], Pass("collapse_loops", without_bias, ""))
    monkeypatch.setattr("conv1d_codegen.passes.PIPELINE", broken)
    assert main(["dump", f"{PROBLEM}@1x9", "--run-interpreted"]) == 1
    assert "collapse_loops     28 outputs, WRONG" in capsys.readouterr().out


@pytest.mark.parametrize("name", TARGETS)
def test_dump_compiles_for_any_target(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dump", "c16_f16_k3_valid_relu_f32", "--stage", "asm", "--target", name]) == 0
    arm = TARGETS[name].triple.startswith("aarch64")
    assert ("fmla" if arm else "vfmadd" if TARGETS[name].fma else "mulps") in capsys.readouterr().out


def test_dump_takes_an_algorithm_a_case_and_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plan.txt"
    assert main(["dump", f"{PROBLEM}@4x100", "--stage", "plan", "--algorithm", "generic", "--output", str(file)]) == 0
    assert file.read_text(encoding="utf-8").startswith("generic ")
    assert capsys.readouterr().out == ""
    assert "No such file" in refused(capsys, "dump", PROBLEM, "--output", str(tmp_path / "nowhere" / "plan.txt"))


@pytest.mark.parametrize("target", TARGETS)
def test_explain_says_what_a_kernel_does(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", f"{PROBLEM}@2x50", "--target", target, "--algorithm", "direct"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{PROBLEM}\n")
    assert "N = 2, T = 50" in out
    assert "\nThe inner loop\n" in out
    assert err == ""


def test_explain_takes_a_layer_of_a_saved_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = Input(4)
    y = Conv1D(8, 3, name="one", activation="relu")(x)
    z = layers.MaxPooling1D(2, name="pool")(layers.Conv1DTranspose(4, 4, strides=2, name="up")(y))
    file = str(tmp_path / "network.conv1d")
    save(Network(x, z), file)
    for name, said in (("one", "c4_f8_k3_valid_relu_f32"), ("up", "c8_f8_k2"), ("pool", "max_pool")):
        assert main(["explain", file, "--layer", name, "--length", "60"]) == 0
        assert said in capsys.readouterr().out.splitlines()[0]
    assert "It has one, up, pool" in refused(capsys, "explain", file)
    assert "'two'" in refused(capsys, "explain", file, "--layer", "two")
    assert "--measure" in refused(capsys, "explain", file, "--layer", "one", "--measure")
    assert "no file" in refused(capsys, "explain", PROBLEM, "--layer", "one")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "COMMAND"),
        (["dump"], "DESCRIPTOR"),
        (["compile"], "'compile'"),
        (["dump", "nonsense"], "something like"),
        (["explain", "nonsense"], "something like"),
        (["explain", f"{PROBLEM}@1x2"], "no output for 2 steps"),
        (["dump", f"{PROBLEM}@4"], "BATCHxLENGTH"),
        (["dump", "c4_f4_k3_valid_frobnicate_f32"], "leaky_relu"),
        (["dump", "c4_f4_k3_valid_elu(beta=1)_f32"], "The parameters of elu are alpha."),
        (["dump", "c4_f4_k3_valid_elu(alpha=x)_f32"], "c4_f4_k3_valid_elu(alpha=x)_f32"),
        (["dump", "c4_f6_k3_g4_valid_relu_f32"], "divisible by groups"),
        (["dump", PROBLEM, "--stage", "assembly"], "asm"),
        (["dump", PROBLEM, "--target", "vax"], "neon"),
        (["dump", PROBLEM, "--algorithm", "fft"], "direct"),
        (["dump", PROBLEM, "--algorithm", "depthwise"], "auto"),
        (["dump", "c4_f4_k3_valid_relu_f16", "--target", "sse2"], "float16"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(capsys, *arguments)


def test_a_wrong_target_in_the_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONV1D_CODEGEN_TARGET", "vax")
    assert "vax" in refused(capsys, "dump", PROBLEM)


def test_targets_lists_the_table_and_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(TARGETS)]] == list(TARGETS)
    chosen = [line.split()[0] for line in lines if line.endswith("what layers are compiled for")]
    assert chosen == [host().name]


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for argument, expected in (("--version", __version__), ("--help", "dump")):
        with pytest.raises(SystemExit) as stop:
            main([argument])
        assert stop.value.code == 0
        assert expected in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGPIPE there")
def test_a_reader_that_stops_early_is_no_error() -> None:
    command = [sys.executable, "-m", "conv1d_codegen", "dump", "c16_f32_k3_valid_gelu_f32", "--stage", "llvm"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parent.parent
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
