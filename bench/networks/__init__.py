"""Whole networks as they are published, with seeded weights, built from this package's own layers. One file an idea.

A builder takes the length of the input, and gives the input and the output: two symbols. Weights come from `weights.py`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.networks import hifigan, inception_time, keras_tcn, phasenet, quartznet, ribeiro, silero, spliceai, wavenet
from bench.networks.weights import seeded
from conv1d_codegen.network import Network
from conv1d_codegen.network.symbols import Symbol

Array = np.ndarray[Any, Any]
Builder = Callable[[int], tuple[Symbol, Symbol]]


@dataclass(frozen=True, slots=True)
class Case:
    """A network, with its batch and the length of its input; `least` is a short length at which it still makes sense, and
    weights are found. Where it ends in a vector of all steps, it is the length.
    """

    name: str
    builder: Builder
    batch: int
    length: int
    least: int
    source: str

    def network(self, length: int | None = None) -> Network:
        """It, with weights that depend on its name alone."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        short, network = (Network(*self.builder(steps)) for steps in (self.least, length or self.length))
        network.set_weights(seeded(short.graph, rng))
        return network

    def inputs(self, network: Network, length: int | None = None) -> Array:
        """Normally distributed numbers, the same at every call."""
        shape = (self.batch, length or self.length, network.graph.sources[0].channels)
        return np.random.default_rng(2).standard_normal(shape, np.float32)


CASES = (
    Case(
        "spliceai-10k",
        spliceai.residual_dilated,
        1,
        10_000,
        512,
        "Jaganathan et al. 2019, Cell 176, figure S1; github.com/Illumina/SpliceAI",
    ),
    Case(
        "wavenet-8",
        lambda length: wavenet.gated(length, channels=8),
        1,
        48_000,
        512,
        "van den Oord et al. 2016, arXiv:1609.03499; sizes as in github.com/sdatkinson/NeuralAmpModelerCore",
    ),
    Case("wavenet-16", lambda length: wavenet.gated(length, channels=16), 1, 48_000, 512, "as wavenet-8"),
    Case(
        "keras-tcn",
        keras_tcn.temporal,
        4,
        1000,
        64,
        "Bai, Kolter, Koltun 2018, arXiv:1803.01271; github.com/philipperemy/keras-tcn, defaults before these had 3 taps",
    ),
    Case(
        "inception-time",
        inception_time.classifier,
        8,
        512,
        64,
        "Ismail Fawaz et al. 2020, arXiv:1909.04939; github.com/hfawaz/InceptionTime",
    ),
    Case(
        "hifigan-v3",
        hifigan.generator,
        1,
        100,
        6,
        "Kong, Kim, Bae 2020, arXiv:2010.05646; config_v3.json of github.com/jik876/hifi-gan",
    ),
    Case(
        "quartznet-5x5",
        quartznet.encoder,
        1,
        800,
        200,
        "Kriman et al. 2020, arXiv:1910.10261, table 1; github.com/NVIDIA/NeMo",
    ),
    Case(
        "phasenet",
        phasenet.picker,
        1,
        3001,
        1201,
        "Zhu, Beroza 2019, arXiv:1803.03211; github.com/AI4EPS/PhaseNet",
    ),
    Case(
        "ecg-resnet",
        ribeiro.classifier,
        1,
        4096,
        4096,
        "Ribeiro et al. 2020, Nature Communications 11:1760; github.com/antonior92/automatic-ecg-diagnosis",
    ),
    Case(
        "silero-vad",
        silero.detector,
        1,
        576,
        576,
        "github.com/snakers4/silero-vad, version 5, 16 kHz",
    ),
    Case("tiny", wavenet.tiny, 1, 64, 64, "8 layers of 8 channels: what a layer costs beside its arithmetic"),
)


def load(text: str = "") -> list[Case]:
    """The networks whose name or source contains a text."""
    return [case for case in CASES if text in f"{case.name} {case.source}"]
