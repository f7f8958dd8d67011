"""What the tests of assembly look for: basic blocks, loops, accumulators, and traps in LLVM IR."""

import re

from support.type_helpers import known

FMA = re.compile(r"\s(vfn?m(?:add|sub)\d+[sp][sd]|fmla|fmadd)\s")


def blocks(assembly: str) -> list[list[str]]:
    """The basic blocks: lists of instructions between labels and after jumps."""
    result: list[list[str]] = []
    current: list[str] = []
    for line in assembly.splitlines():
        line = line.split("#")[0].split("//")[0].rstrip()
        if not line:
            continue
        if not line.startswith("\t"):
            result.append(current)
            current = []
            continue
        if line.startswith("\t."):
            continue
        current.append(line.strip().replace("\t", " "))
        if re.match(r"(j[a-z]+|b(?:\.[a-z]+)?|cbn?z|tbn?z|retq?) ?", current[-1]):
            result.append(current)
            current = []
    return [block for block in [*result, current] if block]


def is_loop(assembly: str, block: list[str]) -> bool:
    """Whether the block ends with a conditional jump to its own start, by its label."""
    text = "\n".join(line.strip().replace("\t", " ") for line in assembly.splitlines())
    jump = block[-1].split()
    return (
        len(jump) > 1
        and re.search(rf"^{re.escape(jump[-1])}:.*\n(?:\s*#.*\n)*{re.escape(block[0])}", text, re.MULTILINE) is not None
    )


def inner_loop(assembly: str) -> list[str]:
    """Of the basic blocks that are loops in themselves, the one with the most fused multiply-adds."""
    loops = [block for block in blocks(assembly) if is_loop(assembly, block)]
    return max(loops, key=lambda block: sum(bool(FMA.search(f" {line} ")) for line in block))


def accumulators(block: list[str]) -> set[str]:
    """The registers that fused multiply-adds write."""
    return {re.split(r"[ ,]+", line)[-1] for line in block if FMA.search(f" {line} ")}


def opcodes(block: list[str]) -> set[str]:
    return {line.split()[0] for line in block}


def on_stack(assembly: str, block: list[str]) -> list[str]:
    """The instructions that load or store a vector on the stack."""
    frame = r"%r[sb]p" if "movq\t%rsp, %rbp" in assembly else "%rsp"
    return [line for line in block if re.search(rf"\({frame}[,)]", line) and re.search(r"%[xyz]mm", line)]


#: Loads, broadcasts, fused multiply-adds; and what counts and moves on.
WORK = r"v(?:movups|movupd|movaps|movapd|broadcasts[sd]|fmadd\d+p[sd])"


COUNTING = r"(?:addq|subq|incq|decq|leaq|cmpq|testq|movq|shlq|imulq|j[a-z]+)"


def assert_clear_of_traps(ir: str, text: str) -> None:
    # InstCombine of LLVM 22 moves a masked load below a store where a select with its mask uses it
    # (llvm-project#215453).
    calls = [line for line in ir.splitlines() if "@llvm.masked.load" in line and " call " in line]
    masks = {known(re.search(r"<\d+ x i1> (%[\w.]+|<[^>]*>)", line))[1] for line in calls}
    conditions = {found[1] for found in re.finditer(r" select <\d+ x i1> (%[\w.]+|<[^>]*>),", ir)}
    assert not masks & conditions, text
    # A masked store of one truncated number becomes a store of the untruncated one, beyond the end of the array.
    assert not re.search(r"call void @llvm\.masked\.store.*<i1 1(?:, i1 0)*>", ir), text
    # Round trips through integers are miscompiled by loop unrolling.
    assert not re.search(r"\b(?:inttoptr|ptrtoint)\b", ir), text
    # A vector access without `align` has the vector's own alignment, and faults on a NumPy array.
    for line in ir.splitlines():
        if re.match(r"\s*(?:%\S+ = load|store) ", line):
            assert re.search(r", align \d+$", line), f"{text}: {line}"
    # Fast-math flags would make NaN inputs poison.
    assert not re.search(r"\bf(?:add|sub|mul|div|cmp|neg) (?:fast|nnan|ninf|reassoc)", ir), text
    assert "undef" not in ir, text
