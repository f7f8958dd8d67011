"""Where each line of LLVM IR and of the assembly comes from.

The emitter knows which statement each instruction is for. From LLVM IR to the assembly it is LLVM that knows: it carries
debug locations along. So the IR is compiled a second time, with the number of its line on each instruction, and the
assembly has them as `.loc` (LLVM Language Reference, DILocation; GNU as, Debugging directives). Code that runs has
none, and they change no instruction: on Arm they keep those that open a function, which save registers, from being put
into another order, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from ..emit import emit_with_origins, templates
from ..executable import Executable
from ..ir.rewrite import told_apart
from ..locks import COMPILING
from ..machine import jit

_FUNCTION = re.compile(r'define .*@"?([\w.$]+)"?\(.*\{$')
#: Lines that only debug locations bring. `.cfi` tells debuggers how to unwind.
_FOR_DEBUGGERS = re.compile(r"\s*\.(?:loc\s|cfi_|file\s+\d)|\.L(?:tmp|func_begin)\d+:")
_LOCATION = re.compile(r"\s*\.loc\s+\d+\s+(\d+)")
#: Metadata have numbers: those of the lines, behind the few that all share.
_FIRST = 5
#: Behind it come tables, which no processor runs.
_END = re.compile(r"\.Lfunc_end\d+:")


@dataclass(frozen=True, slots=True)
class Origins:
    """The last stages of a kernel, line by line, each with the line before it that it comes from.

    Lines count from 0. `loop_of` has a line of `loops`, as `str(kernel)` has them, for each of `llvm`, and `llvm_of` a line
    of `llvm` for each of `assembly`; None where there is none: what a template frames kernels with, directives, and what
    LLVM made of several.
    """

    loops: tuple[str, ...]
    llvm: tuple[str, ...]
    loop_of: tuple[int | None, ...]
    assembly: tuple[str, ...]
    llvm_of: tuple[int | None, ...]


def origins(program: Executable) -> Origins:
    """The lines of a program for any target, and where they come from. It takes as long as compiling it twice."""
    kernel = program.scheduled.with_body(told_apart(program.scheduled.body))
    lines = list(kernel.lines())
    shown = {id(statement): number for number, (_, statements) in enumerate(lines) for statement in statements}
    with COMPILING:
        ir, statements = emit_with_origins(kernel, program.target, kernel.name, program.schedule, program.red_zones)
    plain = jit.assembly(ir, program.target, program.known_strides)
    located = jit.assembly(with_locations(ir), program.target, program.known_strides)
    assembly = tuple(plain.splitlines())
    return Origins(
        loops=tuple(line for line, _ in lines),
        llvm=tuple(ir.splitlines()),
        loop_of=tuple(None if statement is None else shown[id(statement)] for statement in statements),
        assembly=assembly,
        llvm_of=_matched(assembly, read_locations(located)),
    )


def with_locations(ir: str) -> str:
    """LLVM IR of the emitter with debug metadata: the location of each instruction is the number, from 1, of its line.
    Instructions and their lines stay as they are.
    """
    lines, functions, places = [], [], []
    for number, line in enumerate(ir.splitlines(), 1):
        opened = _FUNCTION.match(line)
        if opened:
            functions.append((number, opened[1]))
            line = f"{line[:-1]}!dbg !{_FIRST + number} {{"
        elif functions and line.startswith("  "):
            places.append((number, functions[-1][0]))
            line = f"{line}, !dbg !{_FIRST + number}"
        lines.append(line)
    with COMPILING:
        template = templates().get_template("locations.ll.j2")
    return "\n".join([*lines, template.render(functions=functions, places=places, first=_FIRST)])


def read_locations(assembly: str) -> list[tuple[str, int | None]]:
    """The lines of assembly that are there without debug locations too, each with the line of the IR that it comes from,
    counted from 0; None before the first location, for what LLVM made of several, and for what is no instruction. One that
    has none of its own within a block, as what is kept on the stack, counts with the one before it: so LLVM writes them.
    """
    lines: list[tuple[str, int | None]] = []
    here: int | None = None
    for line in assembly.splitlines():
        location = _LOCATION.match(line)
        if location:
            here = int(location[1]) - 1 if int(location[1]) else None
        elif _END.match(line):
            here = None
        if not _FOR_DEBUGGERS.match(line):
            lines.append((line, here if is_instruction(line) else None))
    return lines


def is_instruction(line: str) -> bool:
    """Whether a line of assembly is one, and neither a label nor a directive."""
    return line.startswith("\t") and not line.lstrip().startswith((".", "#", "//"))


def _matched(assembly: Sequence[str], located: Sequence[tuple[str, int | None]]) -> tuple[int | None, ...]:
    """For each line of the one its origin in the other. Where they are in another order, the lines that are left over
    have none.
    """
    found: list[int | None] = [None] * len(assembly)
    other = [line for line, _ in located]
    if other == list(assembly):
        return tuple(origin for _, origin in located)
    for block in SequenceMatcher(None, assembly, other, autojunk=False).get_matching_blocks():
        found[block.a : block.a + block.size] = [origin for _, origin in located[block.b : block.b + block.size]]
    return tuple(found)
