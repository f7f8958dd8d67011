"""The demo: finds the beats of the recording, checks every layer against the reference, and prints what each takes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from .detector import RATE, Array, detector, find_beats, load_ecg, require
from .timing import LONG, Timing, measure


def run(picture: Path | None) -> int:
    """Run the demo: prints what it finds, saves a picture unless `picture` is None. Gives the exit code: 1 where a
    result is wrong.

    Raises ImportError, with what to install, where PyWavelets or matplotlib is missing.
    """
    if picture is not None:
        require("matplotlib", "matplotlib")
    ecg = load_ecg()
    filters = detector()
    print(
        f"An ECG of {ecg.size} samples at {RATE} Hz, {ecg.size / RATE:.1f} s (pywt.data.ecg), through three compiled Conv1D layers:\n"
    )
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
        timings.append(measure(filters, repeated))
        _print_timings(timings[-1], repeated)
    if picture is not None:
        from .picture import draw

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
