"""What lets torch export pools and recurrent layers for any length.

`torch.export` takes the length for a constant in `max_pool1d`, `lstm` and `gru`, as it goes through them step by step.
While a module is exported, the first is the pool of two axes, and the others are operations of our own, which say
nothing but the shapes of what they make.
"""

from __future__ import annotations

import functools
from typing import Any

from ....locks import COMPILING

_CELLS = {"lstm": "Tensor[] hx", "gru": "Tensor hx"}
_REST = (
    "Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first"
)


def any_length(torch: Any) -> Any:
    """The context to export a module in."""
    functional = torch.nn.functional
    with COMPILING:  # two threads would define them twice
        cells, _ = _cells(torch)

    class AnyLength(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            given = kwargs or {}
            if function in (functional.max_pool1d, torch.max_pool1d) and not given.get("return_indices"):
                return _pooled(functional, *args, **given)
            cell = cells.get(getattr(function, "__name__", ""))
            if cell is not None and len(args) == 9 and isinstance(args[2], list | tuple) and not given:
                states = list(args[1]) if isinstance(args[1], list | tuple) else args[1]
                return cell(args[0], states, *args[2:])
            return function(*args, **given)

    return AnyLength()


def _pooled(
    functional: Any,
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    size, step, pad, apart = (
        n[0] if isinstance(n, list | tuple) else n for n in (kernel_size, stride or kernel_size, padding, dilation)
    )
    return functional.max_pool2d(input.unsqueeze(-1), (size, 1), (step, 1), (pad, 0), (apart, 1), ceil_mode).squeeze(-1)


@functools.cache
def _cells(torch: Any) -> tuple[dict[str, Any], Any]:
    """Our own operations, by the names of torch's, and what holds them: made once in a process."""
    library = torch.library.Library("conv1d_codegen", "DEF")
    made = {}
    for name, states in _CELLS.items():
        more = ", Tensor" if name == "lstm" else ""
        library.define(f"{name}(Tensor input, {states}, {_REST}) -> (Tensor, Tensor{more})")
        torch.library.register_fake(f"conv1d_codegen::{name}", _shapes, lib=library)
        made[name] = getattr(torch.ops.conv1d_codegen, name)
    return made, library


def _shapes(
    input: Any,
    hx: Any,
    params: Any,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> Any:
    """Tensors of the shapes that a recurrent layer makes."""
    states = list(hx) if isinstance(hx, list | tuple) else [hx]
    wide = states[0].shape[-1] * (2 if bidirectional else 1)
    return (input.new_empty([*input.shape[:-1], wide]), *(state.new_empty(state.shape) for state in states))
