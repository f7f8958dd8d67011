"""The demo: finds the beats of the recording, by filters and by a trained network, holds all that is computed against
the reference, and prints what it takes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ..network import Network
from . import network
from .detector import RATE, Array, Filter, detector, find_beats, load_ecg, require
from .timing import LONG, Timing, measure, measure_network

NOISES = (0, -9)  # decibels of signal to noise: white noise of the power of the recording, and of eight times that
COPIES = 100
NEAR = 0.05  # seconds between a beat and where it is found
_MOST_OFF = 1e-5  # of a probability: some 20 roundings, through twelve layers


def run(picture: Path | None) -> int:
    """Run the demo: prints what it finds, saves a picture unless `picture` is None. Gives the exit code: 1 where a
    result is wrong.

    Raises ImportError, with what to install, where PyWavelets, h5py or matplotlib is missing.
    """
    if picture is not None:
        require("matplotlib", "matplotlib")
    require("h5py", "h5py")
    ecg = load_ecg()
    filters = detector()
    print(
        f"An ECG of {ecg.size} samples at {RATE} Hz, {ecg.size / RATE:.1f} s (pywt.data.ecg), through three compiled Conv1D layers:\n"
    )
    print(f"  {'layer':12} {'problem':42} {'largest error ÷ bound':>21}")
    signals, errors = _filtered(filters, ecg)
    for item, error in zip(filters, errors, strict=True):
        print(f"  {item.name:12} {item.layer().problem!s:42} {error:>21.3f}")
    if not max(errors) <= 1:
        print("A layer's result is further from the float64 reference than rounding explains.", file=sys.stderr)
        return 1
    beats = find_beats(ecg, signals[-1])
    pulse = 60 * RATE / float(np.mean(np.diff(beats))) if len(beats) > 1 else float("nan")
    print(f"\n  {_listed(beats)}: {pulse:.0f} a minute\n")

    print("Through a network that was trained on another recording (tools/train_demo.py), in one call:\n")
    net = network.load_network()
    likely = network.probabilities(net, ecg[None])
    off = network.error(net, ecg[None], likely)
    print(f"  {net!r} of {network.FILE.name}: {off:.0e} off the float64 reference at most")
    if not off <= _MOST_OFF:
        print("The network's result is further from the float64 reference than rounding explains.", file=sys.stderr)
        return 1
    print(f"  {_listed(network.find_beats(likely[0]))}")
    for level in NOISES:
        noisy, likely, right = _in_noise(net, filters, ecg, beats, level)
        print(f"  in {COPIES} copies with noise ({level} dB), just these beats: network {right[0]}, filters {right[1]}")
    print()

    timings = []
    batch, samples = LONG
    for repeated in (ecg[None, None, :], np.tile(ecg, (batch, 1, samples // ecg.size))):
        timings.append(measure(filters, repeated))
        _print_timings(timings[-1], repeated)
        seconds = measure_network(net, repeated)
        print(
            f"  {'network':12} {1e6 * seconds:>9.1f}, {repeated.size / RATE / seconds:,.0f} times as fast as it was recorded\n"
        )
    if picture is not None:
        from .picture import draw

        draw(picture, ecg, signals, beats, pulse, filters[0].taps, timings[-1], noisy[0], likely[0])
        print(f"Picture: {picture.resolve()}")
    return 0


def _in_noise(
    net: Network, filters: tuple[Filter, ...], ecg: Array, beats: Array, decibels: float
) -> tuple[Array, Array, tuple[int, int]]:
    """Noisy copies of the recording, the network's probabilities, and in how many copies network and filters find the
    beats and no others.
    """
    noisy = network.noisy(ecg, decibels, COPIES, np.random.default_rng(RATE))
    likely = network.probabilities(net, noisy)
    integrated = noisy[:, None, :]
    for item in filters:
        integrated = item.layer()(integrated)

    def right(found: Array) -> bool:
        return len(found) == len(beats) and bool(np.all(np.abs(found - beats) <= NEAR * RATE))

    by_network = sum(right(network.find_beats(each)) for each in likely)
    by_filters = sum(right(find_beats(x, y)) for x, y in zip(noisy, integrated[:, 0], strict=True))
    return noisy, likely, (by_network, by_filters)


def _filtered(filters: tuple[Filter, ...], ecg: Array) -> tuple[list[Array], list[float]]:
    """What each filter makes of what the one before it has made, and its largest error as a share of its bound."""
    signals, errors = [ecg[None, None, :]], []
    for item in filters:
        layer = item.layer()
        signals.append(layer(signals[-1]))
        errors.append(item.error(layer, signals[-2], signals[-1]))
    return [signal[0, 0] for signal in signals[1:]], errors


def _listed(beats: Array) -> str:
    """The number of beats, and when they are."""
    return f"{len(beats)} beats, at {', '.join(f'{beat / RATE:.2f}' for beat in beats)} s"


def _print_timings(timings: list[Timing], x: Array) -> None:
    print(f"Time in µs, one thread, {x.shape[0]} x {x.shape[2]} samples:\n")
    print(f"  {'layer':12} {'compiled':>9} {'generic kernel':>15} {'':>7} {'np.convolve':>12}")
    for row in timings:
        print(
            f"  {row.name:12} {1e6 * row.compiled:>9.1f} {1e6 * row.generic:>15.1f} {row.generic / row.compiled:>6.1f}x"
            f" {1e6 * row.numpy:>12.1f} {row.numpy / row.compiled:>6.1f}x"
        )
