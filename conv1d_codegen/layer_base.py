"""Layer: what every Keras layer has. Name, dtype policy, weights with their API, losses, config, copies."""

from __future__ import annotations

import itertools
import math
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import regularizers
from .dtypes import DTypePolicy, numpy_dtype
from .layer_arguments import Shape, input_shape_argument
from .registry import snake_case

if TYPE_CHECKING:
    from typing import Self

Array = NDArray[Any]

_counters: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)


def _automatic_name(class_name: str) -> str:
    """conv1d, conv1d_1, conv1d_2, …: counted by class, for the life of the process."""
    stem = snake_case(class_name)
    number = next(_counters[stem])
    return f"{stem}_{number}" if number else stem


class Layer:
    """Base class of Conv1D: everything about it that isn't convolution.

    Weights are NumPy arrays of `variable_dtype`. What the properties hand out is read-only, because the compiled kernel works on
    a packed copy: assign a whole array (`layer.kernel = w`) or call `set_weights` to change them.
    """

    def __init__(self, arguments: dict[str, Any], activity_regularizer: Any) -> None:
        """Takes the keyword arguments that all layers share; raises ValueError, with Keras's texts, for wrong or unknown ones."""
        name, dtype = arguments.pop("name", None), arguments.pop("dtype", None)
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(
                f"Argument `name` must be a string and cannot contain character `/`. Received: name={name} (of type {type(name)})"
            )
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self._batch_input_shape = input_shape_argument(arguments)
        self._initial_weights = arguments.pop("weights", None)
        self._autocast = bool(arguments.pop("autocast", True))
        trainable = arguments.pop("trainable", True)
        for ignored in ("dynamic", "lora_rank", "lora_alpha"):
            # What configs written by Keras may hold, at the values that ask for nothing.
            if arguments.get(ignored) in (None, False):
                arguments.pop(ignored, None)
        if arguments:
            raise ValueError(f"Unrecognized keyword arguments passed to {type(self).__name__}: {arguments}")
        self._policy = DTypePolicy.of(dtype)
        self._variable_dtype = numpy_dtype(self._policy.variable_dtype)
        self._compute_dtype = numpy_dtype(self._policy.compute_dtype)
        self.trainable = trainable
        self._name: str = _automatic_name(type(self).__name__) if name is None else name
        self._built = False
        self._variables: dict[str, Array] = {}
        self._losses: list[Any] = []
        self._lock = threading.RLock()

    # What it is

    @property
    def name(self) -> str:
        """The layer's name, given or numbered."""
        return self._name

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return self._built

    @property
    def dtype(self) -> str:
        """Same as `variable_dtype`."""
        return self._policy.variable_dtype

    @property
    def variable_dtype(self) -> str:
        """Dtype of the weights."""
        return self._policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """Dtype of the outputs, and the one that inputs are cast to."""
        return self._policy.compute_dtype

    @property
    def dtype_policy(self) -> DTypePolicy:
        """The policy that both dtypes come from."""
        return self._policy

    @property
    def batch_input_shape(self) -> Shape | None:
        """The shape of the inputs that the constructor was given, batch first, or None. Nothing is checked against it."""
        return self._batch_input_shape

    @property
    def supports_masking(self) -> bool:
        """False, as for Keras's Conv1D."""
        return False

    @property
    def trainable(self) -> bool:
        """Whether the weights are among `trainable_weights`, and so have regularization losses."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise ValueError(f"Expected `trainable` to be a boolean. Received: trainable={value} (of type {type(value)})")
        self._trainable = value

    # Weights

    def _weights_changed(self) -> None:
        """Called, with the lock held, after weights were given new values."""

    def _weight(self, name: str) -> Array:
        if name not in self._variables:
            raise AttributeError(f"You must build the layer before accessing `{name}`.")
        return self._variables[name]

    def _assign(self, values: Mapping[str, ArrayLike]) -> None:
        """Copies new values in, all or none. Raises ValueError for another shape, TypeError for what isn't real numbers."""
        copies: dict[str, Array] = {}
        for name, value in values.items():
            array, current = np.asarray(value), self._weight(name)
            if array.shape != current.shape:
                raise ValueError(
                    f"Layer {self.name} weight shape {current.shape} is not compatible with provided weight shape {array.shape}."
                )
            copies[name] = self._frozen(array, name)
        with self._lock:
            self._variables.update(copies)
            self._weights_changed()

    def _frozen(self, values: ArrayLike, name: str) -> Array:
        """A read-only copy, C-contiguous and of the variable dtype; a view, so that not even its flags can be changed back."""
        array = np.asarray(values)
        if array.dtype.kind in "cOSUmM":
            raise TypeError(f"The weight `{name}` of layer {self.name} takes real numbers. Received an array of dtype {array.dtype}.")
        with np.errstate(over="ignore"):
            copy = np.array(array, self._variable_dtype, order="C", subok=False)
        copy.flags.writeable = False
        return copy.view()

    @property
    def weights(self) -> list[Array]:
        """The weights, kernel first: read-only arrays. Empty before the layer is built."""
        return list(self._variables.values())

    @property
    def trainable_weights(self) -> list[Array]:
        """All weights, or none where `trainable` is False."""
        return self.weights if self._trainable else []

    @property
    def non_trainable_weights(self) -> list[Array]:
        """All weights where `trainable` is False, else none."""
        return [] if self._trainable else self.weights

    variables, trainable_variables, non_trainable_variables = weights, trainable_weights, non_trainable_weights

    def get_weights(self) -> list[Array]:
        """Copies of the weights, the caller's own."""
        return [weight.copy() for weight in self._variables.values()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Copies new values into the weights. Raises ValueError for another number of arrays, or other shapes; then none changes."""
        if len(weights) != len(self._variables):
            raise ValueError(
                f"You called `set_weights(weights)` on layer '{self.name}' with a weight list of length {len(weights)}, "
                f"but the layer was expecting {len(self._variables)} weights."
            )
        self._assign(dict(zip(self._variables, weights, strict=True)))

    def count_params(self) -> int:
        """The number of numbers in the weights. Raises ValueError before the layer is built."""
        if not self._built:
            raise ValueError(
                f"You tried to call `count_params` on layer '{self.name}', but the layer isn't built. "
                "You can build it manually via: `layer.build(input_shape)`."
            )
        return sum(math.prod(weight.shape) for weight in self._variables.values())

    # Losses

    def _weight_regularizers(self) -> Mapping[str, Any]:
        """The regularizers of the weights, by the weights' names."""
        return {}

    @property
    def losses(self) -> list[Any]:
        """What `add_loss` was given in the last call, then the activity loss of that call, then the weights' regularization losses."""
        wanted = self._weight_regularizers() if self._built and self._trainable else {}
        return [*self._losses, *(regularizer(self._variables[name]) for name, regularizer in wanted.items() if regularizer is not None)]

    def add_loss(self, loss: Any) -> None:
        """Adds a loss, or several, to `losses`, until the next call. Raises ValueError for what is no number or array."""
        for value in loss if isinstance(loss, (list, tuple)) else [loss]:
            if value is None:
                continue
            if not isinstance(value, (int, float, np.number, np.ndarray)) or isinstance(value, bool):
                raise ValueError(f"`add_loss()` takes numbers and arrays. Received invalid value: {value}")
            self._losses = [*self._losses, value]

    def _add_activity_loss(self, y: Array) -> None:
        if self.activity_regularizer is not None:
            loss = self.activity_regularizer(y)
            self.add_loss(loss / y.shape[0] if y.shape[0] else loss * 0)

    # Config and copies

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments that all layers share, as Keras 3 writes them."""
        return {"name": self.name, "trainable": self.trainable, "dtype": self._policy.serialize()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A new, unbuilt layer from a config."""
        return cls(**config)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()
        # A copied array is writeable again.
        self._variables = {name: self._frozen(value, name) for name, value in self._variables.items()}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"
