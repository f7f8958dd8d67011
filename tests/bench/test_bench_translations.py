"""Networks in the words of ONNX, torch and JAX: every operation, and every network of the bench, means the same there."""

from __future__ import annotations

import numpy as np
import pytest
from support import translated

from bench import network_run, networks
from conv1d_codegen.benchmark import peers, translations
from conv1d_codegen.benchmark.translations import works
from conv1d_codegen.network import Input, Network, layers, ops
from conv1d_codegen.problem import Activation
from conv1d_codegen.reference.activations import ELEMENTWISE

PEERS = tuple(name for name in peers.NETWORK_NEEDS if name != "torch_compile")


@pytest.mark.parametrize("peer", PEERS)
def test_every_operation_means_the_same(peer: str) -> None:
    """An operation or activation that is added to networks needs a translation, or its reason in LEFT_OUT."""
    if lacking := peers.missing([peer], peers.NETWORK_NEEDS):
        pytest.skip(f"{', '.join(lacking)} not installed")
    lines = translated.printed(f"show_operations({peer!r})")
    assert lines == [f"{sum(1 for _ in translated.graphs())} right"]


def test_every_network_means_the_same() -> None:
    names = translated.installed(PEERS)
    if not names:
        pytest.skip("no peer is installed")
    lines = translated.printed(f"show_networks(*{names!r})")
    assert lines == [f"{len(names) * len(networks.CASES)} right"]


@pytest.mark.slow
def test_torch_compiles_what_it_computes() -> None:
    if not network_run.has_compiler() or not translated.installed(("torch_compile",)):
        pytest.skip("no torch, or no C++ compiler")
    assert translated.printed("show_compiled()") == ["None"]


def test_every_operation_and_activation_is_tried() -> None:
    tried = {type(node.op) for _, graph in translated.graphs() for node in graph.nodes}
    assert tried == translated.concrete() - translations.LEFT_OUT.keys()
    assert translations.LEFT_OUT_ACTIVATIONS.keys() <= ELEMENTWISE.keys()
    assert all(translations.LEFT_OUT.values())
    assert all(translations.LEFT_OUT_ACTIVATIONS.values())


def test_what_libraries_have_no_words_for_is_refused() -> None:
    with pytest.raises(translations.Untranslated, match="without max_value"):
        translations.parameters(Activation("relu", (("max_value", 2.0),)))
    with pytest.raises(translations.Untranslated, match=r"^squareplus: no operator of ONNX or torch"):
        translations.activation_of({"relu": 0}, Activation("squareplus"))
    with pytest.raises(translations.Untranslated, match=r"^repeat\(times=2\): it has no translation"):
        translations.operation_of({ops.Crop: 0}, ops.Repeat(2))
    with pytest.raises(translations.Untranslated, match="tanh and sigmoid"):
        translations.usual_gates(ops.Lstm(2, Activation("relu"), Activation("sigmoid")))
    x = Input(2, name="x")
    network = Network(x, [layers.Dense(1)(x), layers.Dense(1)(x)])
    with pytest.raises(ValueError, match="1 inputs and 2 outputs"):
        works(network.graph, network.weights, 1, 4)
    wide = Input(2, dtype="float64")
    network = Network(wide, layers.Dense(1, dtype="float64")(wide))
    with pytest.raises(ValueError, match="Received: f64"):
        works(network.graph, network.weights, 1, 4)


def test_padding_is_that_of_a_length() -> None:
    """As windows reach: same adds the odd step on the right, and a step that no window reaches is not padded for."""
    assert translations.sides(10, 3, 1, 1, "same") == (1, 1)
    assert translations.sides(10, 4, 1, 1, "same") == (1, 2)
    assert translations.sides(10, 3, 2, 1, "same") == (0, 1)
    assert translations.sides(11, 3, 2, 1, "same") == (1, 1)
    assert translations.sides(10, 3, 1, 2, "causal") == (4, 0)
    assert translations.sides(10, 3, 4, 1, (0, 3)) == (0, 1)


def test_onnx_finds_the_exported_model_valid() -> None:
    onnx = pytest.importorskip("onnx")
    from conv1d_codegen.benchmark.translations import onnx_export

    x = Input(3, name="x")
    y = layers.Dense(2, activation="softmax")(layers.GlobalMaxPooling1D()(layers.DepthwiseConv1D(3)(x)))
    network = Network(x, y)
    model = onnx_export.exported(network.graph, network.weights, 2, 9)
    onnx.checker.check_model(model, full_check=True)
    assert [each.dims for each in model.graph.initializer] == [[3, 1, 3], [3], [1], [3, 2], [2]]
    assert {each.data_type for each in model.graph.initializer} == {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64}
    shape = model.graph.output[0].type.tensor_type.shape
    assert [each.dim_value for each in shape.dim] == [2, 2]
    assert np.prod(model.graph.initializer[0].dims) == 9
