"""What the cost model compared is what it decided by: one plan is taken, and of the others the words are true."""

import pytest
from support.helpers import PROBLEMS

from conv1d_codegen.machine.target import TARGETS, Target
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.alternatives import LONG, Alternative, alternatives
from conv1d_codegen.schedule.cook_toom_model import plan_of_windows, weighed
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.window_forms import form_of, is_small

pytestmark = pytest.mark.quick

DENSE = "c64_f64_k3_same_relu_f32"
KINDS = (
    DENSE,
    f"{DENSE}_first",
    "c64_f2_k7_same_relu_f32",
    "c8_f8_k3_same_relu_f64_first",
    "c64_f64_k5_g64_same_relu_f32",
    "c96_f96_k11_d3_causal_relu_f32",
    "c256_f256_k9_same_relu_f32",
    "c64_f64_k1_valid_relu_f32",
    "c16_f16_k3_s2_g4_same_relu_f32",
)
every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


def compared(text: str, target: Target, accuracy: str = "standard", length: int | None = None) -> list[Alternative]:
    problem = Problem.parse(text)
    taken = choose(problem, target, "auto", accuracy, length)
    return alternatives(problem, target, taken, accuracy, length)


@every_target
@pytest.mark.parametrize("text", KINDS)
def test_one_plan_is_taken_and_every_other_has_a_reason(text: str, target: Target) -> None:
    problem = Problem.parse(text)
    for accuracy in ("standard", "strict", "fast"):
        for length in (None, 40, 3000):
            found = compared(text, target, accuracy, length)
            first, *others = found
            assert first.plan == choose(problem, target, "auto", accuracy, length)
            assert not first.objection
            assert all(other.objection for other in others), found
            assert len({each.plan for each in found}) == len(found)
            assert all(each.cycles is None or each.cycles > 0 for each in found)
            assert {each.plan.algorithm for each in found} >= {"direct", "generic"}


@every_target
@pytest.mark.parametrize("length", [None, 30, 200, 5000])
def test_the_windows_that_are_taken_are_those_without_an_objection(target: Target, length: int | None) -> None:
    for text in KINDS:
        problem = Problem.parse(text)
        for accuracy in ("standard", "fast"):
            free = [each.plan for each in weighed(problem, target, accuracy, length) if not each.objection]
            chosen = plan_of_windows(problem, target, accuracy, length)
            assert free == ([] if chosen is None else [chosen])


def test_what_is_said_of_windows_is_true() -> None:
    said = set()
    for text in KINDS:
        problem = Problem.parse(text)
        for length in (None, 30, 4096, 5000):
            for each in weighed(problem, TARGETS["avx512"], "standard", length):
                small = is_small(problem, form_of(each.plan), "standard")
                assert ("its error" in each.objection) is not small
                if "as fast as direct" in each.objection and length is None:
                    assert each.cycles * 1.15 >= each.directly
                said.add(each.objection.rpartition(" ")[2])
    assert len(said) > 4  # all kinds of objections were met, and none


def test_strict_excludes_windows_by_name() -> None:
    windows = [each for each in compared(DENSE, TARGETS["avx512"], "strict") if each.plan.algorithm == "cook_toom"]
    assert windows
    assert all("strict" in each.objection for each in windows)


def test_a_plan_by_hand_comes_first_and_is_not_objected_to() -> None:
    problem = Problem.parse(DENSE)
    usual = choose(problem, TARGETS["avx512"], "direct")
    by_hand = usual.with_tiles(rows=(4, 1))
    first, *others = alternatives(problem, TARGETS["avx512"], by_hand)
    assert first == Alternative(by_hand, None, "")
    assert usual in [each.plan for each in others]
    assert all(each.objection for each in others)


def test_cycles_are_those_of_one_sequence() -> None:
    """With 64 filters in 4 vectors of 16, 3 taps and 64 channels, an output takes 4 * 192 / 2 cycles and what surrounds them."""
    direct = next(each for each in compared(DENSE, TARGETS["avx512"]) if each.plan.algorithm == "direct")
    assert direct.cycles == pytest.approx(LONG * 4 * 192 / 2, rel=0.02)
    direct = next(each for each in compared(DENSE, TARGETS["avx512"], "strict", 500) if not each.objection)
    assert direct.cycles == pytest.approx(500 * 4 * 192 / 2, rel=0.03)
    depthwise = compared("c64_f64_k5_g64_same_relu_f32", TARGETS["avx512"], length=100)[0]
    assert depthwise.cycles == 100 * 4 * 5 / 2


@every_target
def test_every_problem_can_be_told_of(target: Target) -> None:
    for text in PROBLEMS[::7]:
        problem = Problem.parse(text)
        if target.converts(problem.dtype):
            assert compared(text, target)
