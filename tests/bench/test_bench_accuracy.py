"""The bench that holds the error model of Cook–Toom against measured errors."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from bench import accuracy, recordings
from conv1d_codegen.machine.host import host
from conv1d_codegen.toom.algorithm import algorithm
from conv1d_codegen.toom.error import amplification
from conv1d_codegen.toom.nested import USUAL, algorithm_of


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few outputs, and one number of channels."""
    monkeypatch.setattr(accuracy, "STEPS", {"f32": 512, "f64": 64})
    monkeypatch.setattr(accuracy, "CHANNELS", (64,))
    accuracy._share.cache_clear()
    accuracy._data.cache_clear()


def test_the_algorithms_are_those_that_save_something() -> None:
    usual, every = accuracy.algorithms(), accuracy.algorithms(every=True)
    of_one_level = {(each.outputs, each.taps) for each in usual if not each.levels}
    assert of_one_level == {(m, r) for r in range(2, 6) for m in range(2, 8) if m + r - 1 <= 8}
    assert [each for each in usual if each.levels] == [algorithm_of(*form) for form in USUAL]
    assert set(usual) < set(every)
    assert all(each.multiplications < each.outputs * each.taps for each in every)
    assert [str(each) for each in accuracy.algorithms(text="(5,4")] == ["F(5,4)"]
    assert [str(each) for each in accuracy.algorithms(text="⊗ F(5,")] == [
        "F(4,4) ⊗ F(5,2)",
        "F(3,3) ⊗ F(5,3)",
        "F(4,4) ⊗ F(5,3)",
    ]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_errors_are_measured_in_units_of_the_bound(dtype: str) -> None:
    small, large = (accuracy.measure(algorithm(m, 3), 64, dtype, host()) for m in (2, 6))
    assert small == accuracy.measure(algorithm(2, 3), 64, dtype, host())
    assert small.direct == large.direct < 1
    assert 0.5 < small.measured / small.predicted < 2
    assert 0.5 < large.measured / large.predicted < 2
    assert large.measured > 2 * small.measured


def test_exact_sums_are_wider_than_what_they_are_held_against() -> None:
    x, weights = np.ones((1, 4, 1)), np.full((2, 1, 1), 1 + 2.0**-52)
    x[0, 1:] = 2.0**-8
    for dtype, wider in ((np.float32, np.float64), (np.float64, np.longdouble)):
        exact = accuracy.exact_sums(x.astype(dtype), weights.astype(dtype))
        assert (exact.dtype, exact.shape) == (wider, (1, 3, 1))
    if np.finfo(np.longdouble).nmant > 52:
        assert exact[0, 0, 0] != np.float64(exact[0, 0, 0])


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("form", [(12, 9, (3,)), (12, 8, (4,))])
def test_nested_errors_are_about_as_predicted(form: tuple[int, int, tuple[int, ...]]) -> None:
    found = accuracy.measure(algorithm_of(*form), 64, "f32", host())
    assert 0.4 < found.measured / found.predicted < 1.3
    assert found.measured < 1


@pytest.mark.usefixtures("few")
def test_the_table_has_the_model_beside_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert accuracy.main(["--filter", "F(4,3)"]) == 0
    lines = capsys.readouterr().out.splitlines()
    name, multiplications, worst, *shares = next(line for line in lines if line.startswith("F(4,3)")).split()
    assert (name, multiplications, worst) == ("F(4,3)", "6", f"{amplification(algorithm(4, 3)):.1f}")
    predicted, measured, direct = map(float, shares)
    assert 0.5 < measured / predicted < 2
    assert 0 < direct < 1
    assert lines[-1].startswith(f"Found ÷ model: {measured / predicted:.1f}"[:17])
    assert accuracy.main(["--filter", "F(99,"]) == 2


def test_windows_keep_the_bound_on_a_recording_and_not_beside_clicks(capsys: pytest.CaptureFixture[str]) -> None:
    """The finding for which they are used only where they are asked for (bench/pages/results.md): if this
    fails, think again.
    """
    pytest.importorskip("pywt")
    found = {}
    for name, recording in recordings.recordings([]):
        for factor in (0.0, 10.0):
            x = recordings.layer_input(recordings.with_clicks(recording, factor))
            found[name, factor] = [recordings.measure(x, algorithm, host()) for algorithm in ("direct", "cook_toom")]
    direct, windows = found["ECG", 0.0]
    assert direct.share < 1
    assert windows.share < 1
    assert windows.median < direct.median
    direct, windows = found["ECG", 10.0]
    assert direct.share < 1.5
    assert direct.largest < 1e-5
    assert windows.share > 5
    assert windows.largest > 10 * direct.largest
    assert 0 < windows.beyond < 0.05
    assert accuracy.main(["--recordings"]) == 0
    assert sum(line.startswith("ECG") for line in capsys.readouterr().out.splitlines()) == len(recordings.CLICKS)


def test_wav_files_are_recordings(tmp_path: Path) -> None:
    for width in (2, 1):
        with wave.open(str(tmp_path / f"{width}.wav"), "wb") as audio:
            audio.setparams((2, width, 8000, 0, "NONE", ""))
            audio.writeframes(np.array([1, -1, 500, -500], "<i2").tobytes())
    assert list(recordings.recordings([tmp_path / "2.wav"]))[-1][1].tolist() == [1, 500]
    with pytest.raises(ValueError, match="1 bytes a sample"):
        list(recordings.recordings([tmp_path / "1.wav"]))
