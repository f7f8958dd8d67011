"""What is done differently for code that is long: LLVM leaves out a pass that takes longer than all others, and nobody
else notices.
"""

from dataclasses import replace

import llvmlite.binding as llvm
import pytest

from conv1d_codegen.compiler import Program
from conv1d_codegen.lower import representative
from conv1d_codegen.machine import jit
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.cost_model import choose

pytestmark = pytest.mark.usefixtures("llvm_makes_all")

LONG, SHORT = "c600_f600_k3_d4_same_tanh_f32_first", "c8_f8_k3_same_relu_f32"


def program(text: str, algorithm: str = "auto") -> Program:
    problem, target = Problem.parse(text), TARGETS["avx512"]
    plan = choose(problem, target, algorithm)
    return Program(representative(problem, plan), plan, target)


@pytest.fixture
def switched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What LLVM's switches are set to."""
    options: list[str] = []
    set_option = llvm.set_option

    def noted(name: str, option: str) -> None:
        options.append(option)
        set_option(name, option)

    monkeypatch.setattr(llvm, "set_option", noted)
    return options


def test_long_code_is_made_without_strength_reduction(switched: list[str]) -> None:
    made = program(LONG)
    assert made.llvm.count("\n") > jit.LONG
    made.dump("asm")
    assert switched == ["-disable-lsr=true", "-disable-lsr=false"]


@pytest.mark.parametrize(("text", "algorithm"), [(SHORT, "auto"), ("c8_f8_k3_same_relu_bf16_first", "generic")])
def test_other_code_is_made_with_it(switched: list[str], text: str, algorithm: str) -> None:
    program(text, algorithm).dump("asm")
    assert switched == []


def test_the_switch_is_put_back(switched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = program(SHORT).dump("asm")
    program(LONG).dump("asm")
    assert program(SHORT).dump("asm") == before

    def fail(*_: object) -> None:
        assert switched[-1] == "-disable-lsr=true"
        raise ZeroDivisionError

    monkeypatch.setattr(llvm.TargetMachine, "emit_assembly", fail)
    with pytest.raises(ZeroDivisionError):
        program(LONG).dump("asm")
    assert switched[-1] == "-disable-lsr=false"


@pytest.mark.parametrize(
    ("text", "unroll"),
    [
        # windows, in two kinds of panels, 31 = 7 * 4 + 3 channels
        ("c31_f63_k113_s7_pad112x112_celu_f64_first_nobias", 2),
        ("c1_f63_k514_d16_same_sigmoid_f32_first", 2),  # direct
        ("c600_f600_k3_d4_pad8x0_relu_f32_first", 4),  # the most that the bench has
    ],
)
def test_what_makes_much_code_is_unrolled_less(text: str, unroll: int) -> None:
    problem, target = Problem.parse(text), TARGETS["avx512"]
    plan = choose(problem, target)
    assert plan.unroll == unroll, plan
    unrolled = replace(plan, unroll=4)
    lines, more = (Program(problem, each, target).llvm.count("\n") for each in (plan, unrolled))
    assert (lines < 0.85 * more) == (unroll < 4), f"{text} {plan}: {lines} lines, and {more} unrolled by 4"
