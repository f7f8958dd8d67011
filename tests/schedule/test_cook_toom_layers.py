"""Layers that have Cook–Toom kernels: one for short inputs and one for long ones, weights, dumps, and what tuning finds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from support.helpers import bits, compiled
from support.kernel_helpers import call
from support.layer_helpers import held
from support.toom_helpers import toom_plan
from support.tuning_helpers import pretend, without_unrolling
from support.type_helpers import Array

from conv1d_codegen import CompileOptions, Conv1D, Plan, tune
from conv1d_codegen.__main__ import main
from conv1d_codegen.compiler import KEPT, compile_problem
from conv1d_codegen.ir.packing import Mixing
from conv1d_codegen.machine.host import host
from conv1d_codegen.machine.target import TARGETS, Target
from conv1d_codegen.problem import Problem
from conv1d_codegen.runtime.kernel import PackedWeights
from conv1d_codegen.runtime.packer import Packer
from conv1d_codegen.schedule import tuned_plans
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.window_forms import ACCURACIES
from conv1d_codegen.tuning.candidates import ASPECTS, candidates

TEXT = "c64_f64_k3_same_linear_f32"  # for which windows pay on any machine
every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


# --- layers -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def layer() -> Conv1D:
    made = Conv1D(64, 3, padding="same", options={"accuracy": "standard"})
    made.build((None, None, 64))
    return made


def first_length(problem: Problem) -> int:
    """The shortest input that gets windows."""
    return next(length for length in range(1, 1000) if choose(problem, host(), length=length).algorithm == "cook_toom")


def as_compiled(layer: Conv1D, x: Array, algorithm: str) -> bytes:
    kernel = compiled(layer.problem, None, algorithm).kernel
    return bits(call(kernel, kernel.pack(layer.kernel, layer.bias), x))


@pytest.mark.usefixtures("nothing_is_remembered")
def test_a_layer_has_a_kernel_for_short_inputs_and_one_for_long_ones(layer: Conv1D) -> None:
    first = first_length(layer.problem)
    lengths = {first - 1: "direct", first: "cook_toom", 1: "direct", 700: "cook_toom"}
    inputs = {length: np.random.default_rng(length).standard_normal((2, length, 64), np.float32) for length in lengths}
    for seed in range(2):  # with the first weights, and with others
        for length, algorithm in lengths.items():
            assert bits(layer(inputs[length])) == as_compiled(layer, inputs[length], algorithm), (
                f"{TEXT}@2x{length} is not {algorithm}"
            )
            out = np.full((2, length, 64), np.nan, np.float32)
            layer(inputs[length], out=out)
            assert bits(out) == as_compiled(layer, inputs[length], algorithm)
        assert as_compiled(layer, inputs[700], "direct") != as_compiled(layer, inputs[700], "cook_toom")
        plans = {choose(layer.problem, host(), length=length) for length in lengths}
        assert len({id(kernel) for kernel in held(layer)}) == len(plans) > 1  # few steps may have a plan of their own
        random = np.random.default_rng(seed)
        layer.set_weights([random.standard_normal(weight.shape, np.float32) for weight in layer.weights])
    strict = Conv1D(64, 3, padding="same", weights=layer.get_weights(), options={"accuracy": "strict"})
    assert bits(strict(inputs[700])) == as_compiled(layer, inputs[700], "direct")
    asked = Conv1D(64, 3, padding="same", weights=layer.get_weights(), options={"algorithm": "cook_toom"})
    for length in lengths:
        assert bits(asked(inputs[length])) == as_compiled(layer, inputs[length], "cook_toom")


@pytest.mark.usefixtures("nothing_is_remembered")
def test_weights_are_transformed_once_for_each_change(monkeypatch: pytest.MonkeyPatch, layer: Conv1D) -> None:
    """By NumPy the first time, and then by machine code."""
    KEPT.clear()  # where other tests have let the code be made
    made, transform, pack = [], Mixing.__call__, Packer.__call__

    def noted(self: Mixing, source: Array, dtype: np.dtype[Any], sizes: Mapping[str, int]) -> Array:
        made.append("NumPy")
        return transform(self, source, dtype, sizes)

    def noted_too(self: Packer, kernel: Array, bias: Array | None) -> PackedWeights:
        made.extend(["code"] * len(self._matrices))
        return pack(self, kernel, bias)

    monkeypatch.setattr(Mixing, "__call__", noted)
    monkeypatch.setattr(Packer, "__call__", noted_too)
    x = np.ones((1, 700, 64), np.float32)
    for changes in (["NumPy"], ["NumPy", "code"], ["NumPy", "code", "code"]):
        for _ in range(3):
            layer(x)
            layer(x[:, :1])
        assert made == changes
        layer.kernel = layer.kernel + 1


@pytest.mark.parametrize("length", [-1, 2.5, "5", True])
def test_dumps_of_no_length(layer: Conv1D, length: Any) -> None:
    with pytest.raises(
        ValueError, match=f"`length` must be a number of steps, 0 or more, .* Received: length={length!r}"
    ):
        layer.dump("plan", length=length)


@pytest.mark.usefixtures("nothing_is_remembered")
def test_dumps_of_short_and_long_inputs(layer: Conv1D, capsys: pytest.CaptureFixture[str]) -> None:
    first = first_length(layer.problem)
    windows = layer.dump("plan")
    assert windows.startswith("cook_toom F(")
    assert layer.dump("plan", length=first) == layer.dump("plan", length=10**6) == windows
    assert layer.dump("plan", length=first - 1) == f"{choose(layer.problem, host(), 'direct', length=first - 1)}\n"
    assert layer.dump(length=first - 1).startswith("kernel direct_")
    assert layer.dump().startswith("kernel cook_toom_")
    for arguments, algorithm in (
        ([TEXT], "direct"),
        ([TEXT, "--accuracy", "standard"], "cook_toom"),
        ([f"{TEXT}@1x{first - 1}", "--accuracy", "standard"], "direct"),
        ([f"{TEXT}@1x{first}", "--accuracy", "standard"], "cook_toom"),
        ([TEXT, "--accuracy", "strict"], "direct"),
        ([f"{TEXT}@1x1", "--algorithm", "cook_toom"], "cook_toom"),
    ):
        assert main(["dump", *arguments, "--stage", "plan"]) == 0
        assert capsys.readouterr().out.startswith(f"{algorithm} "), arguments


# --- tuned plans ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_is_remembered")
def test_tuned_plans_that_are_not_accurate_enough_are_not_used() -> None:
    problem = Problem.parse(TEXT)

    def used(accuracy: str) -> list[Plan]:
        return [compile_problem(problem, CompileOptions(accuracy=accuracy), length).plan for length in (1, 1 << 17)]

    cost_model = {accuracy: used(accuracy) for accuracy in ACCURACIES}
    for found, by in (
        (toom_plan(2, 3), ("standard", "fast")),
        (toom_plan(8, 3), ("fast",)),
        (Plan("direct", "filters", 8, 1, (3, 1), 9, 1), ACCURACIES),
    ):
        tuned_plans.remember(problem, host(), found, None, {})
        for accuracy in ACCURACIES:  # one that is used serves all lengths
            assert used(accuracy) == ([found] * 2 if accuracy in by else cost_model[accuracy]), f"{accuracy}: {found}"


@every_target
def test_what_is_tried_in_the_place_of_a_plan(target: Target) -> None:
    """Plans of the same F(m, r), and so with the same bits, that differ in one aspect."""
    for text in (TEXT, "c20_f48_k5_same_linear_f32", "c64_f64_k5_s2_d3_valid_relu_f32"):
        problem = Problem.parse(text)
        plan = choose(problem, target, "cook_toom")
        for aspect in ASPECTS:
            found = candidates(aspect, plan, problem, target)
            assert found or aspect in ("prefetch", "order")
            assert plan not in found
            for other in found:
                assert (other.algorithm, other.outputs, other.taps) == ("cook_toom", plan.outputs, plan.taps)
                assert (other.unroll != plan.unroll) == (aspect == "unroll")


@pytest.mark.usefixtures("nothing_is_remembered")
def test_tuning_a_layer(monkeypatch: pytest.MonkeyPatch, layer: Conv1D) -> None:
    pretend(monkeypatch, without_unrolling)
    x = np.random.default_rng(0).standard_normal((1, 300, 64), np.float32)
    before, chosen = layer(x), choose(layer.problem, host())
    found = tune(layer, 1, 300, seconds=600)
    assert (found.outputs, found.taps, found.unroll) == (chosen.outputs, chosen.taps, 1)
    assert layer.dump("plan").startswith(f"{found}\n")
    assert bits(layer(x)) == bits(before)


@every_target
def test_many_weights_of_a_network_are_not_made_more(target: Target) -> None:
    """Where other kernels drive a kernel's weights out of the caches, transformed ones only pay for many outputs each; and
    beside few others, where they gain more than a little.
    """
    problem = Problem.parse("c256_f256_k16_s4_same_linear_f32")
    few, many = 1 << 20, 25 << 20
    for length in (256, 1024, 65536):
        alone = choose(problem, target, length=length)
        beside = choose(problem, target, length=length, others=few)
        assert beside == alone or (length == 256 and beside.algorithm == "direct")
        assert alone.algorithm == "cook_toom" or choose(problem, target, length=length, others=many) == alone
    assert choose(problem, target, length=256, others=many).algorithm == "direct"
    assert choose(problem, target, length=65536, others=many).algorithm == "cook_toom"
