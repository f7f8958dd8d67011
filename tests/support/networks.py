"""Networks drawn at random: any layers that fit each other, with weights and inputs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conv1d_codegen import Conv1D
from conv1d_codegen.layers.base import automatic_name
from conv1d_codegen.network import Input, Network, layers, ops
from conv1d_codegen.network.execution import Program
from conv1d_codegen.network.graph import Graph, Weights
from conv1d_codegen.network.ops.moves import COORDINATES, ROUNDINGS
from conv1d_codegen.network.symbols import Symbol, WeightOf
from conv1d_codegen.problem import Activation

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
    kind = pick(
        [
            *("conv", "conv", "norm", "activation", "branch", "before", "concat", "steps", "shared", "recurrent"),
            *("moved", "channels", "function", "joined"),
        ]
    )
    channels = x.known.channels
    if kind == "conv":
        return _convolved(x, pick, pick([1, 2, 4, 6]))
    if kind == "norm":
        made = pick([layers.BatchNormalization, layers.LayerNormalization, layers.RMSNormalization])()
        return pick([made, layers.GroupNormalization(pick([1, channels]))])(x)  # type: ignore[no-any-return]
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
        return _recurrent(x, pick)
    if kind == "moved":
        return _made(_moves(pick), x)
    if kind == "channels":
        return _made(_of_channels(channels, pick), x)
    if kind == "function":
        function = _made(ops.Function(pick(["sin", "cos", "erf"])), x)
        power = _made(ops.Power(pick([3.0, -0.3, 1.5])), layers.Activation("softplus")(x))
        chosen: Symbol = pick([function, power])
        return chosen
    if kind == "joined":
        first = _made(ops.Slice(pick([0, 1, -5]), pick([0, 4, -1])), x)
        return _made(ops.Concat(steps=True), *pick([[x, first], [_convolved(first, pick, channels), x, first]]))
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


def _made(op: ops.Op, *inputs: Symbol, weights: Sequence[WeightOf] = ()) -> Symbol:
    """An operation that no layer has, and readers make."""
    return Symbol.made(automatic_name(op.word()), op, inputs, weights)


def _recurrent(x: Symbol, pick: Pick) -> Symbol:
    """A cell; one that begins with a state has as many units as there are channels."""
    if pick([False, True]):
        return pick([layers.LSTM, layers.GRU])(pick([1, 3]), return_sequences=True)(x)  # type: ignore[no-any-return]
    units = x.known.channels
    first = [_made(ops.GlobalPool(pick(["average", "last", "min"])), x) for _ in range(2)]
    kind = pick(["lstm", "gru", "simple"])
    if kind == "simple":
        (kernel, bias), (recurrent, _) = (layers.Dense(units)(x).weights for _ in range(2))
        given = {"sequences": pick([False, True]), "backwards": pick([False, True])}
        simple = ops.SimpleRnn(units, Activation("tanh"), Activation("sigmoid"), **given)
        y = _made(simple, x, *pick([[], first[:1]]), weights=[kernel, recurrent, bias])
        return y if y.known.steps is not None else _made(ops.Reshape(1, units), y)
    plain = {"lstm": layers.LSTM, "gru": layers.GRU}[kind](units, return_sequences=True)(x)
    if kind == "gru":
        return _made(plain.op, x, first[0], weights=plain.weights)
    return _made(replace(plain.op, cell=pick([False, True])), x, *first, weights=plain.weights)


def _moves(pick: Pick) -> ops.Op:
    """What gives other steps."""
    return pick(  # type: ignore[no-any-return]
        [
            ops.Slice(pick([0, 1, -9]), pick([0, -1, 20]), pick([1, 2, 3])),
            ops.Last(pick([1, 7])),
            ops.Resize(pick(["nearest", "linear"]), pick([1, 2, 3]), pick([1, 2]), pick(COORDINATES), pick(ROUNDINGS)),
            ops.Pool(pick(ops.POOLS), 2, pick([1, 2, 3]), pick(["valid", (1, 1)]), pick([False, True]), 2, True),
            ops.Softmax(log=pick([False, True]), steps=True),
            ops.Pad(pick([0, 2]), pick([0, 1]), pick(ops.PAD_MODES)),
        ]
    )


def _of_channels(channels: int, pick: Pick) -> ops.Op:
    """What gives other channels."""
    return pick(  # type: ignore[no-any-return]
        [
            ops.ChannelPool(pick(ops.REDUCTIONS)),
            ops.Shuffle(pick([1, channels])),
            ops.ChannelSlice(channels - 1, (channels + 1) // 2, -2),
            ops.ChannelSlice(0, 1),
        ]
    )


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
        if pick([False, True]):
            groups = x.known.channels
            alone = layers.Conv1DTranspose(2 * groups, 3)(_made(ops.ChannelSlice(0, 1), x))
            grouped = ops.ConvTranspose(
                groups, 2 * groups, 3, pick([1, 2]), pick([1, 3]), pick([0, 1]), 1, True, groups
            )
            return _made(grouped, x, weights=alone.weights)
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


def program_of(network: Network) -> Program:
    """What runs a network, of which ONNX Runtime computes nothing."""
    program = network._program
    assert isinstance(program, Program)
    return program
