"""Layers and functions of torch's, each held against torch itself, in float32 and float64, of two lengths."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from support.torch_helpers import (  # noqa: E402
    Does,
    agree,
    compared,
    does,
    drawn,
    of_length,
    randomised,
    results,
    side_by_side,
)

from conv1d_codegen import from_torch  # noqa: E402

nn, F = torch.nn, torch.nn.functional

X = (3, 4, 20)  # (batch, channels, steps)
Group = dict[str, tuple[Any, str]]  # modules of one input, and the layouts of their outputs


def convolutions() -> Group:
    """Every pair of features of a convolution; with some sizes that fit all of them."""
    made: dict[str, Any] = {}
    sizes = itertools.cycle([3, 4, 2, 5])
    for mode, stride, dilation, groups in _pairs(MODES, (1, 2, 3), (1, 2, 3), (1, 2, 4)):
        size = next(sizes)
        paddings = ("same", 2) if stride == 1 else (0, 3) if mode == "zeros" else (3,)
        for padding in paddings:
            name = f"{mode}_k{size}_s{stride}_d{dilation}_g{groups}_{padding}"
            made[name] = nn.Conv1d(4, 8, size, stride, padding, dilation, groups, len(made) % 3 > 0, mode)
    return {name: (conv, "nct") for name, conv in made.items()}


MODES = ("zeros", "reflect", "replicate", "circular")


def _pairs(*features: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Choices of which each two of any two features meet."""
    missing = {
        (a, x, b, y)
        for (a, xs), (b, ys) in itertools.combinations(enumerate(features), 2)
        for x, y in itertools.product(xs, ys)
    }
    choices = [
        (choice, {(a, choice[a], b, choice[b]) for a, b in itertools.combinations(range(len(features)), 2)})
        for choice in itertools.product(*features)
    ]
    while missing:
        choice, met = max(choices, key=lambda pair: len(pair[1] & missing))
        missing -= met
        yield choice


def transposed() -> Group:
    """Transposed convolutions: kernel size, stride, padding, output padding, groups, dilation."""
    cases = [
        *((4, 2, 1, 0, 1, 1), (3, 1, 0, 0, 1, 1), (3, 2, 1, 1, 2, 1), (16, 8, 4, 0, 1, 1), (3, 3, 0, 2, 4, 2)),
        *((2, 4, 0, 3, 1, 1), (5, 2, 3, 1, 1, 2)),
    ]
    return {
        f"k{k}_s{s}_p{p}_o{o}_g{g}_d{d}": (nn.ConvTranspose1d(4, 8, k, s, p, o, g, p > 0, d), "nct")
        for k, s, p, o, g, d in cases
    }


def layers() -> Group:
    """One layer each."""
    return {
    "batch_norm": (nn.BatchNorm1d(4), "nct"),
    "batch_norm_plain": (nn.BatchNorm1d(4, eps=0.1, affine=False), "nct"),
    "group_norm": (nn.GroupNorm(2, 4), "nct"),
    "group_norm_plain": (nn.GroupNorm(4, 4, affine=False), "nct"),
    "instance_norm": (nn.InstanceNorm1d(4), "nct"),
    "instance_norm_affine": (nn.InstanceNorm1d(4, affine=True), "nct"),
    "instance_norm_tracked": (nn.InstanceNorm1d(4, affine=True, track_running_stats=True), "nct"),
    "layer_norm": (Does(lambda m, x: m.norm(x.mT).mT, norm=nn.LayerNorm(4)), "nct"),
    "layer_norm_plain": (
        Does(lambda m, x: m.norm(x.transpose(1, 2)), norm=nn.LayerNorm(4, elementwise_affine=False)),
        "ntc",
    ),
    "layer_norm_no_bias": (Does(lambda m, x: m.norm(x.mT).mT, norm=nn.LayerNorm(4, bias=False)), "nct"),
    "rms_norm": (Does(lambda m, x: m.norm(x.mT).mT, norm=nn.RMSNorm(4)), "nct"),
    "rms_norm_plain": (Does(lambda m, x: m.norm(x.mT).mT, norm=nn.RMSNorm(4, eps=0.1, elementwise_affine=False)), "nct"),
    "weight_norm": (nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 6, 3, padding=1)), "nct"),
    "weight_norm_transposed": (nn.utils.parametrizations.weight_norm(nn.ConvTranspose1d(4, 6, 4, 2, 1)), "nct"),
    "weight_norm_of_filters": (nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 6, 3, padding=1), dim=1), "nct"),
    "spectral_norm": (nn.utils.parametrizations.spectral_norm(nn.Conv1d(4, 6, 3, padding=1)), "nct"),
    "linear_channels": (Does(lambda m, x: m.dense(x.transpose(1, 2)).transpose(1, 2), dense=nn.Linear(4, 5)), "nct"),
    "linear_merged": (
        Does(lambda m, x: m.dense(x.mT.reshape(-1, 4)).view(x.shape[0], -1, 5).mT, dense=nn.Linear(4, 5)),
        "nct",
    ),
    "matmul": (Does(lambda m, x: (x.mT @ m.w).mT, w=nn.Parameter(torch.zeros(4, 5))), "nct"),
    "matmul_before": (Does(lambda m, x: m.w @ x, w=nn.Parameter(torch.zeros(5, 4))), "nct"),
    "prelu": (nn.PReLU(), "nct"),
    "prelu_channels": (nn.PReLU(4), "nct"),
    "max_pool": (nn.MaxPool1d(3, 2, 1), "nct"),
    "max_pool_ceil": (nn.MaxPool1d(3, 4, 1, ceil_mode=True), "nct"),
    "max_pool_plain": (nn.MaxPool1d(2), "nct"),
    "avg_pool": (nn.AvgPool1d(3, 2, 1), "nct"),
    "avg_pool_not_counted": (nn.AvgPool1d(3, 2, 1, count_include_pad=False), "nct"),
    "avg_pool_ceil": (nn.AvgPool1d(4, 3, 1, ceil_mode=True), "nct"),
    "avg_pool_ceil_not_counted": (nn.AvgPool1d(4, 3, 2, ceil_mode=True, count_include_pad=False), "nct"),
    "avg_pool_ceil_plain": (nn.AvgPool1d(3, 2, ceil_mode=True), "nct"),
    "upsample_nearest": (nn.Upsample(scale_factor=3), "nct"),
    "upsample_half": (nn.Upsample(scale_factor=2.5), "nct"),
    "upsample_down": (nn.Upsample(scale_factor=0.5), "nct"),
    "upsample_exact": (nn.Upsample(scale_factor=1.5, mode="nearest-exact"), "nct"),
    "upsample_linear": (nn.Upsample(scale_factor=2, mode="linear"), "nct"),
    "upsample_linear_corners": (nn.Upsample(scale_factor=2, mode="linear", align_corners=True), "nct"),
    "upsample_linear_down": (nn.Upsample(scale_factor=0.4, mode="linear"), "nct"),
    "dropout": (nn.Sequential(nn.Dropout(0.5), nn.Dropout1d(0.5), nn.AlphaDropout(0.5), nn.Identity()), "nct"),
    "pad_zeros": (nn.ConstantPad1d((2, 1), 0.0), "nct"),
    "pad_reflect": (nn.ReflectionPad1d((2, 1)), "nct"),
    "pad_replicate": (nn.ReplicationPad1d((0, 3)), "nct"),
    "pad_circular": (nn.CircularPad1d((3, 0)), "nct"),
    "pad_negative": (nn.ConstantPad1d((-2, 3), 0.0), "nct"),
    "pad_channels": (does(lambda x: F.pad(x, (0, 0, 1, 2))), "nct"),
    "scale": (Does(lambda m, x: x * m.w + m.v, w=nn.Parameter(torch.zeros(4, 1)), v=nn.Parameter(torch.zeros(1))), "nct"),
        "channel_attention": (
            Does(
                lambda m, x: x * torch.sigmoid(m.c(x.mean(-1, keepdim=True).mT).mT),
                c=nn.Conv1d(1, 1, 3, padding=1, bias=False),
            ),
            "nct",
        ),
        "separated": (
            Does(
                lambda m, x: (x.unsqueeze(1) * torch.sigmoid(m.c(x).view(x.shape[0], 2, 4, -1))).flatten(1, 2),
                c=nn.Conv1d(4, 8, 1),
            ),
            "nct",
        ),
        "scale_of_all": (Does(lambda m, x: x * m.w / torch.tensor(3.0), w=nn.Parameter(torch.zeros(()))), "nct"),
        "constant_divided": (Does(lambda m, x: x / (m.w.abs() + 1) - m.w, w=nn.Parameter(torch.zeros(1, 4, 1))), "nct"),
        "softmax_channels": (nn.Softmax(1), "nct"),
    "log_softmax_channels": (nn.LogSoftmax(1), "nct"),
    "glu": (nn.GLU(1), "nct"),
    "interpolate_like": (Does(lambda m, x: F.interpolate(x, size=m.c(x).size(2)), c=nn.ConvTranspose1d(4, 1, 3, 3)), "nct"),
}  # fmt: skip


def activations() -> Group:
    """Functions of single numbers."""
    made: dict[str, Any] = {
        **{
            layer.__class__.__name__: layer
            for layer in (
                *(nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.1), nn.ELU(0.5), nn.SELU(), nn.CELU(0.5), nn.GELU(), nn.SiLU()),
                *(nn.Mish(), nn.Softplus(), nn.Hardswish(), nn.Hardsigmoid(), nn.Tanh(), nn.Sigmoid(), nn.LogSigmoid()),
                *(nn.Softsign(), nn.Tanhshrink(), nn.Softshrink(0.3), nn.Hardshrink(0.3), nn.Threshold(0.1, 20.0)),
                *(nn.RReLU(), nn.Hardtanh()),
            )
        },
        "gelu_tanh": nn.GELU("tanh"),
        "softplus_beta": nn.Softplus(2.0),
        "hardtanh_wide": nn.Hardtanh(-0.5, 2.0),
        "clamp": does(lambda x: x.clamp(max=0.5)),
        "clamp_min": does(lambda x: x.clamp(min=0.5)),
        "exp": does(torch.exp),
        "abs_sqrt": does(lambda x: torch.sqrt(x.abs() + 0.1)),
        "log": does(lambda x: torch.log(x * x + 0.1)),
        "snake": does(lambda x: x + torch.sin(0.5 * x) ** 2 / 0.5),
        "cos": does(torch.cos),
        "powers": does(lambda x: x**2 + x.pow(3) - x.square()),
        "numbers": does(lambda x: (1 - x) / 3 + 2 * x - (x - 0.5) + torch.add(x, 1.0, alpha=2)),
        "division": does(lambda x: x / (1 + x.abs())),
        "extremes": does(lambda x: torch.maximum(x, -x) + torch.minimum(x, x * 2)),
    }
    return {name: (layer, "nct") for name, layer in made.items()}


def shapes() -> Group:
    """Functions of shapes and parts."""
    functions: dict[str, tuple[Any, str]] = {
        "chunk": (lambda x: torch.tanh(x.chunk(2, 1)[0]) * torch.sigmoid(x.chunk(2, 1)[1]), "nct"),
        "split": (lambda x: torch.cat(x.split([1, 3], 1)[::-1], 1), "nct"),
        "slice_channels": (lambda x: x[:, 1::2], "nct"),
        "narrow": (lambda x: x.narrow(1, 1, 2), "nct"),
        "one_channel": (lambda x: x[:, 2] + x[:, 3:4].squeeze(1), "nt"),
        "crop": (lambda x: x[:, :, 2:-3], "nct"),
        "last": (lambda x: x[:, :, -1], "nc"),
        "last_steps": (lambda x: x[..., -4:], "nct"),
        "last_but": (lambda x: x[..., -4:-1], "nct"),
        "every": (lambda x: x[:, :, 1::3], "nct"),
        "like_another": (lambda x: F.pad(x, (3, 3))[:, :, : x.size(2)] + x, "nct"),
        "from_size": (lambda x: x[:, :, x.shape[-1] - 5 :], "nct"),
        "steps_first": (lambda x: x.permute(0, 2, 1), "ntc"),
        "shuffle": (lambda x: x.view(x.size(0), 2, 2, -1).transpose(1, 2).reshape(x.size(0), 4, -1), "nct"),
        "unflatten": (lambda x: x.unflatten(1, (2, 2))[:, 1], "nct"),
        "unflatten_inner": (lambda x: x.unflatten(1, (2, 2))[:, :, 0], "nct"),
        "stack": (lambda x: torch.stack([x, -x], 1).flatten(1, 2), "nct"),
        "stack_inner": (lambda x: torch.stack([x, -x], 2).flatten(1, 2), "nct"),
        "unbind": (lambda x: x.unbind(1)[3] * x.unbind(1)[0], "nt"),
        "ones": (lambda x: x.unsqueeze(-1).squeeze(-1)[:, None, None].squeeze(), "nct"),
        "last_like": (lambda x: x[..., -x[..., 3:].size(2) :], "nct"),
        "max_channels": (lambda x: torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1), "nct"),
        "max_of_three": (lambda x: x[:, :3].amax(1), "nt"),
        "repeated_inner": (lambda x: (x[:, :2, None] * x.view(x.size(0), 2, 2, -1)).flatten(1, 2), "nct"),
        "mean": (lambda x: x.mean(-1), "nc"),
        "mean_kept": (lambda x: x.mean(2, keepdim=True), "nct"),
        "mean_channels": (lambda x: x.mean(1, keepdim=True), "nct"),
        "mean_all": (lambda x: x.mean((1, 2)), "n"),
        "sum_channels": (lambda x: x.sum(1, keepdim=True) * x, "nct"),
        "max": (lambda x: x.amax(-1), "nc"),
        "max_pair": (lambda x: x.max(-1)[0], "nc"),
        "max_kept": (lambda x: F.adaptive_max_pool1d(x, 1), "nct"),
        "average_kept": (lambda x: F.adaptive_avg_pool1d(x, 1), "nct"),
        "excitation": (lambda x: x * torch.sigmoid(x.mean(-1, keepdim=True)), "nct"),
        "excitation_view": (
            lambda x: x * torch.sigmoid(F.adaptive_avg_pool1d(x, 1).view(x.size(0), -1)).view(x.size(0), -1, 1),
            "nct",
        ),
        "attention": (lambda x: x * torch.sigmoid(x.mean(1, keepdim=True)), "nct"),
        "zeros_before": (lambda x: torch.cat([torch.zeros(x.size(0), 4, 3), x], 2), "nct"),
        "expand": (lambda x: x + x.mean(-1, keepdim=True).expand(-1, -1, 1), "nct"),
        "flatten_one": (lambda x: torch.flatten(F.adaptive_avg_pool1d(x, 1), 1), "nc"),
    }
    return {name: (does(function), layout) for name, (function, layout) in functions.items()}


def of_one_length() -> Group:
    """What no network of any length does."""
    return {
        "flatten": (nn.Sequential(nn.Conv1d(4, 3, 3), nn.Flatten(), nn.Linear(54, 5)), "nc"),
        "flatten_norm": (nn.Sequential(nn.Flatten(), nn.BatchNorm1d(80), nn.ReLU(), nn.Linear(80, 5)), "nc"),
        "flatten_out": (nn.Flatten(), "nc"),
        "flatten_steps_first": (
            Does(lambda m, x: m.l(x.transpose(1, 2).reshape(-1, 80)), l=nn.Linear(80, 3)),
            "nc",
        ),
        "unflatten": (
            nn.Sequential(nn.Flatten(), nn.Linear(80, 24), nn.Unflatten(1, (3, 8)), nn.ConvTranspose1d(3, 2, 4, 2, 1)),
            "nct",
        ),
        "dense_as_sequence": (
            nn.Sequential(nn.Flatten(), nn.Linear(80, 24), nn.Unflatten(1, (1, 24)), nn.Conv1d(1, 2, 3)),
            "nct",
        ),
        "position": (
            Does(lambda m, x: m.c(x + m.p), p=nn.Parameter(torch.zeros(1, 4, 20)), c=nn.Conv1d(4, 2, 3)),
            "nct",
        ),
        "layer_norm_all": (nn.Sequential(nn.LayerNorm([4, 20]), nn.Conv1d(4, 2, 3)), "nct"),
        "first_steps": (does(lambda x: x[:, :, :7]), "nct"),
        "pool_to": (nn.AdaptiveAvgPool1d(5), "nct"),
        "pool_max_to": (nn.AdaptiveMaxPool1d(4), "nct"),
        "resize_to": (nn.Upsample(size=30), "nct"),
        "resize_linear_to": (nn.Upsample(size=33, mode="linear"), "nct"),
        "sum": (does(lambda x: x.sum(-1)), "nc"),
        "steps_as_channels": (Does(lambda m, x: m.c(x.transpose(1, 2)), c=nn.Conv1d(20, 3, 2)), "nct"),
    }


def disguised() -> Group:
    """Layers of two axes, of which one has length 1."""
    return {
    "conv": (nn.Conv2d(4, 6, (3, 1), (2, 1), (1, 0)), "nct1"),
    "conv_wide": (nn.Conv2d(4, 6, 3, padding=1), "nct1"),
    "conv_same": (nn.Conv2d(4, 6, (4, 3), padding="same", groups=2), "nct1"),
    "transposed": (nn.ConvTranspose2d(4, 6, (4, 1), (2, 1), (1, 0)), "nct1"),
    "block": (
        nn.Sequential(
            nn.ZeroPad2d((0, 0, 2, 3)), nn.Conv2d(4, 6, (6, 1)), nn.ReLU(), nn.BatchNorm2d(6), nn.MaxPool2d((2, 1), (2, 1))
        ),
        "nct1",
    ),
    "average": (nn.AvgPool2d((3, 1), (2, 1), (1, 0)), "nct1"),
    "upsample": (nn.Upsample(scale_factor=(2, 1)), "nct1"),
    "whole": (nn.Sequential(nn.Conv2d(4, 6, (3, 1)), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "nc"),
}  # fmt: skip


def recurrent(first: bool) -> Group:
    """Recurrent layers: their steps, and their last states."""
    made: Group = {}
    layout = "ntc" if first else "tnc"
    for cell, (depth, both, bias) in itertools.product(
        ("LSTM", "GRU"), ((1, False, True), (2, True, True), (3, False, False))
    ):
        rnn = getattr(nn, cell)(4, 5, depth, bias, first, bidirectional=both)
        name = f"{cell}_{depth}{'_both' if both else ''}"
        made[name] = (Does(lambda m, x: m.rnn(x)[0], rnn=rnn), layout)
        made[f"{name}_last"] = (Does(lambda m, x: _states(m.rnn(x))[-1], rnn=rnn), "nc")
        made[f"{name}_all"] = (Does(lambda m, x: _states(m.rnn(x)).permute(1, 0, 2).flatten(1), rnn=rnn), "nc")
        made[f"{name}_first"] = (Does(lambda m, x: _states(m.rnn(x))[0], rnn=rnn), "nc")
    return made


def _states(made: Any) -> Any:
    return made[1][0] if isinstance(made[1], tuple) else made[1]


#: What makes the modules of a group; the shape of their input, its layout, and another length, where it may be any.
GROUPS: dict[str, tuple[Callable[[], Group], tuple[int, ...], str, int | None]] = {
    "convolutions": (convolutions, X, "nct", 15),
    "transposed": (transposed, X, "nct", 11),
    "layers": (layers, X, "nct", 15),
    "activations": (activations, X, "nct", 7),
    "shapes": (shapes, X, "nct", 17),
    "of_one_length": (of_one_length, X, "nct", None),
    "recurrent": (functools.partial(recurrent, True), (3, 9, 4), "ntc", 4),
    "recurrent_steps_first": (functools.partial(recurrent, False), (9, 3, 4), "tnc", 4),
    "disguised": (disguised, (3, 4, 20, 1), "nct1", 15),
}


@functools.cache
def outputs(group: str, dtype: str) -> dict[str, list[tuple[Any, Any, str]]] | str:
    """What the network of all modules of a group gives beside torch, by their names, for the length that it was read for
    and for another; or why it gives nothing.
    """
    try:
        return _outputs(group, dtype)
    except (AssertionError, ValueError) as error:
        return f"{group}: {error}"


def _outputs(group: str, dtype: str) -> dict[str, list[tuple[Any, Any, str]]]:
    make, shape, layout, other = GROUPS[group]
    made = make()
    module = randomised(side_by_side({name: part for name, (part, _) in made.items()})).to(getattr(torch, dtype))
    network = from_torch(module, drawn([shape], dtype)[0], layout)
    assert (network.graph.sources[0].length is None) == (other is not None)
    found: dict[str, list[tuple[Any, Any, str]]] = {name: [] for name in made}
    for length in (shape[layout.index("t")], other):
        if length is not None:
            xs = drawn(of_length([shape], [layout], length), dtype)
            kernels = (group, dtype, length) == ("convolutions", "float32", other)
            computed = results(module, xs, network, [layout], kernels)
            for (name, (_, seen)), (y, right) in zip(made.items(), computed, strict=True):
                found[name].append((y, right, seen))
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("group", "name"), [(group, name) for group, row in GROUPS.items() for name in row[0]()])
def test_a_layer_computes_what_torch_computes(group: str, name: str, dtype: str) -> None:
    made = outputs(group, dtype)
    assert not isinstance(made, str), made
    for y, right, layout in made[name]:
        agree(y, right, layout, f"{name} of {group}, {dtype}")


def test_what_changes_its_input_in_place() -> None:
    module = Does(
        lambda m, x: (m.relu(m.conv(x)), m.conv(x).add_(1).mul_(x)), conv=nn.Conv1d(4, 4, 1), relu=nn.ReLU(inplace=True)
    )
    compared(module, [X], ["nct", "nct"], other_length=9)
    twice = Does(lambda m, x: (y := m.conv(x)) + m.relu(y), conv=nn.Conv1d(4, 4, 1), relu=nn.ReLU(inplace=True))
    compared(twice, [X])


def test_steps_in_the_last_axis_of_two() -> None:
    compared(
        nn.Conv2d(4, 6, (1, 5), dilation=(1, 2), padding=(0, 2)), [(3, 4, 1, 20)], ["nc1t"], ["nc1t"], other_length=15
    )


def test_several_inputs_and_outputs() -> None:
    module = Does(lambda m, a, b: (m.c(a) + m.d(b), a.mean(1)), c=nn.Conv1d(4, 3, 1), d=nn.Conv1d(2, 3, 3, padding=1))
    network = compared(module, [X, (3, 2, 20)], ["nct", "nt"], other_length=9)
    assert len(network.graph.sources) == 2
    with pytest.raises(ValueError, match="steps"):
        network([np.zeros((1, 9, 4), "float32"), np.zeros((1, 8, 2), "float32")])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves(dtype: str) -> None:
    from conv1d_codegen import from_torch

    module = nn.Sequential(nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6)).eval().to(getattr(torch, dtype))
    x = torch.randn(2, 4, 12).to(getattr(torch, dtype))
    y = from_torch(module, x)(x.float().numpy().transpose(0, 2, 1).copy())
    assert str(y.dtype) == dtype
    np.testing.assert_allclose(y.astype(float), module(x).detach().float().mT, atol=0.05)
