"""Models of a Keras that is there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.keras_files import content, recorded

from conv1d_codegen import from_keras


class Saves:
    """What a Keras model has: `save`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.paths: list[Path] = []

    def save(self, path: str) -> None:
        self.paths.append(Path(path))
        assert path.endswith(".keras")
        Path(path).write_bytes(self._data)


def test_a_model_is_read_from_what_it_saves() -> None:
    model = Saves(content("tcn_3.keras"))
    network = from_keras(model)
    (x,), (wanted,) = recorded("tcn_3.keras")
    np.testing.assert_allclose(network(x), wanted, rtol=1e-5, atol=1e-5)
    assert not model.paths[0].parent.exists()


def test_what_is_no_model() -> None:
    with pytest.raises(TypeError, match=r"has a method `save`. Received: <class 'dict'>"):
        from_keras({})
    with pytest.raises(ValueError, match=r"neither of ours nor a .keras file"):
        from_keras(Saves(b"nothing"))


def test_a_model_of_keras() -> None:
    keras: Any = pytest.importorskip("keras", exc_type=ImportError)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((None, 3)),
            layers.Conv1D(4, 3, padding="causal", activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(2),
        ]
    )
    x = np.random.default_rng(0).standard_normal((2, 9, 3)).astype("float32")
    np.testing.assert_allclose(from_keras(model)(x), keras.ops.convert_to_numpy(model(x)), rtol=1e-5, atol=1e-5)
