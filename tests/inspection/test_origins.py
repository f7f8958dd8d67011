"""Where lines come from: told right, at every stage, and telling changes no instruction."""

from __future__ import annotations

import re
from functools import cache

import pytest

from conv1d_codegen.compiler import Program, compile_operation, compile_problem
from conv1d_codegen.inspection.origins import Origins, is_instruction, origins, read_locations, with_locations
from conv1d_codegen.ir.rewrite import told_apart, walk
from conv1d_codegen.lower.operations import norms
from conv1d_codegen.machine import jit
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.problem import Problem

#: Every algorithm and layout, edges, chunks, an activation in a loop of its own, and a type that is converted.
KERNELS = {
    "direct": ("c16_f32_k3_d2_causal_gelu_f32", "direct"),
    "first": ("c16_f40_k5_same_relu_f32_first", "direct"),
    "channels": ("c64_f2_k7_same_linear_f32", "direct"),
    "chunks": ("c257_f5_k3_same_linear_bf16", "direct"),
    "depthwise": ("c40_f40_k5_g40_same_relu_f32", "depthwise"),
    "conditions": ("c33_f33_k9_g33_causal_linear_f32", "depthwise"),
    "windows": ("c64_f64_k9_same_relu_f32", "cook_toom"),
    "generic": ("c16_f16_k3_causal_relu_f64", "generic"),
}
CASES = [(name, target) for name in KERNELS for target in TARGETS]


def program(name: str, target: str) -> Program:
    problem, algorithm = KERNELS[name]
    options = CompileOptions(algorithm=algorithm, accuracy="standard", target=target)
    return compile_problem(Problem.parse(problem), options).program


@cache  # each compiles twice
def found_in(name: str, target: str) -> Origins:
    return origins(program(name, target))


def loop_of_instruction(found: Origins, line: int) -> str | None:
    """The loop line that an instruction comes from."""
    ir = found.llvm_of[line]
    loop = None if ir is None else found.loop_of[ir]
    return None if loop is None else found.loops[loop]


@pytest.mark.parametrize(("name", "target"), CASES)
def test_telling_changes_no_instruction(name: str, target: str) -> None:
    kernel = program(name, target)
    plain = jit.assembly(kernel.llvm, kernel.target, kernel.known_strides).splitlines()
    located = read_locations(jit.assembly(with_locations(kernel.llvm), kernel.target, kernel.known_strides))
    told = [line for line, _ in located]
    if kernel.target.triple.startswith("x86_64"):
        assert told == plain
    else:  # what saves registers, before the first label or branch of each function, may be in another order
        assert sorted(told) == sorted(plain)
        opened = True
        for line, other in zip(plain, told, strict=True):
            opened = line.endswith(":") and not line.startswith(".") if not is_instruction(line) else opened
            assert line == other or opened
            opened = opened and not re.match(r"\t(b|bl|b\.\w+|cbn?z|tbn?z|ret)\b", line)


@pytest.mark.parametrize(("name", "target"), CASES)
def test_stages_are_those_that_are_dumped(name: str, target: str) -> None:
    kernel = program(name, target)
    found = found_in(name, target)
    assert "\n".join(found.loops) + "\n" == str(kernel.scheduled) == kernel.dump("scheduled")
    assert "\n".join(found.llvm) + "\n" == kernel.llvm
    assert "\n".join(found.assembly) + "\n" == kernel.dump("asm")
    assert len(found.llvm) == len(found.loop_of)
    assert len(found.assembly) == len(found.llvm_of)


@pytest.mark.parametrize(("name", "target"), CASES)
def test_instructions_come_from_what_they_do(name: str, target: str) -> None:
    """A multiplication with an addition from one in the loops, and a request of memory from a prefetch."""
    found = found_in(name, target)
    fused = [line for line, text in enumerate(found.assembly) if re.search(r"\tv?fn?m(?:add|la|sub)", text)]
    for line in fused:
        loop = loop_of_instruction(found, line)
        if loop is not None:
            assert re.search(r"\+= .* \* |fma\(", loop), (found.assembly[line], loop)
    unknown = sum(loop_of_instruction(found, line) is None for line in fused)
    assert unknown <= len(fused) // 10
    assert fused or not TARGETS[target].fma
    for line, text in enumerate(found.assembly):
        if "prefetch" in text or "prfm" in text:
            assert "prefetch " in (loop_of_instruction(found, line) or "")


@pytest.mark.parametrize("name", KERNELS)
def test_every_line_within_loops_has_an_origin(name: str) -> None:
    found = found_in(name, "avx2")
    starts = [number for number, line in enumerate(found.llvm) if line == "start:"]
    ends = [found.llvm.index("  ret void", start) for start in starts]
    assert starts
    for start, end in zip(starts, ends, strict=True):
        assert None not in found.loop_of[start + 1 : end]
    for line, of in zip(found.llvm, found.loop_of, strict=True):
        if of is None:  # the frame, which goes through shares
            continue
        loop = found.loops[of]
        if re.match(r"  (store|call void @llvm\.masked\.store)", line):
            assert ":=" in loop or "+=" in loop
        if " = phi i64" in line:
            assert re.search(r"\b(for|parallel)\b", loop)
    every = {line for line in found.loop_of if line is not None}
    storing = [number for number, line in enumerate(found.loops) if re.search(r"\by\[.*\] :=", line)]
    assert storing
    assert every.issuperset(storing)


def test_a_statement_that_stands_in_two_places_has_two_origins() -> None:
    """Passes share what they leave as it was: edges and the interior, say."""
    kernel = program("direct", "avx2").scheduled
    apart = told_apart(kernel.body)
    assert apart == kernel.body
    statements = list(walk(apart))
    assert len({id(statement) for statement in statements}) == len(statements)
    assert str(kernel.with_body(apart)) == str(kernel)


def test_locations_leave_lines_as_they_are() -> None:
    ir = program("windows", "avx2").llvm
    located = with_locations(ir).splitlines()
    for before, after in zip(ir.splitlines(), located[: ir.count("\n")], strict=True):
        assert after == before or re.fullmatch(re.escape(before) + r", !dbg !\d+", after) or "!dbg" in after
        assert re.sub(r",? ?!dbg !\d+ ?", "", after).replace(" {", "{") == before.replace(" {", "{")
    assert all(line.startswith("!") for line in located[ir.count("\n") :])


def test_origins_of_an_operation() -> None:
    found = origins(compile_operation(norms.LayerNorm("f32", 64, 1e-5, scale=True, center=True), "avx2"))
    assert any("sqrt" in (loop_of_instruction(found, line) or "") for line in range(len(found.assembly)))
