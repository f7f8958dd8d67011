"""Networks that were read of torch's modules, against what torch gave, without torch."""

import functools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import conv1d_codegen as cc
from conv1d_codegen.network import reference

RECORDED = Path(__file__).parents[1] / "data" / "torch_models.npz"
NAMES = ("residual", "wavenet", "unet", "tcn", "inception", "separable", "recurrent", "generator")


@functools.cache
def recorded(key: str) -> NDArray[np.float32]:
    with np.load(RECORDED) as file:
        found: NDArray[np.float32] = file[key]
        return found


@pytest.mark.parametrize("name", NAMES)
def test_a_network_gives_what_torch_gave(name: str, tmp_path: Path) -> None:
    (tmp_path / "network").write_bytes(recorded(f"{name}/network").tobytes())
    network, x, wanted = cc.load(tmp_path / "network"), recorded(f"{name}/x"), recorded(f"{name}/y")
    if name in ("wavenet", "recurrent"):
        y = network(x)
    else:  # what kernels compute is tested elsewhere, and they take long to be made
        graph = network.graph
        y = reference.run(graph, network.weights, {graph.sources[0].name: x})[graph.outputs[0]]
    assert (y.dtype, y.shape) == (wanted.dtype, wanted.shape)
    np.testing.assert_allclose(y, wanted, rtol=0, atol=2e-5 * max(1.0, float(np.abs(wanted).max())))


def test_all_that_is_recorded_is_held() -> None:
    with np.load(RECORDED) as file:
        assert {key.split("/")[0] for key in file.files} == {*NAMES, "torch"}
