"""Records what real Keras models give: `python tests/data/record_keras_models.py`, by hand, once with Keras 3
(`KERAS_BACKEND=jax`, keras 3.15) and once with Keras 2 (tensorflow 2.15).

Writes small files into `models/` beside itself, named after the model and the major version of Keras, and their inputs
and outputs into `models/keras3.npz` or `models/keras2.npz`. The files are compressed as they are, by gzip: HDF5 leaves
much of them empty.
"""

import gzip
import pathlib
import tempfile
from typing import Any

import keras
import numpy as np
from keras import layers

HERE = pathlib.Path(__file__).parent / "models"
MAJOR = int(keras.__version__.split(".")[0])
rng = np.random.default_rng(1)
Array = Any  # of NumPy
Recorded = tuple[Any, list[tuple[int, ...]]]  # a model, and the shapes of its inputs


def residual() -> Recorded:
    """Dilated residual blocks, with norms between convolutions and activations, for any length."""
    x = y = keras.Input((None, 3), name="signal")
    y = layers.Conv1D(4, 5, strides=2, padding="same", use_bias=False)(y)
    for dilation in (1, 2):
        h = layers.BatchNormalization()(y)
        h = layers.ReLU()(h)
        h = layers.Conv1D(4, 3, padding="same", dilation_rate=dilation, use_bias=False)(h)
        h = layers.BatchNormalization(epsilon=1e-5)(h)
        h = layers.Activation("gelu")(h)
        h = layers.Conv1D(4, 1)(h)
        y = layers.Add()([y, h])
    y = layers.GlobalAveragePooling1D()(y)
    return keras.Model(x, layers.Dense(2, activation="softmax")(y), name="residual"), [(2, 21, 3)]


def tcn() -> Recorded:
    """Causal dilated convolutions, with norms of each step, and dropout of whole channels."""
    x = y = keras.Input((None, 2))
    for level in range(2):
        h = layers.Conv1D(4, 2, dilation_rate=2**level, padding="causal", kernel_regularizer="l2")(y)
        h = layers.LayerNormalization()(h)
        h = layers.Activation("relu")(h)
        h = layers.SpatialDropout1D(0.1)(h)
        short = y if level else layers.Conv1D(4, 1, padding="same", kernel_constraint="max_norm")(y)
        y = layers.Activation("relu")(layers.add([short, h]))
    y = layers.Dense(1, activation="tanh")(layers.Dropout(0.2)(y))
    return keras.Model(x, y), [(2, 13, 2)]


def unet() -> Recorded:
    """Down and up again, with the early tensors beside the late ones."""
    x = keras.Input((None, 2))
    a = layers.Conv1D(3, 3, activation="relu", padding="same")(x)
    b = layers.Conv1D(4, 3, activation="relu", padding="same")(layers.MaxPooling1D(2)(a))
    c = layers.Conv1D(4, 3, activation="elu", padding="same")(layers.AveragePooling1D(2, padding="same")(b))
    d = layers.Concatenate()([layers.UpSampling1D(2)(c), b])
    d = layers.Conv1D(3, 3, activation="relu")(layers.ZeroPadding1D((1, 1))(d))
    e = layers.concatenate([layers.UpSampling1D(size=2)(d), a])
    e = layers.Cropping1D((1, 2))(layers.Conv1D(2, 1)(e))
    return keras.Model(x, e), [(2, 16, 2)]


def inception() -> Recorded:
    """An InceptionTime block: several sizes of kernel side by side."""
    x = keras.Input((24, 1))
    narrow = layers.Conv1D(2, 1, use_bias=False)(x)
    sides = [layers.Conv1D(2, size, padding="same", use_bias=False)(narrow) for size in (9, 5, 3)]
    pooled = layers.MaxPooling1D(3, strides=1, padding="same")(x)
    sides.append(layers.Conv1D(2, 1, padding="same", use_bias=False)(pooled))
    y = layers.Activation("relu")(layers.BatchNormalization()(layers.Concatenate(axis=2)(sides)))
    return keras.Model(x, layers.Dense(3, activation="sigmoid")(layers.GlobalMaxPooling1D()(y))), [(2, 24, 1)]


def separable() -> Recorded:
    """Depthwise convolutions, grouped ones, and a gate of the channels."""
    x = keras.Input((None, 4))
    y = layers.SeparableConv1D(6, 3, padding="same", depth_multiplier=2, activation="relu")(x)
    y = layers.DepthwiseConv1D(3, padding="valid", depth_multiplier=1)(y)
    y = layers.BatchNormalization(scale=False)(y)
    y = layers.Conv1D(6, 3, groups=3, activation="swish")(y)
    gate = layers.Dense(6, activation="sigmoid")(layers.GlobalAveragePooling1D()(y))
    y = layers.Multiply()([y, layers.Reshape((1, 6))(gate)])
    return keras.Model(x, y), [(2, 11, 4)]


def shared() -> Recorded:
    """Two inputs through one layer, which is called twice more after that."""
    left, right = keras.Input((None, 3), name="left"), keras.Input((None, 3), name="right")
    conv, norm = layers.Conv1D(3, 3, padding="same", name="twin"), layers.BatchNormalization(name="norm")
    a, b = norm(conv(left)), conv(right)
    c = norm(conv(conv(b)))
    y = layers.Subtract()([layers.Maximum()([a, c]), layers.Average()([a, b, c])])
    return keras.Model([left, right], [layers.Minimum()([y, b]), y]), [(2, 9, 3), (2, 9, 3)]


def nested() -> Recorded:
    """A model that is called twice, with a frozen layer, and a frozen model in a model."""
    inner_in = keras.Input((None, 4))
    frozen = layers.Conv1D(4, 3, padding="same", name="same_name")
    frozen.trainable = False
    h = layers.BatchNormalization()(frozen(inner_in))
    inner = keras.Model(inner_in, layers.Conv1D(4, 1, activation="relu")(h), name="inner")
    middle_in = keras.Input((None, 4))
    tail = keras.Sequential([keras.Input((None, 4)), layers.Conv1D(2, 2), layers.BatchNormalization()], name="tail")
    tail.trainable = False
    middle = keras.Model(middle_in, tail(layers.LayerNormalization()(middle_in)), name="middle")
    x = keras.Input((None, 4))
    y = layers.Conv1D(4, 3, padding="causal", name="same_name")(x)
    return keras.Model(x, middle(layers.Add()([inner(y), inner(x)]))), [(2, 8, 4)]


def sequential() -> Recorded:
    return keras.Sequential(
        [
            keras.Input((16, 2)),
            layers.Conv1D(4, 3, activation="relu"),
            layers.MaxPooling1D(2),
            layers.GaussianNoise(0.1),
            layers.Flatten(),
            layers.Dense(5, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(3),
            layers.Softmax(),
        ]
    ), [(2, 16, 2)]


def activations() -> Recorded:
    """Activations that are layers, and those with parameters."""
    x = y = keras.Input((None, 3))
    made = [
        layers.PReLU(shared_axes=[1], alpha_initializer="ones"),
        layers.LeakyReLU(),
        layers.ReLU(6.0),
        layers.ReLU(max_value=2.0, negative_slope=0.25, threshold=0.5),
        layers.ELU(0.7),
        layers.Activation("selu"),
        layers.Activation("softplus"),
        layers.ThresholdedReLU(0.3) if MAJOR == 2 else layers.Activation("silu"),
        layers.Softmax(axis=-1),
    ]
    for layer in made:
        y = layer(layers.Conv1D(3, 1)(y))
    return keras.Model(x, y), [(2, 7, 3)]


def several() -> Recorded:
    """Inputs of two rates, and outputs of two ranks."""
    fast, slow = keras.Input((None, 2), name="fast"), keras.Input((None, 3), name="slow")
    a = layers.Conv1D(4, 4, strides=2, padding="same", activation="relu")(fast)
    b = layers.Conv1D(4, 3, padding="same", activation="softsign")(slow)
    both = layers.Add(name="both")([a, b])
    vector = layers.Dense(2, name="vector")(layers.GlobalMaxPooling1D()(both))
    return keras.Model([fast, slow], [both, vector]), [(2, 12, 2), (2, 6, 3)]


def newer() -> Recorded:
    """What Keras 3 alone has: operators on tensors, other norms, activations as objects."""
    x = keras.Input((None, 4))
    h = layers.Conv1D(4, 3, padding="same", activation=layers.LeakyReLU(0.2))(x)
    y = layers.GroupNormalization(2)(h + x) * h - x
    y = layers.RMSNormalization()(layers.Identity()(y))
    return keras.Model(x, layers.GlobalAveragePooling1D(keepdims=True)(y)), [(2, 10, 4)]


def across() -> Recorded:
    """A layer that a nested model and the model around it share."""
    conv = layers.Conv1D(3, 3, padding="same", name="both")
    inner_in = keras.Input((None, 3))
    inner = keras.Model(inner_in, conv(layers.Conv1D(3, 1)(inner_in)), name="inner")
    x = keras.Input((None, 3))
    return keras.Model(x, inner(conv(x))), [(2, 6, 3)]


def half() -> Recorded:
    """Weights in float32, and computation in float16."""
    policy = "mixed_float16"
    x = keras.Input((None, 3))
    y = layers.Conv1D(4, 3, padding="same", dtype=policy)(x)
    y = layers.Activation("relu", dtype=policy)(layers.BatchNormalization(dtype=policy)(y))
    return keras.Model(x, layers.Conv1D(2, 1, dtype=policy)(y)), [(2, 9, 3)]


def recurrent() -> Recorded:
    """Recurrent layers, and a transposed convolution."""
    x = keras.Input((None, 3))
    y = layers.LSTM(4, return_sequences=True)(x)
    y = layers.Conv1DTranspose(4, 3, strides=2, padding="same", activation="tanh")(y)
    y = layers.GRU(3, return_sequences=True)(y)
    return keras.Model(x, layers.LSTM(2, go_backwards=True)(y)), [(2, 9, 3)]


def random_weights(model: Any) -> None:
    """Numbers for all weights; those that BatchNormalization has for variances are positive."""

    def values(weight: Any) -> Array:
        name = getattr(weight, "path", weight.name)
        if "variance" in name or "gamma" in name:
            return rng.uniform(0.5, 1.5, weight.shape)
        return rng.standard_normal(weight.shape) * 0.5

    model.set_weights([values(weight) for weight in model.weights])


#: Models, and the endings of the files that are made of them, by the version of Keras.
MODELS = {
    3: {
        **dict.fromkeys((residual, nested, sequential, across, recurrent), ("keras", "h5")),
        **dict.fromkeys((tcn, unet, inception, separable, shared, activations, several, newer, half), ("keras",)),
    },
    2: {
        **dict.fromkeys((residual, tcn, unet, separable, shared, sequential, activations, several, half), ("h5",)),
        nested: ("h5", "keras"),
    },
}


def main() -> None:
    HERE.mkdir(exist_ok=True)
    arrays = {}
    for build, endings in MODELS[MAJOR].items():
        keras.backend.clear_session()
        model, shapes = build()
        random_weights(model)
        xs = [rng.standard_normal(shape).astype("float32") for shape in shapes]
        ys = model.predict(xs if len(xs) > 1 else xs[0], verbose=0)
        ys = ys if isinstance(ys, list) else [ys]
        name = build.__name__
        arrays.update({f"{name}/x{i}": x for i, x in enumerate(xs)} | {f"{name}/y{i}": y for i, y in enumerate(ys)})
        for ending in endings:
            file = f"{name}_{MAJOR}.{ending}"
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, file)
                model.save(path)
                (HERE / f"{file}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
                try:
                    again = keras.models.load_model(path, compile=False).predict(
                        xs if len(xs) > 1 else xs[0], verbose=0
                    )
                    again = again if isinstance(again, list) else [again]
                    same = "the same" if all(map(np.array_equal, ys, again)) else "ANOTHER"
                except Exception as error:
                    same = f"NOTHING: {error}"
                print(f"{file}: {path.stat().st_size} bytes. Keras itself makes of it: {same}")
    np.savez_compressed(HERE / f"keras{MAJOR}.npz", **arrays)
    print(keras.__version__, len(MODELS[MAJOR]), "models")


if __name__ == "__main__":
    main()
