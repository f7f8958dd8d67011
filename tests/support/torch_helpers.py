"""Modules of torch beside the networks that are read of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from conv1d_codegen import Network, from_torch
from conv1d_codegen.network import reference

Array = NDArray[Any]
Module = Any  # torch.nn.Module, of a package that is not typed here

#: What float32 allows, of numbers of about 1, as sums are in another order than torch's; and float64.
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}
_USUAL = {2: "nt", 3: "nct", 4: "nct1"}


class Does(torch.nn.Module):  # type: ignore[misc]
    """A module of a function of it and its inputs, with some layers and parameters."""

    def __init__(self, function: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.function = function

    def forward(self, *xs: Any) -> Any:
        return self.function(self, *xs)


def does(function: Callable[..., Any]) -> Module:
    """A module of a function of its inputs."""
    return Does(lambda _, *xs: function(*xs))


def side_by_side(modules: Mapping[str, Module]) -> Module:
    """A module of several, each of which has the same input: that is exported at once."""
    return Does(lambda m, *xs: tuple(part(*xs) for part in m.parts.values()), parts=torch.nn.ModuleDict(modules))


def randomised(module: Module, seed: int = 0) -> Module:
    """A module in evaluation mode, all of whose numbers are random: norms that do nothing hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if not value.is_floating_point():
                continue
            if name.endswith(("running_var", "original0", "weight_g")):
                value.uniform_(0.5, 1.5, generator=generator)
            else:
                fan = max(1, value[0].numel()) if value.dim() > 1 else 4
                value.normal_(0, fan**-0.5, generator=generator)
    return module.eval()


def channels_last(y: Any, layout: str) -> Array:
    """A tensor of torch's as a network takes and gives it."""
    array: Array = y.detach().numpy()
    order = [layout.index(kind) for kind in "ntc" if kind in layout]
    array = array.transpose([*order, *(axis for axis in range(array.ndim) if axis not in order)])
    array = array.reshape(array.shape[: len(order)])
    return np.ascontiguousarray(array if "c" in layout else array[..., None])


def drawn(shapes: Sequence[Sequence[int]], dtype: str, seed: int = 1) -> list[Any]:
    """Random inputs of these shapes."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator, dtype=torch.float64).to(getattr(torch, dtype)) for shape in shapes]


def results(
    module: Module, xs: Sequence[Any], network: Network, layouts: Sequence[str], kernels: bool = False
) -> list[tuple[Array, Any]]:
    """What a network gives for inputs of torch's, and what the module gives. Without `kernels` it is computed by the
    reference: it takes long to make them, and they are tested elsewhere.
    """
    with torch.no_grad():
        wanted = module(*(x.clone() for x in xs))
    given = [channels_last(x, layout) for x, layout in zip(xs, layouts, strict=True)]
    if kernels:
        called = network(given)
        made = called if isinstance(called, list) else [called]
    else:
        graph = network.graph
        names = [source.name for source in graph.sources]
        tensors = reference.run(graph, network.weights, dict(zip(names, given, strict=True)))
        made = [tensors[name] for name in graph.outputs]
    return list(zip(made, wanted if isinstance(wanted, tuple | list) else [wanted], strict=True))


def agree(y: Array, wanted: Any, layout: str, what: str) -> float:
    """The largest difference, of numbers that are 1 at most. Fails where it is more than the dtype's tolerance."""
    right = channels_last(wanted, layout)
    assert y.dtype == right.dtype, what
    assert y.shape == right.shape, what
    scale = max(1.0, float(np.abs(right).max(initial=0)))
    np.testing.assert_allclose(y / scale, right / scale, rtol=0, atol=TOLERANCE[str(y.dtype)], err_msg=what)
    return float(np.abs(y - right).max(initial=0)) / scale


def compared(
    module: Module,
    shapes: Sequence[Sequence[int]],
    outputs: Sequence[str] = ("nct",),
    layouts: Sequence[str] | None = None,
    dtype: str = "float32",
    other_length: int | None = None,
    kernels: bool = False,
) -> Network:
    """The network of a module, after it gave what the module gives for random inputs of these shapes, and of another
    length than it was read for.
    """
    module = randomised(module).to(getattr(torch, dtype))
    seen = [_USUAL[len(shape)] for shape in shapes] if layouts is None else list(layouts)
    examples = drawn(shapes, dtype)
    network = from_torch(module, tuple(examples), layouts)
    inputs = [examples] if other_length is None else [examples, drawn(of_length(shapes, seen, other_length), dtype)]
    for number, xs in enumerate(inputs):
        made = results(module, xs, network, seen, kernels and number == 0)
        for (y, right), layout in zip(made, outputs, strict=True):
            agree(y, right, layout, f"{module}\n{network.graph}")
    return network


def of_length(shapes: Sequence[Sequence[int]], layouts: Sequence[str], length: int) -> list[list[int]]:
    """Shapes of so many steps."""
    return [
        [length if kind == "t" else size for kind, size in zip(layout, shape, strict=True)]
        for layout, shape in zip(layouts, shapes, strict=True)
    ]
