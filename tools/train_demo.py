"""Trains the network of the demo, `conv1d_codegen/demo/beats.keras`, on five minutes of a real ECG.

    python -m pip install keras torch "scipy<1.12" -e ".[demo]"
    KERAS_BACKEND=torch python tools/train_demo.py

The signal is `scipy.misc.electrocardiogram`, which SciPy's wheels held up to 1.11: minutes 19:35 to 24:35 of lead MLII of
record 208 of the MIT-BIH Arrhythmia Database, at 360 Hz (G. B. Moody and R. G. Mark, "The impact of the MIT-BIH
Arrhythmia Database", IEEE Engineering in Medicine and Biology 20(3), 2001; https://doi.org/10.13026/C2F305; Open Data
Commons Attribution License 1.0). It has normal and ectopic beats, and stretches of noise.

What is learnt is where the demo's own filters find beats in the recording as it is. They look at the highest peak of a
few seconds only, so that small beats beside tall ones count. The network sees the recording with noise, a wandering
baseline, the hum of the mains, other speeds and heights, and upside down. So it learns to find in noise what the
filters find without. The last minute is kept for the table that is printed at the end.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import keras
import numpy as np
from scipy import misc
from scipy.ndimage import maximum_filter1d

from conv1d_codegen.demo import detector, network
from conv1d_codegen.demo.detector import RATE, Array

STEPS = 1500
BATCH, SAMPLES = 16, 2048
CHANNELS, TAPS = 16, 7
DILATIONS = (1, 2, 4, 8, 16)
HELD_OUT = 60  # seconds
TOLERANCE = 0.05  # seconds between a beat and where it is found
THRESHOLD = 0.07  # of the highest peak within two seconds
NOISES = (None, 6, 0, -6, -9)  # decibels of signal to noise of the table


def model() -> keras.Model:
    """A residual dilated network: (batch, samples, 1) to the probability of a beat at each sample."""
    x = inputs = keras.Input((None, 1), name="ecg")
    x = keras.layers.Conv1D(CHANNELS, 15, padding="same", name="stem")(x)
    for dilation in DILATIONS:
        y = keras.layers.Conv1D(CHANNELS, TAPS, padding="same", dilation_rate=dilation, use_bias=False)(x)
        y = keras.layers.Activation("relu")(keras.layers.BatchNormalization()(y))
        y = keras.layers.Conv1D(CHANNELS, TAPS, padding="same", use_bias=False)(y)
        x = keras.layers.Add()([x, keras.layers.BatchNormalization()(y)])
        x = keras.layers.Activation("relu")(x)
    return keras.Model(inputs, keras.layers.Conv1D(1, 1, activation="sigmoid", name="beat")(x), name="beats")


def beats_by_filters(ecg: Array) -> Array:
    """The samples of the beats that the demo's filters find."""
    signal = ecg[None, None, :].astype(np.float32)
    for item in detector.detector():
        signal = item.layer()(signal)
    highest = maximum_filter1d(signal[0, 0], 4 * RATE)
    return detector.find_beats(ecg, signal[0, 0] / np.maximum(highest, 1e-6), THRESHOLD)


def example(ecg: Array, beats: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """A piece of the recording, disturbed, and 1 wherever a beat is near: (SAMPLES, 1) each."""
    speed = rng.uniform(0.5, 1.4)
    start = rng.uniform(0, ecg.size - SAMPLES * speed - 1)
    places = start + speed * np.arange(SAMPLES)
    x = np.interp(places, np.arange(ecg.size), ecg) * rng.choice([-1, 1, 1])
    seconds = np.arange(SAMPLES) / RATE
    for low, high, most in ((0.1, 0.6, 1.0), (48, 62, 0.3)):  # the baseline; the mains
        x += rng.uniform(0, most) * np.sin(2 * np.pi * (rng.uniform(low, high) * seconds + rng.uniform()))
    if rng.uniform() < 0.8:
        (x,) = network.noisy(x, rng.uniform(-10, 20), 1, rng)
    near = np.abs(places[:, None] - beats[None, :]).min(axis=1) / speed <= network.NEAR * RATE
    return network.standardised(x)[:, None], near[:, None].astype(np.float32)


def share_found(found: Array, beats: Array) -> tuple[float, float]:
    """The share of `beats` that is in `found`, and the share of `found` that is right."""
    near = np.abs(found[:, None] - beats[None, :]) <= TOLERANCE * RATE
    return float(near.any(axis=0).mean()), float(near.any(axis=1).mean()) if found.size else 1.0


def train(path: Path) -> None:
    """Trains for STEPS steps, saves the network without the optimizer, and prints what it finds in the last minute."""
    keras.utils.set_random_seed(20261130)
    rng = np.random.default_rng(20261130)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # as it has moved
        ecg = np.asarray(misc.electrocardiogram(), np.float64)
    beats = beats_by_filters(ecg)
    end = ecg.size - HELD_OUT * RATE
    learner = model()
    rate = keras.optimizers.schedules.CosineDecay(3e-3, STEPS)
    learner.compile(keras.optimizers.Adam(rate), keras.losses.BinaryCrossentropy())
    for step in range(STEPS):
        pieces = [example(ecg[:end], beats[beats < end], rng) for _ in range(BATCH)]
        loss = learner.train_on_batch(*(np.stack(part) for part in zip(*pieces, strict=True)))
        if step % 100 == 99:
            print(f"step {step + 1}: loss {float(loss):.4f}", flush=True)
    trained = model()
    trained.set_weights(learner.get_weights())
    trained.save(path)

    rest, there = ecg[end:], beats[beats >= end] - end
    net = network.load_network(path)
    print(f"{path}: {path.stat().st_size} bytes. Of {there.size} beats of the last minute:")
    for decibels in NOISES:
        x = rest if decibels is None else network.noisy(rest, decibels, 1, rng)[0]
        for name, found in (
            ("network", network.find_beats(network.probabilities(net, x[None])[0])),
            ("filters", beats_by_filters(x)),
        ):
            hit, right = share_found(found, there)
            level = "no noise added" if decibels is None else f"{decibels} dB"
            print(f"  {level:14} {name}: {hit:7.1%} found, {right:7.1%} of the found ones right")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(network.__file__).with_name("beats.keras"))
    train(parser.parse_args().output)
