"""Files of Keras's whose weights are wrong, hostile or damaged."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.keras_files import (
    WEIGHTS,
    config,
    content,
    hdf5_edited,
    parts,
    recorded,
    with_config,
    with_weights,
    written,
)

from conv1d_codegen import load

TESTS = Path(__file__).parents[1]

PATH = "layers/conv1d/vars/0"


def _replaced(**how: Any) -> Callable[[Any], None]:
    def edit(file: Any) -> None:
        del file[PATH]
        file.create_dataset(PATH, **how)

    return edit


def _linked(link: Any) -> Callable[[Any], None]:
    def edit(file: Any) -> None:
        del file[PATH]
        file[PATH] = link

    return edit


def _virtual(file: Any) -> None:
    del file[PATH]
    layout = h5py.VirtualLayout((2, 2, 4), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (2, 2, 4))
    file.create_virtual_dataset(PATH, layout)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_replaced(shape=(2, 2, 5), dtype="f4", data=np.zeros((2, 2, 5))), r"The file has: \(2, 2, 5\), \(4,\)"),
        (
            _replaced(shape=(2**40, 2, 4), dtype="f4", chunks=(1, 2, 4)),
            "takes 35184372088832 bytes, in chunks of 32. It has 0",
        ),
        (_replaced(shape=(2, 2, 4), dtype="f4"), "takes 64 bytes, in chunks of 0. It has 0"),
        (_replaced(data=np.zeros((2, 2, 4), "f4"), chunks=(2, 2, 4), compression="gzip"), "is compressed; h5repack"),
        (_replaced(shape=(2, 2, 4), dtype="f4", external=[("/etc/passwd", 0, 64)]), "stored in other files"),
        (_virtual, "stored in other files"),
        (_linked(h5py.ExternalLink("/etc/passwd", "/x")), f"link '{PATH}' leads elsewhere"),
        (_linked(h5py.SoftLink("/layers/conv1d/vars/1")), "leads elsewhere"),
        (_linked("text"), "it holds no numbers"),
        (_replaced(data=np.zeros((2, 2, 4), "c8")), "has dtype complex64"),
        (_replaced(data=np.zeros((2, 2, 4), "i2")), "dtype int16, which may hold"),
        (lambda file: file.__delitem__(PATH), f"dataset '{PATH}' is missing"),
        (
            lambda file: file.__delitem__("layers/conv1d"),
            "no weights of layer 'conv1d', which has 2: layers/conv1d/vars is",
        ),
        (lambda file: file.__setitem__("layers/conv1d/vars/2", 1.0), "has 2 weights, and the file has more"),
    ],
)
def test_weights_that_are_wrong(edit: Callable[[Any], None], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load(written(tmp_path / "model", with_weights(content("tcn_3.keras"), edit)))


def test_chunks_are_read(tmp_path: Path) -> None:
    with h5py.File(io.BytesIO(parts(content("tcn_3.keras"))[WEIGHTS]), "r") as file:
        kernel = file[PATH][()]
    data = with_weights(content("tcn_3.keras"), _replaced(data=kernel, chunks=(1, 2, 4)))
    np.testing.assert_array_equal(load(written(tmp_path / "model", data)).weights["conv1d/kernel"], kernel)


def _names(*names: str, layer: str = "conv1d") -> Callable[[Any], None]:
    def edit(file: Any) -> None:
        file[f"model_weights/{layer}"].attrs["weight_names"] = [name.encode() for name in names]

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_names("conv1d/kernel:0"), "Layer 'conv1d' has 2 weights. The file has 1 of it"),
        (_names("conv1d/kernel:0", "conv1d/kernel:0"), "names that repeat: conv1d/kernel:0, conv1d/kernel:0"),
        (_names("conv1d/bias:0", "conv1d/kernel:0"), r"The file has: \(4,\), \(2, 2, 4\)"),
        (_names("conv1d/kernel:0", "conv1d/nothing"), "conv1d/nothing' is missing"),
        (_names("conv1d/kernel:0", "../kernel:0"), "has an empty part or dots"),
        (_names("conv1d/kernel:0", "conv1d/kernel:0/x"), "is no group"),
        (lambda file: file["model_weights/conv1d"].attrs.__setitem__("weight_names", [1, 2]), "is no text"),
        (lambda file: file["model_weights/conv1d"].attrs.__delitem__("weight_names"), "no weights of layer 'conv1d'"),
        (lambda file: file.__delitem__("model_weights/conv1d"), "has no weights of layer 'conv1d', which has 2"),
        (lambda file: file.__delitem__("model_weights"), "model_weights/conv1d is missing"),
        (lambda file: file.attrs.__setitem__("model_config", np.zeros(3)), "is no text"),
        (lambda file: file.attrs.__setitem__("model_config", b"[]"), "says of the model no class"),
    ],
)
def test_weights_of_old_files_that_are_wrong(edit: Callable[[Any], None], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load(written(tmp_path / "model", hdf5_edited(content("tcn_2.h5"), edit)))


def test_names_in_several_attributes(tmp_path: Path) -> None:
    """As Keras writes them where there are many."""

    def edit(file: Any) -> None:
        attributes = file["model_weights/conv1d"].attrs
        attributes["weight_names0"], attributes["weight_names1"] = (
            np.array([b"conv1d/kernel:0"]),
            np.array([b"conv1d/bias:0"]),
        )
        del attributes["weight_names"]

    data = content("tcn_2.h5")
    network = load(written(tmp_path / "model", hdf5_edited(data, edit)))
    same = load(written(tmp_path / "model", data))
    np.testing.assert_array_equal(network.weights["conv1d/kernel"], same.weights["conv1d/kernel"])


def test_a_name_with_a_slash(tmp_path: Path) -> None:
    """Keras 2 allowed it."""

    def edit(file: Any) -> None:
        file.move("model_weights/conv1d", "model_weights/block/conv1d")

    model = json.loads(json.dumps(config(content("tcn_2.h5"))).replace('"conv1d"', '"block/conv1d"'))
    data = with_config(hdf5_edited(content("tcn_2.h5"), edit), model)
    network = load(written(tmp_path / "model", data))
    xs, ys = recorded("tcn_2.h5")
    np.testing.assert_allclose(network(xs[0]), ys[0], rtol=1e-5, atol=1e-5)
    assert "block/conv1d/kernel" in network.weights


def test_strings_that_many_names_share(tmp_path: Path) -> None:
    """Each of many names may be the longest string of the file."""

    def edit(file: Any) -> None:
        file.attrs["other"] = "x" * 10**6
        file["model_weights/conv1d"].attrs["weight_names"] = np.array([b"a"] * 3000, h5py.string_dtype())

    with pytest.raises(ValueError, match="has 3000 texts of up to 10"):
        load(written(tmp_path / "model", hdf5_edited(content("tcn_2.h5"), edit)))


@pytest.mark.parametrize("count", [300])
def test_damaged_files(count: int) -> None:
    """In a process of its own, which may be killed; `python -m support.keras_fuzzer FIRST COUNT` runs more."""
    done = subprocess.run(
        [sys.executable, "-m", "support.keras_fuzzer", "0", str(count)],
        cwd=TESTS,
        env={"PYTHONPATH": f"{TESTS.parent}:{TESTS}", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.returncode, done.stdout[-3000:], done.stderr[-3000:])
    assert json.dumps(f"{count} files")[1:-1] in done.stdout
