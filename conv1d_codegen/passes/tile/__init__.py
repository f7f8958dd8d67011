"""tile: cuts loops into register tiles, and puts neighbours in the lanes of vectors.

What lies in the lanes decides how, and each way is a file: filters, or steps, with the other of the two in the rows
(`steps_and_filters.py`); the channels of a depthwise kernel (`channels.py`); where filters are few, channels whose
products each lane sums up by itself (`sums.py`); and the channels of Cook–Toom's inputs, in their transforms
(`transforms.py`), and of blocks that are turned (`turns.py`). Of what is no convolution, rows of channels that are
summed up are in `rows.py`. Where a loop is cut is in `cut.py`, what becomes of one output's statements in
`register_tile.py`.

needs   the loops of the formula, element by element, edges apart from what lies between
leaves  register tiles: rows, vectors and lanes
obeys   `lanes`, `width`, `vectors`, `panel`, `rows`, `outputs`, `rest`, `input_width`, `abreast`, `edges`,
        `edge_steps`, `transposed`, `borrow`, `turned`, `of_steps`
"""

from __future__ import annotations

from ...ir import Kernel
from ..context import Context
from . import channels, steps_and_filters, sums, transforms, turns


def run(kernel: Kernel, context: Context) -> Kernel:
    plan = context.plan
    if plan.turned:
        kernel = turns.run(kernel, context.target.lanes(kernel.compute))
    if plan.sums_in_lanes:
        return sums.run(kernel, plan)
    if plan.lanes == "channels":
        return channels.run(kernel, plan, context.sizes)
    return transforms.run(steps_and_filters.run(kernel, plan), plan)
