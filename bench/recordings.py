"""What windows do to quiet steps beside loud ones: errors of the direct algorithm and Cook–Toom on recordings, with
clicks and without.

A recording goes through 64 random filters of 7 taps, in float64, as a network's first layer would do it; what is
measured is the second layer, of 64 channels, 64 filters and 3 taps, in float32, against sums in float64. A click is one
sample in 300, as often up as down.
"""

from __future__ import annotations

import importlib.util
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.machine.target import Target
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.problem import Problem
from conv1d_codegen.reference import convolution as reference

Array = np.ndarray[Any, Any]
PROBLEM = Problem.parse("c64_f64_k3_valid_linear_f32_nobias")
CLICKS = (0.0, 1.0, 10.0, 100.0, 1e4)  # times the recording's largest sample
_EVERY, _TAPS, _LONGEST = 300, 7, 20_000


@dataclass(frozen=True, slots=True)
class Found:
    """Of one algorithm: the largest error as a share of the bound, how many outputs are beyond it, and what steps are
    off by, relatively.

    The error of a step is its largest, ÷ the root mean square of its outputs: the median over steps, and the largest.
    """

    share: float
    beyond: float
    median: float
    largest: float

    def __str__(self) -> str:
        return f"{self.share:10.2f} {100 * self.beyond:6.2f} % {self.median:8.0e} {self.largest:8.0e}"


def recordings(files: Sequence[Path]) -> Iterator[tuple[str, Array]]:
    """Those of packages that are installed, an ECG of PyWavelets and a seismogram of ObsPy, and the WAV files that are
    named.
    """
    if importlib.util.find_spec("pywt"):
        import pywt.data

        yield "ECG", pywt.data.ecg().astype(np.float64)
    obspy = importlib.util.find_spec("obspy")
    if obspy and obspy.submodule_search_locations:
        with np.load(Path(obspy.submodule_search_locations[0]) / "core" / "data" / "example.npz") as traces:
            yield "seismogram", traces["EHZ"].astype(np.float64)
    for file in files:
        with wave.open(str(file)) as audio:
            if audio.getsampwidth() != 2:
                raise ValueError(f"{file} has {audio.getsampwidth()} bytes a sample; WAV files of 16 bits are taken.")
            samples = np.frombuffer(audio.readframes(_LONGEST), "<i2")[:: audio.getnchannels()]
        yield file.stem, samples.astype(np.float64)


def with_clicks(recording: Array, factor: float) -> Array:
    """A recording around zero, some of its samples replaced by ± `factor` times its largest; with
    factor 0, as it is.
    """
    signal: Array = recording - np.median(recording)
    if factor:
        places = np.arange(_EVERY // 2, signal.size, _EVERY)
        signal[places] = factor * np.abs(signal).max() * (-1.0) ** np.arange(places.size)
    return signal


def layer_input(signal: Array) -> Array:
    """What a first layer makes of a signal: `(1, steps, 64)` of mean square 1."""
    filters = np.random.default_rng(0).standard_normal((PROBLEM.channels, _TAPS))
    outputs = np.stack([np.convolve(signal, taps, "valid") for taps in filters], axis=1)
    return np.asarray(outputs / np.sqrt(np.mean(outputs**2)), np.float32)[None]


def measure(x: Array, algorithm: str, target: Target) -> Found:
    """The errors of one algorithm."""
    weights = np.random.default_rng(1).standard_normal(PROBLEM.kernel_shape).astype(np.float32)
    kernel = compile_problem(PROBLEM, CompileOptions(algorithm, target=target)).kernel
    steps = PROBLEM.output_length(x.shape[1])
    y = np.empty((1, steps, PROBLEM.filters), np.float32)
    kernel(x, kernel.pack(weights, None), y)
    wide = x[0].astype(np.float64)
    exact = sum(wide[j : j + steps] @ tap for j, tap in enumerate(weights.astype(np.float64)))
    error = np.abs(y[0] - exact)
    share = error / reference.error_bound(x, weights, None, PROBLEM)[0]
    of_step = error.max(axis=1) / np.sqrt(np.mean(np.square(exact), axis=1))
    return Found(float(share.max()), float(np.mean(share > 1)), float(np.median(of_step)), float(of_step.max()))


def table(files: Sequence[Path], target: Target) -> Iterator[str]:
    """The lines of what is found."""
    plan = compile_problem(PROBLEM, CompileOptions("cook_toom", target=target)).plan
    titles = f"{'share':>10} {'beyond':>8} {'median':>8} {'largest':>8}"
    yield f"{target}\n{PROBLEM} behind a first layer, directly and with F({plan.outputs},{plan.taps}): the largest error as a share"
    yield "of the bound, outputs beyond it, and errors of steps relative to their own size.\n"
    yield f"{'recording':12} {'clicks':>8} {titles} {titles}"
    for name, recording in recordings(files):
        for factor in CLICKS:
            x = layer_input(with_clicks(recording, factor))
            yield f"{name:12} {factor:8g} {measure(x, 'direct', target)} {measure(x, 'cook_toom', target)}"
