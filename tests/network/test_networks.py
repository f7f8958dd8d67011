"""Networks drawn at random, held against a float64 reference that shares no code with the passes over graphs."""

import numpy as np
import pytest
from support.networks import drawn, in_float64, random_weights

from conv1d_codegen.network import Network
from conv1d_codegen.network.simplify import stages

SEEDS = range(40)


def network_of(seed: int) -> tuple[Network, np.random.Generator]:
    rng = np.random.default_rng(seed)
    network = drawn(lambda choices: choices[int(rng.integers(len(choices)))], int(rng.integers(1, 7)))
    network.set_weights(random_weights(network, rng))
    return network, rng


@pytest.mark.parametrize("seed", SEEDS)
def test_each_pass_keeps_the_result(seed: int) -> None:
    """The same network before and after, interpreted."""
    network, rng = network_of(seed)
    x = rng.standard_normal((2, 24, network.graph.sources[0].channels))
    wanted = in_float64(network.graph, network.weights, x)
    for name, graph, weights in stages(network.graph, network.weights, False, lanes=16):
        for y, right in zip(in_float64(graph, weights, x), wanted, strict=True):
            np.testing.assert_allclose(y, right, rtol=1e-6, atol=1e-6, err_msg=f"{name}:\n{graph}")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_network_gives_what_its_formulas_say(seed: int) -> None:
    network, rng = network_of(seed)
    source = network.graph.sources[0]
    for length in (24, 25, 3) if source.length is None else (24,):
        x = rng.standard_normal((2, length, source.channels)).astype(np.float32)
        try:
            wanted = in_float64(network.graph, network.weights, x)
        except ValueError:
            with pytest.raises(ValueError, match="steps"):
                network(x)
            continue
        for y, right in zip(network(x), wanted, strict=True):
            scale = max(1.0, float(np.abs(right).max(initial=0)))
            np.testing.assert_allclose(y, right, rtol=2e-4, atol=2e-5 * scale, err_msg=str(network.graph))


@pytest.mark.parametrize("seed", SEEDS)
def test_an_output_reads_the_steps_that_its_reach_says(seed: int) -> None:
    """NaN in one step of the input shows in outputs that may read it, and in no other."""
    network, rng = network_of(seed)
    graph = network.graph
    reach = graph.reaches(graph.outputs[0])[graph.sources[0].name]
    if reach is None:
        return
    x = rng.standard_normal((1, 24, graph.sources[0].channels))
    with np.errstate(all="ignore"):
        plain = in_float64(graph, network.weights, x)[0]
        for at in (0, 7, 23):
            changed = x.copy()
            changed[:, at] += 1
            for t in np.flatnonzero((in_float64(graph, network.weights, changed)[0] != plain).any((0, 2))):
                first, last = reach.steps(int(t))
                assert first <= at <= last, (str(graph), at, int(t), reach)
