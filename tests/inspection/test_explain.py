"""Explanations: of every algorithm, layout and target, the numbers are those of the compilation, and text says them."""

import dataclasses
from html.parser import HTMLParser

import pytest
from support.helpers import RUNNABLE, supports

from conv1d_codegen import CompileError, CompileOptions, Conv1D, Input, Network, Plan
from conv1d_codegen.compiler import Compilation, compile_problem
from conv1d_codegen.inspection.explain import explain
from conv1d_codegen.inspection.explanation import Explanation
from conv1d_codegen.inspection.object_code import sizes
from conv1d_codegen.inspection.plan_words import words
from conv1d_codegen.inspection.windows import windows
from conv1d_codegen.machine import jit
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.network import layers
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.alternatives import LONG
from conv1d_codegen.toom.error import deviations, sources
from conv1d_codegen.toom.nested import algorithm_of

DENSE = "c64_f64_k3_same_relu_f32"
#: One of each kind of kernel: text form, algorithm, accuracy.
KINDS = (
    (DENSE, "direct", "strict"),
    (DENSE, "auto", "standard"),
    (DENSE, "generic", "strict"),
    (f"{DENSE}_first", "direct", "strict"),
    (f"{DENSE}_first", "cook_toom", "standard"),
    ("c8_f8_k3_d2_causal_gelu_f32_first", "direct", "strict"),
    ("c64_f2_k7_same_linear_f32", "direct", "strict"),
    ("c64_f64_k9_s2_g64_same_tanh_f32", "depthwise", "strict"),
    ("c256_f256_k9_same_relu_f32", "cook_toom", "standard"),
    ("c16_f20_k3_valid_relu_f64", "direct", "strict"),
    ("c16_f33_k3_same_relu_bf16_nobias", "direct", "strict"),
    ("c1_f1_k1_valid_linear_f32", "direct", "strict"),
)


def made(text: str, target: str, algorithm: str = "direct", accuracy: str = "strict") -> Compilation:
    return compile_problem(
        Problem.parse(text), CompileOptions(target=target, algorithm=algorithm, accuracy=accuracy), None
    )


class Balanced(HTMLParser):
    """Tags that are opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("text", "algorithm", "accuracy", "target"),
    [(*kind, target) for kind in KINDS for target in TARGETS if target in ("avx512", "neon") or kind in KINDS[:3]],
)
def test_every_kind_of_kernel_is_explained(text: str, algorithm: str, accuracy: str, target: str) -> None:
    problem = Problem.parse(text)
    if not supports(target, problem):
        pytest.skip(f"{target} has no {problem.dtype}")
    compilation = made(text, target, algorithm, accuracy)
    found = explain(compilation, 2, 300, accuracy)
    plan = compilation.plan
    assert found.alternatives[0].plan == plan
    assert found.work.flops == problem.flops(2, 300)
    assert found.work.input_bytes == 2 * 300 * problem.channels * problem.itemsize
    assert found.work.output_bytes == 2 * problem.output_length(300) * problem.filters * problem.itemsize
    assert found.peel is not None
    assert found.peel.before + found.peel.interior + found.peel.after == problem.output_length(300)
    assert (found.windows is not None) == (plan.algorithm == "cook_toom")
    assert found.census.numbers > 0
    assert 0 < found.lanes_in_use <= 1
    assert found.size.code > 100
    assert found.size.weights >= problem.kernel_size * problem.group_channels * problem.filters * 4
    said = str(found)
    assert str(problem) in said or plan.algorithm == "generic"
    assert str(plan) in said
    for title in ("The plan", "What was compared", "Padding and edges", "Size and accuracy"):
        assert f"\n{title}\n" in said
    assert ("\nCook–Toom windows\n" in said) == (plan.algorithm == "cook_toom")
    parser = Balanced()
    parser.feed(found._repr_html_())
    assert parser.open == []
    assert str(plan) in parser.text


@pytest.mark.parametrize("target", [name for name, target in TARGETS.items() if target.fma])
def test_a_dense_kernel_is_told_to_keep_its_ports_busy(target: str) -> None:
    found = explain(made(DENSE, target))
    plan = Plan.parse(found.plan)
    assert found.sizes["T"] == LONG
    assert found.inner is not None
    assert found.registers is not None
    assert found.prediction is not None
    assert found.inner.efficiency == 1.0
    assert found.inner.products == plan.rows[0] * plan.vectors * plan.unroll == found.inner.mix["fma"]
    assert len(found.registers.sums) == plan.rows[0] * plan.vectors
    assert found.registers.rows == plan.rows[0]
    assert found.registers.spills == 0
    assert found.registers.total == TARGETS[target].registers
    assert 0.95 < found.prediction.share <= 1.0
    assert "Multiply-adds keep their ports busy" in str(found)


def test_registers_hold_one_thing_each() -> None:
    found = explain(made(DENSE, "avx512")).registers
    assert found is not None
    groups = (found.sums, found.loaded, found.broadcast, found.both, found.others)
    names = [name for group in groups for name in group]
    assert len(names) == len(set(names)) <= found.total
    assert all(name.startswith("zmm") for name in names)


@pytest.mark.quick
def test_windows_say_what_they_save_and_where_errors_come_from() -> None:
    problem, plan = Problem.parse(DENSE), made(DENSE, "avx512", "cook_toom", "standard").plan
    found = windows(problem, plan)
    assert found is not None
    assert (found.products, found.directly, found.saving) == (6, 12, 2.0)  # F(4,3)
    assert found.error < 0.76
    assert sum(found.sources.values()) == pytest.approx(1.0)
    assert all(share >= 0 for share in found.sources.values())
    assert windows(problem, made(DENSE, "avx512").plan) is None


@pytest.mark.quick
def test_a_plain_algorithm_errs_in_sums_only() -> None:
    """F(1, 3) transforms neither inputs nor weights, and adds its three products up."""
    found = sources(algorithm_of(1, 3), 3, 64, 1)
    assert found["the transform of inputs"] == found["the transformed weights"] == 0
    assert found["sums of products"] > 0.9
    assert deviations(algorithm_of(1, 3), 3, 64, 1).shape == (1,)


@pytest.mark.quick
def test_every_word_of_a_plan_is_explained() -> None:
    plans = (
        "direct lanes=filters 16x2 rows=13,12,4,1 block=104 unroll=4 edges=shared:64 borrow=13 sequences=4 transposed "
        "prefetch=input,output epilogue=7",
        "cook_toom F(12,9) nested=3 lanes=filters 16x4 rows=6,3,1 block=48 unroll=4 edges=shared:64 stream=48 rest=6 parts=2 "
        "inputs=8 looped prefetch=weights",
        "depthwise lanes=channels 16x1 rows=8,4,1 block=256 unroll=5 edges=tiles:8 abreast=1,2,4 prefetch=output_by_row",
        "depthwise lanes=channels 16x1 rows=8,4,1 block=256 unroll=5 parts=2 turned",
        "generic constants=kernel_size,stride lanes=filters 16x2 rows=8,1 block=256 unroll=2",
        "direct lanes=time 16x2 rows=11 block=384 unroll=4",
        "direct lanes=filters 16x2 rows=6,1 block=104 unroll=4 edges=shared:64 stream=104 sequences=4 across prefetch=weights",
        "cook_toom F(4,3) lanes=filters 16x2 rows=6,3,1 block=48 unroll=4 edges=shared:64 rest=6 turned transposed",
        "cook_toom F(4,3) fold=32 lanes=filters 16x2 rows=6,3,1 block=48 unroll=4 edges=shared:64 rest=8",
    )
    parsed = [Plan.parse(text) for text in plans]
    usual = {f.name for f in dataclasses.fields(Plan) if all(getattr(plan, f.name) == f.default for plan in parsed)}
    assert not usual, "fields that no plan of this test has, and so perhaps no words"
    for text in plans:
        said = list(words(Plan.parse(text)))
        assert " ".join(word for word, _ in said) == text
        assert all(meaning for _, meaning in said)


@pytest.mark.quick
def test_sections_of_an_object_file_are_counted() -> None:
    ir = (
        "@table = constant [4 x i32] [i32 1, i32 2, i32 3, i32 4]\n"
        "define i32 @f(i64 %i) {\n  %p = getelementptr [4 x i32], ptr @table, i64 0, i64 %i\n"
        "  %v = load i32, ptr %p\n  ret i32 %v\n}\n"
    )
    for target in TARGETS.values():
        image = jit.in_llvm(lambda target=target: jit.object_code(ir, target))  # type: ignore[misc]
        code, constants = sizes(image)
        assert 4 <= code <= 64
        assert 16 <= constants <= 32
    with pytest.raises(ValueError, match="ELF"):
        sizes(b"MZ nothing of the kind")


@pytest.mark.skipif(not RUNNABLE, reason="no target's code runs on this machine")
def test_a_measurement_stands_beside_the_prediction() -> None:
    found = explain(made(DENSE, "host"), 1, 200, measure=True)
    assert found.measurement is not None
    assert 0 < found.measurement.share < 2
    assert {plan.algorithm for plan in found.measurement.others} == {"cook_toom", "direct", "generic"}
    assert found.measurement.others.keys() <= {each.plan for each in found.alternatives[1:]}
    assert all(taken > 0 for taken in found.measurement.others.values())
    assert found.measurement.seconds > 0
    assert 0.3e9 < found.measurement.clock < 8e9
    assert "\n  measured " in str(found)
    assert explain(made(DENSE, "host"), 1, 200).measurement is None


def test_what_cannot_be_explained_is_refused() -> None:
    other = next(name for name in TARGETS if name not in RUNNABLE)
    with pytest.raises(CompileError, match="can't run on this machine"):
        explain(made(DENSE, other), measure=True)
    with pytest.raises(ValueError, match="no output for 2 steps"):
        explain(made("c4_f4_k3_valid_relu_f32", "avx2"), length=2)
    with pytest.raises(ValueError, match="batch of 0"):
        explain(made(DENSE, "avx2"), batch=0)


def test_kernels_of_networks_are_explained() -> None:
    """Two convolutions in one kernel, with what is added to them; a pool, which multiplies nothing."""
    x = Input(16)
    y = Conv1D(32, 3, padding="same", name="one")(x)
    y = layers.Add(name="sum")([y, Conv1D(32, 3, padding="same", name="two")(x)])
    y = layers.MaxPooling1D(2, name="pool")(y)
    network = Network(x, y, options={"target": "avx2", "accuracy": "standard"})
    (found,) = network.explain("sum", length=60)
    assert found.sizes == {"N": 1, "T": 60}
    assert found.work.flops == 2 * 2 * 60 * 3 * 16 * 32
    assert found.census.numbers == (found.work.flops - 2 * 2 * 2 * 16 * 32) // 2  # a tap of each end is left out
    assert found.alternatives == ()
    assert "What was compared" not in str(found)
    (pool,) = network.explain("pool", length=60)
    assert pool.work.flops == 0
    assert pool.census.products == 0
    assert pool.work.output_bytes == 30 * 32 * 4
    assert "max_pool" in str(network.explain("pool", length=60))
    assert "<section>" in network.explain("pool", length=60)._repr_html_()
    with pytest.raises(ValueError, match="'three'"):
        network.explain("three")


def test_a_layer_explains_itself() -> None:
    layer = Conv1D(8, 3, padding="causal", activation="relu", options={"target": "avx2"})
    with pytest.raises(ValueError, match="built"):
        layer.explain()
    layer.build((None, None, 4))
    found = layer.explain(length=50, batch=3)
    assert isinstance(found, Explanation)
    assert found.sizes == {"N": 3, "T": 50}
    assert found.plan == layer.dump("plan", 50).splitlines()[0]
    with pytest.raises(ValueError, match="length"):
        layer.explain(length=-1)


@pytest.mark.quick
def test_an_objection_that_many_plans_have_is_said_once() -> None:
    """Without `accuracy` all of Cook–Toom's windows are refused for one reason."""
    lines = str(explain(made(DENSE, "avx2"), 1, 1000)).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("  cook_toom F("))
    windows = [line for line in lines[first:] if line.startswith("  cook_toom F(")]
    assert "it sums in another order" in windows[0]
    assert len(windows) > 3
    assert all(line.endswith("likewise") for line in windows[1:])
