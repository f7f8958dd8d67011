"""Machine instructions that loops can call, each declared as a small program; `templates/instructions.ll.j2` has the
form that prints it.

The program is what the interpreter runs, and so the meaning; a test holds the machine's result against it, on the
machines that have it.
"""

from __future__ import annotations

from ..ir import Instruction, accumulate, buffer, load, loop
from ..symbolic.index import var

_lane = var("l")
_acc = buffer("acc", "f32", (16,), "register")
_a, _b = (buffer(name, "bf16", (32,), "input") for name in ("a", "b"))

#: acc[l] += a[2l + 1]*b[2l + 1], then += a[2l]*b[2l]: each rounded to nearest, denormals taken as 0 (Intel 64 and IA-32
#: Architectures Software Developer's Manual, volume 2, VDPBF16PS). The program keeps denormals: results agree where
#: there are none.
VDPBF16PS = Instruction(
    "vdpbf16ps",
    (_acc, _a, _b),
    (
        loop(
            "l",
            0,
            16,
            (
                accumulate(_acc, (_lane,), load(_a, 2 * _lane + 1), load(_b, 2 * _lane + 1)),
                accumulate(_acc, (_lane,), load(_a, 2 * _lane), load(_b, 2 * _lane)),
            ),
        ),
    ),
    feature="avx512bf16",
)
