"""Networks of torch's, whole, held against torch; their names, their errors, and their weights from files."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from support.torch_helpers import Does, agree, channels_last, compared, does, drawn, randomised, results, side_by_side  # noqa: E402
from support.torch_networks import NETWORKS  # noqa: E402

import conv1d_codegen as cc  # noqa: E402

nn, F = torch.nn, torch.nn.functional


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_computes_what_torch_computes(name: str) -> None:
    make, shape, other, layout = NETWORKS[name]
    network = compared(make(), [shape], [layout], other_length=other, kernels=name in ("wavenet", "separable"))
    assert network.graph.sources[0].length is None
    compared(make(), [shape], [layout], dtype="float64", other_length=other)


@pytest.mark.parametrize("name", ["tcn", "inception", "recurrent", "generator"])
def test_weights_are_set_from_a_state_dict(name: str) -> None:
    """Of another module of the same class: by torch's names, in torch's layouts, with those of weight norm."""
    make, shape, _, layout = NETWORKS[name]
    network = cc.from_torch(randomised(make(), 1), torch.zeros(shape))
    other = randomised(make(), 2)
    network.load_weights({key: value.numpy() for key, value in other.state_dict().items()})
    again = pickle.loads(pickle.dumps(network))
    for made in (network, again):
        ((y, right),) = results(other, drawn([shape], "float32"), made, ["nct"])
        agree(y, right, layout, name)
    first = next(iter(network.weights))
    again.load_weights({key: value.numpy() for key, value in randomised(make(), 1).state_dict().items()})
    assert not np.array_equal(again.weights[first], network.weights[first])


def test_names_are_those_of_the_modules() -> None:
    network = cc.from_torch(randomised(NETWORKS["residual"][0]()), torch.zeros(1, 2, 20))
    assert {"first.weight", "first.bias", "blocks.2.0.weight", "blocks.0.1.running_var"} <= set(network.weights)
    nodes = {node.name: str(node.op) for node in network.graph.nodes}
    assert nodes["first"].startswith("conv c2_f8_k1")
    assert nodes["blocks.1.1"] == "batch_norm(epsilon=1e-05)"
    assert nodes["head"].startswith("conv c8_f3_k1")
    assert "relu" in network.dump("lowered")


def test_transposes_vanish() -> None:
    module = Does(
        lambda m, x: m.b(m.a(x.transpose(1, 2))[:, None].squeeze(1)).permute(0, 2, 1),
        a=nn.Linear(4, 5),
        b=nn.Linear(5, 4),
    )
    network = cc.from_torch(module.eval(), torch.zeros(2, 4, 9))
    assert [node.op.word() for node in network.graph.nodes] == ["conv", "conv"]


def test_shared_layers_have_one_set_of_weights() -> None:
    module = Does(lambda m, x: m.c(m.c(x)), c=nn.Conv1d(4, 4, 3))
    assert set(compared(module, [(2, 4, 20)]).weights) == {"c.weight", "c.bias"}


def test_a_network_of_torch_is_saved(tmp_path: Path) -> None:
    make, shape, _, _ = NETWORKS["wavenet"]
    network = cc.from_torch(randomised(make()), torch.zeros(shape))
    cc.save(network, tmp_path / "network")
    x = channels_last(drawn([shape], "float32")[0], "nct")
    np.testing.assert_array_equal(cc.load(tmp_path / "network")(x), network(x))


def test_other_weights_of_torch_are_not_changed() -> None:
    module = randomised(nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 4, 3)))
    before = {key: value.clone() for key, value in module.state_dict().items()}
    x = drawn([(2, 3, 9)], "float32")[0]
    wanted = module(x)
    network = cc.from_torch(module, x)
    assert list(network.weights) == ["weight", "bias"]
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert torch.equal(module(x), wanted)
    with torch.no_grad():
        module.bias.fill_(7)
    assert not np.array_equal(network.weights["bias"], module.bias.detach())


# What can not be read


def test_all_that_can_not_be_read_is_told_at_once() -> None:
    class Block(nn.Module):  # type: ignore[name-defined, misc]
        def forward(self, x: Any) -> Any:
            return torch.cumsum(x, 2) + torch.flip(x, [1])

    parts = {"block": Block(), "soft": nn.Softmax(2), "after": nn.Sequential(Block(), nn.Tanh())}
    with pytest.raises(ValueError, match="5 of the module's operations can not be read") as caught:
        cc.from_torch(side_by_side(parts).eval(), torch.zeros(2, 4, 9))
    assert str(caught.value).split("\n")[1:] == [
        "  cumsum (aten.cumsum.default) in parts.block (Block): no network has it",
        "  flip (aten.flip.default) in parts.block (Block): no network has it",
        "  softmax (aten.softmax.int) in parts.soft (Softmax): works along axis 2, which is not the channels. Received: "
        "(batch N, channels 4, time 9)",
        "  cumsum_1 (aten.cumsum.default) in parts.after.0 (Block): no network has it",
        "  flip_1 (aten.flip.default) in parts.after.0 (Block): no network has it",
    ]


def test_a_module_in_training_mode() -> None:
    module = nn.Sequential(nn.Conv1d(4, 4, 3), nn.BatchNorm1d(4)).eval()
    module[1].train()
    with pytest.raises(ValueError, match=r"call module.eval\(\) first. In training mode are 1\."):
        cc.from_torch(module, torch.zeros(1, 4, 9))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cc.from_torch(np.tanh, torch.zeros(1, 4, 9)), TypeError, "takes a torch.nn.Module"),
        (lambda: cc.from_torch(nn.Tanh().eval(), np.zeros((1, 4, 9))), TypeError, "example is a tensor"),
        (lambda: cc.from_torch(nn.Tanh().eval(), torch.zeros(1, 4, 9).int()), ValueError, "Received: int32"),
        (lambda: cc.from_torch(nn.Tanh().eval(), torch.zeros(1, 4, 9), "ntx"), ValueError, "names each axis once"),
        (lambda: cc.from_torch(nn.Tanh().eval(), torch.zeros(1, 4, 9), "nt1"), ValueError, r"example of shape \(1, 4, 9\)"),
        (lambda: cc.from_torch(nn.Tanh().eval(), torch.zeros(4)), ValueError, "names each axis once"),
        (lambda: cc.from_torch(nn.Tanh().eval(), torch.zeros(1, 4, 9), ["nct", "nct"]), ValueError, "a layout for each"),
        (lambda: cc.from_torch(nn.Tanh().eval(), (torch.zeros(1, 4, 9),) * 2), ValueError, "takes 1 inputs by position"),
        (lambda: cc.from_torch(nn.Conv1d(3, 4, 3).eval(), torch.zeros(1, 4, 9)), ValueError, "can not export the module"),
        (lambda: cc.from_torch(does(lambda x: x.view(2, 4, -1)).eval(), torch.zeros(2, 4, 9)), ValueError, "the batch for a constant"),
        (lambda: cc.from_torch(does(lambda x: x.mean(0)).eval(), torch.zeros(2, 4, 9)), ValueError, "goes over the batch"),
        (lambda: cc.from_torch(does(lambda x: torch.zeros(3)).eval(), torch.zeros(2, 4, 9)), ValueError, "is no tensor that depends"),
        (lambda: cc.from_torch(nn.LSTM(4, 4, proj_size=2).eval(), torch.zeros(2, 4, 4), "tnc"), ValueError, "projections"),
        (lambda: cc.from_torch(does(lambda x: x.double()).eval(), torch.zeros(2, 4, 4)), ValueError, "makes torch.float64"),
    ],
)  # fmt: skip
def test_what_is_no_module_that_can_be_read(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_modules_with_a_state() -> None:
    class Counts(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("before", torch.zeros(4, 1))

        def forward(self, x: Any) -> Any:
            y = x + self.before
            self.before.add_(1)
            return y

    with pytest.raises(ValueError, match="changes its buffers before as it runs"):
        cc.from_torch(Counts().eval(), torch.zeros(2, 4, 9))
    with pytest.raises(ValueError, match="makes random numbers"):
        cc.from_torch(does(lambda x: x + torch.rand(4, 1)).eval(), torch.zeros(2, 4, 9))
    norm = nn.BatchNorm1d(4, track_running_stats=False).eval()
    with pytest.raises(ValueError, match="has no mean and variance of its own"):
        cc.from_torch(norm, torch.zeros(2, 4, 9))


def test_the_old_weight_norm() -> None:
    with pytest.warns(FutureWarning, match="weight_norm"):
        module = nn.utils.weight_norm(nn.Conv1d(4, 5, 3))
    network = compared(module, [(2, 4, 9)])
    assert list(network.weights) == ["weight", "bias"]
    module = randomised(module, 3)
    network.load_weights({key: value.numpy() for key, value in module.state_dict().items()})
    ((y, right),) = results(module, drawn([(2, 4, 9)], "float32"), network, ["nct"])
    agree(y, right, "nct", "weight_norm")


def test_weights_that_do_not_fit() -> None:
    module = nn.Sequential(nn.Conv1d(4, 5, 3), nn.BatchNorm1d(5)).eval()
    network = cc.from_torch(module, torch.zeros(1, 4, 9))
    state = {key: value.numpy() for key, value in module.state_dict().items()}
    state["2.weight"] = np.zeros(3, "float32")
    state["0.weight"] = np.zeros((3, 4, 5), "float32")
    del state["1.bias"]
    before = dict(network.weights)
    with pytest.raises(ValueError, match="not those of the network's weights") as caught:
        network.load_weights(state)
    assert str(caught.value).split("\n")[1:] == [
        "  1.bias of shape (5,) is missing",
        "  2.weight of shape (3,) is not expected",
        "  0.weight has shape (3, 4, 5), and not (5, 4, 3)",
    ]
    assert all(network.weights[name] is value for name, value in before.items())


def test_weights_that_the_code_computes_others_from() -> None:
    module = Does(lambda m, x: x * torch.exp(m.log_scale), log_scale=nn.Parameter(torch.zeros(4, 1)))
    network = compared(module, [(2, 4, 9)])
    with pytest.raises(ValueError, match=r"is computed from log_scale by the module's code: read the module again"):
        network.load_weights({"log_scale": np.zeros((4, 1))})


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, conv1d_codegen; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pip install conv1d-codegen\[torch\]"):
        cc.from_torch(None, None)
