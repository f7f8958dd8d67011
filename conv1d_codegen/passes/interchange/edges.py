"""Steps that lack taps share the weights of each tap: in blocks, each side of the interior for itself.

With steps in the lanes, one channel, and more taps than lanes, taps that all steps of a block have stand apart:
c1_f12_k401_same_first@1x4000 takes 202 us so and not 232, c1_f1_k1025_same@1x4000 99 and not 106, c1_f1_k31_same@1x1000
4.8 and not 5.2 (Xeon 6/167).
"""

from __future__ import annotations

from dataclasses import replace

from ...ir import (
    Block,
    Compound,
    For,
    Kernel,
    Part,
    Statement,
)
from ...ir.rewrite import is_guarded, map_statements, walk
from ...lower import Sizes
from ...schedule.plan import Plan
from .blocks import in_blocks


def run(kernel: Kernel, plan: Plan, sizes: Sizes) -> Kernel:
    return kernel.with_body(_block(kernel.body, plan.of_steps, sizes))


def _block(body: Block, plan: Plan, sizes: Sizes) -> Block:
    inner = next((s for s in body if isinstance(s, For) and s.part is Part.INTERIOR and not is_guarded(s)), None)

    def shared(s: Statement) -> Block | None:
        if (
            isinstance(s, For)
            and s.part in (Part.BEFORE, Part.AFTER)
            and inner is not None
            and _alike(s.body, inner.body)
        ):
            return (in_blocks("edge", plan.edge_steps, s, inner, sizes, apart=_have_taps_in_common(plan, sizes)),)
        return (replace(s, body=_block(s.body, plan, sizes)),) if isinstance(s, Compound) else None

    return map_statements(body, shared)


def _have_taps_in_common(plan: Plan, sizes: Sizes) -> bool:
    """Whether steps that lack taps have many of them all the same: those of a vector, where there are more taps than that."""
    return plan.lanes == "time" and isinstance(sizes.kernel_size, int) and sizes.kernel_size > plan.width


def _alike(edge: Block, inner: Block) -> bool:
    """Whether both are the same loops; an edge that is known to have no taps has lost some, and has
    no weights to share.
    """
    return [type(s) for s in walk(edge)] == [type(s) for s in walk(inner)]
