"""Keras's recurrent layers: LSTM, GRU and Bidirectional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...layers import activations
from ...layers.base import Layer
from ...problem import Activation
from .. import ops
from ..ops import Shape
from ..symbols import Symbol
from .base import NetworkLayer

#: What counts in training only, or says how to compute, and not what.
_UNUSED = (
    "dropout",
    "implementation",
    "recurrent_dropout",
    "seed",
    "time_major",
    "unit_forget_bias",
    "unroll",
    "use_cudnn",
    "zero_output_for_mask",
)
_MERGES = {"sum": "add", "mul": "multiply", "ave": "average"}


class _Recurrent(NetworkLayer):
    """What LSTM and GRU share."""

    stored_in = ("cell",)

    def __init__(
        self,
        units: int,
        activation: Any,
        recurrent_activation: Any,
        use_bias: bool,
        return_sequences: bool,
        go_backwards: bool,
        arguments: dict[str, Any],
    ) -> None:
        for name in ("return_state", "stateful"):
            if arguments.pop(name, False):
                raise ValueError(f"A recurrent layer of a network has {name}=False. Received: {name}=True.")
        super().__init__({name: value for name, value in arguments.items() if name not in _UNUSED})
        self.return_sequences = bool(return_sequences)
        self.go_backwards = bool(go_backwards)
        self._cell: dict[str, Any] = {
            "units": units,
            "activation": _gate(activation, self.name),
            "gate": _gate(recurrent_activation, self.name),
            "use_bias": bool(use_bias),
        }

    def _op(self, backwards: bool) -> ops.Recurrent:
        """The operation on the steps in their order, or from the last to the first."""
        raise NotImplementedError

    def weight_shapes(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        return self._op(False).weights(*inputs)

    def apply(self, *inputs: Symbol) -> Symbol:
        if self.go_backwards and self.return_sequences:
            raise ValueError(
                f"Layer '{self.name}' has go_backwards=True and return_sequences=True, whose steps come out in reverse; a network has "
                "that in Bidirectional only."
            )
        return self.run(inputs[0], self.go_backwards)

    def run(self, x: Symbol, backwards: bool) -> Symbol:
        """The layer's states, each at its step."""
        if self._weights is None:
            self.build(x.known)
        op = self._op(backwards)
        return self.made(op, x, weights=list(op.weights(x.known)))


def _gate(activation: Any, layer: str) -> Activation:
    fused = activations.fusable(activation)
    if fused is None:
        raise ValueError(f"Layer '{layer}' of a network has element-wise activations. Received: {activation!r}.")
    return fused


class LSTM(_Recurrent):
    """Long short-term memory: kernel `(channels, 4·units)`, recurrent_kernel `(units, 4·units)`, bias `(4·units,)`."""

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        return_sequences: bool = False,
        go_backwards: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, use_bias, return_sequences, go_backwards, kwargs)

    def _op(self, backwards: bool) -> ops.Recurrent:
        return ops.Lstm(**self._cell, sequences=self.return_sequences, backwards=backwards)


class GRU(_Recurrent):
    """Gated recurrent unit: kernel `(channels, 3·units)`, recurrent_kernel `(units, 3·units)`, bias `(2, 3·units)`, or
    `(3·units,)` with reset_after=False.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        return_sequences: bool = False,
        go_backwards: bool = False,
        reset_after: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, use_bias, return_sequences, go_backwards, kwargs)
        self._reset_after = bool(reset_after)

    def _op(self, backwards: bool) -> ops.Recurrent:
        return ops.Gru(
            **self._cell, sequences=self.return_sequences, backwards=backwards, reset_after=self._reset_after
        )


class Bidirectional(NetworkLayer):
    """Two recurrent layers, one of which goes through the steps from the last to the first. With `merge_mode=None` they are
    two tensors, which `both` gives.
    """

    def __init__(
        self, forward: _Recurrent, backward: _Recurrent, merge_mode: str | None = "concat", **kwargs: Any
    ) -> None:
        super().__init__(kwargs)
        if merge_mode not in (None, "concat", *_MERGES):
            raise ValueError(f"merge_mode is None, concat, {', '.join(_MERGES)}. Received: {merge_mode!r}.")
        if forward.return_sequences != backward.return_sequences:
            raise ValueError(f"The layers of '{self.name}' have the same return_sequences, and are not the same there.")
        self.forward_layer, self.backward_layer, self.merge_mode = forward, backward, merge_mode

    def owners(self) -> Sequence[tuple[tuple[str, ...], Layer]]:
        folders = (("forward_layer", self.forward_layer), ("backward_layer", self.backward_layer))
        return [((folder, *inner), layer) for folder, each in folders for inner, layer in each.owners()]

    def both(self, x: Symbol) -> tuple[Symbol, Symbol]:
        """What each layer makes of a sequence: states of all steps, each at its step, or the last state."""
        return self.forward_layer.run(x, False), self.backward_layer.run(x, True)

    def apply(self, *inputs: Symbol) -> Symbol:
        if self.merge_mode is None:
            raise ValueError(f"Layer '{self.name}' makes two tensors, as merge_mode=None asks for: call `both`.")
        there, back = self.both(*inputs)
        if self.merge_mode == "concat":
            return self.made(ops.Concat(), there, back)
        return self.made(ops.Combine(_MERGES[self.merge_mode]), there, back)
