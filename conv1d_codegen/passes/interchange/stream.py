"""All steps of a block, of several sequences, go over one chunk of large weights before the next chunk
is read.

    for n, for t                                      for part of the steps
      total := 0                                        for n, for t: total[n, t] := 0
      for j in the taps of t, for chunk                 for j, for chunk, for n, for t in the steps of j
        acc := 0                              →           acc := 0
        for c of the chunk: acc += x * w                  for c of the chunk: acc += x * w
        total := total + acc                              total[n, t] := total[n, t] + acc
      y[t] := act(total + b)                            for n, for t: y[t] := act(total[n, t] + b)

A panel of weights that is read anew for each tile has to stay in L2 meanwhile, beside the input and the next panel,
which is asked for ahead; a chunk of it takes 64 KiB. Alone this order changes little; it is what `prefetch/weights.py`
needs. Steps that lack taps need no loops of their own, so there is one loop nest instead of three. Every sum takes its
terms in the same order as before: see `blocks.py`.

Tiles that go `across` sequences leave few rows over where these are short. Of 8 sequences of 11 steps, 9 to 11 to a
tap, c512_f512_k5_same takes 0.80 of the time so, of 32 of 4 steps c512_f512_k3_same 0.6 (avx512, Xeon 6/167). In
channels_first it is the other way round, and with 16 steps 2.0 times: a row of a tile has an address of its own then
for every channel that is written out, where else steps lie beside each other.
"""

from __future__ import annotations

from dataclasses import replace

from ...ir import Axis, Block, For, Kernel, Statement
from ...ir.rewrite import map_statements
from ...lower import Sizes
from ...schedule.plan import Plan
from ...symbolic.index import Atom, Extreme, Index, parts, rebuild
from .blocks import Together, in_blocks


def run(kernel: Kernel, plan: Plan, sizes: Sizes) -> Kernel:
    return kernel.with_body(_block(kernel.body, plan, sizes))


def _block(body: Block, plan: Plan, sizes: Sizes) -> Block:
    def streamed(s: Statement) -> Block | None:
        match s:
            case For(axis=Axis.SEQUENCE, kind="serial", body=(For() as steps,)):
                inner = replace(steps, body=_with_all_taps(steps.body, steps.var))
                together = Together(s, plan.sequences, plan.across)
                return (in_blocks("part", plan.stream, steps, inner, sizes, together),)
        return None

    return map_statements(body, streamed)


def _with_all_taps(body: Block, step: str) -> Block:
    """The loops of a step all of whose taps fall on the input: without the bounds that depend on the step."""

    def loosened(bound: Index) -> Index:
        return bound.map_atoms(without_step)

    def without_step(atom: Atom) -> Index | None:
        if not isinstance(atom, Extreme):
            return None
        operands = [loosened(part) for part in parts(atom)]
        kept = [operand for operand in operands if step not in operand.variables()]
        return kept[0] if len(kept) == 1 else rebuild(atom, *operands)

    def in_loop(s: Statement) -> Block | None:
        return (
            (replace(s, lo=loosened(s.lo), hi=loosened(s.hi), body=_with_all_taps(s.body, step)),)
            if isinstance(s, For)
            else None
        )

    return map_statements(body, in_loop)
