"""Records what real Keras layers give: `KERAS_BACKEND=torch python tests/data/record_keras.py`, with keras 3.15 and
torch, by hand.

Writes `keras_layers.json` (configs, as `get_config` gives them, and losses) and `keras_layers.npz` (inputs, weights,
outputs) beside itself. Cases marked exact hold small integers, so that every summation order gives the same float32.
"""

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import layers
from support.type_helpers import Array

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(1)


def cases() -> Iterator[tuple[dict[str, Any], tuple[int, ...], bool]]:
    """(arguments of Conv1D, shape of the inputs, exact)"""
    base = {"filters": 6, "kernel_size": 3}
    for padding in ("valid", "same", "causal"):
        for sizes in (
            {},
            {"strides": 2},
            {"dilation_rate": 2},
            {"strides": 3, "groups": 2},
            {"dilation_rate": 3, "groups": 2},
        ):
            for length in (8, 9):
                yield {**base, "padding": padding, **sizes}, (2, length, 4), True
        first = {"data_format": "channels_first", "padding": padding}
        yield {**base, **first}, (2, 4, 8), True
        yield {**base, **first, "strides": 2, "groups": 2, "use_bias": False}, (2, 4, 9), True
        yield {**base, "kernel_size": 9, "padding": padding}, (3, 11, 2), True
        yield {"filters": 8, "kernel_size": 4, "groups": 4, "padding": padding, "activation": "relu"}, (1, 10, 4), True
        yield {"filters": 2, "kernel_size": 1, "strides": 2, "padding": padding}, (1, 7, 3), True
    yield {**base, "padding": "same", "kernel_size": 9}, (2, 1, 4), True
    yield {**base, "padding": "causal", "kernel_size": 9}, (2, 1, 4), True
    # Left out: threshold, which has no defaults; glu, whose symbolic shape is wrong; sparsemax, whose threshold is
    # wrong in 3.15 where more than one logit survives (keras issue #23425, mended by #23469).
    own = {"deserialize", "get", "serialize", "threshold", "glu", "sparsemax"}
    names = sorted({name for name in dir(keras.activations) if not name.startswith("_")} - own)
    for name in names:
        yield {**base, "activation": name}, (2, 8, 4), False
    yield {**base, "activation": "softmax", "data_format": "channels_first"}, (2, 4, 8), False
    yield {**base, "activation": layers.LeakyReLU(0.4)}, (2, 8, 4), False
    yield {**base, "activation": layers.ReLU(max_value=1.5, negative_slope=0.25, threshold=0.5)}, (2, 8, 4), False
    yield {**base, "activation": layers.ELU(0.7)}, (2, 8, 4), False
    losses = {
        "kernel_regularizer": "l2",
        "bias_regularizer": keras.regularizers.L1L2(0.1, 0.2),
        "activity_regularizer": "l1",
    }
    yield {**base, **losses}, (2, 8, 4), False
    yield (
        {**base, "dtype": "float64", "kernel_initializer": "he_normal", "bias_initializer": "random_normal"},
        (2, 8, 4),
        False,
    )
    yield (
        {**base, "kernel_constraint": keras.constraints.MaxNorm(3, axis=[0, 1]), "bias_constraint": "non_neg"},
        (2, 8, 4),
        False,
    )


def values(shape: tuple[int, ...], exact: bool) -> Array:
    return (rng.integers(-8, 9, shape) if exact else rng.standard_normal(shape)).astype("float32")


def trained() -> Iterator[tuple[Any, Array]]:
    """The Conv1D layers of a small model, trained to tell rising from falling sines: (layer, its inputs)."""
    keras.utils.set_random_seed(7)
    time = np.arange(48) / 8
    slope = rng.choice([-1.0, 1.0], 256)
    x = np.sin(time + slope[:, None] * time**2 / 6) + 0.1 * rng.standard_normal((256, 48))
    model = keras.Sequential(
        [
            layers.Conv1D(8, 5, strides=2, padding="same", activation="relu", name="stem"),
            layers.Conv1D(
                8, 3, dilation_rate=2, padding="causal", activation="gelu", kernel_regularizer="l2", name="dilated"
            ),
            layers.Conv1D(16, 3, groups=4, padding="valid", activation="tanh", name="grouped"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1),
        ]
    )
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    history = model.fit(x[..., None], slope > 0, epochs=40, verbose=0)
    print("loss", *(round(loss, 3) for loss in history.history["loss"][::13]))
    inputs = x[:3, :, None].astype("float32")
    for layer in model.layers[:3]:
        yield layer, inputs
        inputs = keras.ops.convert_to_numpy(layer(inputs))


def main() -> None:
    described: list[dict[str, Any]] = []
    arrays: dict[str, Any] = {}

    def record(layer: Any, x: Array, exact: bool) -> None:
        y = keras.ops.convert_to_numpy(layer(x))
        number = len(described)
        loss = [float(keras.ops.convert_to_numpy(value)) for value in layer.losses]
        described.append({"config": layer.get_config(), "exact": exact, "losses": loss})
        weights = {f"w{i}": weight for i, weight in enumerate(layer.get_weights())}
        arrays.update({f"{number}/{name}": array for name, array in {"x": x, "y": y, **weights}.items()})

    for arguments, shape, exact in cases():
        layer = layers.Conv1D(**arguments)
        layer.build(shape)
        layer.set_weights([values(weight.shape, exact) for weight in layer.get_weights()])
        record(layer, values(shape, exact), exact)
    for layer, inputs in trained():
        record(layer, inputs, False)

    lines = ",\n".join(json.dumps(layer) for layer in described)
    (HERE / "keras_layers.json").write_text(f'{{"keras": "{keras.__version__}", "layers": [\n{lines}\n]}}\n')
    np.savez_compressed(HERE / "keras_layers.npz", **arrays)
    print(len(described), "layers")


if __name__ == "__main__":
    main()
