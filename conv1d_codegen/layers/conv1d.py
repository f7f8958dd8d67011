"""Conv1D: Keras's layer on NumPy arrays, computed by a kernel that is generated for exactly this layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, overload

from numpy.typing import ArrayLike, NDArray

from ..options import CompileOptions
from ..problem import Activation, Problem
from ..runtime.threads import get_num_threads
from . import activations, constraints, initializers, legacy_config, regularizers
from . import arguments as check
from .base import Layer
from .convolution_op import problem_of, through
from .dtype_policy import PROBLEM_DTYPES
from .execution import activated, as_input, compiled, convolve, delivered, explained, is_ready, output_shape
from .symbolic import Symbolic
from .weights import Prepared, Weights

if TYPE_CHECKING:
    from typing import Self

    from ..compiler import Compilation
    from ..inspection.explanation import Explanation

Array = NDArray[Any]

_MOST_LENGTHS = 1024  # of inputs, of which a layer remembers what serves them


class Conv1D(Layer):
    """1D convolution: `activation(bias + Σ x[…, t·stride + j·dilation - left, c] · kernel[j, c, f])`, summed over taps
    and channels.

        layer = Conv1D(32, 3, padding="causal", dilation_rate=2, activation="gelu")
        y = layer(x)                       # (4, 100, 16) → (4, 100, 32); builds, compiles, runs

    Args:
        filters: output channels.
        kernel_size, strides, dilation_rate: an integer, or a tuple or list of one. A stride and a dilation above 1
            exclude each other, as in Keras, unless `options` allows both.
        padding: "valid" (none), "same" (as long as the input, divided by the stride; the odd zero on the right) or
            "causal" (output t sees no input after t); case-insensitive.
        data_format: "channels_last", `batch_shape + (steps, channels)`, or "channels_first", `batch_shape + (channels,
            steps)`.
        groups: divides channels and filters; each group of filters sees its own group of channels.
        activation: a name, a dict, a callable or None. The element-wise ones of Keras are computed in the kernel,
            others after it.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer,
            kernel_constraint, bias_constraint: names, dicts, instances, classes or callables, as in Keras.
            Constraints are kept, not applied.
        options: a CompileOptions, or a dict of its fields: algorithm, threads, target, plan, explicit padding.
        **kwargs: name, dtype ("float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"),
            trainable, autocast, weights (initial values), and Keras 2's input_shape, batch_input_shape, batch_size,
            input_dim and dynamic.

    Raises ValueError for arguments that make no convolution, with Keras 3's texts.

    Calls may come from several threads at once. Everything that the kernel depends on is read-only; weights change by
    assignment.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        options: CompileOptions | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(kwargs, activity_regularizer)
        self._options = CompileOptions.of(options)
        self._kernel_size = check.one_tuple(kernel_size, "kernel_size")
        self._strides = check.one_tuple(strides, "strides")
        self._dilation_rate = check.one_tuple(dilation_rate, "dilation_rate")
        self._padding = check.padding_name(padding)
        self._data_format = check.data_format_name(data_format)
        self._activation = activations.get(activation)
        self._use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self._filters, self._groups = check.check_filters_and_groups(filters, groups)
        check.check_stride_and_dilation(self._strides, self._dilation_rate, self._options)

        self._fused: Activation | None = activations.fusable(self._activation)
        self._channel_axis = -2 if self._data_format == "channels_first" else -1
        self._problem: Problem | None = None
        self._compilations: dict[int, Compilation] = {}  # by length: they stay when the weights change
        self._last_convolution: Compilation | None = None  # of `convolution_op`, held so that it is not made again

    filters = property(attrgetter("_filters"), doc="Output channels.")
    kernel_size = property(attrgetter("_kernel_size"), doc="Taps, a tuple of one integer.")
    strides = property(attrgetter("_strides"), doc="Input steps between output steps, a tuple of one integer.")
    padding = property(attrgetter("_padding"), doc='"valid", "same" or "causal".')
    data_format = property(attrgetter("_data_format"), doc='"channels_last" or "channels_first".')
    dilation_rate = property(attrgetter("_dilation_rate"), doc="Input steps between taps, a tuple of one integer.")
    groups = property(attrgetter("_groups"), doc="Groups of channels and filters.")
    activation = property(attrgetter("_activation"), doc="The activation function.")
    use_bias = property(attrgetter("_use_bias"), doc="Whether a bias is added, as given.")
    options = property(attrgetter("_options"), doc="The CompileOptions.")

    @property
    def problem(self) -> Problem:
        """The convolution that the kernel is generated for. Raises ValueError before the layer is built."""
        if self._problem is None:
            raise self._unbuilt()
        return self._problem

    def _unbuilt(self) -> ValueError:
        return ValueError(
            f"Layer '{self.name}' isn't built, so its number of input channels is unknown. Call `build(input_shape)`."
        )

    @property
    def kernel(self) -> Array:
        """The weights `(kernel_size, channels // groups, filters)`, read-only; assign an array of that shape to change
        them.
        """
        return self._weight("kernel")

    @kernel.setter
    def kernel(self, value: ArrayLike) -> None:
        self._assign({"kernel": value})

    @property
    def bias(self) -> Array | None:
        """The bias `(filters,)`, read-only, None where the layer has none; assign an array of that
        shape to change it.
        """
        return self._weight("bias") if self._use_bias else None

    @bias.setter
    def bias(self, value: ArrayLike) -> None:
        if not self._use_bias:
            raise AttributeError(
                f"Layer '{self.name}' has use_bias={self._use_bias!r}, so there is no bias to assign to."
            )
        self._assign({"bias": value})

    # Building and shapes

    def _problem_for(self, channels: int) -> Problem:
        return Problem(
            channels=channels,
            filters=self._filters,
            kernel_size=self._kernel_size[0],
            stride=self._strides[0],
            dilation=self._dilation_rate[0],
            groups=self._groups,
            padding=self._options.explicit_padding or self._padding,
            activation=self._fused or Activation(),
            dtype=PROBLEM_DTYPES[self.compute_dtype],
            channels_first=self._channel_axis == -2,
            use_bias=bool(self._use_bias),
        )

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the weights for inputs of a shape, of rank 3 or more; only the number of channels must be known.

        Raises ValueError for a shape that the layer can't take, and where the weights exist already.
        """
        shape = check.shape_of(input_shape)
        with self._lock.here:
            self._check_unbuilt(shape)
            check.check_rank(shape, self.name)
            problem = self._problem_for(check.check_channels(shape, self._channel_axis, self._groups))
            output_shape(problem, shape, activations.linear)
            values = {"kernel": self._initial("kernel", self.kernel_initializer, problem.kernel_shape)}
            if self._use_bias:
                values["bias"] = self._initial("bias", self.bias_initializer, (self._filters,))
            if self._initial_weights is not None:
                values = self._replacements(self._initial_weights, values)
            # The record last: other threads look at it without the lock, and so does a child that a fork makes
            # meanwhile.
            self._problem = problem
            self._weights = Weights(values)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> check.Shape:
        """The shape of the output for inputs of a shape; None stays None. Raises ValueError where no output exists."""
        shape = check.shape_of(input_shape)
        check.check_rank(shape, self.name)
        channels = shape[self._channel_axis]
        known = self._groups if channels is None else check.check_channels(shape, self._channel_axis, self._groups)
        return output_shape(self._problem_for(known), shape, self._activation)

    # Calling

    @overload
    def __call__(self, inputs: Symbolic) -> Any: ...

    @overload
    def __call__(self, inputs: Any, out: Array | None = None, *, training: bool | None = None) -> Array: ...

    def __call__(self, inputs: Any, out: Array | None = None, *, training: bool | None = None) -> Any:
        """The layer's output: `batch_shape + (T', filters)`, or `+ (filters, T')` in channels_first, of dtype
        `compute_dtype`.

        Args:
            inputs: real floating-point numbers of rank 3 or more, an array or what NumPy makes one of, cast to
                `compute_dtype`. Types that mean more than their numbers, such as masked arrays, are refused.
            out: an array to write the result into: of its shape and dtype, C-contiguous, and apart from the inputs.
            training: taken and ignored, as a convolution is the same in training.

        Builds the layer at the first call. Called on a symbol (`network/symbols.py`), it gives one. Raises TypeError for
        inputs that aren't floats, ValueError for shapes that don't fit.
        """
        if self._weights is None:
            if isinstance(inputs, Symbolic):
                return inputs.through(self)
            inputs = as_input(inputs, self._compute_dtype, self._autocast)
            with self._lock.here:
                if not self.built:
                    self.build(inputs.shape)
        if self._losses:
            self._losses = []
        y: Array = self.call(inputs) if out is None else self.call(inputs, out=out)
        if self.activity_regularizer is not None:
            self._add_activity_loss(y)
        return y

    def call(self, inputs: Any, out: Array | None = None) -> Array:
        """The forward pass of a built layer; arguments, result and errors as of `__call__`, without losses."""
        if type(self).convolution_op is not Conv1D.convolution_op:
            x = self._accepted(inputs)
            return delivered(self._through_convolution_op(x), self._compute_dtype, out, x)
        problem, weights, x = self._problem, self._weights, inputs
        if problem is None or weights is None:
            raise self._unbuilt()
        fast = weights.fast.function
        if fast is not None and (y := fast(inputs, out)) is not None:
            return y  # type: ignore[no-any-return]
        if not is_ready(x, self._compute_dtype) or x.ndim < 3 or x.shape[self._channel_axis] != problem.channels:
            if isinstance(x, Symbolic):
                return x.through(self)  # type: ignore[no-any-return]
            x = self._accepted(x)
        length = x.shape[-3 - self._channel_axis]
        kernel, packed, after, compilation = weights.of_length.get(length) or self._prepare(weights, length)
        threads = self._options.num_threads or get_num_threads()
        if after is None:
            y = convolve(problem, kernel, packed, x, out, threads)
            weights.fast.missed((x.shape,), kernel.fast_call, packed, self._options.num_threads, compilation.target)
            return y
        y = activated(convolve(problem, kernel, packed, x, None, threads), after, self.name)
        return delivered(y, self._compute_dtype, out, x)

    def _accepted(self, inputs: Any) -> Array:
        """The inputs as a kernel takes them, of rank 3 or more. Raises TypeError and ValueError as `__call__` says."""
        x = as_input(inputs, self._compute_dtype, self._autocast)
        check.check_input(x.shape, self._channel_axis, self.problem.channels, self.name)
        return x

    def _prepare(self, weights: Weights, length: int) -> Prepared:
        """Compiles the kernel for inputs of a length, or finds it compiled, and packs the weights for it."""
        with self._lock.here:
            compilation = self._compilations.get(length) or compiled(self.problem, self._options, length)
            prepared = weights.of_compilation.get(compilation)
            if prepared is None:
                kernel, dtype = compilation.kernel, self._compute_dtype
                bias = weights.in_dtype("bias", dtype) if self._use_bias else None
                packed = compilation.pack(weights.in_dtype("kernel", dtype), bias, weights.again)
                after = None if self._fused else self._activation
                prepared = weights.of_compilation[compilation] = Prepared(kernel, packed, after, compilation)
            if len(self._compilations) >= _MOST_LENGTHS:
                self._compilations = {}
            if len(weights.of_length) >= _MOST_LENGTHS:
                weights.of_length.clear()
            self._compilations[length] = compilation
            weights.of_length[length] = prepared
            return prepared

    def _forget_kernels(self) -> None:
        """Lets the next call compile again, or find what was compiled meanwhile: another plan may be the best now."""
        with self._lock.here:
            self._compilations = {}
            if self._weights is not None:
                self._weights = Weights(self._weights.values)

    def _weight_regularizers(self) -> Mapping[str, Any]:
        return {"kernel": self.kernel_regularizer, **({"bias": self.bias_regularizer} if self._use_bias else {})}

    def convolution_op(self, inputs: ArrayLike, kernel: ArrayLike) -> Array:
        """The convolution alone, without bias and activation: Keras 2.9's hook for subclasses that change it.

        Where a subclass overrides it, a call goes through it, and bias and activation follow, each in a pass of its
        own. As in Keras 2.9, the inputs of a causal layer (or one with explicit padding) come padded already, and are
        convolved "valid" here; those of a "same" layer are padded here. `kernel` is `(k, channels // groups, filters)`,
        which the subclass may have changed. Raises ValueError for shapes that don't fit each other.
        """
        x = as_input(inputs, self._compute_dtype)
        weights = as_input(kernel, self._compute_dtype)
        check.check_rank(x.shape, self.name)
        problem = problem_of(self._problem_for(self._groups), x, weights, self._channel_axis, self.name)
        # A plan is made for the layer's own problem.
        compilation = compiled(problem, replace(self._options, plan=None), x.shape[-3 - self._channel_axis])
        self._last_convolution, op = compilation, compilation.kernel
        return convolve(problem, op, op.pack(weights, None), x, None, self._options.num_threads or get_num_threads())

    def _through_convolution_op(self, x: Array) -> Array:
        problem, weights = self._problem, self._weights
        if problem is None or weights is None:
            raise self._unbuilt()
        kernel = weights.in_dtype("kernel", self._compute_dtype)
        bias = weights.in_dtype("bias", self._compute_dtype) if self._use_bias else None
        y = through(self.convolution_op, problem, kernel, bias, x, self.name)
        return activated(y, self._activation, self.name)

    # Seeing it, saving it, copying it

    def dump(self, stage: str = "scheduled", length: int | None = None) -> str:
        """A stage of the compilation as text: "problem", "plan", "loop", "scheduled", "llvm", "optimized" or "asm".

        It is that for inputs of `length` steps, or else for long ones, as short ones may have a plan of their own.
        Raises ValueError for another stage, for a length that no input has, and before the layer is built.
        """
        check.check_length(length)
        return compiled(self.problem, self._options, length).dump(stage)

    def explain(self, length: int | None = None, batch: int = 1, measure: bool = False) -> Explanation:
        """What the layer's kernel computes and what bounds its speed: its plan and the ones that were not taken, registers,
        the innermost loop and its least cycles, padding, sizes and errors. It prints as text, and shows as HTML in a notebook.

        Figures are those of `batch` sequences of `length` steps, or of long ones. With `measure`, the kernel is called and
        timed on one thread, beside the limits of the core. Raises ValueError before the layer is built and for sizes without
        an output, CompileError for measuring a kernel of another machine.
        """
        check.check_length(length)
        return explained(self.problem, self._options, batch, length, measure)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as Keras 3 writes them, with `options` where they differ from the defaults."""
        config = {
            **super().get_config(),
            "filters": self._filters,
            "kernel_size": self._kernel_size,
            "strides": self._strides,
            "padding": self._padding,
            "data_format": self._data_format,
            "dilation_rate": self._dilation_rate,
            "groups": self._groups,
            "activation": activations.serialize(self._activation),
            "use_bias": self._use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }
        options = self._options.get_config()
        return {**config, "options": options} if options else config

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """A new, unbuilt layer from a config of `get_config`, or of the Conv1D or Convolution1D of any Keras from 1.0
        on.

        `custom_objects` maps names in it to your own functions and classes. Raises what the constructor raises.
        """
        return legacy_config.made(cls, config, custom_objects or {})

    def __getstate__(self) -> dict[str, Any]:
        # machine code belongs to this process
        return {**super().__getstate__(), "_compilations": {}, "_last_convolution": None}

    def __repr__(self) -> str:
        known = "" if self._problem is None else f", {self._problem}"
        return f"<{type(self).__name__} name={self.name}, built={self.built}{known}>"


Convolution1D = Conv1D
