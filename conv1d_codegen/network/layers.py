"""The layers of a network beside Conv1D, with Keras's names and arguments. They are called on symbols (see `symbols.py`).

What an argument asks of training alone (regularizers, constraints, momentum, rates of dropout) is taken and not used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..layers import activations, initializers
from ..layers import arguments as check
from ..layers.base import Layer
from ..layers.dtype_policy import PROBLEM_DTYPES
from ..layers.weights import Weights
from ..problem import Activation as Fused
from ..problem import Problem
from . import ops
from .ops import Shape
from .symbols import Symbol, WeightOf, activated

_FOR_TRAINING = ("_regularizer", "_constraint")


class NetworkLayer(Layer):
    """A layer with `weight_shapes`, and `apply`, which says which operations it is."""

    #: The folders within a layer's own in which a `.keras` file has its weights.
    stored_in: tuple[str, ...] = ()

    def __init__(self, arguments: dict[str, Any]) -> None:
        kept = {name: value for name, value in arguments.items() if not name.endswith(_FOR_TRAINING)}
        self._initializers = {
            name.removesuffix("_initializer"): kept.pop(name) for name in list(kept) if name.endswith("_initializer")
        }
        super().__init__(kept, None)

    def weight_shapes(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        """The weights by name, in Keras's order, with their shapes, for inputs of these shapes."""
        return {}

    def apply(self, *inputs: Symbol) -> Symbol:
        """The operations of this layer on symbols."""
        raise NotImplementedError

    def build(self, *inputs: Shape) -> None:
        """Makes the weights: those that were given, or what the initializers make, the given ones or Keras's. Raises
        ValueError where other shapes were given.
        """
        shapes = self.weight_shapes(*inputs)
        if self._initial_weights is not None:
            wanted = {
                name: np.broadcast_to(np.zeros((), self._variable_dtype), shape) for name, shape in shapes.items()
            }
            self._weights = Weights(self._replacements(self._initial_weights, wanted))
            return
        made = {}
        for name, shape in shapes.items():
            usual = (
                "glorot_uniform" if name.endswith("kernel") else "ones" if name in ("gamma", "variance") else "zeros"
            )
            initializer = initializers.get(self._initializers.get(name) or usual)
            made[name] = self._initial(name, initializer, shape)
        self._weights = Weights(made)

    def __call__(self, *inputs: Any) -> Symbol:
        """What the layer makes of symbols, or of a list of them. Raises TypeError for anything else."""
        given = tuple(inputs[0]) if len(inputs) == 1 and isinstance(inputs[0], list | tuple) else inputs
        if not given or not all(isinstance(x, Symbol) for x in given):
            raise TypeError(
                f"Layer '{self.name}' is called on symbols: x = Input(channels), or what layers make of it; Network(x, y) is then called "
                f"on arrays. Received: {', '.join(str(type(x)) for x in given) or 'nothing'}."
            )
        if any(x.dtype != PROBLEM_DTYPES[self.compute_dtype] for x in given):
            raise ValueError(
                f"Layer '{self.name}' computes in {self.compute_dtype}. Received: {', '.join(map(repr, given))}."
            )
        shapes = [x.known for x in given]
        if self._weights is None:
            self.build(*shapes)
        wanted = dict(self.weight_shapes(*shapes))
        if wanted != {name: value.shape for name, value in self.weight_values().items()}:
            raise ValueError(
                f"Layer '{self.name}' was built for other inputs, with weights "
                f"{', '.join(f'{name} {value.shape}' for name, value in self.weight_values().items())}. "
                f"Received: {', '.join(map(repr, given))}, which take {', '.join(map(str, wanted.values()))}."
            )
        return self.apply(*given)

    def made(self, op: ops.Op, *inputs: Symbol, weights: Sequence[str] = (), part: str = "") -> Symbol:
        """What an operation makes of symbols, with weights of this layer; named after it, and after the `part` of it."""
        name = f"{self.name}/{part}" if part else self.name
        return Symbol.made(name, op, inputs, [WeightOf(self, weight) for weight in weights])


def _fused(activation: Any) -> Fused:
    """An activation as a kernel computes it; linear where it is an operation of its own."""
    return activations.fusable(activations.get(activation)) or Fused()


class _Convolution(NetworkLayer):
    """What layers share that are a convolution with an activation."""

    def __init__(self, activation: Any, use_bias: bool, arguments: dict[str, Any]) -> None:
        super().__init__(arguments)
        self._activation = activations.get(activation)
        self._use_bias = bool(use_bias)

    def convolved(self, x: Symbol, weights: Sequence[str], part: str = "", **problem: Any) -> Symbol:
        """A convolution of this layer's dtype; the last of the layer has its activation."""
        made = ops.Conv(Problem(channels=x.known.channels, dtype=x.dtype, **problem))
        return self.made(made, x, weights=weights, part=part)

    def finished(self, x: Symbol, weights: Sequence[str], part: str = "", **problem: Any) -> Symbol:
        """The last convolution of the layer: with its bias and activation."""
        fused = _fused(self._activation)
        bias = ["bias"] if self._use_bias else []
        y = self.convolved(x, [*weights, *bias], part, activation=fused, use_bias=self._use_bias, **problem)
        return y if fused != Fused() else activated(y, self._activation, self.name)


class Dense(_Convolution):
    """Every step's channels, or a vector, times a matrix: `activation(x @ kernel + bias)`."""

    def __init__(self, units: int, activation: Any = None, use_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(activation, use_bias, kwargs)
        self._units = units

    def weight_shapes(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        return {"kernel": (inputs[0].channels, self._units), **({"bias": (self._units,)} if self._use_bias else {})}

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        return self.finished(x, ["kernel"], filters=self._units, kernel_size=1)


class DepthwiseConv1D(_Convolution):
    """Each channel with `depth_multiplier` filters of its own; kernel `(k, channels, depth_multiplier)`."""

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Any = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs = {_OF_DEPTHWISE.get(name, name): value for name, value in kwargs.items()}
        if (groups := kwargs.pop("groups", 1)) != 1:  # Keras 2 writes it
            raise ValueError(f"Each channel is a group of its own. Received: groups={groups}.")
        super().__init__(activation, use_bias, kwargs)
        _check_format(data_format, self.name)
        self._multiplier = depth_multiplier
        self._window: dict[str, Any] = {
            "kernel_size": check.one_tuple(kernel_size, "kernel_size")[0],
            "stride": check.one_tuple(strides, "strides")[0],
            "dilation": check.one_tuple(dilation_rate, "dilation_rate")[0],
            "padding": check.padding_name(padding),
        }

    def weight_shapes(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        channels = inputs[0].channels
        bias = {"bias": (channels * self._multiplier,)} if self._use_bias else {}
        return {"kernel": (self._window["kernel_size"], channels, self._multiplier), **bias}

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        channels = x.known.channels
        return self.finished(x, ["kernel"], filters=channels * self._multiplier, groups=channels, **self._window)


_OF_DEPTHWISE = {"depthwise_initializer": "kernel_initializer"}


class SeparableConv1D(DepthwiseConv1D):
    """A depthwise convolution, then one of one tap: `depthwise_kernel` `(k, channels, depth_multiplier)`,
    `pointwise_kernel` `(1, channels·depth_multiplier, filters)`, bias.
    """

    def __init__(self, filters: int, kernel_size: int | Sequence[int], *args: Any, **kwargs: Any) -> None:
        names = ("strides", "padding", "data_format", "dilation_rate", "depth_multiplier", "activation", "use_bias")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        own = {
            f"{part}_kernel_initializer": given.pop(f"{part}_initializer")
            for part in ("depthwise", "pointwise")
            if f"{part}_initializer" in given
        }
        super().__init__(kernel_size, **given, **own)
        self._filters = filters

    def weight_shapes(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        channels = inputs[0].channels
        bias = {"bias": (self._filters,)} if self._use_bias else {}
        return {
            "depthwise_kernel": (self._window["kernel_size"], channels, self._multiplier),
            "pointwise_kernel": (1, channels * self._multiplier, self._filters),
            **bias,
        }

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        channels = x.known.channels
        wide = {"filters": channels * self._multiplier, "groups": channels, "use_bias": False, **self._window}
        between = self.convolved(x, ["depthwise_kernel"], "depthwise", **wide)
        return self.finished(between, ["pointwise_kernel"], filters=self._filters, kernel_size=1)


def _check_format(data_format: str | None, layer: str) -> None:
    if data_format not in (None, "channels_last"):
        raise ValueError(
            f'Layers of a network have data_format="channels_last". Received: {data_format!r} of layer {layer!r}.'
        )


def _check_axis(axis: Any, x: Symbol, layer: str) -> None:
    """Raises ValueError for an axis that is not the channels."""
    axes = list(axis) if isinstance(axis, list | tuple) else [axis]
    if axes not in ([-1], [len(x.shape) - 1]):
        raise ValueError(
            f"Layer '{layer}' works on the channels, axis -1 or {len(x.shape) - 1}. Received: axis={axis!r}."
        )


class _Norm(NetworkLayer):
    """A layer that is one norm of the channels."""

    def __init__(self, op: ops.Op, axis: Any, arguments: dict[str, Any]) -> None:
        super().__init__(arguments)
        self._op, self._axis = op, axis

    def weight_shapes(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        return self._op.weights(*inputs)

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        _check_axis(self._axis, x, self.name)
        return self.made(self._op, x, weights=list(self._op.weights(x.known)))


class BatchNormalization(_Norm):
    """(x − mean) ÷ √(variance + epsilon) · gamma + beta, with the mean and variance that training left."""

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        names = {"moving_mean_initializer": "mean_initializer", "moving_variance_initializer": "variance_initializer"}
        for_training = ("synchronized", "renorm", "renorm_clipping", "renorm_momentum", "fused", "virtual_batch_size")
        given = {names.get(name, name): value for name, value in kwargs.items() if name not in for_training}
        super().__init__(ops.BatchNorm(epsilon, scale, center), axis, given)


class LayerNormalization(_Norm):
    """The same, with the mean and variance of each step's channels."""

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("rms_scaling", False):
            raise ValueError(
                "rms_scaling=True divides by the standard deviation, without subtracting the mean. Use RMSNormalization."
            )
        super().__init__(ops.LayerNorm(epsilon, scale, center), axis, kwargs)


class RMSNormalization(_Norm):
    """x ÷ √(mean of x² over the channels + epsilon) · gamma."""

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(ops.RmsNorm(epsilon), axis, kwargs)


class GroupNormalization(_Norm):
    """The same as LayerNormalization, with the mean and variance of all steps of each group of channels."""

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(ops.GroupNorm(epsilon, scale, center, groups), axis, kwargs)

    def apply(self, *inputs: Symbol) -> Symbol:
        if isinstance(self._op, ops.GroupNorm) and self._op.groups == -1:  # Keras: each channel is a group
            self._op = ops.GroupNorm(self._op.epsilon, self._op.scale, self._op.center, inputs[0].known.channels)
        return super().apply(*inputs)


class Activation(NetworkLayer):
    """An activation, by what Conv1D takes for one."""

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(kwargs)
        self._function = activations.get(activation)

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        return activated(x, self._function, self.name, part="")


class Softmax(NetworkLayer):
    """exp(x) ÷ its sum over the channels."""

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(kwargs)
        self._axis = axis

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        _check_axis(self._axis, x, self.name)
        return self.made(ops.Softmax(), x)


class PReLU(NetworkLayer):
    """x where it is positive, else alpha·x, with an alpha for each channel: `shared_axes=[1]`, in Keras."""

    def __init__(self, shared_axes: Sequence[int] | None = None, **kwargs: Any) -> None:
        super().__init__(kwargs)
        self._shared = list(shared_axes or ())

    def weight_shapes(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        (x,) = inputs
        if x.steps is not None and self._shared != [1]:
            raise ValueError(
                f"Layer '{self.name}' has an alpha for each step, which no network of any length can have. Give shared_axes=[1]."
            )
        return {"alpha": (1, x.channels) if x.steps is not None else (x.channels,)}

    def apply(self, *inputs: Symbol) -> Symbol:
        return self.made(ops.PRelu(), *inputs, weights=["alpha"])


class _Single(NetworkLayer):
    """A layer that is one operation without weights."""

    def __init__(self, op: ops.Op, arguments: dict[str, Any]) -> None:
        _check_format(arguments.pop("data_format", None), str(arguments.get("name", "")))
        super().__init__(arguments)
        self._op = op

    def apply(self, *inputs: Symbol) -> Symbol:
        return self.made(self._op, *inputs)


class Add(_Single):
    """The sum of several tensors."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ops.Combine("add"), kwargs)


class Subtract(_Single):
    """The first tensor less the second."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ops.Combine("subtract"), kwargs)


class Multiply(_Single):
    """The product of several tensors."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ops.Combine("multiply"), kwargs)


class Average(_Single):
    """The mean of several tensors."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ops.Combine("average"), kwargs)


class Maximum(_Single):
    """The largest of several tensors, element by element."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ops.Combine("maximum"), kwargs)


class Minimum(_Single):
    """The smallest of several tensors, element by element."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ops.Combine("minimum"), kwargs)


class Concatenate(_Single):
    """The channels of several tensors, one after another."""

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(ops.Concat(), kwargs)
        self._axis = axis

    def apply(self, *inputs: Symbol) -> Symbol:
        _check_axis(self._axis, inputs[0], self.name)
        return super().apply(*inputs)


class ZeroPadding1D(_Single):
    """Steps of zeros before and after."""

    def __init__(self, padding: int | Sequence[int] = 1, **kwargs: Any) -> None:
        super().__init__(ops.Pad(*_pair(padding)), kwargs)


class Cropping1D(_Single):
    """Without the first steps and the last."""

    def __init__(self, cropping: int | Sequence[int] = (1, 1), **kwargs: Any) -> None:
        super().__init__(ops.Crop(*_pair(cropping)), kwargs)


def _pair(sizes: int | Sequence[int]) -> tuple[int, int]:
    left, right = (sizes, sizes) if isinstance(sizes, int) else sizes
    return left, right


class UpSampling1D(_Single):
    """Each step several times."""

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(ops.Repeat(size), kwargs)


class MaxPooling1D(_Single):
    """The largest of `pool_size` steps."""

    def __init__(self, pool_size: Any = 2, strides: Any = None, padding: str = "valid", **kwargs: Any) -> None:
        super().__init__(_pool("max", pool_size, strides, padding), kwargs)


class AveragePooling1D(_Single):
    """The mean of `pool_size` steps; padding takes no part in it."""

    def __init__(self, pool_size: Any = 2, strides: Any = None, padding: str = "valid", **kwargs: Any) -> None:
        super().__init__(_pool("average", pool_size, strides, padding), kwargs)


def _pool(kind: str, size: Any, strides: Any, padding: str) -> ops.Pool:
    (steps,) = check.one_tuple(size, "pool_size")
    (stride,) = (steps,) if strides is None else check.one_tuple(strides, "strides")
    name = check.padding_name(padding)
    if name == "causal":
        raise ValueError(f'Pools have padding "valid" or "same". Received: padding={padding!r}.')
    return ops.Pool(kind, steps, stride, name)


class GlobalMaxPooling1D(_Single):
    """The largest of all steps."""

    def __init__(self, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(ops.GlobalPool("max", bool(keepdims)), kwargs)


class GlobalAveragePooling1D(_Single):
    """The mean of all steps."""

    def __init__(self, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(ops.GlobalPool("average", bool(keepdims)), kwargs)


class Flatten(NetworkLayer):
    """All numbers of a tensor as a vector. It takes an input of known length."""

    def __init__(self, **kwargs: Any) -> None:
        _check_format(kwargs.pop("data_format", None), str(kwargs.get("name", "")))
        super().__init__(kwargs)

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        return self.made(ops.Reshape(None, _size(x, self.name)), x)


class Reshape(NetworkLayer):
    """The numbers of a tensor in another shape, `(steps, channels)` or `(channels,)`; one size may be -1."""

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(kwargs)
        self._target = tuple(target_shape)

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        size = _size(x, self.name)
        known = math.prod(n for n in self._target if n != -1)
        target = [size // max(known, 1) if n == -1 else n for n in self._target]
        if len(target) not in (1, 2):
            raise ValueError(
                f"Layer '{self.name}' of a network makes (steps, channels) or (channels,). Received: {self._target}."
            )
        return self.made(ops.Reshape(target[0] if len(target) == 2 else None, target[-1]), x)


def _size(x: Symbol, layer: str) -> int:
    size = x.known.channels if x.known.steps is None else (x.known.steps * x.known.channels).constant
    if size is None:
        raise ValueError(f"Layer '{layer}' takes an input of known length. Received: {x!r}; give `Input` a length.")
    return size


class _Vanishing(NetworkLayer):
    """A layer that does something in training only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        shared = (
            "name",
            "dtype",
            "trainable",
            "autocast",
            "input_shape",
            "batch_input_shape",
            "batch_size",
            "input_dim",
        )
        super().__init__({name: value for name, value in kwargs.items() if name in shared})

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        return x


class Dropout(_Vanishing):
    """Nothing, outside of training."""


class SpatialDropout1D(_Vanishing):
    """Nothing, outside of training."""


class GaussianNoise(_Vanishing):
    """Nothing, outside of training."""


class GaussianDropout(_Vanishing):
    """Nothing, outside of training."""


class AlphaDropout(_Vanishing):
    """Nothing, outside of training."""


class ActivityRegularization(_Vanishing):
    """Nothing, outside of training."""


class Identity(_Vanishing):
    """Nothing."""
