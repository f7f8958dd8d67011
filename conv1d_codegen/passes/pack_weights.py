"""pack_weights: weights and bias are read in panels, as `ir/packing.py` lays them out, instead of in the order of the
layer's arrays.

`w[j, c, g, f]` becomes `wp[g, f // panel, j, c, f % panel]`: the inner loop reads one panel from front to back. The end
of the last panel is zeros, so that a whole vector can be loaded there. In depthwise kernels all channels are one panel.
Where channels are in the lanes, panels are of channels, each for one filter: `wp[g, f, c // panel, j, c % panel]`.
Transformed weights `wt[p, j, c, g, f]` are laid out like weights; those of folded steps, `wt[p, j, g, e]`, with all
diagonals in one panel.

needs   constants with axes, and panels in the loops
leaves  constants in panels, and how they come about
obeys   `panel`, `lanes`, `width`, `fold`, `of_steps`
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ..ir import Axis, Buffer, Kernel, Load, Storage, Value
from ..ir.packing import Packing
from ..ir.rewrite import rewrite_values
from ..symbolic.index import Index, index
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    return packed(kernel, lambda buffer: _packing(buffer, context))


def packed(kernel: Kernel, how: Callable[[Buffer], Packing]) -> Kernel:
    """The kernel with each constant laid out."""
    packings = {buffer: how(buffer) for buffer in kernel.buffers if buffer.storage is Storage.CONSTANT}

    def laid_out(buffer: Buffer) -> Buffer:
        packing = packings.get(buffer)
        return (
            buffer
            if packing is None
            else replace(buffer, name=packing.target, dtype=kernel.compute, shape=packing.shape, axes=())
        )

    def change(node: Value) -> Value:
        if not isinstance(node, Load) or node.buffer not in packings:
            return node
        return Load(laid_out(node.buffer), tuple(_place(packings[node.buffer], node.index)))

    buffers = tuple(laid_out(buffer) for buffer in kernel.buffers)
    return replace(
        kernel,
        buffers=buffers,
        packings=(*kernel.packings, *packings.values()),
        body=rewrite_values(kernel.body, change),
    )


def _packing(buffer: Buffer, context: Context) -> Packing:
    """Which axes are outside the panels, and which one is in them."""
    plan = context.plan
    outer: tuple[Axis, ...] = tuple(axis for axis in buffer.axes if axis is Axis.GROUP)
    axis, panel = Axis.FILTER, plan.panel if Axis.POINT in buffer.axes else plan.of_steps.panel
    if Axis.DIAGONAL in buffer.axes:
        axis, panel = Axis.DIAGONAL, 2 * plan.fold
    elif plan.lanes == "channels" and not plan.sums_in_lanes:
        # All channels in one panel, as vectors may start at any of them. Of an odd number of vectors: taps that lie a
        # power of two apart fall into few sets of the cache (c512_f512_k31_g512@1x1024, avx512: 280 us, and 345 with an
        # even number).
        axis, outer = Axis.GROUP, (Axis.FILTER,)
        panel = (-(-context.problem.channels // plan.width) | 1) * plan.width
    elif plan.sums_in_lanes and Axis.CHANNEL in buffer.axes:
        axis, outer, panel = Axis.CHANNEL, (*outer, Axis.FILTER), plan.width
    axes, outside = (tuple(axis.value for axis in some) for some in (buffer.axes, outer))
    return Packing(buffer.name, buffer.name + "p", buffer.shape, axes, outside, axis.value, panel)


def _place(packing: Packing, old: tuple[Index, ...]) -> Iterator[Index]:
    at = dict(zip(packing.axes, old, strict=True))
    whole = Index({m: c - c % packing.panel for m, c in at[packing.axis].terms})
    if packing.axis == Axis.DIAGONAL.value:  # all in one panel
        whole = index(0)
    yield from (at[name] for name in packing.outer)
    yield whole // packing.panel
    yield from (at[name] for name in packing.inner)
    yield at[packing.axis] - whole
