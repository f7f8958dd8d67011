"""`conv1d-codegen bench`: which cases a user's arguments name, and what it says of those that are none."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import conv1d_codegen as cc
from conv1d_codegen.__main__ import main
from conv1d_codegen.benchmark import measure, own, record
from conv1d_codegen.benchmark.cases import Case
from conv1d_codegen.benchmark.convolutions import convolutions

CASE = "c8_f8_k3_d2_causal_elu(alpha=0.5)_f32@2x40"


def cases(*arguments: str) -> list[Case]:
    parser = argparse.ArgumentParser()
    own.add_cases(parser)
    parser.add_argument("--filter", default="")
    return own.cases_of(parser, parser.parse_args(arguments))


def network() -> cc.Network:
    """Two equal convolutions, a strided one, and one of a vector."""
    x = cc.Input(3)
    y = cc.Conv1D(4, 5, padding="same", activation="relu")(x)
    for _ in range(2):
        y = cc.Conv1D(4, 3, padding="causal", activation="tanh")(y)
    return cc.Network(x, cc.Conv1D(6, 2, strides=2)(y))


@pytest.mark.quick
def test_a_case_is_what_its_text_says() -> None:
    (case,) = cases(CASE)
    assert str(case) == CASE
    assert (case.batch, case.length, case.kind) == (2, 40, "own")
    assert [each.name for each in cases(CASE, CASE.replace("@2x40", "@2x41"))] == [CASE, CASE.replace("@2x40", "@2x41")]
    layer = case.layer()
    assert layer.activation.keywords == {"alpha": 0.5}
    assert layer.padding == "causal"
    assert layer(case.inputs()).shape == case.output().shape


@pytest.mark.parametrize("dtype", ["f16", "f64", "f32"])
def test_a_layer_of_any_type_has_weights_and_inputs_of_it(dtype: str) -> None:
    (case,) = cases(f"c4_f6_k2_valid_linear_{dtype}_first_nobias@1x9")
    layer, wanted = case.layer(), {"f16": np.float16, "f64": np.float64, "f32": np.float32}[dtype]
    assert case.inputs().dtype == case.output().dtype == layer.kernel.dtype == wanted
    assert layer.bias is None
    assert case.inputs().std() > 0.5


def test_a_network_gives_each_convolution_once(tmp_path: Path) -> None:
    cc.save(network(), tmp_path / "small.cc")
    found = cases(str(tmp_path / "small.cc"), "--batch", "2", "--length", "50")
    assert [case.name for case in found] == ["small/1", "small/2 ×2", "small/3"]
    assert [(case.batch, case.length, case.problem.kernel_size) for case in found] == [
        (2, 50, 5),
        (2, 50, 3),
        (2, 50, 2),
    ]
    assert str(found[1].problem.activation) == "tanh"
    assert convolutions(network(), 2, 50).total() == 4
    assert [case.name for case in cases(str(tmp_path / "small.cc"), "--length", "50", "--filter", "tanh")] == [
        "small/2 ×2"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["c8_f8_k3_valid_relu_f32"], "needs the size of its inputs: c8_f8_k3_valid_relu_f32@BATCHxLENGTH"),
        (["c8_f8_k3_valid_relu_f32@1x2"], "inputs of 2 steps are shorter than the 3 that it reaches over"),
        (["c8_f8_k3_valid_relu_f32@1"], "Expected PROBLEM@BATCHxLENGTH"),
        (["c8_f8_k3_valid_relu_f32@0x8"], "a batch of 0 sequences has nothing to measure"),
        (["c8_f8_k3_valid_shrug_f32@1x8"], "shrug"),
        (["nowhere.onnx"], "nowhere.onnx"),
        (["{network}"], "takes inputs of any length: say of which, such as --length 1000"),
        (["{network}", "--length", "1"], "gets 1 and makes none: measure with longer ones"),
        (["{network}", "--length", "9", "--batch", "0"], "1 or more is needed, not '0'"),
        (["{network}", "--length", "9", "--filter", "gelu"], "none of 3 cases contains 'gelu'"),
        (["{empty}", "--length", "9"], "has no convolutions"),
    ],
)
def test_what_is_no_case_is_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = cc.Input(3)
    files = {"network": tmp_path / "small.cc", "empty": tmp_path / "empty.cc"}
    cc.save(network(), files["network"])
    cc.save(cc.Network(x, x + x), files["empty"])
    with pytest.raises(SystemExit) as stop:
        main(["bench", *(text.format(**files) for text in arguments), "--quick"])
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_the_command_measures_checks_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a process of its own, that has neither this folder nor the checkout's `bench`."""
    half = "c8_f8_k3_valid_linear_f16_first_nobias@1x30"
    assert main(["bench", CASE, half, "--quick", "--json", str(tmp_path / "run.json")]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1].startswith("2 cases in ")
    results = record.read(tmp_path / "run.json").results
    assert [result.text for result in results] == [CASE, half]
    assert all({"compiled", "generic", "write", "copy"} <= set(result.timings) for result in results)
    assert main(["bench", "compare", str(tmp_path / "run.json"), str(tmp_path / "run.json")]) == 0
    assert "times the time" in capsys.readouterr().out


def test_the_command_says_which_convolutions_a_network_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cc.save(network(), tmp_path / "small.cc")
    told = [str(tmp_path / "small.cc"), "--length", "50", "--filter", "tanh"]
    assert main(["bench", *told, "--quick"]) == 0
    (case,) = cases(*told)
    assert capsys.readouterr().out.startswith(f"small/2 ×2   {case}\n")


@pytest.mark.parametrize("text", ["c4_f6_k3_causal_tanh_f32@2x20", "c4_f6_k3_s2_same_linear_f32_first_nobias@1x21"])
@pytest.mark.parametrize("name", ["torch", "onnxruntime"])
def test_peers_compute_any_layer(name: str, text: str) -> None:
    for module in {"torch": ("torch",), "onnxruntime": ("onnxruntime", "onnx")}[name]:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    (case,) = cases(text)
    call, fault = measure.peer_candidate(name, case, case.layer(), case.inputs(), 1)
    call()
    assert fault is None


def test_a_module_that_torch_exported(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Conv1d(3, 5, 4), torch.nn.ReLU()).eval()
    torch.export.save(torch.export.export(module, (torch.zeros(1, 3, 40),)), tmp_path / "module.pt2")
    (case,) = cases(str(tmp_path / "module.pt2"))
    assert str(case) == "c3_f5_k4_valid_relu_f32@1x40"
