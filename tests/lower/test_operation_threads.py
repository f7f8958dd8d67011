"""Operations give the same bits for any number of threads."""

import numpy as np
import pytest
from support.networks import random_weights
from support.teams import RUNTIMES, run_of, use

from conv1d_codegen.network import Input, Network, layers
from conv1d_codegen.runtime import threads


@pytest.mark.parametrize("name", RUNTIMES)
def test_any_number_of_threads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, run_of(name))
    rng = np.random.default_rng(0)
    y = x = Input(20)
    for layer in (
        layers.LayerNormalization(),
        layers.GroupNormalization(4),
        layers.RMSNormalization(),
        layers.Activation("softmax"),
        layers.LSTM(9, return_sequences=True),
        layers.Bidirectional(layers.GRU(5, return_sequences=True), layers.GRU(5, return_sequences=True)),
        layers.GlobalAveragePooling1D(),
    ):
        y = layer(y)
    network = Network(x, y)
    network.set_weights(random_weights(network, rng))
    before = threads.get_num_threads()
    try:
        for batch, length in ((1, 700), (5, 33)):
            data = rng.standard_normal((batch, length, 20)).astype(np.float32)
            found = set()
            for count in (1, 2, 3, 5, 2):
                threads.set_num_threads(count)
                found.add(network(data).tobytes())
            assert len(found) == 1, f"@{batch}x{length}"
    finally:
        threads.set_num_threads(before)
