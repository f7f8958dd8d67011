"""Assembly as data: its instructions, by what they do, and its loops. LLVM's text for x86-64 (AT&T) and for aarch64.

An instruction is of one kind, and may read memory beside that: `vfmadd231ps (%rax), %zmm0, %zmm1` is an FMA and a load.
A loop is what lies between a label and the last jump back to it; of loops within each other, the innermost one that
multiplies is where a convolution spends its time. LLVM lays the blocks of a loop out beside each other, so lines from the
label to the jump are all of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: What an instruction does, in the order in which tables show it.
KINDS = (
    "fma",
    "arithmetic",
    "divide",
    "load",
    "broadcast",
    "store",
    "shuffle",
    "move",
    "integer",
    "branch",
    "prefetch",
    "other",
)

#: By the opcode; the first that fits. Loads, stores and branches are told by operands too: see `_kind`.
_X86 = (
    ("prefetch", r"prefetch\w*"),
    ("branch", r"j\w+|callq?|retq?"),
    ("fma", r"vfn?m(?:add|sub)\d+[sp][sdh]"),
    ("divide", r"v?(?:div|sqrt)[sp][sd]|i?div[lq]?"),
    (
        "shuffle",
        r"v?p?(?:shuf|unpck|perm|blend|insert|extract|align|pack|broadcast|movs[hl]dup|movddup|movhl|movlh|expand|compress)\w*",
    ),
    ("arithmetic", r"v?(?:add|sub|mul|min|max|cmp\w*|round|rndscale|and|andn|or|xor|scalef|cvt\w*|ucomi|comi)[sp][sdh]\w*"),
    ("arithmetic", r"v?cvt\w+|vp\w+|p(?:add|sub|and|or|xor|cmp|sll|srl|sra|mul|min|max)\w*|vternlog\w+"),
    ("move", r"v?mov(?:[au]p[sd]|s[sd]|dq[au]\d*|[hl]p[sd]|d|q)|vmovntps|kmov\w*|fmov"),
    ("integer", r"(?:mov|add|sub|inc|dec|lea|cmp|test|i?mul|and|or|xor|not|neg|sh[lr]|sa[lr]|set|cmov|xadd)\w*"),
    ("integer", r"(?:push|pop|cqo|cqt|clt|bt|sbb|adc|xchg|ro[lr]|bextr|bzhi|andn|sarx|shlx|shrx|rorx)\w*"),
    ("other", r"k\w+|v\w+|nop\w*|\w+"),
)  # fmt: skip
_ARM = (
    ("prefetch", r"prfm|prfum"),
    ("branch", r"b|b\.\w+|bl|blr|br|cbn?z|tbn?z|ret"),
    ("fma", r"fml[as]|fn?m(?:add|sub)"),
    ("divide", r"fdiv|fsqrt|[us]div"),
    ("broadcast", r"ld[1-4]r"),
    ("load", r"ld\w+"),
    ("store", r"st\w+"),
    ("shuffle", r"dup|zip[12]|uzp[12]|trn[12]|ext|ins|tbl|tbx|rev\d+|mov"),
    ("move", r"fmov|movi|mvni"),
    ("arithmetic", r"f\w+|[us]cvtf|bsl|bit|bif|[su]shll?2?|xtn2?|cm(?:eq|gt|ge|hi|hs|lt|le)|[us](?:max|min)v?"),
    ("integer", r"\w+"),
)
_VECTOR = re.compile(r"%[xyz]mm\d+|\b[vqds]\d+(?:\.\d*[a-z]+)?\b")
_JUMP = re.compile(r"^(j\w+|b(?:\.\w+)?|cbn?z|tbn?z)$")
_LABEL = re.compile(r"^([.\w$]+):")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: the number of its line in the text (the first is 0), its words, and what it does."""

    line: int
    opcode: str
    operands: tuple[str, ...]
    kind: str
    reads_memory: bool
    writes_memory: bool
    broadcasts: bool  # one number from memory into all lanes, by itself or folded into arithmetic
    bytes: int  # of the longest vector register that it names; 0: none
    on_stack: bool  # whether it addresses a fixed place by the stack's pointer, or by the frame's where there is one

    @property
    def text(self) -> str:
        return f"{self.opcode} {', '.join(self.operands)}".strip()

    @property
    def target(self) -> str:
        """The label that it may jump to; empty: none."""
        return self.operands[-1] if self.operands and _JUMP.match(self.opcode) else ""

    @property
    def accumulates_in(self) -> str:
        """The register that an FMA adds to, or where there is none an addition that overwrites it; empty for anything
        else.
        """
        if self.kind != "fma":
            return self.operands[1] if re.fullmatch(r"add[sp][sd]", self.opcode) else ""
        if self.operands[0].startswith("%") or "(" in self.operands[0] or "%" in self.operands[-1]:
            return _register(self.operands[-1])  # AT&T: the destination is last
        return _register(self.operands[3] if len(self.operands) == 4 else self.operands[0])

    @property
    def spills(self) -> bool:
        """Whether it moves a vector to or from a place of its own on the stack. Scratch lies there too: its numbers are
        broadcast, or are picked by an index, and LLVM does neither with what it put aside.
        """
        return self.bytes > 0 and self.on_stack and not self.broadcasts


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop: its label, the instructions of its own, and how deep it lies: 1 is in no other one."""

    label: str
    first: int  # line of the label,
    last: int  # and of the jump back
    depth: int
    instructions: tuple[Instruction, ...]
    inner: int  # loops within, whose instructions are not among these

    def count(self, kind: str) -> int:
        """Instructions of a kind."""
        return sum(each.kind == kind for each in self.instructions)

    @property
    def products(self) -> int:
        """Vectors of products that are added to sums: multiply-adds, or pairs of a multiplication and an addition."""
        return max(_work(self.instructions))

    @property
    def accumulators(self) -> dict[str, int]:
        """The registers that products are added to, and how many are in one round: a chain, one after another."""
        return dict(Counter(each.accumulates_in for each in self.instructions if each.accumulates_in))


def instructions(text: str) -> list[Instruction]:
    """All instructions of assembly text, in order, without its directives and comments."""
    return [each for _, each in _lines(text) if isinstance(each, Instruction)]


def loops(text: str) -> list[Loop]:
    """The loops of assembly text, in the order of their labels."""
    lines = list(_lines(text))
    labels = {each: line for line, each in lines if isinstance(each, str)}
    spans: dict[int, tuple[str, int]] = {}
    for line, each in lines:
        if isinstance(each, Instruction) and labels.get(each.target, line + 1) < line:
            spans[labels[each.target]] = (each.target, line)  # the last jump back is the end
    found = []
    for first, (label, last) in sorted(spans.items()):
        inner = [(f, e) for f, (_, e) in spans.items() if first < f and e <= last]
        own = tuple(
            each
            for line, each in lines
            if isinstance(each, Instruction) and first < line <= last and not any(f < line <= e for f, e in inner)
        )
        depth = sum(f <= first and last <= e for f, (_, e) in spans.items())
        found.append(Loop(label, first, last, depth, own, len(inner)))
    return found


def inner_loop(text: str) -> Loop | None:
    """The loop where a kernel adds products up: of those that have none within that multiplies, one that stores no
    vectors, as transforms and activations do, if there is any; and of these the one with the most multiplications, the
    first of several. None where nothing is in a loop.
    """
    found = loops(text)
    busy = [loop for loop in found if any(_work(loop.instructions))]
    innermost = [loop for loop in busy if not any(loop.first < other.first <= loop.last for other in busy)]
    adding = [
        loop
        for loop in innermost
        if not any(each.kind == "store" and each.bytes and not each.spills for each in loop.instructions)
    ]
    return max(adding or innermost or found, key=lambda loop: (_work(loop.instructions), -loop.first), default=None)


def mix(of: Sequence[Instruction]) -> dict[str, int]:
    """How many instructions there are of each kind that occurs, in the order of `KINDS`."""
    counted = Counter(each.kind for each in of)
    return {kind: counted[kind] for kind in KINDS if counted[kind]}


def _work(of: Sequence[Instruction]) -> tuple[int, int]:
    """Multiply-adds; and without that instruction, pairs of a multiplication and an addition, where there is nothing else,
    as in activations.
    """
    arithmetic = [each.opcode for each in of if each.kind == "arithmetic" and each.bytes > 0]
    products, sums = (sum(opcode.startswith(name) for opcode in arithmetic) for name in ("mulp", "addp"))
    pairs = min(products, sums) if products + sums == len(arithmetic) else 0
    return sum(each.kind == "fma" for each in of), pairs


def _lines(text: str) -> Iterator[tuple[int, Instruction | str]]:
    """The lines that are labels or instructions, with their numbers."""
    framed = "movq\t%rsp, %rbp" in text or "mov\tx29, sp" in text  # else these are registers as others
    stack = re.compile(r"\(%r[sb]p\)|\[(?:sp|x29)(?:, #|\])" if framed else r"\(%rsp\)|\[sp(?:, #|\])")
    for number, line in enumerate(text.splitlines()):
        label = _LABEL.match(line)
        if label:
            yield number, label[1]
        elif line.startswith("\t") and not line.startswith("\t."):
            found = _instruction(number, line, stack)
            if found is not None:
                yield number, found


def _instruction(number: int, line: str, stack: re.Pattern[str]) -> Instruction | None:
    arm = "%" not in line and "$" not in line
    words = re.sub(r"//.*$" if arm else r"#.*$", "", line).split()
    if not words:
        return None
    opcode, rest = words[0], " ".join(words[1:])
    if opcode == "lock" and words[1:]:
        opcode, rest = words[1], " ".join(words[2:])
    operands = tuple(part.strip() for part in re.split(r",(?![^(\[{]*[)\]}])", rest) if part.strip())
    memory = [_is_memory(operand) for operand in operands]
    if opcode.startswith(("lea", "nop")) or not any(memory):
        reads = writes = False
    elif arm or "[" in rest:
        writes = opcode.startswith("st")
        reads = opcode.startswith("ld")
    else:
        writes = memory[-1] and not opcode.startswith(
            ("cmp", "test", "prefetch", "push", "div", "idiv", "mul", "call", "j")
        )
        moves = opcode.startswith(("mov", "vmov", "set", "vextract", "vpextr", "vcvtps2ph", "vpmov"))
        reads = (any(memory[:-1]) or (memory[-1] and not moves)) and not opcode.startswith("prefetch")
    broadcasts = "{1to" in rest or (reads and "broadcast" in opcode) or bool(re.match(r"ld[1-4]r$", opcode))
    size = max((_bytes(found) for found in _VECTOR.findall(rest)), default=0)
    kind = _kind(opcode, operands, reads, writes, size)
    on_stack = stack.search(rest) is not None
    return Instruction(number, opcode, operands, kind, reads, writes, broadcasts, size, on_stack)


def _kind(opcode: str, operands: tuple[str, ...], reads: bool, writes: bool, size: int) -> str:
    names_x86 = any("%" in each or each.startswith("$") for each in operands)
    table = _X86 if names_x86 or opcode.startswith(("j", "ret", "call", "vzero")) else _ARM
    kind = next((kind for kind, pattern in table if re.fullmatch(pattern, opcode)), "other")
    if opcode == "mov" and table is _ARM:
        return "integer" if size == 0 else "shuffle" if any("[" in each for each in operands) else "move"
    if kind == "shuffle" and opcode.startswith(("vbroadcast", "vpbroadcast")) and reads:
        return "broadcast"
    if kind == "move" and table is _ARM:
        return kind
    if kind in ("move", "integer") and opcode.startswith(("mov", "vmov", "kmov")) and (reads or writes):
        return "store" if writes else "load"
    return kind


def _is_memory(operand: str) -> bool:
    return operand.endswith((")", ")}")) or "(%" in operand or operand.startswith(("[", "{1to"))


def _bytes(register: str) -> int:
    if register.startswith("%"):
        return {"x": 16, "y": 32, "z": 64}[register[1]]
    return {"s": 4, "d": 8}.get(register[0], 16)


def _register(operand: str) -> str:
    return re.sub(r"[ {].*$|\..*$|\[.*$", "", operand.strip())
