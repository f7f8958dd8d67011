"""prefetch: asks for data before they are needed.

The plan says for which: the next chunk of large weights (`weights.py`); the input of later tiles (`inputs.py`); where a
tile's output goes (`outputs.py`); what the next block of a Cook–Toom kernel reads, and where this one's output goes
(`block.py`, and `rows.py` where blocks are turned).

needs   register tiles, unrolled and transposed, with the activations still in one piece
leaves  prefetches in loops that have time for them
obeys   `prefetch`, `rows`, `block`, `outputs`, `split`, `turned`
"""

from __future__ import annotations

from ...ir import Kernel
from ..context import Context
from . import block, inputs, outputs, rows, weights


def run(kernel: Kernel, context: Context) -> Kernel:
    wanted = context.plan.prefetch
    if "next_block" in wanted:
        kernel = rows.run(kernel, context) if context.plan.turned else block.run(kernel, context)
    if "weights" in wanted:
        kernel = weights.run(kernel, context.plan.rows[0])
    if "input" in wanted:
        kernel = inputs.run(kernel)
    if "output" in wanted or "output_by_row" in wanted:
        kernel = outputs.run(kernel, one_by_one="output_by_row" in wanted)
    return kernel
