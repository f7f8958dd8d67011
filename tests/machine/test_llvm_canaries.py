"""What LLVM and llvmlite get wrong, as far as this compiler keeps clear of it: that it does, and that they still do.

Each is reproduced, so that a version in which it is mended, or gets wrong what is relied on, is noticed: `KNOWN` says
what was seen with which LLVM. Where a test of this file fails after an update, look at what `conv1d_codegen/machine/jit.py` and
`emit/` do because of it.
"""

import ctypes
import re

import llvmlite
import llvmlite.binding as llvm
import numpy as np
import pytest
from support.helpers import RUNNABLE, algorithms, compiled, python
from support.type_helpers import Array

from conv1d_codegen.errors import CompileError
from conv1d_codegen.machine import jit
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Problem

pytestmark = pytest.mark.usefixtures("llvm_makes_all")

#: By the version of LLVM: whether the fault is there.
KNOWN = {
    "22.1.0": {"select over a masked load": True, "masked store of one truncated number": True},
}

TEXTS = (
    "c16_f65_k3_causal_relu_f32",
    "c1_f5_k80_same_tanh_f32",
    "c7_f16_k3_s2_d3_same_gelu_f32",
    "c15_f9_k3_g3_causal_relu_f64",
    "c33_f33_k9_g33_causal_linear_f32",
    "c5_f7_k4_same_relu_f32_first",
    "c1_f1_k9_causal_linear_f32_first_nobias",
    "c16_f33_k3_same_relu_f16",
    "c5_f9_k3_d2_causal_linear_f16_first",
    "c16_f17_k3_same_linear_bf16",
    "c3_f9_k5_s2_same_relu_bf16_first",
    "c32_f3_k5_causal_softplus_f32",
)


def known(fault: str) -> bool:
    version = jit.version()
    assert version in KNOWN or tuple(map(int, version.split("."))) < (22, 1, 0), (
        f"LLVM {version} (llvmlite {llvmlite.__version__}) is new here: run each test of this file, and add a row to KNOWN"
    )
    if version not in KNOWN:
        pytest.skip(f"nothing is known of LLVM {version}")
    return KNOWN[version][fault]


def run(ir: str, target: str, level: int | str, *arrays: Array) -> None:
    """Call `f` of an IR: after the one pass that kernels go through, or LLVM's own of a level."""
    machine = jit.target_machine(resolve(target))
    with llvm.create_context() as context:
        module = llvm.parse_assembly(ir, context=context)
        module.triple, module.data_layout = machine.triple, str(machine.target_data)
        module.verify()
        if level == "ours":
            jit.optimise(module, machine)
        elif level:
            builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=level))
            builder.getModulePassManager().run(module, builder)
        image = machine.emit_object(module)
        module.close()
    linker = llvm.create_lljit_compiler(jit.target_machine(resolve(target)), use_jit_link=True, suppress_errors=True)
    tracker = llvm.JITLibraryBuilder().add_object_img(image).export_symbol("f").link(linker, "canary")
    ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(arrays))(tracker["f"])(*[array.ctypes.data for array in arrays])


@pytest.fixture(scope="module")
def irs() -> dict[str, str]:
    """The IR of kernels of every structure, by problem, target and algorithm."""
    wanted = [(text, target, algorithms(Problem.parse(text))[0]) for text in TEXTS for target in ("avx2", "avx512")]
    wanted += [(text, "neon", "direct") for text in TEXTS[::3]] + [(text, "sse2", "direct") for text in TEXTS[1::4]]
    wanted += [(text, "avx512", "generic") for text in TEXTS[2::5]] + [
        (text, "avx2", "cook_toom") for text in (TEXTS[0], TEXTS[5])
    ]
    found = {
        f"{text} {target} {algorithm}": compiled(Problem.parse(text), target, algorithm).dump("llvm")
        for text, target, algorithm in wanted
    }
    assert sum("@llvm.masked.load" in ir for ir in found.values()) > 5
    assert sum("@llvm.masked.store" in ir for ir in found.values()) > 5
    return found


# --- a load that moves below a store ----------------------------------------------------------------------------------

SELECT = """
declare <8 x float> @llvm.masked.load.v8f32.p0(ptr, i32, <8 x i1>, <8 x float>)
define void @f(ptr %p, ptr %out, ptr %bytes) {
  %b = load <8 x i8>, ptr %bytes, align 1
  %m = trunc <8 x i8> %b to <8 x i1>
  %v = call <8 x float> @llvm.masked.load.v8f32.p0(ptr %p, i32 4, <8 x i1> %m, <8 x float> PASSED)
  store <8 x float> zeroinitializer, ptr %p, align 4
  USE
  store <8 x float> %s, ptr %out, align 4
  ret void
}
"""
_SEVENS = "splat (float 7.0)"
SELECTED = SELECT.replace("PASSED", "zeroinitializer").replace(
    "USE", f"%s = select <8 x i1> %m, <8 x float> %v, <8 x float> {_SEVENS}"
)
PASSED = SELECT.replace("PASSED", _SEVENS).replace("USE", "%s = fadd <8 x float> %v, splat (float -0.0)")


def masked_load(ir: str, target: str, level: int | str) -> bool:
    out, mask = np.zeros(8, np.float32), np.array([1, 1, 1, 1, 0, 0, 0, 0], np.uint8)
    run(ir, target, level, np.arange(1, 9, dtype=np.float32), out, mask)
    return out.tolist() == [1, 2, 3, 4, 7, 7, 7, 7]


@pytest.mark.parametrize("target", [target for target in RUNNABLE if TARGETS[target].masked])
def test_a_select_over_a_masked_load(target: str) -> None:
    """InstCombine makes the load again below the store: llvm-project#215453."""
    assert masked_load(SELECTED, target, "ours")
    assert masked_load(PASSED, target, "ours")
    for level in (1, 2, 3):
        assert masked_load(PASSED, target, level)
        assert masked_load(SELECTED, target, level) is not known("select over a masked load"), f"O{level}"


def test_no_select_takes_a_masked_load_by_its_mask(irs: dict[str, str]) -> None:
    for name, ir in irs.items():
        calls = re.findall(
            r"(%\S+) = call [^\n]*@llvm\.masked\.(?:load|gather)[^\n]*i32 \d+, (<\d+ x i1> (?:%\S+|<[^>]*>)), ", ir
        )
        assert len(calls) == len(re.findall(r"= call [^\n]*@llvm\.masked\.(?:load|gather)", ir)), name
        for value, mask in calls:
            selects = re.findall(rf" = select [^\n]*{re.escape(value)}(?![\w.])[^\n]*", ir)
            assert not [line for line in selects if mask in line], f"{name}: {value}"


# --- a store that writes two numbers for one --------------------------------------------------------------------------

TRUNCATED = """
declare void @llvm.masked.store.v8i16.p0(<8 x i16>, ptr, i32, <8 x i1>)
define void @f(ptr %x, ptr %out) {
  %v = load <8 x i32>, ptr %x, align 4
  %h = trunc <8 x i32> %v to <8 x i16>
  call void @llvm.masked.store.v8i16.p0(<8 x i16> %h, ptr %out, i32 2, <8 x i1> <LANES>)
  ret void
}
"""


def masked_store(lanes: int) -> bool:
    x, out = np.arange(8, dtype=np.int32) + 0x12345670, np.full(16, 9, np.uint16)
    run(TRUNCATED.replace("LANES", ", ".join(f"i1 {int(lane < lanes)}" for lane in range(8))), "avx512", "ours", x, out)
    return out.tolist() == [0x5670 + lane if lane < lanes else 9 for lane in range(16)]


@pytest.mark.skipif("avx512" not in RUNNABLE, reason="AVX-512 has masked stores of 16 bits")
def test_a_masked_store_of_one_truncated_number() -> None:
    assert masked_store(1) is not known("masked store of one truncated number")
    for lanes in range(2, 9):
        assert masked_store(lanes), f"{lanes} lanes"


def test_no_masked_store_is_of_one_lane(irs: dict[str, str]) -> None:
    for name, ir in irs.items():
        masks = re.findall(r"call void @llvm\.masked\.store[^\n]*<\d+ x i1> <([^>]*)>\)", ir)
        assert all(mask.count("i1 1") > 1 for mask in masks), name


# --- what must not be in the IR at all --------------------------------------------------------------------------------


def test_what_llvm_is_never_given(irs: dict[str, str]) -> None:
    """Pointers made of integers (unrolling goes wrong with them), freedoms with NaN and infinity, numbers that need
    more than 64 bits.
    """
    forbidden = re.compile(
        r"\b(inttoptr|ptrtoint|fast|nnan|ninf|nsz|arcp|afn|reassoc|undef|bfloat|asm|x86_\w+|invoke|volatile)\b"
    )
    for name, ir in irs.items():
        code = re.sub(r"(?m);.*$", "", ir)
        assert not forbidden.search(code), f"{name}: {forbidden.search(code)}"
        assert all(abs(int(number)) < 2**62 for number in re.findall(r"(?<![\w.%x])-?\d+\b", code)), name
        own = set(re.findall(r"define (?:internal )?void @(\w+)\(", code))
        assert all(function.startswith("llvm.") or function in own for function in re.findall(r"@([\w.]+)\(", code)), (
            name
        )


def test_every_access_says_its_alignment(irs: dict[str, str]) -> None:
    """Without it a vector counts as aligned to its size, which NumPy's memory is not. Only scratch, on the stack, is
    aligned to more.
    """
    size = {"float": 4, "double": 8, "half": 2, "i16": 2, "i64": 8, "ptr": 8}
    for name, ir in irs.items():
        for line in re.findall(r"^.* (?:load|store) .*$", ir, re.MULTILINE):
            if "@llvm." in line or line.lstrip().startswith(";"):
                continue
            found = re.search(r"(?:load|store) (?:atomic )?(?:<\d+ x )?(\w+)>?.*, align (\d+)$", line)
            assert found, f"{name}: {line}"
            assert int(found[2]) == size[found[1]], f"{name}: {line}"


# --- llvmlite ---------------------------------------------------------------------------------------------------------


def test_code_that_calls_out_is_refused() -> None:
    """The symbols of the process are visible to what is linked, so LLVM itself would find `expf`."""
    call = "  %v = call float @expf(float 1.0)\n  store float %v, ptr %b, align 4\n  ret void\n"
    ir = f"declare float @expf(float)\ndefine void @f(ptr %b) {{\n{call}}}"
    with pytest.raises(CompileError, match="f would call expf, which generated code must not"):
        jit.load(ir, "f", resolve(None))


def test_ir_that_makes_no_sense_is_refused_and_does_not_end_the_process() -> None:
    for ir in ("define void @f(", "define void @f() {\n  %a = add i64 %b, 1\n  %b = add i64 %a, 1\n  ret void\n}"):
        with pytest.raises(CompileError, match="LLVM refuses the generated IR"):
            jit.load(ir, "f", resolve(None))


def test_a_number_that_does_not_fit_is_cut_without_a_word() -> None:
    """So no such number may be printed: see `Problem`'s limits."""
    ir = f"define void @f(ptr %p) {{\n  store i64 {2**64 + 5}, ptr %p, align 8\n  ret void\n}}"
    out = np.zeros(1, np.int64)
    run(ir, RUNNABLE[0], "ours", out)
    assert out[0] == 5


def test_pass_managers_are_disposed_of_by_hand() -> None:
    """Its class inherits an empty `_dispose` first, so that one is never freed by itself; the private name that frees
    it is there.
    """
    classes = llvm.newpassmanagers
    assert callable(classes.NewPassManager._dispose)
    assert classes.ModulePassManager._dispose is not classes.NewPassManager._dispose


ABORTS = {
    "a pass manager that runs twice": """
builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options())
manager = builder.getModulePassManager()
for _ in range(2):
    manager.run(module, builder)
""",
    "a library found by `lookup`": """
import gc
image = machine.emit_object(module)
linker = llvm.create_lljit_compiler(machine, use_jit_link=True, suppress_errors=True)
tracker = llvm.JITLibraryBuilder().add_object_img(image).export_symbol("f").link(linker, "library")
linker.lookup("library", "f")
gc.collect()
ctypes.CFUNCTYPE(None)(tracker["f"])()
""",
}


@pytest.mark.parametrize("what", ABORTS)
def test_what_ends_the_process(what: str) -> None:
    before = """
import ctypes
import llvmlite.binding as llvm
from conv1d_codegen.machine import jit
from conv1d_codegen.machine.host import resolve
machine = jit.target_machine(resolve(None))
module = llvm.parse_assembly("define void @f() {\\n  ret void\\n}")
module.triple = machine.triple
print("begun", flush=True)
"""
    code, out, _ = python(before + ABORTS[what])
    assert out.startswith("begun\n")
    assert code < 0, f"{what} no longer ends the process: jit.py may use it"
