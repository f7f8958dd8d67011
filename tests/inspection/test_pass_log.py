"""The passes as a log, and a kernel's value after each."""

import io
import re

import pytest
from support.helpers import supports

from conv1d_codegen.compiler import OperationProgram, Program
from conv1d_codegen.inspection.interpreted import checks, usual_length
from conv1d_codegen.inspection.pass_log import show_diffs, steps, summary
from conv1d_codegen.inspection.text import text
from conv1d_codegen.lower.operations import Softmax
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.passes import PIPELINE
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.cost_model import choose

pytestmark = pytest.mark.quick

SMALL = "c3_f5_k2_d2_causal_gelu_f32"


def program(text: str, target: str = "avx2", algorithm: str = "direct") -> Program:
    problem = Problem.parse(text)
    return Program(problem, choose(problem, TARGETS[target], algorithm), TARGETS[target])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_step_is_what_a_pass_does() -> None:
    made = program(SMALL)
    found = steps(made)
    assert [step.name for step in found] == [each.name for each in PIPELINE]
    assert [step.after for step in found] == [kernel for _, kernel in made.passes]
    assert found[0].before == made.loop
    assert all(step.seconds > 0 for step in found)
    for step in found:
        assert step.changed == bool(step.diff())
        assert step.reason


def test_a_diff_leads_from_one_kernel_to_the_next() -> None:
    """What is not added is of the kernel before, in order; what is not taken away, of the one after."""
    for step in steps(program(SMALL)):
        lines = step.diff()
        for sign, kernel in (("+", step.before), ("-", step.after)):
            rest = iter(str(kernel).splitlines())
            assert all(line[1:] in rest for line in lines if line[0] not in (sign, "@"))


def test_a_log_stops_where_it_is_told() -> None:
    made = program(SMALL)
    every = [step.name for step in steps(made)]
    assert [step.name for step in steps(made, "peel_edges")] == every[: every.index("peel_edges") + 1]
    with pytest.raises(ValueError, match=r"no pass 'peel'.*block_time, .*peel_edges"):
        steps(made, "peel")


def test_operations_have_passes_with_reasons_too() -> None:
    made = OperationProgram(Softmax("f32", 8, False), TARGETS["avx2"])
    found = steps(made)
    assert [step.name for step in found] == list(made.reasons)
    assert found[-1].after == made.scheduled
    assert made.dump("scheduled", passes=True).startswith("# ")


def test_the_table_has_all_passes() -> None:
    found = steps(program(SMALL))
    said = text([summary(found)])
    for step in found:
        assert re.search(rf"^  {step.name} +[0-9.]+ +(unchanged|\d+ → \d+)", said, re.MULTILINE)
    assert re.search(r"^  all +[0-9.]+$", said, re.MULTILINE)


def test_changes_have_colours_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    found, terminal, file = steps(program(SMALL)), Terminal(), io.StringIO()
    show_diffs(found, terminal)
    show_diffs(found, file)
    assert "\x1b[32m+" in terminal.getvalue()
    assert "\x1b[31m-" in terminal.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()) == file.getvalue()


@pytest.mark.parametrize("target", ["sse2", "avx512"])
@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        (SMALL, "direct"),
        ("c4_f6_k3_same_relu_f64_first", "direct"),
        ("c4_f6_k3_same_exponential_f32", "cook_toom"),
        ("c8_f8_k3_g8_same_tanh_bf16", "depthwise"),
        ("c4_f6_k3_s2_same_linear_f32_nobias", "generic"),
    ],
)
def test_every_stage_has_the_value_of_the_formula(text: str, algorithm: str, target: str) -> None:
    made = program(text, target, algorithm)
    assert supports(target, made.problem)
    found = list(checks(made.problem, made.loop, steps(made), 1, 20))
    assert found[0].stage == "the formula"
    assert len(found) > 5
    assert all(check.right for check in found), found


def test_a_wrong_value_is_told() -> None:
    made = program("c4_f6_k3_same_relu_f32")
    found = steps(made)
    empty = found[-1].after.with_body(())
    lost = checks(made.problem, empty, [], 1, 9)
    assert [(check.stage, check.right) for check in lost] == [("the formula", False)]


def test_the_usual_length_has_an_output_and_few_products() -> None:
    for line in ("c64_f64_k3_valid_relu_f32", "c1_f1_k80_valid_relu_f32", SMALL, "c512_f512_k9_s3_pad2x3_relu_f32"):
        problem = Problem.parse(line)
        length = usual_length(problem)
        assert problem.output_length(length) >= 1
        one = problem.kernel_size * problem.group_channels * problem.filters
        assert problem.flops(1, length) <= 2 * max(100_000, 2 * one)
