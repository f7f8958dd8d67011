"""collapse_loops: a loop that runs exactly once, as its bounds say, becomes its body; unless that has an array of a
neighbour's name, which would become one of two of that name in a block.

needs   any kernel
leaves  no serial or unrolled loop that is known to run once, but for those
obeys   nothing
"""

from __future__ import annotations

from collections.abc import Iterable

from ..ir import Alloc, Block, Compound, For, Kernel, Statement
from ..ir.rewrite import substitute, walk, with_body
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    return kernel.with_body(collapsed(kernel.body))


def collapsed(body: Block) -> Block:
    """A block without loops that run once."""
    body = tuple(with_body(s, collapsed(s.body)) if isinstance(s, Compound) else s for s in body)
    result: list[Statement] = []
    for s in body:
        if isinstance(s, For) and s.kind in ("serial", "unrolled") and s.hi - s.lo == 1 and not _clash(s, body):
            result += substitute(s.body, {s.var: s.lo})
        else:
            result.append(s)
    return tuple(result)


def _clash(s: For, neighbours: Block) -> bool:
    """Whether what this loop allocates is allocated beside it too."""
    own = _arrays(s.body)
    return bool(own) and bool(own & _arrays(walk(tuple(other for other in neighbours if other is not s))))


def _arrays(statements: Iterable[Statement]) -> set[str]:
    return {s.buffer.name for s in statements if isinstance(s, Alloc)}
