"""The demo: heartbeats in a recorded ECG, found by compiled Conv1D layers.

The detector is that of J. Pan and W. J. Tompkins, "A real-time QRS detection algorithm", IEEE Transactions on
Biomedical Engineering BME-32(3), 1985, each of its filters a layer: band-pass of 5 to 15 Hz, five-point derivative,
squaring (as an activation), integration over 150 ms. A fixed threshold replaces its adaptive ones. The filters are
centred ("same"), so peaks stay where the beats are.

The signal is `pywt.data.ecg()`, which PyWavelets documents as "1024 points of an ECG timeseries", without a sampling
rate. 360 Hz is taken: between the beats lies a ripple with a period of 6 samples, which is then the 60 Hz of the mains.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import reference
from ..layers.conv1d import Conv1D
from ..options import CompileOptions

Array = NDArray[Any]

RATE = 360  # samples a second
BAND = (5.0, 15.0)  # Hz: where most of the energy of a heartbeat's QRS complex lies
INTEGRATION = 0.15  # seconds, about as long as the widest QRS complex
REFRACTORY = 0.2  # seconds after a beat in which no other can come
THRESHOLD = 0.3  # of the highest peak


@dataclass(frozen=True)
class Filter:
    """One layer of the detector. `slope(a)` is the steepest that the activation is between -a and a: it carries errors
    through it.
    """

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
        """The largest error of `y`, the layer's output for `x`, as a share of what rounding allows there: up to 1 is
        right.
        """
        exact = reference.conv1d(x, layer.kernel, None, layer.problem)
        # `error_bound` counts on roundings that go both ways. In a slow signal many go the same way: up to one a term
        # then (N. Higham, Accuracy and Stability of Numerical Algorithms, §4.2), where it allows 8.
        bound = reference.error_bound(x, layer.kernel, None, layer.problem) * max(1.0, len(self.taps) / 8)
        bound *= self.slope(np.abs(exact) + bound)
        if self.activation is not None:
            exact = self.activation(exact)
            bound += 2.0**-23 * np.abs(exact)  # its own rounding
        return float(np.max(np.abs(y - exact) / np.maximum(bound, np.finfo(np.float32).tiny)))


def band_pass(length: int, low: float, high: float) -> Array:
    """Taps that keep `low` to `high` Hz: the ideal response's, cut off by a Hamming window, without any response to a
    constant.
    """
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
    """The recording, in its own units, its median at zero. Raises ImportError, with what to
    install, without PyWavelets.
    """
    require("pywt", "PyWavelets")
    import pywt.data

    signal = pywt.data.ecg()
    return np.asarray(signal - np.median(signal), np.float32)


def find_beats(ecg: Array, integrated: Array, threshold: float | None = None) -> Array:
    """The samples at which the heart beats: the tallest peaks of `integrated` above `threshold`, by default THRESHOLD of
    the highest, none within the refractory period of another, each moved to the maximum of the ECG nearby.
    """
    if threshold is None:
        threshold = THRESHOLD * integrated.max()
    inner = integrated[1:-1]
    peaks = 1 + np.flatnonzero((inner > integrated[:-2]) & (inner >= integrated[2:]) & (inner > threshold))
    beats: list[int] = []
    for peak in peaks[np.argsort(-integrated[peaks])]:
        if all(abs(peak - beat) > REFRACTORY * RATE for beat in beats):
            beats.append(int(peak))
    reach = round(INTEGRATION * RATE / 2)
    starts = [max(0, beat - reach) for beat in sorted(beats)]
    return np.array([start + int(np.argmax(ecg[start : start + 2 * reach + 1])) for start in starts], np.int64)


def require(module: str, package: str) -> None:
    """Raises ImportError, with what to install, where a module of a package is not there."""
    if find_spec(module) is None:
        raise ImportError(
            f"the demo needs {package}, which is not installed: run `{sys.executable} -m pip install PyWavelets h5py matplotlib`"
        )
