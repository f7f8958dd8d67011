"""peel_edges: splits the output steps into those before, within and after the range where every tap falls on the input.

The loops on both sides keep the guarded tap range. The one in the middle has no use for it: `simplify` proves
that and drops the guard. Where the kernel is wider than the input, the middle is empty and the sides meet.
"""

from __future__ import annotations

from dataclasses import replace

from .. import padding as pad
from ..index import Indexable, index, maximum, minimum, var
from ..ir import Block, For, Kernel, Let, Statement
from ..lower import sizes
from ..rewrite import substitute
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    s = sizes(context.problem, context.plan.algorithm)
    return kernel.with_body(_peel(kernel.body, pad.interior(var("T"), s.left, s.kernel_size, s.stride, s.dilation)))


def _peel(body: Block, interior: tuple[Indexable, Indexable]) -> Block:
    result: list[Statement] = []
    for s in body:
        if isinstance(s, For) and s.var == "t":
            first, last = var("inner_first"), var("inner_last")
            result += [
                Let("inner_first", index(maximum(s.lo, interior[0]))),
                Let("inner_last", index(maximum(first, minimum(s.hi, interior[1])))),
                replace(
                    s,
                    var="t_left",
                    hi=index(minimum(s.hi, first)),
                    body=substitute(s.body, {"t": var("t_left")}),
                    note="the first taps fall before the input",
                ),
                replace(s, lo=first, hi=last),
                replace(
                    s,
                    var="t_right",
                    lo=index(minimum(s.hi, last)),
                    body=substitute(s.body, {"t": var("t_right")}),
                    note="the last taps fall after the input",
                ),
            ]
        elif isinstance(s, For):
            result.append(replace(s, body=_peel(s.body, interior)))
        else:
            result.append(s)
    return tuple(result)
