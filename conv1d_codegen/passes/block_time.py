"""block_time: cuts the output steps into blocks, and makes (sequence, block) the space of parallel iterations.

A block's input stays in L2 while panel after panel of weights goes over it, and blocks are what threads share among themselves.
"""

from __future__ import annotations

from dataclasses import replace

from ..index import Index, index, minimum, var
from ..ir import Block, For, Kernel, loop
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    size = context.plan.block

    def cut(body: Block, steps: Index) -> Block:
        """The loops over `t`, each within one block."""
        result: list[object] = []
        for s in body:
            if isinstance(s, For) and s.var == "t":
                first = var("block") * size
                s = replace(s, lo=first, hi=index(minimum(first + size, steps)))
            elif isinstance(s, For):
                s = replace(s, body=cut(s.body, steps))
            result.append(s)
        return tuple(result)  # type: ignore[arg-type]

    steps = _steps(kernel.body)
    result = []
    for s in kernel.body:
        if isinstance(s, For) and s.kind == "parallel":
            blocks = (steps + size - 1) // size
            s = replace(s, body=(loop("block", 0, blocks, cut(s.body, steps), "parallel"),))
        result.append(s)
    return kernel.with_body(tuple(result))


def _steps(body: Block) -> Index:
    """How many output steps there are: the bound of the loop over `t`."""
    for s in body:
        if isinstance(s, For):
            return s.hi if s.var == "t" else _steps(s.body)
    raise ValueError("no loop over t")
