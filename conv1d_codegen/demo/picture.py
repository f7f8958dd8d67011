"""The picture of the demo: the signal after each layer, the beats found in it, the band-pass filter, and the times."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .detector import BAND, INTEGRATION, RATE, THRESHOLD
from .network import find_beats
from .timing import LONG, Timing

Array = NDArray[Any]
_SIGNAL, _BEAT, _FAINT = "#1f4e79", "#c0392b", "#8a96a3"


def draw(
    picture: Path,
    ecg: Array,
    signals: list[Array],
    beats: Array,
    pulse: float,
    taps: Array,
    timings: list[Timing],
    noisy: Array,
    likely: Array,
) -> None:
    """Draws `ecg`, what the three layers made of it, how `likely` the network finds a beat at each sample of `noisy`, and
    the rest, and saves it; the file's ending says in which format.
    """
    figure = Figure(figsize=(13, 10), dpi=120, layout="constrained")
    grid = figure.add_gridspec(4, 2, width_ratios=(2.6, 1))
    seconds = np.arange(ecg.size) / RATE
    band = f"{BAND[0]:.0f} to {BAND[1]:.0f} Hz"
    titles = (
        f"ECG (pywt.data.ecg): {len(beats)} beats found, {pulse:.0f} a minute",
        f"after the band-pass layer, {band}",
        f"after the derivative, squaring and integration layers, {1000 * INTEGRATION:.0f} ms",
    )
    first: Axes | None = None
    for row, (title, signal) in enumerate(zip(titles, (ecg, signals[0], signals[-1]), strict=True)):
        axes = figure.add_subplot(grid[row, 0], sharex=first)
        first = first or axes
        axes.plot(seconds, signal, color=_SIGNAL, linewidth=1.3)
        for beat in beats:
            axes.axvline(beat / RATE, color=_BEAT, linewidth=0.8, linestyle=":")
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_ylabel("recorded units" + ("²" if row == 2 else ""))
        axes.margins(x=0)
        if row == 0:
            axes.plot(beats / RATE, ecg[beats], "v", color=_BEAT, markersize=8)
            for left, right in pairwise(beats):
                text = f"{(right - left) / RATE:.2f} s"
                axes.text((left + right) / 2 / RATE, 0.8 * ecg.max(), text, ha="center", color=_BEAT)
        if row == 2:
            axes.axhline(THRESHOLD * signal.max(), color=_FAINT, linewidth=1, linestyle="--")
            axes.text(seconds[-1], THRESHOLD * signal.max(), "threshold ", ha="right", va="bottom", color=_FAINT)
    _likely(figure.add_subplot(grid[3, 0], sharex=first), noisy, likely)
    _taps(figure.add_subplot(grid[0, 1]), taps)
    _response(figure.add_subplot(grid[1, 1]), taps)
    _times(figure.add_subplot(grid[2:, 1]), timings)
    figure.savefig(picture)


def _likely(axes: Axes, noisy: Array, likely: Array) -> None:
    beats = find_beats(likely)
    seconds = np.arange(noisy.size) / RATE
    axes.plot(seconds, noisy, color=_FAINT, linewidth=0.6)
    axes.set_title(
        f"the ECG with noise, and the beats that the trained network finds in it: {len(beats)}", loc="left", fontsize=11
    )
    axes.set_ylabel("recorded units")
    axes.set_xlabel("seconds")
    probability = axes.twinx()
    probability.fill_between(seconds, likely, color=_BEAT, alpha=0.3, linewidth=0)
    probability.plot(beats / RATE, likely[beats], "v", color=_BEAT, markersize=8)
    probability.set_ylim(0, 1.15)
    probability.set_ylabel("probability")


def _taps(axes: Axes, taps: Array) -> None:
    axes.plot(1000 * (np.arange(len(taps)) - len(taps) // 2) / RATE, taps, color=_SIGNAL, linewidth=1.3)
    axes.set_title(f"the band-pass layer's kernel, {len(taps)} taps", loc="left", fontsize=11)
    axes.set_xlabel("milliseconds")
    axes.margins(x=0)


def _response(axes: Axes, taps: Array) -> None:
    frequencies = np.fft.rfftfreq(8192, 1 / RATE)
    gain = 20 * np.log10(np.maximum(np.abs(np.fft.rfft(taps, 8192)), 1e-6))
    axes.axvspan(*BAND, color="#dbe9f4")
    axes.axvline(60, color=_FAINT, linewidth=1, linestyle="--")
    axes.text(59, 0, "mains", color=_FAINT, ha="right", va="top")
    axes.plot(frequencies, gain, color=_SIGNAL, linewidth=1.3)
    axes.set(xlim=(0, 70), ylim=(-90, 6), xlabel="Hz", ylabel="gain, dB")
    axes.set_title("... and its frequency response", loc="left", fontsize=11)


def _times(axes: Axes, timings: list[Timing]) -> None:
    rows = np.arange(len(timings))
    kinds = [
        ("compiled", [t.compiled for t in timings], _SIGNAL),
        ("np.convolve", [t.numpy for t in timings], _FAINT),
        ("generic kernel", [t.generic for t in timings], "#c9d1d9"),
    ]
    for place, (name, seconds, colour) in enumerate(kinds):
        values = [1e3 * value for value in seconds]
        bars = axes.barh(rows + 0.27 * (place - 1), values, 0.26, color=colour)
        axes.bar_label(bars, [f"{value:.2f} {name}" for value in values], padding=3, fontsize=8)
    axes.set_yticks(rows, [t.name for t in timings])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(right=1e3 * max(t.generic for t in timings) * 40)  # room for the last label
    axes.set_xlabel("milliseconds")
    axes.set_title("time for {} x {} samples".format(*LONG), loc="left", fontsize=11)
