"""Operations give the same bits for any number of threads."""

from collections.abc import Callable

import numpy as np
import pytest
from support.networks import random_weights
from support.teams import RUNTIMES, run_of, use

from conv1d_codegen.layers.base import automatic_name
from conv1d_codegen.network import Input, Network, layers, ops
from conv1d_codegen.network.symbols import Symbol
from conv1d_codegen.runtime import threads


def some(x: Symbol) -> list[Symbol]:
    """Norms, softmax, recurrent cells, and a pool, one after another."""
    y = x
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
    return [y]


def others(x: Symbol) -> list[Symbol]:
    """A norm whose groups several threads have, and what moves, joins and resizes steps."""

    def made(op: ops.Op, *inputs: Symbol) -> Symbol:
        return Symbol.made(automatic_name(op.word()), op, inputs)

    wide = layers.GroupNormalization(32)(layers.Dense(256)(x))
    later = made(ops.Slice(3, 0, 2), wide)
    joined = made(ops.Concat(steps=True), x, made(ops.Resize("linear", 3, 2), x), made(ops.Slice(1, -4), x))
    shuffled = made(ops.Shuffle(8), made(ops.Pool("max", 3, 2, "valid", dilation=2, ceil=True), wide))
    return [later, joined, made(ops.Softmax(steps=True), joined), made(ops.ChannelPool("average"), shuffled)]


@pytest.mark.parametrize("build", [some, others])
@pytest.mark.parametrize("name", RUNTIMES)
def test_any_number_of_threads(
    name: str, build: Callable[[Symbol], list[Symbol]], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, run_of(name))
    rng = np.random.default_rng(0)
    x = Input(20)
    network = Network(x, build(x))
    network.set_weights(random_weights(network, rng))
    before = threads.get_num_threads()
    try:
        for batch, length in ((1, 700), (5, 33)):
            data = rng.standard_normal((batch, length, 20)).astype(np.float32)
            found = set()
            for count in (1, 2, 3, 5, 2):
                threads.set_num_threads(count)
                made = network(data)
                found.add(b"".join(y.tobytes() for y in (made if isinstance(made, list) else [made])))
            assert len(found) == 1, f"@{batch}x{length}"
    finally:
        threads.set_num_threads(before)
