"""Assembly as data: instructions by what they do, and the loop in which a kernel works."""

from collections.abc import Callable
from typing import Any

import pytest
from support.assembly import inner_loop as found_by_tests
from support.helpers import PROBLEMS, compiled, supports

from conv1d_codegen import CompileOptions, Input, Network
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.inspection.assembly import Instruction, inner_loop, instructions, loops, mix
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.network import layers
from conv1d_codegen.problem import Problem

DENSE = "c64_f64_k3_same_linear_f32"


def only(text: str) -> Instruction:
    (found,) = instructions(f"\t{text}\n")
    return found


@pytest.mark.quick
@pytest.mark.parametrize(
    ("text", "kind", "reads", "writes", "broadcasts", "size"),
    [
        ("vfmadd231ps\t%zmm1, %zmm2, %zmm3", "fma", False, False, False, 64),
        ("vfmadd231ps\t(%rax), %ymm2, %ymm3", "fma", True, False, False, 32),
        ("vfmadd231pd\t8(%rax){1to8}, %zmm2, %zmm3", "fma", True, False, True, 64),
        ("vfnmadd213ss\t.LCPI1_3(%rip), %xmm2, %xmm3", "fma", True, False, False, 16),
        ("vmovups\t-64(%rdi,%rcx,4), %zmm0", "load", True, False, False, 64),
        ("vmovups\t%zmm0, 64(%rdi)", "store", False, True, False, 64),
        ("vmovups\t%zmm0, 64(%rdi) {%k1}", "store", False, True, False, 64),
        ("vmovups\t64(%rdi), %zmm0 {%k1} {z}", "load", True, False, False, 64),
        ("vmovaps\t%zmm0, %zmm1", "move", False, False, False, 64),
        ("vbroadcastss\t4(%rax), %zmm1", "broadcast", True, False, True, 64),
        ("vbroadcastss\t%xmm1, %zmm1", "shuffle", False, False, False, 64),
        ("vshufps\t$0, %xmm1, %xmm1, %xmm2", "shuffle", False, False, False, 16),
        ("vmaxps\t%zmm0, %zmm1, %zmm1", "arithmetic", False, False, False, 64),
        ("mulps\t(%rax), %xmm1", "arithmetic", True, False, False, 16),
        ("vdivps\t%ymm0, %ymm1, %ymm1", "divide", False, False, False, 32),
        ("leaq\t8(%rax,%rcx), %rdx", "integer", False, False, False, 0),
        ("addq\t$4, %rcx", "integer", False, False, False, 0),
        ("incq\t8(%rsp)", "integer", True, True, False, 0),
        ("movq\t8(%rsp), %rax", "load", True, False, False, 0),
        ("movq\t%rax, 8(%rsp)", "store", False, True, False, 0),
        ("movl\t%eax, %ecx", "integer", False, False, False, 0),
        ("cmpq\t8(%rsp), %rax", "integer", True, False, False, 0),
        ("cmpq\t%rax, 8(%rsp)", "integer", True, False, False, 0),
        ("jne\t.LBB1_4", "branch", False, False, False, 0),
        ("callq\tbody", "branch", False, False, False, 0),
        ("prefetcht0\t64(%rax)", "prefetch", False, False, False, 0),
        ("vcvtph2ps\t(%rax), %zmm0", "arithmetic", True, False, False, 64),
        ("fmla\tv1.4s, v10.4s, v11.s[0]", "fma", False, False, False, 16),
        ("fmadd\ts0, s1, s2, s3", "fma", False, False, False, 4),
        ("ldr\tq0, [x1, #16]", "load", True, False, False, 16),
        ("ldp\tq9, q10, [x7, #-64]", "load", True, False, False, 16),
        ("ldr\tx0, [sp, #8]", "load", True, False, False, 0),
        ("ld1r\t{ v14.4s }, [x26], #4", "broadcast", True, False, True, 16),
        ("stp\tq0, q1, [x0]", "store", False, True, False, 16),
        ("dup\tv0.4s, v1.s[0]", "shuffle", False, False, False, 16),
        ("mov\tv0.16b, v1.16b", "move", False, False, False, 16),
        ("mov\tx0, x1", "integer", False, False, False, 0),
        ("fmax\tv0.4s, v0.4s, v1.4s", "arithmetic", False, False, False, 16),
        ("fdiv\tv0.4s, v0.4s, v1.4s", "divide", False, False, False, 16),
        ("subs\tx0, x0, #1", "integer", False, False, False, 0),
        ("b.ne\t.LBB0_2", "branch", False, False, False, 0),
        ("cbnz\tx0, .LBB0_2", "branch", False, False, False, 0),
        ("prfm\tpldl1keep, [x0]", "prefetch", False, False, False, 0),
    ],
)
def test_an_instruction_is_what_it_does(
    text: str, kind: str, reads: bool, writes: bool, broadcasts: bool, size: int
) -> None:
    found = only(text)
    got = found.kind, found.reads_memory, found.writes_memory, found.broadcasts, found.bytes
    assert got == (kind, reads, writes, broadcasts, size)


@pytest.mark.quick
def test_an_accumulator_is_what_an_fma_adds_to() -> None:
    assert only("vfmadd231ps\t(%rax){1to16}, %zmm2, %zmm3 {%k1}").accumulates_in == "%zmm3"
    assert only("fmla\tv1.4s, v10.4s, v11.s[0]").accumulates_in == "v1"
    assert only("fmadd\ts0, s1, s2, s3").accumulates_in == "s3"
    assert only("addps\t%xmm1, %xmm4").accumulates_in == "%xmm4"
    assert only("vaddps\t%ymm1, %ymm4, %ymm5").accumulates_in == ""


@pytest.mark.quick
def test_a_spill_is_a_vector_on_the_stack() -> None:
    """`%rbp` is a register as others, unless it has the frame's address."""
    moves = "\tvmovups\t(%rbp), %zmm1\n\tvmovups\t%zmm1, 64(%rsp)\n\tmovq\t(%rsp), %rax\n\tvmovups\t(%rax), %zmm1\n"
    assert [each.spills for each in instructions(moves)] == [False, True, False, False]
    framed = f"\tmovq\t%rsp, %rbp\n{moves}"
    assert [each.spills for each in instructions(framed)][1:] == [True, True, False, False]
    arm = "\tstp\tq0, q1, [sp, #32]\n\tldr\tq0, [x29]\n"
    assert [each.spills for each in instructions(arm)] == [True, False]
    assert [each.spills for each in instructions(f"\tmov\tx29, sp\n{arm}")][1:] == [True, True]


@pytest.mark.quick
@pytest.mark.parametrize(
    "text",
    [
        "vbroadcastss\t128(%rsp,%r9,4), %ymm10",
        "vbroadcastss\t4(%rsp), %ymm6",
        "vsubps\t64(%rsp){1to16}, %zmm26, %zmm26",
        "vmovups\t%ymm4, 224(%rsp,%r15,4)",
        "movss\t64(%rsp,%rax,4), %xmm10",
        "ldr\tq0, [sp, x8]",
        "ld1r\t{ v0.4s }, [sp]",
    ],
)
def test_scratch_on_the_stack_is_no_spill(text: str) -> None:
    assert not only(text).spills


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("cell", [layers.LSTM, layers.GRU])
def test_a_recurrent_loop_reads_its_state_and_spills_nothing(cell: Callable[..., Any], target: str) -> None:
    """The state lies in scratch on the stack, of which each number is broadcast."""
    x = Input(32)
    network = Network(x, cell(24, return_sequences=True, name="cell")(x), options={"target": target})
    (found,) = [each for each in network.explain("cell", 50) if each.inner is not None]
    assert found.registers is not None
    assert found.registers.spills == 0


@pytest.mark.quick
def test_loops_lie_in_each_other() -> None:
    text = "\n".join(
        [
            "f:",
            "\txorl\t%eax, %eax",
            ".outer:",
            "\tmovq\t(%rdi), %rcx",
            ".inner:",
            "\tvfmadd231ps\t(%rcx), %zmm1, %zmm2",
            "\tvfmadd231ps\t64(%rcx), %zmm1, %zmm2",
            "\tdecq\t%rcx",
            "\tjne\t.inner",
            "\tincq\t%rax  # counts",
            "\tcmpq\t%rdx, %rax",
            "\tjne\t.outer",
            "\tje\t.after",
            ".after:",
            "\tretq",
        ]
    )
    outer, inner = loops(text)
    assert (outer.label, outer.depth, outer.inner, [each.opcode for each in outer.instructions]) == (
        *(".outer", 1, 1),
        ["movq", "incq", "cmpq", "jne"],
    )
    assert (inner.label, inner.depth, inner.inner, len(inner.instructions)) == (".inner", 2, 0, 4)
    assert inner.accumulators == {"%zmm2": 2}
    assert inner_loop(text) == inner
    assert inner_loop("f:\n\tretq\n") is None
    assert [each.line for each in inner.instructions] == [5, 6, 7, 8]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("text", "algorithm"), [(DENSE, "direct"), (f"{DENSE}_first", "direct"), ("c64_f64_k31_g64_same_relu_f32", "auto")]
)
def test_the_inner_loop_multiplies_a_tile(text: str, algorithm: str, target: str) -> None:
    """As often as the plan's tallest tile has vectors, times the products that are written out."""
    compilation = compiled(Problem.parse(text), target, algorithm)
    plan, loop = compilation.plan, inner_loop(compilation.dump("asm"))
    assert loop is not None
    vectors = plan.rows[0] * plan.vectors * plan.unroll
    if TARGETS[target].fma:
        assert loop.count("fma") == vectors
        assert sum(loop.accumulators.values()) == vectors
        # Of 26 sums over turned input LLVM keeps one on NEON's stack, which explanations and pages say.
        spills = any(each.spills for each in loop.instructions)
        assert spills == (target == "neon" and plan.turned)
        assert spills or set(loop.accumulators.values()) == {plan.unroll}
    else:
        assert loop.count("arithmetic") == 2 * vectors
    assert loop.inner == 0
    assert sum(mix(loop.instructions).values()) == len(loop.instructions)


@pytest.mark.parametrize("target", ["avx512", "neon"])
def test_it_is_that_of_products_and_not_of_transforms(target: str) -> None:
    """Transforms of nested windows have more multiply-adds than a tile's products."""
    options = CompileOptions(target=target, algorithm="cook_toom")
    compilation = compile_problem(Problem.parse("c64_f64_k11_d5_same_relu_f32"), options)
    plan, loop = compilation.plan, inner_loop(compilation.dump("asm"))
    assert plan.nested
    assert loop is not None
    assert loop.products == plan.rows[0] * plan.vectors * plan.unroll
    assert max(each.count("fma") for each in loops(compilation.dump("asm"))) > loop.products


@pytest.mark.parametrize("target", ["avx2", "avx512"])
def test_it_is_the_loop_that_tests_look_at(target: str) -> None:
    assembly = compiled(Problem.parse(DENSE), target).dump("asm")
    loop = inner_loop(assembly)
    assert loop is not None
    assert [each.opcode for each in loop.instructions] == [line.split()[0] for line in found_by_tests(assembly)]


@pytest.mark.parametrize("text", PROBLEMS[::4])
def test_nothing_is_of_an_unknown_kind(text: str) -> None:
    problem = Problem.parse(text)
    for target in TARGETS:
        if supports(target, problem):
            assembly = compiled(problem, target).dump("asm")
            strange = {each.opcode for each in instructions(assembly) if each.kind == "other"}
            assert strange <= {"vzeroupper", "kxnorw", "kunpckbw", "vscatterdps", "vmaskmovps", "vmaskmovpd"}, target
