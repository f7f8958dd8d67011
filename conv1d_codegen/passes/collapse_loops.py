"""collapse_loops: a loop that runs exactly once, as its bounds say, becomes its body."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Block, For, Kernel, Statement
from ..rewrite import substitute
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    return kernel.with_body(_block(kernel.body))


def _block(body: Block) -> Block:
    result: list[Statement] = []
    for s in body:
        if isinstance(s, For) and s.hi - s.lo == 1 and s.kind in ("serial", "unrolled"):
            result += _block(substitute(s.body, {s.var: s.lo}))
        elif isinstance(s, For):
            result.append(replace(s, body=_block(s.body)))
        else:
            result.append(s)
    return tuple(result)
