"""The voice detector of the package silero-vad, where that is installed: its files, and its definition by hand."""

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

import pytest

import conv1d_codegen as cc
from conv1d_codegen.network import ops
from conv1d_codegen.network.graph import Graph, Node, Source
from conv1d_codegen.network.readers.pytorch.convolutions import kernel_of

CHUNK, CONTEXT, WIDE = 512, 64, 128
NAMES = ("stft_conv", "conv1", "conv2", "conv3", "conv4", "final_conv")


def packaged(package: str, *path: str) -> Path:
    """A file of a package that may be installed; the package is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"needs the package {package}")
    return Path(spec.submodule_search_locations[0], *path)


def model(name: str) -> Path:
    try:
        files = importlib.metadata.files("silero-vad") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("silero-vad is not installed")
    found = [Path(str(file.locate())) for file in files if file.name == name]
    if not found:
        pytest.skip(f"this version of silero-vad has no {name}")
    return found[0]


def silero_by_hand(arrays: dict[str, Any]) -> tuple[cc.Network, cc.Network]:
    """Its features of a chunk, and its probabilities for a sequence of them, from the arrays of its file."""
    weights = {f"{name}/kernel": kernel_of(arrays[f"{name}.weight"], (slice(None),)) for name in NAMES}
    weights |= {f"{name}/bias": arrays[f"{name}.bias"] for name in NAMES if name != "stft_conv"}
    weights["lstm/kernel"] = arrays["lstm_cell.weight_ih"].T
    weights["lstm/recurrent"] = arrays["lstm_cell.weight_hh"].T
    weights["lstm/bias"] = arrays["lstm_cell.bias_ih"] + arrays["lstm_cell.bias_hh"]
    relu, square = ops.Activate(cc.Activation("relu")), ops.Combine("multiply")

    def conv(name: str, problem: str, x: str) -> Node:
        bias = () if "nobias" in problem else (f"{name}/bias",)
        return Node(name, ops.Conv(cc.Problem.parse(problem)), (x,), (f"{name}/kernel", *bias))

    features = Graph(
        (Source("x", 1),),
        (
            Node("around", ops.Pad(0, 64, "reflect"), ("x",)),
            conv("stft_conv", "c1_f258_k256_s128_valid_linear_f32_nobias", "around"),
            Node("real", ops.ChannelSlice(0, 129), ("stft_conv",)),
            Node("imaginary", ops.ChannelSlice(129, 129), ("stft_conv",)),
            Node("real_square", square, ("real", "real")),
            Node("imaginary_square", square, ("imaginary", "imaginary")),
            Node("power", ops.Combine("add"), ("real_square", "imaginary_square")),
            Node("magnitude", ops.Function("sqrt"), ("power",)),
            conv("conv1", "c129_f128_k3_pad1x1_relu_f32", "magnitude"),
            conv("conv2", "c128_f64_k3_s2_pad1x1_relu_f32", "conv1"),
            conv("conv3", "c64_f64_k3_s2_pad1x1_relu_f32", "conv2"),
            conv("conv4", "c64_f128_k3_pad1x1_relu_f32", "conv3"),
        ),
        ("conv4",),
    )
    cell = ops.Lstm(WIDE, cc.Activation("tanh"), cc.Activation("sigmoid"), sequences=True)
    probabilities = Graph(
        (Source("features", WIDE),),
        (
            Node("lstm", cell, ("features",), ("lstm/kernel", "lstm/recurrent", "lstm/bias")),
            Node("relu", relu, ("lstm",)),
            conv("final_conv", f"c{WIDE}_f1_k1_valid_sigmoid_f32", "relu"),
        ),
        ("final_conv",),
    )
    return cc.Network.of(features, weights), cc.Network.of(probabilities, weights)
