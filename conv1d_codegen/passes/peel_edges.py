"""peel_edges: splits the output steps into those before, within and after the range where every tap falls on the input.

The loops on both sides keep the guarded tap range. The one in the middle has no use for it: `simplify` proves
that and drops the guard. Where the kernel is wider than the input, the middle is empty and the sides meet.
"""

from __future__ import annotations

from dataclasses import replace

from .. import padding as pad
from ..index import index, maximum, minimum, var
from ..ir import Block, For, Kernel, Let, Statement
from ..rewrite import substitute
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    return kernel.with_body(_peel(kernel.body, _interior(kernel, context)))


def _interior(kernel: Kernel, context: Context) -> tuple[object, object]:
    problem = context.problem
    if context.plan.algorithm == "generic":
        return pad.interior(var("T"), var("left"), var("K"), var("S"), var("D"))
    left = pad.left_padding(var("T"), problem.kernel_size, problem.stride, problem.dilation, problem.padding)
    named = any(isinstance(s, Let) and s.name == "left" for s in kernel.body)
    return pad.interior(var("T"), var("left") if named else left, problem.kernel_size, problem.stride, problem.dilation)


def _peel(body: Block, interior: tuple[object, object]) -> Block:
    result: list[Statement] = []
    for s in body:
        if isinstance(s, For) and s.var == "t":
            first, last = var("inner_first"), var("inner_last")
            result += [
                Let("inner_first", index(maximum(s.lo, interior[0]))),  # type: ignore[arg-type]
                Let("inner_last", index(maximum(first, minimum(s.hi, interior[1])))),  # type: ignore[arg-type]
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
