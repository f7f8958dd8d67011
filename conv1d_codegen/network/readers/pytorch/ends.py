"""What goes into a module and comes out of it: which axes are the batch, the channels and the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import ops
from .builder import BATCH_AXIS, Builder, check, described
from .layout import TIME, Tensor, kinds

_USUAL = {2: "nt", 3: "nct", 4: "nct1"}


def layouts_of(examples: Sequence[Any], layout: str | Sequence[str] | None, torch: Any) -> list[str]:
    """The axes of each example, a letter each. Raises TypeError for what is no tensor, ValueError for other axes."""
    if not examples or not all(isinstance(x, torch.Tensor) for x in examples):
        raise TypeError(
            f"The example is a tensor, or a tuple of several. Received: {', '.join(str(type(x)) for x in examples)}."
        )
    given = [layout] if isinstance(layout, str) else layout
    layouts = [_USUAL.get(x.dim(), "") for x in examples] if given is None else list(given)
    if len(layouts) != len(examples):
        raise ValueError(f"There is a layout for each example. Received: {layouts} for {len(examples)}.")
    for axes, x in zip(layouts, examples, strict=True):
        letters = axes.replace("1", "")
        fits = len(axes) == x.dim() and "n" in axes and set(letters) <= set("nct") and len(set(letters)) == len(letters)
        if not fits or any(kind == "1" and size != 1 for kind, size in zip(axes, x.shape, strict=True)):
            raise ValueError(
                'A layout names each axis once: n (batch), c (channels), t (steps), 1 (of length 1), as in "nct". '
                f"Received: {axes!r} for an example of shape {tuple(x.shape)}."
            )
    return layouts


def output(b: Builder, x: Tensor) -> str:
    """A tensor as `(batch, steps, channels)`, or `(batch, channels)`."""
    check(BATCH_AXIS in x.axes, f"has no axis of the batch: {described(x)}")
    axes = tuple(axis for axis in x.axes if axis != BATCH_AXIS)
    if any(kinds(axis) == {TIME} for axis in axes):
        steps = next(axis for axis in axes if kinds(axis) == {TIME})
        across = tuple(f for axis in axes if axis is not steps for f in axis)
        return b.sequence(Tensor(x.name, (BATCH_AXIS, across, steps)), steps, across)
    if len(axes) > 1 and sum(map(bool, axes)) < 3:
        long = [axis for axis in axes if axis]
        steps = axes[-1] if len(long) != 2 else long[1]
        across = long[0] if len(long) == 2 else () if axes[-1] else (long[0] if long else ())
        return b.sequence(Tensor(x.name, (BATCH_AXIS, across, steps)), steps, across)
    check(len(axes) < 2, f"has more axes than a network's output: {described(x)}")
    flat = b.arranged(b.vector(x) if any(TIME in kinds(axis) for axis in axes) else x)
    shape = b.shapes[flat.name]
    return flat.name if shape.steps is None else b.add(ops.Reshape(None, shape.channels), flat.name)
