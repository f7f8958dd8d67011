"""The demo: heartbeats in a recorded ECG, found by compiled Conv1D layers.

The detector is that of J. Pan and W. J. Tompkins, "A real-time QRS detection algorithm", IEEE Transactions on Biomedical Engineering
BME-32(3), 1985, each of its filters a layer: band-pass of 5 to 15 Hz, five-point derivative, squaring (as an activation), integration
over 150 ms. A fixed threshold replaces its adaptive ones. The filters are centred ("same"), so peaks stay where the beats are.

The signal is `pywt.data.ecg()`, which PyWavelets documents as "1024 points of an ECG timeseries", without a sampling rate. 360 Hz is
taken: between the beats lies a ripple with a period of 6 samples, which is then the 60 Hz of the mains.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import reference
from .layer import Conv1D
from .options import CompileOptions

Array = NDArray[Any]

RATE = 360  # samples a second
BAND = (5.0, 15.0)  # Hz: where most of the energy of a heartbeat's QRS complex lies
INTEGRATION = 0.15  # seconds, about as long as the widest QRS complex
REFRACTORY = 0.2  # seconds after a beat in which no other can come
THRESHOLD = 0.3  # of the highest peak
LONG = (4, 65536)  # recordings and samples of the batch that is timed: 12 minutes of ECG
ROUNDS = 11


@dataclass(frozen=True)
class Filter:
    """One layer of the detector. `slope(a)` is the steepest that the activation is between -a and a: it carries errors through it."""

    name: str
    taps: Array
    activation: Callable[[Array], Array] | None = None
    slope: Callable[[Array], Array] = np.ones_like

    def layer(self, algorithm: str = "auto") -> Conv1D:
        """A built layer that filters signals of shape (batch, 1, samples)."""
        layer = Conv1D(
            1,
            len(self.taps),
            padding="same",
            data_format="channels_first",
            activation=self.activation,
            use_bias=False,
            weights=[self.taps.astype(np.float32)[:, None, None]],
            options=CompileOptions(algorithm=algorithm, num_threads=1),
        )
        layer.build((None, 1, None))
        return layer

    def error(self, layer: Conv1D, x: Array, y: Array) -> float:
        """The largest error of `y`, the layer's output for `x`, as a share of what rounding allows there: up to 1 is right."""
        exact = reference.conv1d(x, layer.kernel, None, layer.problem)
        # `error_bound` counts on roundings that go both ways. In a slow signal many go the same way: up to one a term then (N. Higham,
        # Accuracy and Stability of Numerical Algorithms, §4.2), where it allows 8.
        bound = reference.error_bound(x, layer.kernel, None, layer.problem) * max(1.0, len(self.taps) / 8)
        bound *= self.slope(np.abs(exact) + bound)
        if self.activation is not None:
            exact = self.activation(exact)
            bound += 2.0**-23 * np.abs(exact)  # its own rounding
        return float(np.max(np.abs(y - exact) / np.maximum(bound, np.finfo(np.float32).tiny)))


def band_pass(length: int, low: float, high: float) -> Array:
    """Taps that keep `low` to `high` Hz: the ideal response's, cut off by a Hamming window, without any response to a constant."""
    seconds = (np.arange(length) - (length - 1) / 2) / RATE
    ideal = 2 * high * np.sinc(2 * high * seconds) - 2 * low * np.sinc(2 * low * seconds)
    window = np.hamming(length)
    taps = ideal * window / RATE
    return np.asarray(taps - window * taps.sum() / window.sum())


def detector() -> tuple[Filter, ...]:
    """The layers, in their order."""
    width = round(INTEGRATION * RATE)
    return (
        Filter("band-pass", band_pass(181, *BAND)),
        Filter("derivative²", np.array([-1.0, -2.0, 0.0, 2.0, 1.0]) / 8, np.square, lambda most: 2 * most),
        Filter("integration", np.full(width, 1 / width)),
    )


def load_ecg() -> Array:
    """The recording, in its own units, its median at zero. Raises ImportError, with what to install, without PyWavelets."""
    _require("pywt", "PyWavelets")
    import pywt.data

    signal = pywt.data.ecg()
    return np.asarray(signal - np.median(signal), np.float32)


def find_beats(ecg: Array, integrated: Array) -> Array:
    """The samples at which the heart beats: the tallest peaks first, none within the refractory period of another, each moved to the
    maximum of the ECG nearby."""
    inner = integrated[1:-1]
    peaks = 1 + np.flatnonzero((inner > integrated[:-2]) & (inner >= integrated[2:]) & (inner > THRESHOLD * integrated.max()))
    beats: list[int] = []
    for peak in peaks[np.argsort(-integrated[peaks])]:
        if all(abs(peak - beat) > REFRACTORY * RATE for beat in beats):
            beats.append(int(peak))
    reach = round(INTEGRATION * RATE / 2)
    starts = [max(0, beat - reach) for beat in sorted(beats)]
    return np.array([start + int(np.argmax(ecg[start : start + 2 * reach + 1])) for start in starts], np.int64)


def seconds_each(calls: list[Callable[[], object]]) -> list[float]:
    """The median processor time of each call, taken by turns so that what disturbs one disturbs all."""
    repeats = []
    for call in calls:
        call()
        repeats.append(1 + int(1e-3 / max(_seconds(call, 1), 1e-6)))
    rounds = [[_seconds(call, count) for call, count in zip(calls, repeats, strict=True)] for _ in range(ROUNDS)]
    return [median(times) for times in zip(*rounds, strict=True)]


def _seconds(call: Callable[[], object], count: int) -> float:
    start = time.thread_time()
    for _ in range(count):
        call()
    return (time.thread_time() - start) / count


@dataclass(frozen=True)
class Timing:
    """Seconds that one filter takes over an input."""

    name: str
    compiled: float
    generic: float
    numpy: float


def _in_numpy(item: Filter, x: Array, y: Array) -> None:
    """A filter without this package; `np.convolve` turns the taps round and takes one signal at a time."""
    taps = item.taps[::-1].astype(np.float32)
    for n in range(len(x)):
        y[n, 0] = np.convolve(x[n, 0], taps, "same")
    if item.activation is not None:
        y[...] = item.activation(y)


def _time(filters: tuple[Filter, ...], signal: Array) -> list[Timing]:
    """Times each filter over the output of the one before it. `signal`: (batch, 1, samples)."""
    timings = []
    x = signal
    for item in filters:
        compiled, generic = item.layer(), item.layer("generic")
        y, z = compiled(x), np.empty_like(x)
        calls: list[Callable[[], object]] = [
            partial(compiled, x, out=z),
            partial(generic, x, out=z),
            partial(_in_numpy, item, x, z),
        ]
        timings.append(Timing(item.name, *seconds_each(calls)))
        x = y
    return timings


def run(picture: Path | None) -> int:
    """Run the demo: prints what it finds, saves a picture unless `picture` is None. Gives the exit code: 1 where a result is wrong.

    Raises ImportError, with what to install, where PyWavelets or matplotlib is missing.
    """
    if picture is not None:
        _require("matplotlib", "matplotlib")
    ecg = load_ecg()
    filters = detector()
    print(f"An ECG of {ecg.size} samples at {RATE} Hz, {ecg.size / RATE:.1f} s (pywt.data.ecg), through three compiled Conv1D layers:\n")
    print(f"  {'layer':12} {'problem':42} {'largest error ÷ bound':>21}")
    signals, errors = [ecg[None, None, :]], []
    for item in filters:
        layer = item.layer()
        signals.append(layer(signals[-1]))
        errors.append(item.error(layer, signals[-2], signals[-1]))
        print(f"  {item.name:12} {layer.problem!s:42} {errors[-1]:>21.3f}")
    if not max(errors) <= 1:
        print("A layer's result is further from the float64 reference than rounding explains.", file=sys.stderr)
        return 1

    beats = find_beats(ecg, signals[-1][0, 0])
    pulse = 60 * RATE / float(np.mean(np.diff(beats))) if len(beats) > 1 else float("nan")
    print(f"\n  {len(beats)} beats, at {', '.join(f'{beat / RATE:.2f}' for beat in beats)} s: {pulse:.0f} a minute\n")

    timings = []
    batch, samples = LONG
    for repeated in (ecg[None, None, :], np.tile(ecg, (batch, 1, samples // ecg.size))):
        timings.append(_time(filters, repeated))
        _print_timings(timings[-1], repeated)
    if picture is not None:
        from .demo_picture import draw

        draw(picture, ecg, [signal[0, 0] for signal in signals[1:]], beats, pulse, filters[0].taps, timings[-1])
        print(f"Picture: {picture.resolve()}")
    return 0


def _print_timings(timings: list[Timing], x: Array) -> None:
    print(f"Time in µs, one thread, {x.shape[0]} x {x.shape[2]} samples:\n")
    print(f"  {'layer':12} {'compiled':>9} {'generic kernel':>15} {'':>7} {'np.convolve':>12}")
    for row in timings:
        print(
            f"  {row.name:12} {1e6 * row.compiled:>9.1f} {1e6 * row.generic:>15.1f} {row.generic / row.compiled:>6.1f}x"
            f" {1e6 * row.numpy:>12.1f} {row.numpy / row.compiled:>6.1f}x"
        )
    print()


def _require(module: str, package: str) -> None:
    if find_spec(module) is None:
        raise ImportError(f"the demo needs {package}, which is not installed: run `{sys.executable} -m pip install PyWavelets matplotlib`")
