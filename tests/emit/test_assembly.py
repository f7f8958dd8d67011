"""What the generated code must look like: properties of the assembly and of the LLVM IR, not their text."""

import re

import numpy as np
import pytest
from support.assembly import (
    COUNTING,
    FMA,
    WORK,
    accumulators,
    assert_clear_of_traps,
    blocks,
    inner_loop,
    is_loop,
    on_stack,
    opcodes,
)
from support.helpers import PROBLEMS, RUNNABLE, algorithms, compiled, expected, python, supports

from conv1d_codegen.machine import jit
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Activation, Problem

DENSE = "c64_f64_k3_same_linear_f32"


@pytest.mark.parametrize("target", ["avx2", "avx512", "host"])
@pytest.mark.parametrize(
    "text", [DENSE, "c64_f64_k3_same_relu_f32_first", "c64_f64_k3_d4_causal_gelu_f32", "c64_f64_k1_valid_linear_f64"]
)
def test_the_inner_loop_is_nothing_but_the_work(text: str, target: str) -> None:
    if target == "host" and not set(RUNNABLE) & {"avx2", "avx512"}:
        pytest.skip("another machine than x86-64 with AVX2")
    assembly = compiled(Problem.parse(text), target).dump("asm")
    loop = inner_loop(assembly)
    listing = f"{text} {target}:\n" + "\n".join(loop)
    extra = [line for line in loop if not re.fullmatch(f"{WORK}|{COUNTING}", line.split()[0])]
    assert not extra, f"{extra} in {listing}"
    assert len(accumulators(loop)) >= 12, listing
    counting = [line for line in loop if re.fullmatch(COUNTING, line.split()[0])]
    work = [line for line in loop if FMA.search(f" {line} ")]
    assert len(counting) <= len(work) / 5, f"{len(counting)} instructions count for {len(work)} that work: {listing}"


@pytest.mark.parametrize("target", ["avx2", "avx512"])
@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        (DENSE, "direct"),
        (DENSE, "generic"),
        ("c64_f64_k3_same_relu_f32_first", "direct"),
        ("c64_f64_k3_s2_same_linear_f32", "direct"),
        ("c16_f20_k3_same_linear_f64", "direct"),
        ("c64_f64_k4_g64_same_relu_f32", "depthwise"),
        ("c64_f64_k31_g64_same_relu_f32", "depthwise"),
        ("c100_f100_k15_g100_same_relu_f32", "depthwise"),
        ("c64_f64_k7_s2_g64_same_relu_f64", "depthwise"),
    ],
)
def test_no_vector_is_spilled_in_the_inner_loop(text: str, algorithm: str, target: str) -> None:
    assembly = compiled(Problem.parse(text), target, algorithm).dump("asm")
    loop = inner_loop(assembly)
    assert not on_stack(assembly, loop), f"{text} {target}: {on_stack(assembly, loop)}"


@pytest.mark.parametrize(("target", "most"), [("avx2", 0.6), ("avx512", 0.3)])
def test_a_depthwise_loop_loads_much_less_than_it_multiplies(target: str, most: float) -> None:
    """A window of input is shared by the rows of the tile, and a vector of weights by all of them: avx512 loads 8 + 23
    for 128 products.
    """
    compilation = compiled(Problem.parse("c64_f64_k31_g64_valid_linear_f32"), target)
    loop = inner_loop(compilation.dump("asm"))
    listing = "\n".join(loop)
    products = [line for line in loop if FMA.search(f" {line} ")]
    read = [line for line in loop if re.search(r"^v.*\(.*\).*%[yz]mm", line)]
    assert len(products) == compilation.plan.rows[0] * compilation.plan.unroll, listing
    assert len(read) <= most * len(products), listing
    assert not [line for line in loop if re.search(r"%[xyz]mm\d+, .*\(", line)], listing


@pytest.mark.parametrize("target", ["avx2", "avx512"])
def test_depthwise_kernels_ask_for_their_output(target: str) -> None:
    compilation = compiled(Problem.parse("c64_f64_k4_g64_valid_relu_f32"), target)
    loop = inner_loop(compilation.dump("asm"))
    requests = [line for line in loop if line.startswith("prefetch")]
    stores = [line for line in loop if re.search(r"^vmovups %[yz]mm\d+, ", line)]
    assert len(requests) == len(stores) == compilation.plan.rows[0], "\n".join(loop)


@pytest.mark.parametrize("target", ["avx2", "avx512"])
def test_large_weights_are_asked_for_ahead(target: str) -> None:
    """By a loop of its own around one request, into L2, within the loop over channels, where nothing is divided or
    spilled.
    """
    compilation = compiled(Problem.parse("c512_f1024_k3_d6_pad6x6_relu_f32"), target)
    assembly = compilation.dump("asm")
    requests = [block for block in blocks(assembly) if any(line.startswith("prefetch") for line in block)]
    asked = [line.split()[0] for block in requests for line in block if line.startswith("prefetch")]
    heights = sum(height > 1 for height in compilation.plan.rows)  # each of which asks
    assert 1 <= len(asked) <= heights
    assert set(asked) == {"prefetcht1"}
    assert all(is_loop(assembly, block) and len(block) <= 6 for block in requests), requests
    tall = compilation.plan.rows[0] * compilation.plan.vectors
    work = [block for block in blocks(assembly) if sum(bool(FMA.search(f" {line} ")) for line in block) == 4 * tall]
    assert work
    for block in work:
        assert not [
            line for line in block if re.search(r"div|%[xyz]mm\d+, -?\d*\(%rsp\)|^vmov\S+ -?\d*\(%rsp\)", line)
        ], "\n".join(block)


@pytest.mark.parametrize("target", ["avx2", "avx512"])
def test_the_tile_is_the_plans(target: str) -> None:
    compilation = compiled(Problem.parse(DENSE), target)
    rows, vectors = compilation.plan.rows[0], compilation.plan.vectors
    if target == "avx2":
        assert (rows, vectors, compilation.plan.width) == (6, 2, 8)
    loop = inner_loop(compilation.dump("asm"))
    assert len(accumulators(loop)) == rows * vectors
    register = {"avx2": "%ymm", "avx512": "%zmm"}[target]
    assert all(name.startswith(register) for name in accumulators(loop))


@pytest.mark.parametrize("target", ["avx2", "avx512"])
@pytest.mark.parametrize(
    "text", [DENSE, "c16_f16_k3_g16_same_relu_f32", "c64_f64_k3_causal_tanh_f32", "c8_f24_k3_g4_same_linear_f32"]
)
def test_nothing_slow_is_called(text: str, target: str) -> None:
    """No call but that of the body, no gather or scatter; a division only in an activation or
    outside the tile loops.
    """
    assembly = compiled(Problem.parse(text), target).dump("asm")
    symbol = compiled(Problem.parse(text), target).program.scheduled.name
    assert set(re.findall(r"\tcallq?\t(\S+)", assembly)) <= {f"{symbol}_body"}
    assert not re.search(r"\tv?p?(?:gather|scatter)", assembly)
    assert not opcodes(inner_loop(assembly)) & {"divq", "idivq", "vdivps", "callq"}


def test_channels_first_with_a_stride_does_not_gather_its_filters() -> None:
    assembly = compiled(Problem.parse("c8_f16_k3_s2_same_linear_f32_first"), "avx2").dump("asm")
    assert not re.search(r"\tv?p?(?:gather|scatter)", assembly)


@pytest.mark.parametrize(
    "text", [DENSE, "c5_f7_k4_same_relu_f32_first", "c16_f16_k3_g16_same_relu_f32", "c8_f16_k3_causal_gelu_f32"]
)
def test_neon(text: str) -> None:
    assembly = compiled(Problem.parse(text), "neon").dump("asm")
    assert re.search(r"\tfmla\tv\d+\.4s", assembly)
    calls = set(re.findall(r"\tbl\t(\S+)", assembly))
    assert calls <= {f"{compiled(Problem.parse(text), 'neon').program.scheduled.name}_body"}


@pytest.mark.parametrize("text", PROBLEMS[::5])
def test_every_target_makes_assembly(text: str) -> None:
    problem = Problem.parse(text)
    for target in TARGETS:
        if supports(target, problem):
            assembly = compiled(problem, target).dump("asm")
            assert f"{compiled(problem, target).program.scheduled.name}:" in assembly, f"{text} {target}"


@pytest.mark.parametrize("text", [DENSE, "c8_f16_k3_causal_gelu_f32", "c16_f20_k3_same_relu_f64"])
def test_sse2_is_sse2(text: str) -> None:
    assembly = compiled(Problem.parse(text), "sse2").dump("asm")
    assert "mulps" in assembly or "mulpd" in assembly
    assert not re.search(r"%[yz]mm", assembly)
    assert not re.search(r"\tv[a-z]", assembly)
    assert not FMA.search(assembly)


def test_avx2_is_not_avx512() -> None:
    assembly = compiled(Problem.parse(DENSE), "avx2").dump("asm")
    assert "%zmm" not in assembly
    assert not re.search(r"%k[0-7]", assembly)
    assert "%zmm" in compiled(Problem.parse(DENSE), "avx512").dump("asm")


@pytest.mark.parametrize("target", RUNNABLE)
def test_no_activation_wants_a_symbol_from_outside(target: str) -> None:
    """An object that wants one is refused when it is loaded: `exp`, `memcpy` and the like."""
    names = [
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "selu",
        "celu",
        "softplus",
        "softsign",
        "squareplus",
        "soft_shrink",
        "hard_shrink",
    ]
    names += [
        "tanh_shrink",
        "sparse_plus",
        "silu",
        "gelu",
        "tanh",
        "sigmoid",
        "exponential",
        "hard_sigmoid",
        "hard_silu",
        "hard_tanh",
    ]
    names += ["mish", "log_sigmoid", "sparse_sigmoid", "linear"]
    for name in names:
        for dtype in ("f32", "f64") if target == RUNNABLE[-1] else ("f32",):
            assert compiled(Problem(3, 4, 2, activation=Activation(name), dtype=dtype), target).kernel is not None, name


# --- LLVM's traps -----------------------------------------------------------------------------------------------------

IR = [
    pytest.param(text, target, id=f"{text} {target}")
    for text in (
        *PROBLEMS[::6],
        "c5_f7_k4_same_relu_f32_first",
        "c3_f17_k3_same_relu_f32",
        "c16_f33_k3_same_relu_f16",
        "c16_f17_k3_same_linear_bf16",
    )
    for target in ("avx2", "sse2", "avx512")
    if supports(target, Problem.parse(text))
]


@pytest.mark.parametrize(("text", "target"), IR)
def test_the_llvm_ir_keeps_clear_of_known_traps(text: str, target: str) -> None:
    """Each was a wrong result or a fault somewhere: see the comments."""
    problem = Problem.parse(text)
    for algorithm in algorithms(problem):
        assert_clear_of_traps(compiled(problem, target, algorithm).dump("llvm"), text)


@pytest.mark.parametrize(("text", "target"), IR[::3])
def test_arrays_are_only_assumed_to_be_aligned_to_their_elements(text: str, target: str) -> None:
    ir = compiled(Problem.parse(text), target).dump("llvm")
    item = {"f32": 4, "f64": 8, "f16": 2, "bf16": 2}[Problem.parse(text).dtype]
    for line in ir.splitlines():
        if found := re.match(r"\s*(?:%\S+ = load|store) .*ptr %([xy])(?:\.at\S*)?, align (\d+)$", line):
            assert int(found[2]) == item, f"{text}: {line}"


@pytest.mark.parametrize("target", [target for target in RUNNABLE if TARGETS[target].masked])
def test_partial_vectors_survive_the_optimiser(target: str) -> None:
    """The pattern that is miscompiled, as our kernels come nearest to it: a masked load, a store to the same place, the
    loaded value used after it. `y` is stored in parts of vectors, tile by tile, from accumulators that started as
    masked loads of the bias."""
    for filters in (1, 2, 3, 5, 7, 9, 13, 15, 17, 18, 23, 25, 31, 33):
        problem = Problem.parse(f"c2_f{filters}_k3_same_relu_f32_nobias")
        x, w = np.ones((2, 31, 2), np.float32), np.arange(6 * filters, dtype=np.float32).reshape(3, 2, filters) % 7
        for algorithm in ("direct", "generic") if filters in (1, 13, 18) else ("direct",):
            kernel = compiled(problem, target, algorithm).kernel
            y = np.full((2, 31, filters), np.nan, np.float32)
            kernel(x, kernel.pack(w, None), y)
            np.testing.assert_array_equal(y, expected(problem, x, w, None), err_msg=f"{problem} {target} {algorithm}")


def test_wrong_ir_is_an_error_and_not_an_abort() -> None:
    """llvmlite's LLVM has its assertions on; what reaches it is parsed and verified first."""
    code, out, err = python(
        "from conv1d_codegen.machine import host, jit\n"
        "from conv1d_codegen.errors import CompileError\n"
        "circle = 'define i32 @f() { %a = add i32 %b, 1 %b = add i32 %a, 1 ret i32 %b }'\n"
        "for text in ('nonsense', 'define void @f() { ret i32 0 }', circle):\n"
        "    try:\n"
        "        jit.load(text, 'f', host.host())\n"
        "    except CompileError:\n"
        "        print('refused')\n"
    )
    assert (code, out) == (0, "refused\n" * 3), err


def test_a_call_to_the_outside_is_refused() -> None:
    from conv1d_codegen.errors import CompileError
    from conv1d_codegen.machine.host import host

    ir = "declare float @expf(float)\ndefine float @f(float %x) { %y = call float @expf(float %x) ret float %y }\n"
    with pytest.raises(CompileError, match="f would call expf"):
        jit.load(ir, "f", host())
