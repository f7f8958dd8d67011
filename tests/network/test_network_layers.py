"""Layers of networks give what Keras's give, as `tests/data/record_network_layers.py` recorded it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.type_helpers import Array

from conv1d_codegen.network import Input, Network, layers
from conv1d_codegen.network.symbols import Symbol

DATA = Path(__file__).parents[1] / "data"
LAYERS = json.loads((DATA / "network_layers.json").read_text())["layers"]
ARRAYS = np.load(DATA / "network_layers.npz")


def made(name: str, arguments: dict[str, Any]) -> Any:
    if name == "Bidirectional":
        there, back = (layers.LSTM(**arguments["LSTM"]) for _ in range(2))
        return layers.Bidirectional(there, back, arguments["merge_mode"])
    return getattr(layers, name)(**arguments)


def held(number: int, letter: str) -> list[Array]:
    names = sorted(name for name in ARRAYS.files if name.startswith(f"{number}/{letter}"))
    return [ARRAYS[name] for name in names]


@pytest.mark.parametrize("number", range(len(LAYERS)), ids=[f"{i}-{name}" for i, (name, _) in enumerate(LAYERS)])
def test_as_keras(number: int) -> None:
    name, arguments = LAYERS[number]
    xs, weights, (y,) = held(number, "x"), held(number, "w"), held(number, "y")
    vectors = xs[0].ndim == 2
    inputs = [Input(x.shape[-1], 1 if vectors else x.shape[1]) for x in xs]
    given: list[Symbol] = [layers.Reshape((x.known.channels,))(x) for x in inputs] if vectors else inputs
    network = Network(inputs, made(name, arguments)(*given))
    network.set_weights([w.reshape(own.shape) for w, own in zip(weights, network.weights.values(), strict=True)])
    found = network([x[:, None] if vectors else x for x in xs])
    assert found.shape == y.shape
    np.testing.assert_allclose(found, y, rtol=2e-5, atol=2e-5)
