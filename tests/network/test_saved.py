"""Networks in files of our own: what is written is read, and nothing else is."""

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.damage import damaged, survived
from support.networks import drawn, random_weights

import conv1d_codegen as cc
from conv1d_codegen import Conv1D
from conv1d_codegen.network import layers
from conv1d_codegen.network.readers import SUFFIXES
from conv1d_codegen.network.saved import MAGIC


@pytest.fixture
def small(tmp_path: Path) -> Path:
    x = cc.Input(2, name="x")
    y = layers.MaxPooling1D(2)(layers.BatchNormalization(name="norm")(Conv1D(3, 2, name="conv")(x)))
    cc.save(cc.Network(x, y), tmp_path / "small")
    return tmp_path / "small"


@pytest.mark.parametrize("seed", range(30))
def test_what_is_written_is_read(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    network = drawn(lambda choices: choices[int(rng.integers(len(choices)))], int(rng.integers(1, 7)))
    network.set_weights(random_weights(network, rng))
    cc.save(network, tmp_path / "network")
    again = cc.load(tmp_path / "network")
    assert str(again.graph) == str(network.graph)
    assert again.graph == network.graph
    assert {n: w.tobytes() for n, w in again.weights.items()} == {n: w.tobytes() for n, w in network.weights.items()}
    assert [path.name for path in tmp_path.iterdir()] == ["network"]
    cc.save(again, tmp_path / "network")  # over itself
    assert cc.load(tmp_path / "network").graph == network.graph


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".pt2", ".safetensors", ".Keras"])
def test_names_of_other_formats_are_refused(suffix: str, tmp_path: Path) -> None:
    x = cc.Input(2)
    network = cc.Network(x, Conv1D(3, 2)(x))
    with pytest.raises(ValueError, match=r"format of our own.* such as net\.v2\.conv1d\.$"):
        cc.save(network, tmp_path / f"net.v2{suffix}")
    assert not list(tmp_path.iterdir())
    cc.save(network, tmp_path / "net.v2")  # what no other format is named


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_other_dtypes(dtype: str, tmp_path: Path) -> None:
    network = cc.Sequential([cc.Input(2, dtype=dtype), Conv1D(3, 2, dtype=dtype)])
    cc.save(network, tmp_path / "network")
    x = np.ones((1, 5, 2), "float32")
    assert cc.load(tmp_path / "network")(x).tobytes() == network(x).tobytes()


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """The file with another header, and its arrays as they were."""
    text = path.read_bytes()
    start = len(MAGIC) + 8
    (length,) = struct.unpack("<Q", text[len(MAGIC) : start])
    header = json.loads(text[start : start + length])
    change(header)
    made = json.dumps(header).encode()
    arrays = text[-(-(start + length) // 64) * 64 :]
    begin = MAGIC + struct.pack("<Q", len(made)) + made
    path.write_bytes(begin + bytes(-len(begin) % 64) + arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h["nodes"][0].__setitem__(0, "no name"), "Names in a network"),
        (lambda h: h["nodes"][0][1].__setitem__("op", "lambda"), "lambda"),
        (lambda h: h["nodes"][0][1].__setitem__("problem", "c2_f3_k2"), "Not a problem's text form"),
        (lambda h: h["nodes"][0][1].__setitem__("code", "import os"), "has problem, and not problem, code"),
        (lambda h: h["nodes"][0].__setitem__(2, ["norm"]), "reads norm, which no node before it makes"),
        (lambda h: h["nodes"][2][1].__setitem__("size", 0), "1 or more"),
        (lambda h: h["nodes"][2][1].__setitem__("size", "2"), "expected int"),
        (lambda h: h["nodes"][2][1].__setitem__("size", True), "expected int"),
        (lambda h: h["sources"][0].__setitem__(1, 1 << 40), "size from 1 to"),
        (lambda h: h["weights"]["conv/kernel"].__setitem__("offset", 1 << 60), "is not where the header says"),
        (lambda h: h["weights"]["conv/kernel"].__setitem__("offset", -64), "is not where the header says"),
        (lambda h: h["weights"]["conv/kernel"].__setitem__("shape", [2, 3, 2]), "is not where the header says"),
        (lambda h: h["weights"].pop("conv/bias"), "conv/bias"),
        (lambda h: h.__setitem__("dtype", "f8"), "dtype of a network"),
        (lambda h: h.__setitem__("outputs", []), "has an input and an output"),
        (lambda h: h.pop("nodes"), "nodes"),
    ],
)
def test_a_header_that_lies(small: Path, change: Callable[[dict[str, Any]], None], message: str) -> None:
    changed(small, change)
    with pytest.raises(ValueError, match=message):
        cc.load(small)


def test_files_that_are_none(small: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        cc.load(tmp_path / "missing")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(ValueError, match="is no file of a network"):
        cc.load(tmp_path / "empty")
    small.write_bytes(MAGIC + struct.pack("<Q", 1 << 50) + b"{}")
    with pytest.raises(ValueError, match="its header would take"):
        cc.load(small)
    deep = b"[" * 100_000 + b"]" * 100_000
    small.write_bytes(MAGIC + struct.pack("<Q", len(deep)) + deep)
    with pytest.raises(ValueError, match="is damaged"):
        cc.load(small)


def test_a_chain_of_thousands(small: Path) -> None:
    """Of layers that each halve the length: formulas of formulas, which fold."""

    def deep(header: dict[str, Any]) -> None:
        pool = {"op": "pool", "kind": "max", "size": 3, "stride": 2, "padding": "same", "count_padding": False}
        for number in range(2000):
            header["nodes"].append([f"p{number}", pool, [header["nodes"][-1][0]], []])
        header["outputs"] = ["p1999"]

    changed(small, deep)
    assert cc.load(small)(np.ones((1, 40, 2), "float32")).shape == (1, 1, 3)


def test_any_damage_is_an_error_or_another_network(small: Path) -> None:
    """Truncated, with bits turned over, with pieces twice or missing: no crash, and no memory beyond the file's size."""
    whole = small.read_bytes()

    def read(path: Path) -> None:
        network = cc.load(path)
        assert all(math.prod(w.shape) * 4 <= len(whole) for w in network.weights.values())

    assert survived(small, lambda rng: damaged(whole, rng, b"\n"), read, usual=300, memory=1 << 20)
