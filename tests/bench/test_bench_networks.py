"""The bench's networks: they are what they say, their numbers have a sensible size, and they compute what they mean."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from bench import network_measure, network_parts, networks
from bench.networks import Case
from conv1d_codegen.benchmark.convolutions import convolutions
from conv1d_codegen.network import Network
from conv1d_codegen.network.ops import Conv, Recurrent

BY_NAME = {case.name: case for case in networks.CASES}
#: Multiplications and additions of all their products, in millions, counted from the channels, taps and steps that the
#: papers give; and convolutions.
SIZES = {
    "spliceai-10k": (13_869, 39),
    "wavenet-8": (493, 42),
    "wavenet-16": (1969, 42),
    "keras-tcn": (733, 13),
    "inception-time": (3426, 32),
    "hifigan-v3": (4497, 20),
    "quartznet-5x5": (5348, 61),
    "phasenet": (39, 15),
    "ecg-resnet": (3652, 14),
    "silero-vad": (1.36, 6),
    "tiny": (0.2, 8),
}


@pytest.mark.parametrize("case", networks.CASES, ids=lambda case: case.name)
def test_a_network_neither_explodes_nor_vanishes(case: Case) -> None:
    network = case.network(case.least)
    y = network_measure.expected(network, case.inputs(network, case.least))
    assert np.isfinite(y).all()
    assert 1e-3 < np.sqrt(np.mean(y * y)) < 30, f"{case.name}: outputs of root mean square {np.sqrt(np.mean(y * y))}"
    assert y.std() > 1e-3 or y.size == case.batch, f"{case.name}: all outputs are {y.flat[0]}"


#: Those whose kernels take some seconds to compile are left to the bench itself, which checks every network that it times.
QUICKLY_COMPILED = ("keras-tcn", "inception-time", "silero-vad", "tiny")


@pytest.mark.parametrize("name", QUICKLY_COMPILED)
def test_a_network_runs(name: str) -> None:
    network = BY_NAME[name].network(BY_NAME[name].least)
    x = BY_NAME[name].inputs(network, BY_NAME[name].least)
    assert network_measure.wrong(network(x), network_measure.expected(network, x)) is None


def test_weights_depend_on_the_name_alone() -> None:
    case = BY_NAME["silero-vad"]
    once, again = case.network().weights, case.network().weights
    assert all((again[name] == weight).all() for name, weight in once.items())
    other = replace(case, name="another").network().weights
    assert any((other[name] != weight).any() for name, weight in once.items())


@pytest.mark.parametrize("name", BY_NAME)
def test_a_network_has_the_size_that_it_is_published_with(name: str) -> None:
    case, (megaflops, count) = BY_NAME[name], SIZES[name]
    network = Network(*case.builder(case.length))
    assert sum(isinstance(node.op, Conv) for node in network.graph.nodes) == count
    assert network_parts.flops(network, case.batch, case.length) / 1e6 == pytest.approx(megaflops, rel=0.02, abs=0.05)
    cells = sum(isinstance(node.op, Recurrent) for node in network.graph.nodes)  # whose inputs' products are one more
    assert convolutions(network, case.batch, case.length).total() == count + cells


def test_every_network_has_a_source_and_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(networks.CASES) == len(SIZES)
    for case in networks.CASES:
        assert re.search(r"arXiv:|github\.com|wavenet-8|what a layer costs", case.source), case.name
    assert [case.name for case in networks.load("tcn")] == ["keras-tcn"]


def test_a_wrong_output_is_told_from_a_right_one() -> None:
    right = np.array([[1.0, -2.0, 0.5]])
    assert network_measure.wrong(right * (1 + 0.5 * network_measure.TOLERANCE), right) is None
    assert "off by" in str(network_measure.wrong(right * 1.01, right))
    assert "off by nan" in str(network_measure.wrong(np.full_like(right, np.nan), right))
    assert "has shape (1, 2)" in str(network_measure.wrong(right[:, :2], right))


def test_a_convolution_alone_is_that_of_the_simplified_network() -> None:
    """With its activation, and with the batch norm's numbers in its weights, which need a bias."""
    case = BY_NAME["phasenet"]
    network = case.network(case.least)
    shapes = convolutions(network, case.batch, case.least)
    assert {problem.activation.name for problem, _, _ in shapes} == {"relu", "linear"}
    shape = next(shape for shape in shapes if shape[0].kernel_size == 1)
    problem, batch, length = shape
    assert problem.use_bias
    y = network_parts.alone(shape)()
    assert isinstance(y, np.ndarray)
    assert y.shape == problem.output_shape(batch, length)
    assert np.isfinite(y).all()
