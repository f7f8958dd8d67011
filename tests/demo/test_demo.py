"""The demo: finds the beats of the recording, fails where a layer is wrong, says what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from conv1d_codegen import Conv1D
from conv1d_codegen.__main__ import main
from conv1d_codegen.demo import detector as demo
from conv1d_codegen.demo import network, run, timing
from conv1d_codegen.network import Network


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LONG", (2, 2048))
    monkeypatch.setattr(timing, "ROUNDS", 3)


def test_the_demo_finds_the_beats_and_saves_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "demo.png"
    assert main(["demo", "--output", str(picture)]) == 0
    out, err = capsys.readouterr()
    assert "3 beats, at 0.53, 1.44, 2.36 s: 66 a minute" in out
    assert "3 beats, at 0.53, 1.44, 2.36 s\n" in out  # the network's
    assert str(picture) in out
    assert err == ""
    assert imread(picture).shape[:2] == (1200, 1560)
    assert max(map(len, out.splitlines())) <= max(100, len(f"Picture: {picture}"))


def test_the_demo_without_a_picture_needs_no_matplotlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "find_spec", lambda name: None if name == "matplotlib" else object())
    assert main(["demo", "--no-picture"]) == 0
    assert "66 a minute" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["pywt", "h5py", "matplotlib"])
def test_what_is_missing_is_said_in_one_line(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None if name == missing else object())
    assert main(["demo"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert f"{sys.executable} -m pip install" in err


def test_a_wrong_layer_makes_the_demo_fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    right = Conv1D.__call__
    monkeypatch.setattr(Conv1D, "__call__", lambda self, x, out=None: right(self, x, out) * np.float32(1.0001))
    assert main(["demo", "--no-picture"]) == 1
    assert "float64 reference" in capsys.readouterr().err


def test_a_wrong_network_makes_the_demo_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = Network.__call__
    monkeypatch.setattr(Network, "__call__", lambda self, x, out=None: right(self, x, out) * np.float32(1.0001))
    assert main(["demo", "--no-picture"]) == 1
    assert "The network's result is further from the float64 reference" in capsys.readouterr().err


def test_the_network_finds_in_noise_what_the_filters_do_not() -> None:
    """At -9 dB; 72 and 24 of 100 copies."""
    net, filters, ecg = network.load_network(), demo.detector(), demo.load_ecg()
    beats = np.array([190, 518, 848])
    _, likely, (by_network, by_filters) = run._in_noise(net, filters, ecg, beats, -9)
    assert likely.shape == (run.COPIES, ecg.size)
    assert by_network > 2 * by_filters > 0


def test_the_band_pass_passes_its_band_only() -> None:
    taps = demo.band_pass(181, *demo.BAND)
    frequencies = np.fft.rfftfreq(8192, 1 / demo.RATE)
    gain = np.abs(np.fft.rfft(taps, 8192))
    assert gain[0] < 1e-12
    assert np.all(np.abs(gain[(frequencies > 8.5) & (frequencies < 11.5)] - 1) < 0.01)
    assert np.all(gain[frequencies > 20] < 0.004)


def test_beats_are_the_tallest_peaks_apart() -> None:
    ecg, integrated = np.zeros(1000), np.zeros(1000)
    for at, height in ((200, 1.0), (240, 0.9), (500, 0.8), (800, 0.1)):  # too close to a taller one; too low
        integrated[at] = height
        ecg[at + 5] = height
    assert demo.find_beats(ecg, integrated).tolist() == [205, 505]


def test_errors_are_measured_against_what_rounding_allows() -> None:
    x = demo.load_ecg()[None, None, :]
    for item in demo.detector():
        layer = item.layer()
        y = layer(x)
        assert item.error(layer, x, y) < 1
        y[0, 0, 500] *= 1.001
        assert item.error(layer, x, y) > 1
        x = layer(x)
