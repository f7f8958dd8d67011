"""No network touches a byte beside its arrays and its memory: each lies against a page that can't be read or written.

The work is done in a child process, which says what it is about to run; a fault kills it, and the last line is the
network.
"""

import sys

import numpy as np
import pytest
from support.helpers import last_line, python
from support.networks import drawn, random_weights

from conv1d_codegen.network import Network
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.selftest.guards import SIDES, guard_own_arrays, guarded

COUNT = 30


def main(first: int, count: int) -> None:
    """In the child: random networks at some lengths, against the same call on ordinary arrays."""
    plain = []
    for seed in range(first, first + count):
        rng = np.random.default_rng(seed)
        network = drawn(lambda choices, rng=rng: choices[int(rng.integers(len(choices)))], int(rng.integers(1, 7)))  # type: ignore[misc]
        network.set_weights(random_weights(network, rng))
        source = network.graph.sources[0]
        for length in (24,) if source.length else (24, 17, 100):
            x = rng.standard_normal((1 + length % 2, length, source.channels)).astype(np.float32)
            plain.append((seed, network, x, network(x)))
    guard_own_arrays()
    for seed, network, x, wanted in plain:
        again = Network.of(
            network.graph, network.weights, CompileOptions(accuracy="standard", num_threads=1 + seed % 2)
        )
        for side in SIDES:
            print(f"seed {seed}, {x.shape}, guarded at the {side}:\n{network.graph}".replace("\n", " | "), flush=True)
            out = [guarded(np.full_like(y, np.nan), side) for y in wanted]
            again(guarded(x, side), out=out if len(out) > 1 else out[0])
            for y, right in zip(out, wanted, strict=True):
                np.testing.assert_array_equal(y, right)
    print("done")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="mprotect as Linux has it")
def test_networks_stay_inside_their_memory() -> None:
    code, out, err = python("import test_network_guard as t; t.main(0, t.COUNT)", timeout=500)
    assert (code, last_line(out)) == (0, "done"), f"exit {code} at {last_line(out)}\n{err[-2000:]}"
