"""Records what real Keras layers of networks give: `KERAS_BACKEND=jax python tests/data/record_network_layers.py`, with
keras 3.15 and jax, by hand.

Writes `network_layers.json` (class names and arguments) and `network_layers.npz` (inputs, weights, outputs) beside
itself.
"""

import itertools
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import layers

HERE = pathlib.Path(__file__).parent
SEQUENCE, VECTOR = (2, 7, 4), (3, 6)
Case = tuple[str, dict[str, Any], tuple[tuple[int, ...], ...]]  # a class, its arguments, the shapes of its inputs
rng = np.random.default_rng(2)


def cases() -> Iterator[Case]:
    """One layer each, but for the transposed ones, which have every combination of sizes."""
    for size, stride, dilation, padding, more in itertools.product(
        (1, 2, 3, 4, 5), (1, 2, 3), (1, 2), ("valid", "same"), (None, 0, 1)
    ):
        if (stride == 1 or dilation == 1) and (more is None or more < stride):
            sizes = {"kernel_size": size, "strides": stride, "dilation_rate": dilation}
            yield "Conv1DTranspose", {"filters": 3, **sizes, "padding": padding, "output_padding": more}, ((1, 5, 2),)
    yield "Conv1DTranspose", {"filters": 3, "kernel_size": 3, "activation": "gelu", "use_bias": False}, (SEQUENCE,)
    for padding in ("valid", "same"):
        yield "DepthwiseConv1D", {"kernel_size": 3, "padding": padding, "depth_multiplier": 2}, (SEQUENCE,)
        yield "SeparableConv1D", {"filters": 5, "kernel_size": 3, "padding": padding, "dilation_rate": 2}, (SEQUENCE,)
    yield "DepthwiseConv1D", {"kernel_size": 2, "strides": 2, "activation": "relu", "use_bias": False}, (SEQUENCE,)
    yield "SeparableConv1D", {"filters": 5, "kernel_size": 3, "depth_multiplier": 3, "activation": "tanh"}, (SEQUENCE,)
    for shape in (SEQUENCE, VECTOR):
        yield "Dense", {"units": 5, "activation": "softmax"}, (shape,)
        yield "Dense", {"units": 5, "use_bias": False}, (shape,)
        yield "BatchNormalization", {}, (shape,)
        yield "BatchNormalization", {"epsilon": 0.1, "center": False}, (shape,)
        yield "BatchNormalization", {"scale": False}, (shape,)
        yield "LayerNormalization", {}, (shape,)
        yield "LayerNormalization", {"epsilon": 0.1, "scale": False, "center": False}, (shape,)
        yield "RMSNormalization", {}, (shape,)
        for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"):
            yield name, {}, (shape, shape)
        yield "Add", {}, (shape, shape, shape)
        yield "Activation", {"activation": "gelu"}, (shape,)
        yield "Activation", {"activation": "log_softmax"}, (shape,)
    for groups in (1, 2, 4, -1):
        yield "GroupNormalization", {"groups": groups}, (SEQUENCE,)
    yield "PReLU", {"shared_axes": [1]}, (SEQUENCE,)
    yield "PReLU", {}, (VECTOR,)
    yield "ZeroPadding1D", {"padding": 2}, (SEQUENCE,)
    yield "ZeroPadding1D", {"padding": [0, 3]}, (SEQUENCE,)
    yield "Cropping1D", {"cropping": [1, 2]}, (SEQUENCE,)
    yield "UpSampling1D", {"size": 3}, (SEQUENCE,)
    for name, size, step, padding in itertools.product(
        ("MaxPooling1D", "AveragePooling1D"), (2, 3), (None, 1, 2), ("valid", "same")
    ):
        yield name, {"pool_size": size, "strides": step, "padding": padding}, (SEQUENCE,)
    for name in ("GlobalMaxPooling1D", "GlobalAveragePooling1D"):
        for keep in (False, True):
            yield name, {"keepdims": keep}, (SEQUENCE,)
    yield "Flatten", {}, (SEQUENCE,)
    yield "Reshape", {"target_shape": [2, -1]}, (SEQUENCE,)
    yield "Dropout", {"rate": 0.5}, (SEQUENCE,)
    cells: tuple[dict[str, Any], ...] = (
        {},
        {"return_sequences": True},
        {"go_backwards": True},
        {"use_bias": False, "activation": "relu", "recurrent_activation": "hard_sigmoid"},
    )
    for name, arguments in itertools.product(("LSTM", "GRU"), cells):
        yield name, {"units": 3, **arguments}, (SEQUENCE,)
    yield "GRU", {"units": 3, "reset_after": False}, (SEQUENCE,)
    for merge, sequences in itertools.product(("concat", "sum", "mul", "ave"), (False, True)):
        yield "Bidirectional", {"merge_mode": merge, "LSTM": {"units": 3, "return_sequences": sequences}}, (SEQUENCE,)


def made(name: str, arguments: dict[str, Any]) -> Any:
    if name == "Bidirectional":
        return layers.Bidirectional(layers.LSTM(**arguments["LSTM"]), arguments["merge_mode"])
    return getattr(layers, name)(**arguments)


def main() -> None:
    described: list[list[Any]] = []
    arrays: dict[str, Any] = {}
    for number, (name, arguments, shapes) in enumerate(cases()):
        layer = made(name, arguments)
        inputs = [rng.standard_normal(shape).astype("float32") for shape in shapes]
        given = inputs if len(inputs) > 1 else inputs[0]
        layer(given)
        layer.set_weights(
            [
                rng.uniform(0.5, 2, weight.shape)
                if "variance" in variable.path
                else rng.standard_normal(weight.shape) / 2
                for variable, weight in zip(layer.weights, layer.get_weights(), strict=True)
            ]
        )
        y = keras.ops.convert_to_numpy(layer(given))
        described.append([name, arguments])
        held = {f"x{i}": x for i, x in enumerate(inputs)} | {f"w{i}": w for i, w in enumerate(layer.get_weights())}
        arrays.update({f"{number}/{key}": array for key, array in {**held, "y": y}.items()})
    lines = ",\n".join(json.dumps(layer) for layer in described)
    (HERE / "network_layers.json").write_text(f'{{"keras": "{keras.__version__}", "layers": [\n{lines}\n]}}\n')
    np.savez_compressed(HERE / "network_layers.npz", **arrays)
    print(len(described), "layers")


if __name__ == "__main__":
    main()
