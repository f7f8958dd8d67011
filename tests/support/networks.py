"""Networks drawn at random: any layers that fit each other, with weights and inputs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conv1d_codegen import Conv1D
from conv1d_codegen.network import Input, Network, layers
from conv1d_codegen.network.graph import Graph, Weights
from conv1d_codegen.network.symbols import Symbol

Array = NDArray[Any]
Pick = Callable[[Sequence[Any]], Any]

ACTIVATIONS = ("relu", "gelu", "tanh", "softmax", "leaky_relu", "linear", "elu")


def drawn(pick: Pick, depth: int) -> Network:
    """A network of about `depth` layers of one input, whose branches have one length."""
    x = Input(pick([1, 2, 3, 8]), pick([None, None, 24]), name="x")
    trunk = x
    for _ in range(depth):
        trunk = _grown(trunk, pick)
    outputs = [trunk]
    if pick([False, True]):
        outputs.append(layers.Dense(pick([1, 3]), activation=pick(ACTIVATIONS))(_vector(trunk, pick)))
    return Network(x, outputs)


def _grown(x: Symbol, pick: Pick) -> Symbol:
    """One more layer, or a branch that comes back."""
    kind = pick(["conv", "conv", "norm", "activation", "branch", "before", "concat", "steps", "shared", "recurrent"])
    channels = x.known.channels
    if kind == "conv":
        return _convolved(x, pick, pick([1, 2, 4, 6]))
    if kind == "norm":
        made = pick([layers.BatchNormalization, layers.LayerNormalization, layers.RMSNormalization])()
        return made(x)  # type: ignore[no-any-return]
    if kind == "activation":
        return pick([layers.Activation(pick(ACTIVATIONS)), layers.PReLU(shared_axes=[1]), layers.Dropout(0.5)])(x)  # type: ignore[no-any-return]
    if kind == "branch":
        other = _convolved(x, pick, channels)
        return pick([layers.Add, layers.Multiply, layers.Maximum, layers.Average, layers.Subtract])()([x, other])  # type: ignore[no-any-return]
    if kind == "before":  # a residual block whose norm and activation come before the convolution
        inner = layers.Activation(pick(ACTIVATIONS))(layers.BatchNormalization()(x))
        return layers.Add()([x, _convolved(inner, pick, channels)])
    if kind == "concat":
        return layers.Concatenate()([x, _convolved(x, pick, pick([1, 3]))])
    if kind == "recurrent":
        cell = pick([layers.LSTM, layers.GRU])
        return cell(pick([1, 3]), return_sequences=True)(x)  # type: ignore[no-any-return]
    if kind == "shared":
        layer = Conv1D(channels, 3, padding="same")
        return layer(layer(x))  # type: ignore[no-any-return]
    return _resampled(x, pick)


def _convolved(x: Symbol, pick: Pick, filters: int) -> Symbol:
    given = {"padding": pick(["same", "causal"]), "activation": pick(ACTIVATIONS), "use_bias": pick([True, False])}
    layer: Any = pick(
        [
            Conv1D(filters, pick([1, 2, 3]), dilation_rate=pick([1, 2]), **given),
            Conv1D(filters, pick([1, 2, 3]), dilation_rate=pick([1, 2]), **given),
            layers.SeparableConv1D(filters, pick([2, 3]), **given),
        ]
    )
    made: Symbol = layer(x)
    return made


def _resampled(x: Symbol, pick: Pick) -> Symbol:
    """The same length, or so many steps more or less."""
    kind = pick(["pool", "pad", "crop", "repeat", "transposed"])
    if kind == "pool":
        pool = pick([layers.MaxPooling1D, layers.AveragePooling1D])
        return pool(pick([2, 3]), strides=1, padding=pick(["same", "valid"]))(x)  # type: ignore[no-any-return]
    if kind == "pad":
        return layers.ZeroPadding1D(pick([1, (0, 2), (3, 1)]))(x)
    if kind == "transposed":
        if pick([False, True]):
            twice = layers.Conv1DTranspose(x.known.channels, pick([1, 2, 3, 5]), strides=2, padding="same")(x)
            return layers.AveragePooling1D(2)(layers.Activation(pick(ACTIVATIONS))(twice))
        size = pick([{"strides": 1}, {"strides": 1, "dilation_rate": 2}])
        return layers.Conv1DTranspose(x.known.channels, pick([1, 2, 3]), padding=pick(["same", "valid"]), **size)(x)
    if kind == "crop":
        return layers.Cropping1D(pick([1, (0, 1), (1, 0)]))(x)
    return layers.MaxPooling1D(2, padding="same")(layers.UpSampling1D(2)(x))


def _vector(x: Symbol, pick: Pick) -> Symbol:
    kinds: list[Any] = [layers.GlobalAveragePooling1D(), layers.GlobalMaxPooling1D()]
    if x.known.steps is not None and x.known.steps.constant is not None:
        kinds.append(layers.Flatten())
    return pick(kinds)(x)  # type: ignore[no-any-return]


def random_weights(network: Network, rng: np.random.Generator) -> list[Array]:
    """Numbers for all weights of a network; variances are positive."""
    return [
        rng.uniform(0.5, 1.5, weight.shape) if name.endswith("variance") else rng.standard_normal(weight.shape) * 0.5
        for name, weight in network.weights.items()
    ]


def in_float64(graph: Graph, weights: Weights, x: Array) -> list[Array]:
    """The outputs of a network for the input `x`, by the reference, in float64."""
    from conv1d_codegen.network import reference

    wide = {name: weight.astype(np.float64) for name, weight in weights.items()}
    tensors = reference.run(graph, wide, {graph.sources[0].name: x.astype(np.float64)})
    return [tensors[name] for name in graph.outputs]
