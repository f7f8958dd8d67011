"""Safetensors files: what is in them, and what is no such file."""

import json
import math
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from support.damage import damaged, survived

import conv1d_codegen as cc
from conv1d_codegen.network import layers
from conv1d_codegen.network.readers import safetensors

WORDS = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "uint8": "U8",
    "bool": "BOOL",
}
ARRAYS: dict[str, Any] = {
    "a.weight": np.arange(6, dtype="float32").reshape(2, 3),
    "a.bias": np.array([1.5, -2], "float16"),
    "half": np.array([[1.0], [0.5]], ml_dtypes.bfloat16),
    "wide": np.array(2.5),
    "none": np.zeros((0, 3), "int64"),
    "flags": np.array([True, False, True]),
    "bytes": np.array([3, 4], "uint8"),
}


def written(path: Path, arrays: dict[str, Any], spaces: int = 0, **header: Any) -> Path:
    """A file of arrays, some of whose header is said by hand."""
    rows, at = {}, 0
    for name, array in arrays.items():
        rows[name] = {
            "dtype": WORDS[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = json.dumps({**rows, **header}).encode() + b" " * spaces
    data = b"".join(array.tobytes() for array in arrays.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def raw(path: Path, header: str, data: bytes = b"") -> Path:
    """A file of a header as text."""
    text = header.encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    found = safetensors.read(written(tmp_path / "x", ARRAYS, 5, __metadata__={"format": "pt"}))
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
    assert safetensors.read(str(raw(tmp_path / "empty", "{}"))) == {}


def test_the_order_of_the_header_is_kept(tmp_path: Path) -> None:
    rows = {
        "b": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]},
        "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
    }
    found = safetensors.read(raw(tmp_path / "x", json.dumps(rows), b"\1\2"))
    assert [(name, int(array[0])) for name, array in found.items()] == [("b", 2), ("a", 1)]


A = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("rows", "data", "message"),
    [
        ({"a": {**A, "dtype": "F8_E4M3"}}, 8, "has dtype 'F8_E4M3'; F64, F32"),
        ({"a": {**A, "dtype": ["F32"]}}, 8, "has dtype"),
        ({"a": {**A, "shape": [3]}}, 8, r"of shape \[3\] takes 12 bytes, and has \[0, 8\]"),
        ({"a": {**A, "shape": [-2]}}, 8, r"has shape \[-2\]"),
        ({"a": {**A, "shape": [2.0]}}, 8, r"has shape \[2.0\]"),
        ({"a": {**A, "shape": [True]}}, 8, r"has shape \[True\]"),
        ({"a": {**A, "shape": "2"}}, 8, "has shape 2"),
        ({"a": {**A, "shape": [2, *[1] * 64]}}, 8, "takes 8 bytes"),
        ({"a": {**A, "shape": [1 << 61, 1 << 61], "data_offsets": [0, 8]}}, 8, "takes 21267"),
        ({"a": {**A, "data_offsets": [8, 0]}}, 8, "takes 8 bytes"),
        ({"a": {**A, "data_offsets": [0, 8, 16]}}, 8, "data_offsets"),
        ({"a": {**A, "data_offsets": [4, 12]}}, 12, "begins at byte 4, and the array before it ends at 0"),
        ({"a": A, "b": A}, 8, "'b' begins at byte 0, and the array before it ends at 8"),
        ({"a": A, "b": {**A, "data_offsets": [4, 12]}}, 12, "begins at byte 4, and the array before it ends at 8"),
        ({"a": A, "b": {**A, "data_offsets": [9, 17]}}, 17, "begins at byte 9"),
        ({"a": A}, 9, "its arrays end at byte 8 of 9"),
        ({"a": A}, 7, "its arrays end at byte 8 of 7"),
        ({"a": {"dtype": "F32", "shape": [2]}}, 8, "has no dtype, shape and data_offsets"),
        ({"a": {**A, "more": 1}}, 8, "or more than these"),
        ({"a": 3}, 8, "has no dtype"),
        ([A], 8, "is no JSON object"),
    ],
)
def test_a_header_that_lies(rows: Any, data: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        safetensors.read(raw(tmp_path / "x", json.dumps(rows), bytes(data)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no safetensors file"),
        (b"\2\0\0\0", "is no safetensors file"),
        (b"\xff" * 8, "would have 18446744073709551615 bytes, of 8"),
        (b"\3\0\0\0\0\0\0\0{}", "would have 3 bytes, of 10"),
        (b"\2\0\0\0\0\0\0\0{]", "is damaged"),
        (b"\2\0\0\0\0\0\0\0\xff\xff", "is damaged"),
        (b"PK\3\4" + b"\0" * 60, "is no safetensors file"),
    ],
)
def test_what_is_no_such_file(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        safetensors.read(tmp_path / "x")


def test_names_that_are_given_twice_and_headers_that_are_deep(tmp_path: Path) -> None:
    row = json.dumps(A)
    with pytest.raises(ValueError, match="a name is given twice: 'a'"):
        safetensors.read(raw(tmp_path / "x", f'{{"a": {row}, "a": {row}}}', bytes(8)))
    with pytest.raises(ValueError, match="a name is given twice: 'dtype'"):
        safetensors.read(raw(tmp_path / "x", '{"a": {"dtype": "F32", "dtype": "F64"}}', bytes(8)))
    with pytest.raises(ValueError, match="is damaged"):
        safetensors.read(raw(tmp_path / "x", "[" * 100_000))
    with pytest.raises(FileNotFoundError):
        safetensors.read(tmp_path / "none")


def test_any_damage_is_an_error_or_other_arrays(tmp_path: Path) -> None:
    """Truncated, with bits turned over, with pieces twice or missing: no crash, and no memory beyond the file's size."""
    path = written(tmp_path / "x", ARRAYS)
    whole = path.read_bytes()

    def read(path: Path) -> None:
        found = safetensors.read(path)
        assert sum(math.prod(a.shape) * a.itemsize for a in found.values()) <= path.stat().st_size

    assert 0 < survived(path, lambda rng: damaged(whole, rng, b"\n", digits=True), read, 1000, memory=1 << 18) < 1


# The weights of a network


@pytest.fixture
def network() -> cc.Network:
    x = cc.Input(2, name="x")
    return cc.Network(x, layers.BatchNormalization(name="norm")(cc.Conv1D(3, 2, name="conv")(x)))


def test_weights_of_a_network_by_name(network: cc.Network, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wanted = {name: rng.random(w.shape, "float32") for name, w in [*network.weights.items()][::-1]}
    network.load_weights(written(tmp_path / "x", wanted))
    for name, weight in network.weights.items():
        np.testing.assert_array_equal(weight, wanted[name])
    network.load_weights({name: (w * 2).tolist() for name, w in wanted.items()})
    np.testing.assert_array_equal(network.weights["conv/kernel"], wanted["conv/kernel"] * 2)


def test_all_that_does_not_fit_is_told_at_once(network: cc.Network) -> None:
    given: dict[str, Any] = {name: np.zeros(weight.shape) for name, weight in network.weights.items()}
    given["conv/other"] = np.zeros(3)
    given["conv/kernel"] = np.zeros((3, 2, 2))
    del given["norm/beta"]
    before = dict(network.weights)
    with pytest.raises(ValueError, match="are not those of the network's weights") as caught:
        network.load_weights(given)
    assert str(caught.value).split("\n")[1:] == [
        "  norm/beta of shape (3,) is missing",
        "  conv/other of shape (3,) is not expected",
        "  conv/kernel has shape (3, 2, 2), and not (2, 2, 3)",
    ]
    assert all(network.weights[name] is value for name, value in before.items())
    with pytest.raises(TypeError, match="The weight conv/bias takes real numbers"):
        network.load_weights({**before, "conv/bias": np.array(["a", "b", "c"])})
