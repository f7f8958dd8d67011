"""The printed LLVM IR: small, as that is what compiling takes its time for, and with everything
where it runs least often.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from support.helpers import compiled

from conv1d_codegen.emit.builder import Builder, Register
from conv1d_codegen.problem import Problem

DENSE = "c64_f64_k3_same_relu_f32"
DEPTHWISE = "c16_f16_k3_g16_same_relu_f32"


def llvm(text: str, target: str = "avx2", algorithm: str = "auto") -> str:
    return compiled(Problem.parse(text), target, algorithm).dump("llvm")


def blocks(ir: str) -> dict[str, list[str]]:
    """The basic blocks of the kernel's body: name → instructions."""
    result: dict[str, list[str]] = {}
    for line in ir[ir.index("_body(ptr") :].splitlines():
        if found := re.fullmatch(r"([\w.]+):", line):
            current = result[found[1]] = []
        elif result and line.startswith("  "):
            current.append(line.strip())
    return result


@pytest.mark.parametrize("text", [DENSE, DEPTHWISE, "c8_f16_k3_g2_causal_relu_f32", "c16_f8_k3_same_linear_f32_first"])
def test_registers_are_values_and_not_memory(text: str) -> None:
    ir = llvm(text)
    # the sums of a block of edges are scratch memory
    assert set(re.findall(r"%(\w+)\.\d+ = alloca", ir)) <= {"acc_of_step"}
    assert re.search(r"%acc_0_0\.\d+ = phi <\d+ x float> \[ ", ir)


def test_totals_are_scratch_memory() -> None:
    ir = llvm("c300_f8_k3_same_relu_f32")
    assert set(re.findall(r"%(\w+)\.\d+ = alloca", ir)) == {"total", "total_of_step"}


@pytest.mark.parametrize("text", [DENSE, "c64_f64_k7_same_relu_f32", "c48_f64_k1_valid_relu_f32"])
def test_an_unrolled_loop_is_its_work_and_little_else(text: str) -> None:
    """A multiply-add, and the loads that it needs: an address and a load, and for each row a splat, which is two
    instructions.
    """
    for name, block in blocks(llvm(text)).items():
        work = sum("@llvm.fma." in line for line in block)
        if work >= 24 and name.startswith("c_4.body"):
            rows = sum(" = shufflevector " in line for line in block)
            loads = sum(" = load " in line for line in block)
            others = [line for line in block if " = phi " not in line]
            assert len(others) <= work + rows * 2 + loads * 2 + 8, f"{name}: {len(others)} for {work}"


def test_what_a_loop_does_not_change_is_loaded_before_it() -> None:
    """The weights of a depthwise tile stay the same for all tiles of a panel, but are read only if there is a tile."""
    of = blocks(llvm(DEPTHWISE))
    entered = [name for name in of if name.startswith("tile.enter")]
    assert entered
    for name in entered:
        weights = sum(re.search(r" = load .*ptr %wp", line) is not None for line in of[name])
        assert weights in (3, 6)  # three taps of one vector, or of two side by side in a tile of few rows
        body = of[name.replace("enter", "body")]
        assert not any(re.search(r"ptr %wp", line) for line in body)
        assert of[name][-1] == f"br label %{name.replace('enter', 'body')}"


def test_nothing_is_loaded_where_the_loop_that_needs_it_may_not_run() -> None:
    """Before the test whether a loop runs there is arithmetic only: what a load would read need not be there."""
    for text in (DENSE, DEPTHWISE, "c16_f8_k3_same_linear_f32_first", "c4_f8_k5_s3_d2_pad4x2_linear_f64_nobias"):
        for algorithm in ("auto", "generic"):
            of = blocks(llvm(text, algorithm=algorithm))
            for name, block in of.items():
                if name == "start" or ".done" in name:
                    assert not any(re.search(r" = load .*ptr %x", line) for line in block), (
                        f"{text} {algorithm}: {name}"
                    )


def test_what_is_loaded_twice_in_a_loop_is_loaded_once() -> None:
    """Windows overlap: a tile of 13 steps, written out for 3 taps of one channel, reads 15 numbers."""
    tile = next(
        block for name, block in blocks(llvm("c1_f8_k3_valid_relu_f32")).items() if name.startswith("tile.body")
    )
    rows = compiled(Problem.parse("c1_f8_k3_valid_relu_f32"), "avx2").plan.rows[0]
    assert sum(" = load float, ptr %x" in line for line in tile) == rows + 2


# --- the builder ------------------------------------------------------------------------------------------------------


def lines(builder: Builder) -> list[tuple[Any, ...]]:
    return [
        tuple(instruction.get(key) for key in ("kind", "name", "to", "first", "next"))
        for instruction in builder.instructions
    ]


def test_a_register_that_a_loop_changes_is_a_phi_at_its_start_and_where_it_may_not_run_at_its_end() -> None:
    for certain in (True, False):
        builder, register = Builder(), Register("acc", "float", "%before")
        with builder.loop("t", "0", "%T", certain, [register]):
            assert register.value.startswith("%acc.")
            inside = register.value
            register.value = "%changed"
        phis = [line for line in lines(builder) if line[0] == "phi"]
        assert phis[1] == ("phi", None, inside, "%before", "%changed")
        assert len(phis) == (2 if certain else 3)
        if certain:
            assert register.value == "%changed"
        else:
            assert phis[2] == ("phi", None, register.value, "%before", "%changed")


def test_instructions_go_before_the_loops_that_do_not_change_them() -> None:
    builder = Builder()

    def make(stem: str) -> Callable[[], str]:
        return lambda: builder.define(stem, "binary", op_name="add", type="i64", a="1", b="2")

    with (
        builder.loop("a", "0", "%A", certain=False),
        builder.loop("b", "0", "%B", certain=True),
        builder.loop("c", "0", "%C", certain=True),
    ):
        assert builder.once("sum", make("sum"), 0) == builder.once("sum", make("sum"), 0)
        assert builder.once_if_reached("load", make("load"), 0) == builder.once_if_reached("load", make("load"), 2)
        builder.once_if_reached("here", make("here"), 3)
    order = [line[1] or line[2] for line in lines(builder) if line[0] in ("label", "binary")]
    stems = [name.lstrip("%").rsplit(".", 1)[0] for name in order]
    assert [s for s in stems if s in ("sum", "load", "here") or s.endswith((".enter", ".body"))] == (
        ["sum", "a.enter", "load", "a.body", "b.body", "c.body", "here"]
    )
