"""Layer: what every Keras layer has. Name, dtype policy, weights with their API, losses, config, copies."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..locks import ProcessLock
from ..number_types import numpy_dtype
from . import initializers, regularizers
from .arguments import Shape, input_shape_argument
from .arrays import as_weights
from .dtype_policy import DTypePolicy
from .registry import snake_case
from .weights import Weights

if TYPE_CHECKING:
    from typing import Self

Array = NDArray[Any]

_counters: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)


def automatic_name(class_name: str) -> str:
    """conv1d, conv1d_1, conv1d_2, …: counted by class, for the life of the process."""
    stem = snake_case(class_name)
    number = next(_counters[stem])
    return f"{stem}_{number}" if number else stem


class Layer:
    """Base class of Conv1D: everything about it that isn't convolution.

    Weights are NumPy arrays of `variable_dtype`. What the properties hand out is read-only, because the compiled kernel
    works on a packed copy: assign a whole array (`layer.kernel = w`) or call `set_weights` to change them.
    """

    def __init__(self, arguments: dict[str, Any], activity_regularizer: Any) -> None:
        """Takes the keyword arguments that all layers share; raises ValueError, with Keras's texts, for wrong or
        unknown ones.
        """
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
        self._name: str = automatic_name(type(self).__name__) if name is None else name
        self._weights: Weights | None = None  # exchanged whole; None before the layer is built
        self._losses: list[Any] = []
        self._lock = ProcessLock()

    # What it is

    @property
    def name(self) -> str:
        """The layer's name, given or numbered."""
        return self._name

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return self._weights is not None

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
        """The shape of the inputs that the constructor was given, batch first, or None. Nothing is
        checked against it.
        """
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
            raise ValueError(
                f"Expected `trainable` to be a boolean. Received: trainable={value} (of type {type(value)})"
            )
        self._trainable = value

    # Weights

    def weight_values(self) -> Mapping[str, Array]:
        """The weights by name, all of one moment. Empty before the layer is built."""
        weights = self._weights
        return {} if weights is None else weights.values

    def _weight(self, name: str) -> Array:
        values = self.weight_values()
        if name not in values:
            raise AttributeError(f"You must build the layer before accessing `{name}`.")
        return values[name]

    def _assign(self, values: Mapping[str, ArrayLike]) -> None:
        """Copies new values in, all or none. Raises ValueError for another shape, TypeError for
        what isn't real numbers.
        """
        copies = {name: self._replacement(name, value, self._weight(name)) for name, value in values.items()}
        with self._lock.here:
            before = self._weights or Weights({})
            self._weights = before.replaced({**before.values, **copies})

    def _replacement(self, name: str, value: ArrayLike, current: Array) -> Array:
        """A frozen copy of new values for a weight. Raises as `_assign` does."""
        if type(value) is np.ndarray and value.dtype is self._variable_dtype and value.shape == current.shape:
            return _read_only(value.copy())  # what `_frozen` would make of it, in a fifth of the time
        array = as_weights(value, self._variable_dtype, self._rule(name))
        if array.shape != current.shape:
            raise ValueError(
                f"Layer {self.name} weight shape {current.shape} is not compatible with provided weight shape {array.shape}."
            )
        return self._frozen(array, name)

    def _replacements(self, weights: Sequence[ArrayLike], current: Mapping[str, Array]) -> dict[str, Array]:
        """Frozen copies of new values for all weights. Raises as `set_weights` does."""
        if len(weights) != len(current):
            raise ValueError(
                f"You called `set_weights(weights)` on layer '{self.name}' with a weight list of length {len(weights)}, "
                f"but the layer was expecting {len(current)} weights."
            )
        return {
            name: self._replacement(name, value, current[name]) for name, value in zip(current, weights, strict=True)
        }

    def _check_unbuilt(self, shape: Shape) -> None:
        """Raises ValueError where the weights exist already."""
        if self.built:
            raise ValueError(
                "You cannot add new elements of state (variables or sub-layers) to a layer that is already built. All state must "
                f"be created in the `__init__()` method or in the `build()` method. Received: build({shape}) of layer '{self.name}'."
            )

    def _initial(self, name: str, initializer: Any, shape: tuple[int, ...]) -> Array:
        """The first values of a weight, by an initializer, or by Keras's usual one. Raises ValueError for another shape."""
        made = (initializer or initializers.GlorotUniform())(shape, dtype=self.variable_dtype)
        values = as_weights(made, self._variable_dtype, self._rule(name))
        if values.shape != shape:
            raise ValueError(
                f"The initializer of `{name}` must give an array of shape {shape}. Received one of shape {values.shape}."
            )
        return self._frozen(values, name)

    def _rule(self, name: str) -> str:
        return f"The weight `{name}` of layer {self.name} takes real numbers"

    def _frozen(self, values: ArrayLike, name: str) -> Array:
        """A read-only copy, C-contiguous and of the variable dtype."""
        array = as_weights(values, self._variable_dtype, self._rule(name))
        with np.errstate(over="ignore"):
            return _read_only(np.array(array, self._variable_dtype, order="C", subok=False))

    @property
    def weights(self) -> list[Array]:
        """The weights, kernel first: read-only arrays. Empty before the layer is built."""
        return list(self.weight_values().values())

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
        return [weight.copy() for weight in self.weight_values().values()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Copies new values into the weights. Raises ValueError for another number of arrays, or other shapes; then
        none changes.
        """
        before = self._weights or Weights({})
        copies = self._replacements(weights, before.values)
        if copies:
            with self._lock.here:
                self._weights = before.replaced(copies)

    def count_params(self) -> int:
        """The number of numbers in the weights. Raises ValueError before the layer is built."""
        if not self.built:
            raise ValueError(
                f"You tried to call `count_params` on layer '{self.name}', but the layer isn't built. "
                "You can build it manually via: `layer.build(input_shape)`."
            )
        return sum(math.prod(weight.shape) for weight in self.weights)

    # Losses

    def _weight_regularizers(self) -> Mapping[str, Any]:
        """The regularizers of the weights, by the weights' names."""
        return {}

    @property
    def losses(self) -> list[Any]:
        """What `add_loss` was given in the last call, then the activity loss of that call, then the weights'
        regularization losses.
        """
        values = self.weight_values() if self._trainable else {}
        wanted = self._weight_regularizers() if values else {}
        return [
            *self._losses,
            *(regularizer(values[name]) for name, regularizer in wanted.items() if regularizer is not None),
        ]

    def add_loss(self, loss: Any) -> None:
        """Adds a loss, or several, to `losses`, until the next call. Raises ValueError for what is
        no number or array.
        """
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
        state = self.__dict__.copy()  # all of one moment, while other threads change attributes
        weights = state.pop("_weights")
        del state["_lock"]  # which belongs to this object
        return {**state, "_values": None if weights is None else dict(weights.values)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        values = state.pop("_values")
        self.__dict__.update(state)
        self._lock = ProcessLock()
        # A copied array is writeable again.
        self._weights = (
            None if values is None else Weights({name: self._frozen(value, name) for name, value in values.items()})
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def _read_only(own: Array) -> Array:
    """An array that nobody else has, read-only; a view, so that not even its flags can be changed back."""
    own.setflags(write=False)
    return own.view()
