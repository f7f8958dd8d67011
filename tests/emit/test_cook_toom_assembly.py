"""What the code of Cook–Toom kernels must look like: its products like those of direct kernels, its transforms in
registers.
"""

import re

import pytest
from support.assembly import COUNTING, FMA, WORK, accumulators, assert_clear_of_traps, blocks, is_loop, on_stack
from support.helpers import compiled, supports

from conv1d_codegen.emit import scratch as layout
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.plan import Plan
from conv1d_codegen.toom.algorithm import algorithm
from conv1d_codegen.toom.program import program

#: A tile as the cost model chooses it.
WINDOWS = {
    "avx2": Plan("cook_toom", "filters", 8, 2, (6, 3, 1), 96, 4, 4, 3, rest=6),
    "avx512": Plan("cook_toom", "filters", 16, 4, (6, 3, 1), 96, 4, 4, 3, rest=6),
}


@pytest.mark.parametrize("target", WINDOWS)
def test_products_of_windows_are_nothing_but_the_work(target: str) -> None:
    """As those of the steps without a window are: there are at least two such loops."""
    plan = WINDOWS[target]
    assembly = compiled(Problem.parse("c64_f64_k3_valid_linear_f32"), target, "cook_toom", plan).dump("asm")
    tile = plan.rows[0] * plan.vectors
    loops = [block for block in blocks(assembly) if is_loop(assembly, block)]
    products = [block for block in loops if sum(bool(FMA.search(f" {line} ")) for line in block) == tile * plan.unroll]
    assert len(products) >= 2
    for block in products:
        assert len(accumulators(block)) == tile
        extra = [line for line in block if not re.fullmatch(f"{WORK}|{COUNTING}", line.split()[0])]
        assert not extra + on_stack(assembly, block), "\n".join(block)
    body = (
        compiled(Problem.parse("c64_f64_k3_valid_linear_f32"), target, "cook_toom", plan).program.scheduled.name
        + "_body"
    )
    assert set(re.findall(r"\tcallq?\t(\S+)", assembly)) <= {body}


@pytest.mark.parametrize("target", WINDOWS)
@pytest.mark.parametrize("text", ["c64_f64_k3_valid_linear_f32", "c64_f64_k3_same_linear_f32_nobias"])
def test_transforms_are_one_instruction_a_step(text: str, target: str) -> None:
    """Beside loads and stores, of n inputs and n results, or of n products and m outputs, to which a bias is added; all
    in registers.
    """
    problem, plan = Problem.parse(text), WINDOWS[target]
    toom = algorithm(plan.outputs, plan.taps)
    assembly = compiled(problem, target, "cook_toom", plan).dump("asm")
    found = {toom.multiplications: 0, toom.outputs: 0}
    for block in blocks(assembly):
        results = sum(bool(re.match(r"vmovups %[yz]mm\d+, .*\(", line)) for line in block)
        if not is_loop(assembly, block) or results not in found:
            continue
        steps = [line for line in block if re.match(r"v(?:add|sub|mul|fn?m(?:add|sub)\d+)ps ", line)]
        made = program(toom.inputs).operations if results == toom.multiplications else program(toom.results).operations
        biases = toom.outputs if results == toom.outputs and problem.use_bias else 0
        listing = "\n".join(block)
        assert len(steps) == made + biases, listing
        extra = [
            line for line in block if line not in steps and not re.fullmatch(rf"vmov[au]ps|{COUNTING}", line.split()[0])
        ]
        assert not extra + on_stack(assembly, block), listing
        found[results] += 1
    assert all(found.values()), found


@pytest.mark.parametrize("target", ["sse2", "avx2", "avx512", "neon"])
def test_the_llvm_ir_keeps_clear_of_known_traps(target: str) -> None:
    for text in (
        "c5_f33_k3_same_relu_f32",
        "c7_f6_k5_s2_causal_linear_f32_first",
        "c4_f9_k4_d2_same_relu_f64",
        "c16_f17_k3_same_linear_f16",
    ):
        problem = Problem.parse(text)
        if supports(target, problem):
            assert_clear_of_traps(compiled(problem, target, "cook_toom").dump("llvm"), text)


def test_no_large_array_is_on_the_stack() -> None:
    plan = WINDOWS["avx2"]
    compilation = compiled(Problem.parse("c64_f64_k3_valid_linear_f32"), "avx2", "cook_toom", plan)
    sizes = [int(number) * 4 for number in re.findall(r"alloca \[(\d+) x float\]", compilation.dump("llvm"))]
    assert max(sizes, default=0) <= layout._SMALL
    windows, n = plan.block // plan.outputs, plan.outputs + plan.taps - 1
    assert 4 * n * windows * 64 < layout.scratch_bytes(compilation.program.scheduled) < 8 * n * windows * 64


def test_neon() -> None:
    """It can't be run here; it is multiply-adds of vectors, and calls nothing but its own body."""
    compilation = compiled(Problem.parse("c64_f64_k3_same_relu_f32"), "neon", "cook_toom")
    assembly = compilation.dump("asm")
    assert re.search(r"\tfmla\tv\d+\.4s", assembly)
    assert set(re.findall(r"\tbl\t(\S+)", assembly)) <= {f"{compilation.program.scheduled.name}_body"}
