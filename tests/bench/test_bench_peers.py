"""The bench's peers: each computes what we do, and one that is missing, wrong or fails is named."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench import run
from conv1d_codegen import Problem
from conv1d_codegen.benchmark import peers

TOP = Path(__file__).resolve().parents[2]


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
    monkeypatch.setattr(peers, "missing", lambda names, needs: [])
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
from bench import shapes
from conv1d_codegen.benchmark import measure

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
