"""Batches that go through a network in groups of sequences."""

from dataclasses import replace

import numpy as np
import pytest
from support.networks import program_of

from conv1d_codegen import CompileOptions, Conv1D
from conv1d_codegen.network import Input, Network, layers
from conv1d_codegen.network.execution import groups
from conv1d_codegen.network.execution.groups import together
from conv1d_codegen.runtime import threads

MIB = 1 << 20


def test_as_many_as_fit() -> None:
    def in_use(count: int) -> int:
        return count * MIB

    assert together(12, in_use, MIB, 0, 5 * MIB) == 4  # of the counts that divide the batch
    assert together(12, in_use, MIB, 0, 12 * MIB) == 12  # all fit
    assert together(12, in_use, MIB, 0, MIB - 1) == 12  # not even one does
    assert together(7, in_use, MIB, 0, 5 * MIB) == 1
    assert together(1, in_use, MIB, 0, 0) == 1


def test_weights_are_not_read_again_for_little() -> None:
    def in_use(count: int) -> int:
        return count * MIB

    assert together(8, in_use, MIB, 3 * MIB, 2 * MIB) == 8  # two write less than the weights take
    assert together(8, in_use, MIB, 3 * MIB, 4 * MIB) == 4
    assert together(8, in_use, MIB // 8, 0, 4 * MIB) == 8  # calls of a few microseconds each


def network(filters: int = 16) -> Network:
    x = Input(12, name="x")
    y = layers.MaxPooling1D(3, strides=2, padding="same")(Conv1D(filters, 5, padding="same", activation="relu")(x))
    mean = layers.Dense(3)(layers.GlobalAveragePooling1D()(y))
    made = Network(x, [Conv1D(7, 3, name="last")(y), mean, x])
    rng = np.random.default_rng(0)
    made.set_weights([rng.standard_normal(weight.shape) for weight in made.weights.values()])
    return made


@pytest.mark.parametrize("batch", [4, 6])
def test_the_same_bits_in_groups(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where an output has no steps; into the caller's arrays; and with other numbers when called again."""
    plain = network()
    options = CompileOptions(accuracy="standard", num_threads=1)
    monkeypatch.setattr(groups, "together", lambda *_: 2)
    cut = Network.of(replace(plain.graph, outputs=plain.graph.outputs[:2]), plain.weights, options)
    rng = np.random.default_rng(1)
    for _ in range(2):
        x = rng.standard_normal((batch, 90, 12)).astype(np.float32)
        given = [np.full_like(y, np.nan) for y in plain(x)[:2]]
        cut(x, out=given)
        for y, right in zip(given, plain(x), strict=False):
            np.testing.assert_array_equal(y, right)
    (found,) = program_of(cut)._launches.values()
    assert found is not None
    assert found.groups == batch // 2


def test_what_a_group_can_t_do_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An output that is an input is copied whole."""
    monkeypatch.setattr(groups, "together", lambda *_: 1)
    plain = network()
    x = np.random.default_rng(2).standard_normal((3, 40, 12)).astype(np.float32)
    one = Network.of(plain.graph, plain.weights, CompileOptions(accuracy="standard", num_threads=1))
    for y, right in zip(one(x), plain(x), strict=True):
        np.testing.assert_array_equal(y, right)
    (found,) = program_of(one)._launches.values()
    assert found is not None
    assert found.groups == 1


def test_groups_are_for_what_one_thread_does_however_many_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads may work: on a small network one does, and by groups; a team takes the whole batch."""
    plain = network()
    graph = replace(plain.graph, outputs=plain.graph.outputs[:2])
    monkeypatch.setattr(groups, "together", lambda *_: 2)
    for worth, wanted in ((1, 2), (2, 1)):
        monkeypatch.setattr(threads, "worth", lambda flops, iterations, limit, worth=worth: min(worth, limit))
        options = CompileOptions(accuracy="standard", num_threads=2)
        cut, x = Network.of(graph, plain.weights, options), np.ones((4, 90, 12), np.float32)
        for y, right in zip(cut(x), plain(x)[:2], strict=True):
            np.testing.assert_array_equal(y, right)
        (found,) = program_of(cut)._launches.values()
        assert found is not None
        assert (found.groups, found.table.team) == (wanted, worth)
