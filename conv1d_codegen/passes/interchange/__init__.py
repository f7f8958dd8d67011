"""interchange: steps share the weights of each tap, instead of reading all weights once for every step.

    for t                                             for edge: up to `edge_steps` steps
      acc := 0                                          sum[edge_steps] := 0
      for j in the taps of t: for c: acc += x * w  →    for j, for t in the steps of j: for c: sum[t] += x * w
      y[t] := act(acc + b)                              for t: y[t] := act(sum[t] + b)

The steps that do are those that lack taps (`edges.py`), or all steps of several sequences, where weights are so large
that they are streamed (`stream.py`). How it is done is in `blocks.py`.

needs   loops over steps around those over taps, and edges that are known to exist
leaves  blocks of steps inside the loop over taps
obeys   `edges`, `edge_steps`, `stream`, `sequences`, `across`, `lanes`, `of_steps`, `width`
"""

from __future__ import annotations

from ...ir import Kernel
from .. import simplify
from ..context import Context
from . import edges, stream


def run(kernel: Kernel, context: Context) -> Kernel:
    plan = context.plan
    if plan.stream and plan.sequences > 1:  # the whole nest is a new one, whose bounds are simplified anew
        return simplify.run(stream.run(kernel, plan, context.sizes), context)
    return edges.run(kernel, plan, context.sizes) if plan.edges == "shared" else kernel
