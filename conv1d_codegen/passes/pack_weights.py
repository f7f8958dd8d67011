"""pack_weights: weights and bias are read in panels, as `ir/packing.py` lays them out, instead of in the order of the layer's arrays.

`w[j, c, g, f]` becomes `wp[g, f // panel, j, c, f % panel]`: the inner loop reads one panel from front to
back. The end of the last panel is zeros, so that a whole vector can be loaded there. In depthwise kernels all channels are one panel. Where
channels are in the lanes, panels are of channels, each for one filter: `wp[g, f, c // panel, j, c % panel]`. Transformed weights
`wt[p, j, c, g, f]` are laid out like weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..ir import Buffer, Kernel, Load, Value
from ..ir.packing import Packing
from ..ir.rewrite import rewrite_values
from ..symbolic.index import Index
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    plan, problem = context.plan, context.problem
    group = ("g",) if len(kernel.buffer("w").shape) == 4 else ()
    axis, outer, panel = ("f", group, plan.panel)
    if plan.algorithm == "depthwise":
        # All channels in one panel, as vectors may start at any of them. Of an odd number of vectors: taps that lie a power of two apart
        # fall into few sets of the cache (c512_f512_k31_g512@1x1024, avx512: 280 us, and 345 with an even number).
        axis, outer, panel = "g", ("f",), (-(-problem.channels // plan.width) | 1) * plan.width
    named = {"w": ("j", "c", *group, "f"), "wt": ("p", "j", "c", *group, "f"), "b": (*group, "f")}
    packings = {}
    for name, axes in named.items():
        if not any(buffer.name == name for buffer in kernel.buffers):
            continue
        packings[name] = Packing(name, name + "p", kernel.buffer(name).shape, axes, outer, axis, panel)
    if plan.sums_in_lanes:
        packings["w"] = replace(packings["w"], outer=(*group, "f"), axis="c", panel=plan.width)

    def packed(buffer: Buffer) -> Buffer:
        packing = packings.get(buffer.name)
        return buffer if packing is None else Buffer(packing.target, kernel.compute, packing.shape, "packed")

    def change(node: Value) -> Value:
        if not isinstance(node, Load) or node.buffer.name not in packings:
            return node
        return Load(packed(node.buffer), tuple(_place(packings[node.buffer.name], node.index)))

    buffers = tuple(packed(buffer) for buffer in kernel.buffers)
    return replace(kernel, buffers=buffers, packings=(*kernel.packings, *packings.values()), body=rewrite_values(kernel.body, change))


def _place(packing: Packing, old: tuple[Index, ...]) -> Iterator[Index]:
    at = dict(zip(packing.axes, old, strict=True))
    whole = Index({m: c - c % packing.panel for m, c in at[packing.axis].terms})
    yield from (at[name] for name in packing.outer)
    yield whole // packing.panel
    yield from (at[name] for name in packing.inner)
    yield at[packing.axis] - whole
