"""The bench: its cases, its limits, its checks, and that it runs."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench import __main__ as command
from bench import any_problem, calls, check, compile_time, measure, peak, peers, process, record, run, shapes, timing
from conv1d_codegen import Activation, Plan, Problem
from conv1d_codegen.machine import jit
from conv1d_codegen.machine.host import host
from conv1d_codegen.machine.target import TARGETS


def case(name: str, channels_first: bool = False) -> shapes.Case:
    return next(case for case in shapes.load(channels_first) if case.name == name)


TOP = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("command", [["-m", "bench"], [str(TOP / "bench" / "run.py"), "--layout", "channels_first"]])
def test_the_bench_runs(command: list[str], tmp_path: Path) -> None:
    folder = TOP if command[0] == "-m" else tmp_path
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    command = [sys.executable, *command, "--filter", "tiny/realtime", "--quick"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert any(line.startswith("tiny/realtime ") for line in lines)
    assert any(line.startswith("geometric means") for line in lines)
    assert lines[-1].startswith("1 cases in ")
    assert done.stderr == ""


def test_there_are_59_cases_of_known_sizes() -> None:
    cases = shapes.load()
    assert len(cases) == len({case.name for case in cases}) == 59
    assert str(case("wavenet_voc/gate_d8")) == "c128_f256_k3_d8_pad16x0_relu_f32@1x10240"
    assert case("wavenet_voc/gate_d8").flops == 2_013_265_920
    assert str(case("tiny/realtime", channels_first=True)) == "c8_f8_k3_d2_pad4x0_relu_f32_first@1x64"


def test_the_filter_looks_at_name_class_and_problem() -> None:
    assert [case.name for case in shapes.load(text="tiny/realtime")] == ["tiny/realtime"]
    assert {case.kind for case in shapes.load(text="depthwise")} == {"depthwise"}
    assert {case.problem.kernel_size for case in shapes.load(text="_k128_")} == {128}
    assert shapes.load(text="no such case") == []


def test_arrays_lie_where_large_ones_of_numpy_do() -> None:
    for dtype in ("f32", "f64"):
        this = next(case for case in shapes.load(dtype=dtype) if case.name == "m5/b1_conv1")
        x, y = this.inputs(), this.output()
        assert x.ctypes.data % 64 == y.ctypes.data % 64 == 16
        assert x.dtype == y.dtype == {"f32": np.float32, "f64": np.float64}[dtype]
        assert x.flags.carray
        assert np.array_equal(x, this.inputs())
        assert abs(x.std() - 1) < 0.1
        assert np.isnan(y).all()


@pytest.mark.parametrize("name", ["tiny/realtime", "onednn/1d/conv_dw", "onednn/1d/conv1d:2", "tcresnet8/b24_conv0"])
@pytest.mark.parametrize("channels_first", [False, True])
def test_a_case_is_computed_as_its_problem_says(name: str, channels_first: bool) -> None:
    this = case(name, channels_first)
    layer, x = this.layer(), this.inputs()
    assert layer.problem == this.problem
    assert check.wrong(this, layer, x, layer(x)) is None


@pytest.mark.parametrize("name", ["tiny/realtime", "hifigan/c64_k11d5", "onednn/1d/conv1d:2"])  # all of it, and parts
@pytest.mark.parametrize("channels_first", [False, True])
def test_the_check_catches_a_wrong_kernel(name: str, channels_first: bool) -> None:
    this = case(name, channels_first)
    layer, other, x = this.layer(), this.layer(), this.inputs()
    weights = layer.kernel.copy()
    weights[-1, -1] = 0.0  # the last tap forgets a channel
    other.kernel = weights
    assert "off by" in (check.wrong(this, layer, x, other(x)) or "")
    y = layer(x)
    assert check.wrong(this, layer, x, y) is None
    y[-1, -1, -1] += 1.0
    assert "off by" in (check.wrong(this, layer, x, y) or "")
    y[0, y.shape[1] // 3, y.shape[2] // 3] = np.nan
    assert "never written" in (check.wrong(this, layer, x, y) or "")


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run measures here, where tests can put things in the place of others, and does not
    measure the copy's bandwidth.
    """
    monkeypatch.setattr(measure, "copy_bandwidth", lambda: 1e9)
    monkeypatch.setattr(process, "events", lambda settings: measure.events(settings, []))


@pytest.mark.usefixtures("in_this_process")
def test_a_wrong_result_is_not_timed_and_makes_the_run_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "wrong", lambda case, *_: f"{case}: wrong")
    assert run.main(["--filter", "tiny/realtime", "--rounds", "1"]) == 1
    out = capsys.readouterr().out
    assert "WRONG: compiled: c8_f8_k3_d2_pad4x0_relu_f32@1x64: wrong" in out
    assert "geometric means" not in out


@pytest.mark.usefixtures("in_this_process")
def test_an_algorithm_that_does_not_fit_is_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--filter", "tiny/realtime", "--algorithm", "depthwise"]) == 0
    assert "skipped: The depthwise algorithm" in capsys.readouterr().out


@pytest.mark.usefixtures("in_this_process")
def test_cook_toom_is_measured_beside_direct(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--filter",
        "tcresnet8/b48_conv1",
        "--quick",
        "--algorithm",
        "cook_toom",
        "--json",
        str(tmp_path / "run.json"),
    ]
    assert run.main(arguments) == 0
    (this,) = record.read(tmp_path / "run.json").results
    assert set(this.timings) == {"write", "copy", "peak", "compiled", "generic", "direct"}
    assert this.plan.startswith(f"cook_toom {this.toom} ")
    assert f" {this.toom} " in capsys.readouterr().out


@pytest.mark.usefixtures("in_this_process")
def test_a_wrong_direct_kernel_makes_the_run_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        check, "wrong", lambda case, layer, *_: "wrong" if layer.options.algorithm == "direct" else None
    )
    assert (
        run.main(["--filter", "tcresnet8/b48_conv1", "--rounds", "1", "--sweeps", "1", "--algorithm", "cook_toom"]) == 1
    )


def test_only_who_asked_for_larger_errors_may_have_them() -> None:
    toom = Plan.parse("cook_toom F(4,3) lanes=filters 16x4 rows=6,5,2,1 block=96 unroll=4")
    direct = Plan.parse("direct lanes=filters 16x4 rows=6,5,2,1 block=96 unroll=4")
    assert check.allowance(toom, "auto", "standard") == check.allowance(direct, "auto", "fast") == 1
    assert check.allowance(toom, "auto", "fast") == check.allowance(toom, "cook_toom", "standard") > 1
    this = case("tiny/realtime")
    layer, x = this.layer(), this.inputs()
    y = layer(x)
    assert check.largest_share(this, layer, x, y) <= 1
    y[0, 0, 0] += 1e-3
    share = check.largest_share(this, layer, x, y)
    assert f"off by {share:.3g} times" in (check.wrong(this, layer, x, y) or "")
    assert check.wrong(this, layer, x, y, allowance=share) is None
    y[0, 0, 0] = np.nan
    assert check.largest_share(this, layer, x, y) == np.inf


def test_strict_layers_are_direct() -> None:
    assert case("hifigan/c256_k3d1").layer(accuracy="strict").dump("plan").startswith("direct ")
    assert measure.Settings().transforms
    assert measure.Settings(algorithm="cook_toom", accuracy="fast").transforms
    assert not measure.Settings(accuracy="strict").transforms
    assert not measure.Settings(algorithm="direct").transforms


def test_arguments_that_fit_nothing_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--filter", "no such case"]) == 2
    for arguments in (["--rounds", "0"], ["--target", "neon" if host().name != "neon" else "sse2"]):
        with pytest.raises(SystemExit) as stop:
            run.main(arguments)
        assert stop.value.code == 2
    assert "1 or more" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_the_peak_is_plausible_and_its_loop_computed(dtype: str) -> None:
    loop = peak.FmaPeak(host(), dtype)
    speed = loop.flops / timing.interleaved({"peak": loop}, rounds=3)["peak"]
    assert 1e9 < speed < 1e12
    last = loop.sums[-1]
    assert last == (peak.chains(host()) + 0.25 * peak.ITERATIONS if host().fma else 1.0)


@pytest.mark.parametrize("name", TARGETS)
def test_the_loop_of_the_peak_is_nothing_but_arithmetic(name: str) -> None:
    target = TARGETS[name]
    text = jit.assembly(peak.loop_ir(target), target)
    loop = text[text.index("LBB0_1:") :].split("\tj" if name != "neon" else "\tb.")[0]
    instruction = {"sse2": "mulps", "neon": "fmla"}.get(name, "vfmadd")
    assert loop.count(instruction) == peak.chains(target)
    assert "(%rsp)" not in loop
    assert "[sp" not in loop


def test_the_cost_of_a_call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(timing, "pin", lambda: None)
    assert calls.main(["--filter", "tiny/realtime", "--rounds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {
        line[:34].strip(): [float(number) for number in line[34:].split()] for line in lines if line.startswith("tiny/")
    }
    mflop, at_peak, call, over = rows["tiny/realtime"]
    assert mflop == pytest.approx(case("tiny/realtime").flops / 1e6, abs=5e-4)
    assert over == pytest.approx(call - at_peak, abs=0.02)
    named = {line[:45].strip(): float(line[45:]) for line in lines[2:] if line and "µs" not in line}
    assert {"layer(x, out=y)", "the machine code called", "the argument block", "the pool"} <= set(named)
    assert all(spent > 0 for spent in named.values())
    for arguments in (["--rounds", "0"], ["--filter", "no such case"]):
        with pytest.raises(SystemExit) as stop:
            calls.main(arguments)
        assert stop.value.code == 2


def test_interleaved_gives_the_median_of_each() -> None:
    def busy(seconds: float) -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    times = timing.interleaved({"short": lambda: busy(1e-4), "long": lambda: busy(4e-4)}, rounds=5)
    assert 1e-4 <= times["short"] < 2e-4
    assert 2 < times["long"] / times["short"] < 5


def test_a_compile_is_measured_from_cold_and_stage_by_stage() -> None:
    first, second = (compile_time.measure(case("tiny/realtime").problem) for _ in range(2))
    for taken in (first, second):
        assert all(taken.seconds[stage] > 0 for stage in compile_time.STAGES)
        assert sum(taken.seconds.values()) <= taken.total
    assert first.lines == second.lines > 100


def test_the_table_of_compile_times(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "pin", lambda: None)
    monkeypatch.setattr(compile_time, "import_seconds", lambda: 0.1)
    assert compile_time.main(["--filter", "tiny/realtime", "--rounds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line] == ["ms", "tiny/realtime", "median", "worst", "import"]
    assert len({len(line) for line in lines[:2]}) == 1
    assert compile_time.main(["--filter", "no such case"]) == 2
    assert compile_time.main(["--every", "--filter", "tiny/realtime", "--rounds", "1", "--longest", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line][-3:] == ["compiling", "verifying", "verifying"]
    assert compile_time.main(["--every", "--filter", "no such case"]) == 2


def test_the_table_of_compile_times_of_random_problems(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "pin", lambda: None)
    monkeypatch.setattr(any_problem, "problems", lambda _: iter([Problem(1, 1, 1)] * 9))
    assert compile_time.main(["--random", "3", "--longest", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line] == [
        "ms",
        *["c1_f1_k1_valid_linear_f32"] * 2,
        "compiling",
        "verifying",
        "verifying",
    ]
    monkeypatch.setattr(any_problem, "problems", lambda _: iter([Problem(1, 1, 1, activation=Activation("unknown"))]))
    assert compile_time.main(["--random", "1"]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_random_problems_are_the_same_for_a_seed() -> None:
    first, second = (list(itertools.islice(any_problem.problems(3), 200)) for _ in range(2))
    assert first == second
    assert {problem.dtype for problem in first} == {"f32", "f64", "f16", "bf16"}
    assert max(problem.kernel_size for problem in first) > 5000
    assert len({problem.activation.name for problem in first}) > 20


def test_noise_is_the_distance_of_the_quartiles() -> None:
    assert timing.Timing.of([4.0, 1.0, 2.0, 3.0, 5.0]) == timing.Timing(3.0, 2 / 3)
    assert timing.Timing.of([2.0]) == timing.Timing(2.0, 0.0)


def test_one_thread_is_charged_for_the_work_of_others_and_several_for_the_wait() -> None:
    assert timing.clock_for(1) is time.process_time
    assert timing.clock_for(2) is time.perf_counter


def test_the_commands_are_found_by_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    loaded: list[str] = []

    def load(name: str) -> SimpleNamespace:
        loaded.append(name)
        return SimpleNamespace(main=lambda argv: len(argv))

    monkeypatch.setattr(command, "import_module", load)
    assert command.main(["compile", "a", "b"]) == 2
    assert command.main(["compare"]) == 0
    assert loaded == ["bench.compile_time", "bench.compare"]
    assert command.main(["--filter", "no such case"]) == 2
    assert "No case contains" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--peers", "keras"], "not 'keras'"),
        (["--threads", "0"], "numbers of 1 or more"),
        (["--threads", "1000"], "this process may use"),
        (["--json", "/no/such/folder/x.json"], "there is no folder"),
        (["--peers", "all", "--dtype", "f64"], "f32 only"),
        (["--sweeps", "0"], "1 or more is needed"),
        (["--rounds", "few"], "1 or more is needed, not 'few'"),
        (["--target", "z80"], "is needed, not 'z80'"),
        (["--accuracy", "exact"], "invalid choice: 'exact'"),
        (["--accuracy", "strict", "--algorithm", "cook_toom"], "strict excludes --algorithm cook_toom"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_measuring(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_a_peer_that_is_not_installed_is_an_error_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        run.main(["--peers", "onnxruntime"])
    message = capsys.readouterr().err
    assert "onnxruntime, onnx not installed" in message
    assert "conv1d-codegen[bench]" in message


class ZerosPeer:
    """Gives zeros for everything."""

    @staticmethod
    def prepare(problem: Problem, x: np.ndarray, weights: np.ndarray, bias: np.ndarray, threads: int) -> peers.Prepared:
        zeros = np.zeros((len(x), problem.filters, problem.output_length(x.shape[2])), np.float32)
        return peers.Prepared(lambda: None, lambda: zeros)


@pytest.mark.usefixtures("in_this_process")
def test_a_peer_that_is_wrong_or_fails_is_marked_and_the_others_are_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "missing", lambda names: [])
    monkeypatch.setattr(peers, "versions", lambda names: {})
    monkeypatch.setattr(peers, "load", {"torch": ZerosPeer, "jax": SimpleNamespace()}.__getitem__)
    assert run.main(["--filter", "tiny/realtime", "--rounds", "1", "--peers", "torch,jax"]) == 0
    out = capsys.readouterr().out
    assert "WRONG: torch: c8_f8_k3_d2_pad4x0_relu_f32@1x64: outputs 0 to 64 of recording 0 are off by" in out
    assert "WRONG: jax: c8_f8_k3_d2_pad4x0_relu_f32@1x64: AttributeError" in out
    assert "best of" not in out


# Padding on one side, on both, and uneven; strides, dilation, groups, depthwise.
PEER_CASES = (
    "tiny/realtime",
    "tcresnet8/conv0",
    "tcresnet8/b24_conv0",
    "onednn/1d/1d_gconv_channel-block-8",
    "onednn/1d/conv_dw",
)
PEER_FAULTS = """
import sys
from bench import measure, shapes

TOP = Path(__file__).resolve().parents[2]
for case in shapes.load():
    if case.name in sys.argv[2:]:
        call, fault = measure.peer_candidate(sys.argv[1], case, case.layer(), case.inputs(), 1)
        call()
        print(case.name, fault)
"""


@pytest.mark.parametrize("name", peers.NEEDS)
def test_a_peer_computes_what_we_do(name: str) -> None:
    for module in peers.NEEDS[name]:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", PEER_FAULTS, name, *PEER_CASES], cwd=TOP, capture_output=True, text=True, check=True
    )
    assert sorted(done.stdout.splitlines()) == sorted(f"{case} None" for case in PEER_CASES)


def test_a_process_that_dies_is_reported_with_the_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(process.ProcessFailed, match="ended with code 1 at the start"):
        list(process.events(measure.Settings()))


@pytest.mark.usefixtures("in_this_process")
def test_everything_is_written_that_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    arguments = ["--filter", "realtime", "--rounds", "2", "--sweeps", "2", "--dtype", "f64"]
    assert run.main([*arguments, "--json", str(tmp_path / "run.json"), "--plot", str(tmp_path / "run.png")]) == 0
    written = record.read(tmp_path / "run.json")
    (this,) = written.results
    assert this.text == "c8_f8_k3_d2_pad4x0_relu_f64@1x64"
    assert this.bytes == 8 * (8 * 64 + 3 * 8 * 8 + 8 + 8 * 64)
    assert set(this.timings) == {"write", "copy", "peak", "compiled", "generic"}
    assert written.options["accuracy"] == "standard"
    assert this.plan.startswith("direct lanes=")
    assert written.machine["cores"] == os.cpu_count()
    assert written.options["threads"] == [1]
    assert {"python", "numpy", "llvmlite", "conv1d_codegen"} <= set(written.versions)
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert "2 sweeps" in capsys.readouterr().out


@pytest.mark.skipif(len(timing.cores()) < 2, reason="one core only")
def test_two_threads_are_measured_beside_one() -> None:
    found = list(process.events(measure.Settings(filter="realtime", rounds=1, sweeps=1, threads=2)))
    limits = record.Limits(**found[0]["limits"])
    assert (limits.threads, len(limits.cores)) == (2, 2)
    assert record.result_from(found[-1]["result"]).ratio("single", "compiled") is not None
