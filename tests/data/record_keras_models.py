"""Records what real Keras models give: `python tests/data/record_keras_models.py`, by hand, once with Keras 3
(`KERAS_BACKEND=jax`, keras 3.15) and once with Keras 2 (tensorflow 2.15). With names of models only these are recorded.

Writes small files into `models/` beside itself, named after the model and the major version of Keras, and their inputs
and outputs into `models/keras3.npz` or `models/keras2.npz`. The files are compressed as they are, by gzip: HDF5 leaves
much of them empty. `.json` is what `model.to_json()` gives, `.weights.h5` what `model.save_weights` writes, and
`.old.weights.h5` what that of Keras 2 wrote into any other `.h5`.
"""

import gzip
import pathlib
import sys
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


def gated() -> Recorded:
    """A WaveNet: dilated convolutions through tanh and sigmoid, with sums that go on and sums that come out."""
    x = y = keras.Input((None, 2))
    y = layers.Conv1D(4, 1, padding="causal")(y)
    skips = []
    for dilation in (1, 2, 4):
        t = layers.Conv1D(4, 2, padding="causal", dilation_rate=dilation, activation="tanh")(y)
        s = layers.Conv1D(4, 2, padding="causal", dilation_rate=dilation, activation="sigmoid")(y)
        z = layers.Multiply()([t, s])
        skips.append(layers.Conv1D(3, 1)(z))
        y = layers.Add()([y, layers.Conv1D(4, 1)(z)])
    y = layers.Activation("relu")(layers.Add()(skips))
    return keras.Model(x, layers.Conv1D(2, 1)(layers.Conv1D(3, 1, activation="relu")(y))), [(2, 15, 2)]


def bidirectional() -> Recorded:
    """Recurrent layers in both directions, joined in all ways, one of them with a layer of its own for the way back."""
    x = keras.Input((None, 3))
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    y = layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum", name="gates")(y)
    back = layers.LSTM(3, return_sequences=True, go_backwards=True, activation="relu", name="other")
    y = layers.Bidirectional(
        layers.LSTM(3, return_sequences=True), backward_layer=back, merge_mode="mul", name="product"
    )(y)
    y = layers.Bidirectional(layers.GRU(4, reset_after=False), merge_mode="ave")(layers.Conv1D(3, 1)(y))
    there, again = layers.Bidirectional(layers.LSTM(2), merge_mode=None)(x)
    return keras.Model(x, [y, layers.Subtract()([there, again])]), [(2, 9, 3)]


def distributed() -> Recorded:
    """Layers of vectors, on each step."""
    x = keras.Input((None, 3))
    y = layers.TimeDistributed(layers.Dense(4, activation="tanh"))(x)
    y = layers.TimeDistributed(layers.LayerNormalization())(layers.TimeDistributed(layers.Dropout(0.5))(y))
    y = layers.TimeDistributed(layers.BatchNormalization())(layers.Conv1D(3, 2, padding="causal")(y))
    y = layers.TimeDistributed(layers.Flatten())(layers.TimeDistributed(layers.Activation("softplus"))(y))
    return keras.Model(x, layers.TimeDistributed(layers.Dense(2), name="last")(y)), [(2, 7, 3)]


def vectors() -> Recorded:
    """A vector that says how a sequence is to be scaled, and a vector that comes out."""
    x, how = keras.Input((None, 3), name="signal"), keras.Input((5,), name="how")
    scale = layers.Reshape((1, 4))(layers.Dense(4, activation="sigmoid")(how))
    y = layers.Multiply()([layers.Conv1D(4, 3, padding="same")(x), scale])
    both = layers.Concatenate()([layers.GlobalMaxPooling1D()(y), layers.BatchNormalization()(how)])
    return keras.Model([x, how], [y, layers.Dense(2)(both)]), [(2, 9, 3), (2, 5)]


def planes() -> Recorded:
    """Layers of two axes of which one has length 1: the second, as most write it."""
    x = keras.Input((None, 1, 3))
    y = layers.Conv2D(4, (3, 1), padding="same", activation="relu")(x)
    y = layers.MaxPooling2D((2, 1))(layers.BatchNormalization()(y))
    y = layers.Conv2D(4, (5, 3), padding="same", dilation_rate=(2, 1))(y)
    y = layers.ReLU()(layers.ZeroPadding2D(((1, 2), (0, 0)))(y))
    h = layers.DepthwiseConv2D((3, 1), depth_multiplier=2)(y)
    y = layers.Concatenate()([layers.Cropping2D(((1, 1), (0, 0)))(y), h])
    y = layers.SeparableConv2D(5, (2, 3), padding="same", use_bias=False)(y)
    y = layers.AveragePooling2D((3, 2), strides=(2, 2), padding="same")(layers.UpSampling2D((2, 1))(y))
    y = layers.SpatialDropout2D(0.5)(layers.Conv2DTranspose(4, (4, 1), strides=(2, 1), padding="same")(y))
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling2D()(y))), [(2, 17, 1, 3)]


def across_planes() -> Recorded:
    """The first axis of length 1, made by shapes; a layer of one axis on each row, of which there is one."""
    x = keras.Input((16, 2))
    y = layers.Conv2D(4, (1, 3), strides=(1, 2))(layers.Reshape((1, 16, 2))(x))
    y = layers.Conv2D(3, (3, 3), padding="same")(layers.LayerNormalization()(y))
    y = layers.TimeDistributed(layers.Conv1D(4, 2, activation="elu"))(y)
    y = layers.Permute((2, 1, 3))(y)
    y = layers.Conv2D(3, (2, 1))(y)
    a = layers.Reshape((5, 3))(y)
    return keras.Model(x, [layers.Conv1D(2, 2)(a), layers.Dense(3)(layers.Flatten()(y))]), [(2, 16, 2)]


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
        **dict.fromkeys((gated, vectors, planes, across_planes), ("keras",)),
        **dict.fromkeys((bidirectional, distributed), ("keras", "h5")),
    },
    2: {
        **dict.fromkeys((residual, tcn, unet, separable, shared, sequential, activations, several, half), ("h5",)),
        **dict.fromkeys((inception, gated, vectors, planes, across_planes), ("h5",)),
        **dict.fromkeys((nested, bidirectional, distributed), ("h5", "keras")),
    },
}
#: Models whose config and weights are kept apart, too.
APART = (residual, nested, sequential, bidirectional, gated)


def apart(model: Any, name: str) -> None:
    """Writes a model's config and its weights, each by itself."""
    (HERE / f"{name}.json.gz").write_bytes(gzip.compress(model.to_json().encode(), mtime=0))
    with tempfile.TemporaryDirectory() as folder:
        for ending, file in {
            "weights.h5": "x.weights.h5",
            **({"old.weights.h5": "x.h5"} if MAJOR == 2 else {}),
        }.items():
            path = pathlib.Path(folder, file)
            model.save_weights(path)
            (HERE / f"{name}.{ending}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))


def main() -> None:
    HERE.mkdir(exist_ok=True)
    kept, wanted = HERE / f"keras{MAJOR}.npz", sys.argv[1:]
    arrays = dict(np.load(kept)) if wanted else {}
    for build, endings in MODELS[MAJOR].items():
        if wanted and build.__name__ not in wanted:
            continue
        keras.backend.clear_session()
        model, shapes = build()
        random_weights(model)
        xs = [rng.standard_normal(shape).astype("float32") for shape in shapes]
        ys = model.predict(xs if len(xs) > 1 else xs[0], verbose=0)
        ys = ys if isinstance(ys, list) else [ys]
        name = build.__name__
        arrays.update({f"{name}/x{i}": x for i, x in enumerate(xs)} | {f"{name}/y{i}": y for i, y in enumerate(ys)})
        if build in APART:
            apart(model, f"{name}_{MAJOR}")
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
    np.savez_compressed(kept, **arrays)
    print(keras.__version__, len(wanted or MODELS[MAJOR]), "models")


if __name__ == "__main__":
    main()
