"""The demo's network: trained by `tools/train_demo.py` on five minutes of a real ECG, and loaded from Keras's file.

It is a residual dilated network of twelve convolutions, most of 16 channels and 7 taps with a batch norm each, and
says for each sample how likely a beat is there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..network import Network, load
from ..network import reference as meaning
from . import detector
from .detector import RATE, Array

FILE = Path(__file__).with_name("beats.keras")
NEAR = 0.04  # seconds from a beat within which a sample is taught to be one
LIKELY = 0.5  # the mean probability of such samples from which a beat is one


def load_network(path: Path = FILE) -> Network:
    """The network, by default the one that was trained. Raises ImportError without h5py."""
    return load(path)


def standardised(ecg: Array) -> Array:
    """Recordings `(..., samples)` without their units: less their mean, divided by their standard deviation, as the
    network learnt it.
    """
    mean, deviation = ecg.mean(axis=-1, keepdims=True), ecg.std(axis=-1, keepdims=True)
    return np.asarray((ecg - mean) / deviation, np.float32)


def probabilities(net: Network, ecgs: Array) -> Array:
    """How likely a beat is at each sample of recordings `(batch, samples)`, in one call."""
    return np.asarray(net(standardised(ecgs)[:, :, None]))[:, :, 0]


def find_beats(likely: Array) -> Array:
    """The samples of one recording at which the heart beats, from the probability at each."""
    width = 2 * round(NEAR * RATE) + 1
    mean = np.convolve(likely, np.full(width, 1 / width), "same")
    return detector.find_beats(mean, mean, LIKELY)


def error(net: Network, ecgs: Array, likely: Array) -> float:
    """The largest difference of probabilities from those that NumPy computes in float64, layer by layer."""
    weights = {name: np.asarray(value, np.float64) for name, value in net.weights.items()}
    x = standardised(ecgs)[:, :, None].astype(np.float64)
    tensors = meaning.run(net.graph, weights, {net.graph.sources[0].name: x})
    return float(np.max(np.abs(tensors[net.graph.outputs[0]][:, :, 0] - likely)))


def noisy(ecg: Array, decibels: float, copies: int, rng: np.random.Generator) -> Array:
    """Copies `(copies, samples)` of a recording, each with white noise of so many decibels less power than it has about
    its mean.
    """
    noise = rng.standard_normal((copies, ecg.size)) * np.std(ecg) / 10 ** (decibels / 20)
    return np.asarray(ecg + noise, np.float32)
