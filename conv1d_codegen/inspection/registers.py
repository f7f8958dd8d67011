"""Which vector registers the innermost loop uses, and for what."""

from __future__ import annotations

import re

from ..machine.target import Target
from .assembly import Instruction, Loop
from .facts import Registers

_X86, _ARM = re.compile(r"%[xyz]mm(\d+)"), re.compile(r"\b[vqds](\d+)\b")


def registers(loop: Loop, target: Target, tile: tuple[int, int]) -> Registers:
    """Those of a loop. `tile`: rows and vectors of the plan's tallest tile, whose sums they may be."""
    arm = target.triple.startswith("aarch64")
    found = _ARM if arm else _X86
    prefix = "v" if arm else {64: "zmm", 32: "ymm"}.get(max((i.bytes for i in loop.instructions), default=16), "xmm")

    def named(number: str) -> str:
        return f"{prefix}{number}"

    sums = [named(n) for register in loop.accumulators for n in found.findall(register)]
    used = [named(n) for each in loop.instructions for operand in each.operands for n in found.findall(operand)]
    loads, broadcasts = (
        [named(n) for each in loop.instructions if test(each) for n in found.findall(_written(each, arm))]
        for test in (lambda each: each.kind == "load" and not _one_number(each), _one_number)
    )
    one_each = [name for name in dict.fromkeys(broadcasts) if name not in sums]
    whole = [name for name in dict.fromkeys(loads) if name not in sums]
    known = {*sums, *one_each, *whole}
    return Registers(
        total=target.registers,
        sums=tuple(dict.fromkeys(sums)),
        loaded=tuple(name for name in whole if name not in one_each),
        broadcast=tuple(name for name in one_each if name not in whole),
        both=tuple(name for name in one_each if name in whole),
        others=tuple(name for name in dict.fromkeys(used) if name not in known),
        rows=tile[0] if len(set(sums)) == tile[0] * tile[1] else 0,
        spills=sum(each.spills for each in loop.instructions),
    )


def _one_number(each: Instruction) -> bool:
    """Whether it reads one number, to multiply vectors with: on Arm, lanes are picked by the multiply-add."""
    scalar = each.kind == "load" and each.opcode in ("ldr", "ldp", "ldur") and each.bytes in (4, 8)
    return (
        each.kind == "broadcast"
        or scalar
        or (each.kind == "load" and each.opcode in ("vmovss", "vmovsd", "movss", "movsd"))
    )


def _written(each: Instruction, arm: bool) -> str:
    """The operands that a load writes."""
    return " ".join(operand for operand in each.operands if not operand.startswith("[")) if arm else each.operands[-1]
