"""Every pass keeps the result, for every problem, plan and machine: the interpreter computes the same before and after.

Data are exact integers, outputs start as NaN, and registers and scratch do too; so a term too many or too few, an element that is not
written and a number that is read too early all show. That indices stay in range for all lengths is the verifier's to prove.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from helpers import algorithms, assert_exact, exact_data, expected, run_interpreted
from hypothesis import given, settings
from hypothesis import strategies as st

from conv1d_codegen.cost_model import choose
from conv1d_codegen.errors import CompileError
from conv1d_codegen.ir import Activate, Alloc, For, Let, Load, Prefetch, Store
from conv1d_codegen.lower import lower
from conv1d_codegen.passes import PIPELINE, Context, collapse_loops, simplify, stages
from conv1d_codegen.plan import Plan
from conv1d_codegen.problem import Problem
from conv1d_codegen.rewrite import loads, operands, walk
from conv1d_codegen.target import TARGETS

#: Small, as the interpreter computes one number at a time; wider than the narrowest vectors and narrower than the widest.
SMALL = (
    "c1_f1_k1_valid_linear_f32",
    "c2_f9_k3_same_relu_f32",
    "c3_f5_k2_d2_causal_linear_f32",
    "c2_f4_k3_s2_same_linear_f32",
    "c1_f17_k4_pad5x2_linear_f32_nobias",
    "c2_f3_k3_s3_d2_causal_linear_f32",
    "c2_f9_k2_s2_pad2x9_linear_f32",
    "c4_f6_k2_g2_same_linear_f32",
    "c5_f5_k3_g5_same_relu_f32",
    "c3_f6_k2_d3_g3_causal_linear_f32",
    "c9_f9_k2_g9_valid_linear_f32",
    "c9_f9_k9_s2_g9_same_linear_f32",
    "c2_f10_k1_g2_pad2x7_linear_f32",
    "c2_f5_k3_same_linear_f32_first",
    "c1_f3_k2_s2_causal_linear_f32_first",
    "c4_f6_k3_g2_valid_linear_f32_first",
    "c16_f8_k3_same_relu_f32_first",
    "c16_f3_k7_s2_same_relu_f32",
    "c8_f1_k5_d2_causal_gelu_f32",
    "c2_f3_k3_same_relu_f64",
    "c2_f5_k3_same_linear_f16",
    "c2_f3_k2_causal_gelu_f32",
    "c2_f5_k2_valid_tanh_f32_first",
)
LENGTHS = (1, 3, 19)


def planned(text, target, algorithm):
    problem = Problem.parse(text)
    try:
        plan = choose(problem, TARGETS[target], algorithm)
    except CompileError:
        pytest.skip(f"{target} has no float16")
    return problem, Context(problem, plan, TARGETS[target])


CASES = [
    pytest.param(text, target, algorithm, id=f"{text} {target} {algorithm}")
    for text in SMALL
    for target in TARGETS
    for algorithm in algorithms(Problem.parse(text))
    if target == "avx2" or algorithm != "generic"
]


@pytest.mark.parametrize(("text", "target", "algorithm"), CASES)
def test_each_pass_keeps_the_result(text, target, algorithm):
    problem, context = planned(text, target, algorithm)
    kernel = lower(problem, algorithm)
    data = [exact_data(problem, 1, length, seed=length) for length in LENGTHS]
    wanted = [expected(problem, *arrays) for arrays in data]
    for name, after in [("lower", kernel), *stages(kernel, context)]:
        if name != "lower" and after == kernel:
            continue
        for length, arrays, right in zip(LENGTHS, data, wanted, strict=True):
            assert_exact(problem, run_interpreted(after, problem, *arrays), right, f"@1x{length} after {name}, plan {context.plan}")
        kernel = after


VERIFIED = [
    ("c2_f9_k3_same_relu_f32", "avx2", "direct"),
    ("c3_f5_k2_d2_causal_linear_f32", "avx512", "direct"),
    ("c2_f4_k3_s2_same_linear_f32", "avx2", "direct"),
    ("c2_f3_k3_s3_d2_causal_linear_f32", "sse2", "direct"),
    ("c2_f9_k2_s2_pad2x9_linear_f32", "avx512", "direct"),
    ("c4_f6_k2_g2_same_linear_f32", "neon", "direct"),
    ("c5_f5_k3_g5_same_relu_f32", "avx2", "depthwise"),
    ("c3_f6_k2_d3_g3_causal_linear_f32", "sse2", "depthwise"),
    ("c9_f9_k2_g9_valid_linear_f32", "sse2", "depthwise"),
    ("c9_f9_k9_g9_valid_linear_f32", "avx2", "depthwise"),
    ("c9_f9_k9_s2_g9_same_linear_f32", "avx2", "depthwise"),
    ("c16_f16_k15_g16_causal_linear_f32", "avx512", "depthwise"),
    ("c2_f10_k1_g2_pad2x7_linear_f32", "sse2", "direct"),
    ("c2_f5_k3_same_linear_f32_first", "avx2", "direct"),
    ("c1_f3_k2_s2_causal_linear_f32_first", "avx2", "direct"),
    ("c16_f8_k3_same_relu_f32_first", "sse2", "direct"),
    ("c16_f3_k7_s2_same_relu_f32", "avx512", "direct"),
    ("c8_f1_k5_d2_causal_gelu_f32", "avx2", "direct"),
    ("c2_f3_k2_causal_gelu_f32", "avx2", "direct"),
    ("c2_f3_k3_same_relu_f64", "avx2", "generic"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("text", "target", "algorithm"), VERIFIED)
def test_each_pass_leaves_a_kernel_that_is_verified(text, target, algorithm):
    problem, context = planned(text, target, algorithm)
    for _ in stages(lower(problem, algorithm), context, check=True):
        pass


@st.composite
def any_plan(draw, problem):
    """Any plan that obeys the rules of `Plan` and fits the problem's layout."""
    algorithm = draw(st.sampled_from(algorithms(problem)))
    width = draw(st.sampled_from([1, 2, 4, 8, 16]))
    vectors = draw(st.integers(1, 3))
    block = draw(st.sampled_from([1, 2, 5, 8, 64]))
    unroll = draw(st.integers(1, 6))
    if algorithm == "direct" and problem.channels_first and problem.stride == 1 and draw(st.booleans()):
        return Plan("direct", "time", width, vectors, (draw(st.integers(1, 6)),), block, unroll)
    if algorithm == "direct" and problem.group_channels % width == 0 and not problem.channels_first and width > 1 and draw(st.booleans()):
        return Plan("direct", "channels", width, vectors, tuple(dict.fromkeys((draw(st.integers(1, width)), 1))), block, unroll)
    lanes = "channels" if algorithm == "depthwise" else "filters"
    rows = sorted(draw(st.sets(st.integers(2, 7), max_size=3)), reverse=True)
    return Plan(algorithm, lanes, width, vectors, (*rows, 1), block, unroll)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_plan_gives_the_same_result(data):
    problem = Problem.parse(data.draw(st.sampled_from([text for text in SMALL if "f16" not in text])))
    plan = data.draw(any_plan(problem))
    length = data.draw(st.integers(0, 24))
    arrays = exact_data(problem, 1, length)
    kernel = lower(problem, plan.algorithm)
    for name, after in stages(kernel, Context(problem, plan, TARGETS["avx2"])):
        if name in ("tile", PIPELINE[-1][0]):
            assert_exact(problem, run_interpreted(after, problem, *arrays), expected(problem, *arrays), f"@1x{length} after {name}, {plan}")


@pytest.mark.parametrize("text", SMALL[:12])
def test_passes_are_deterministic(text):
    for algorithm in algorithms(Problem.parse(text)):
        problem, context = planned(text, "avx2", algorithm)
        kernel = lower(problem, algorithm)
        assert kernel == lower(problem, algorithm)
        for _, run in PIPELINE:
            before = str(kernel)
            after = run(kernel, context)
            assert after == run(kernel, context)
            assert str(kernel) == before
            kernel = after


@pytest.mark.parametrize("text", SMALL)
def test_clean_up_is_done_once(text):
    """Simplifying and collapsing what is simplified and collapsed changes nothing."""
    for algorithm in algorithms(Problem.parse(text)):
        problem, context = planned(text, "avx2", algorithm)
        after = dict(stages(lower(problem, algorithm), context))
        assert simplify.run(after["simplify"], context) == after["simplify"]
        assert collapse_loops.run(after["collapse_loops"], context) == after["collapse_loops"]


def _after(text, algorithm="direct", target="avx2"):
    problem, context = planned(text, target, algorithm)
    return dict(stages(lower(problem, algorithm), context))


def _loops(kernel):
    return [s for s in walk(kernel.body) if isinstance(s, For)]


def test_block_time_makes_the_parallel_space():
    kernel = _after("c2_f9_k3_same_relu_f32")["block_time"]
    assert [(s.var, s.kind) for s in _loops(kernel)[:2]] == [("n", "parallel"), ("block", "parallel")]


def test_simplify_leaves_no_guard_in_the_middle():
    """Where every tap falls on the input, the tap loop is `0..k`; valid padding has no edges at all."""
    same = _loops(_after("c2_f9_k3_same_relu_f32")["simplify"])
    assert {s.var for s in same} >= {"t", "t_left", "t_right"}
    taps = {
        (s.lo.constant, s.hi.constant)
        for outer in same
        if outer.var == "t"
        for s in walk(outer.body)
        if isinstance(s, For) and s.var == "j"
    }
    assert taps == {(0, 3)}
    assert not {s.var for s in _loops(_after("c2_f9_k3_valid_linear_f32")["simplify"])} & {"t_left", "t_right"}
    assert "t_right" not in {s.var for s in _loops(_after("c2_f9_k3_causal_linear_f32")["simplify"])}


def test_tile_uses_the_plans_tiles():
    problem, context = planned("c2_f64_k3_valid_linear_f32", "avx2", "direct")
    kernel = dict(stages(lower(problem, "direct"), context))["tile"]
    rows = {s.hi.constant for s in _loops(kernel) if s.var == "i"}
    assert rows == set(context.plan.rows)
    assert {s.width for s in _loops(kernel) if s.kind == "lanes"} == {context.plan.width}


def _lowered(text):
    problem, context = planned(text, "avx2", "depthwise")
    return lower(problem, "depthwise"), context


def _tile_of(kernel, rows):
    """The statements of the register tile of so many rows."""
    return next(s.body for s in _loops(kernel) if s.var == "panel" and any(isinstance(i, For) and i.hi == rows for i in s.body))


def _tile_in_registers(kernel, rows):
    """The statements of the block that has accumulators of so many rows."""
    return next(s.body for s in _loops(kernel) if any(isinstance(a, Alloc) and a.buffer.shape[0] == rows for a in s.body))


def _loads_of_x(body):
    """How many vectors or numbers of x a block of loops with constant bounds loads."""
    count = 0
    for s in body:
        if isinstance(s, For):
            count += _loads_of_x(s.body) * (1 if s.kind == "lanes" else s.hi.constant)
        elif isinstance(s, Store):
            count += sum(operand.buffer.name == "x" for operand in loads(s.value))
    return count


def test_depthwise_tiles_go_over_all_channels_of_a_step_before_the_next():
    kernel = _after("c20_f20_k3_g20_same_linear_f32", "depthwise")["tile_channels"]
    order = [(outer.var, inner.var) for outer in _loops(kernel) for inner in outer.body if isinstance(inner, For)]
    assert {pair for pair in order if "panel" in pair and "i" not in pair} == {
        ("tile", "panel"),
        ("panel", "j"),
        ("panel", "t_left"),  # the few steps at the edges go one by one, and share their weights
        ("panel", "t_right"),
        ("f", "panel"),
    }
    assert not [s for s in _loops(kernel) if s.kind == "lanes" and s.hi != s.width]  # the last vector is moved inward, not cut
    assert "let first := min(8*panel, 12)" in str(kernel)


def test_what_is_less_than_a_vector_is_cut():
    kernel = _after("c5_f5_k3_g5_same_relu_f32", "depthwise")["tile_channels"]
    assert {(s.hi.constant, s.width) for s in _loops(kernel) if s.kind == "lanes"} == {(5, 8)}


@pytest.mark.parametrize(
    ("text", "loaded"),
    [
        ("c16_f16_k4_g16_valid_linear_f32", 8 + 3),
        ("c16_f16_k4_s2_g16_valid_linear_f32", 2 * 7 + 4),
        ("c16_f16_k4_s3_g16_valid_linear_f32", 3 * 7 + 4),
        ("c16_f16_k3_d2_g16_valid_linear_f32", 8 + 2 * 2),
        ("c16_f16_k3_s5_g16_valid_linear_f32", 8 * 3),  # nothing is shared
    ],
)
def test_a_tile_loads_its_window_once(text, loaded):
    problem, context = planned(text, "avx2", "depthwise")
    kernel = dict(stages(lower(problem, "depthwise"), context))["share_windows"]
    assert context.plan.rows[0] == 8
    assert _loads_of_x(_tile_of(kernel, 8)) == loaded


def test_edges_of_many_taps_are_tiles_with_guards():
    """Each step of the input that rows and taps share is read once, if it is there; a tap alone is not unrolled."""
    problem, context = planned("c16_f16_k15_g16_same_linear_f32", "avx2", "depthwise")
    by_pass = dict(stages(lower(problem, "depthwise"), context))
    tile = next(s for s in _loops(by_pass["tile_channels"]) if s.var == "on_input")
    assert str(tile.hi).startswith("min(min(1, ")
    guards = [s for s in _loops(by_pass["share_windows"]) if s.var == "on_input"]
    whole, rest = 8 + 4 - 1, 8 + 3 - 1  # steps that eight rows read for four taps, and for the last three
    assert len(guards) == 2 * (whole + rest)
    assert all(_loads_of_x(s.body) == 1 for s in guards)
    assert "tap" in {s.var for s in _loops(by_pass["collapse_loops"])}
    few = dict(stages(*_lowered("c16_f16_k7_g16_same_linear_f32")))["share_windows"]
    assert "on_input" not in {s.var for s in _loops(few)}


@pytest.mark.parametrize(("text", "one_by_one"), [("c32_f32_k3_g32_valid_linear_f32", False), ("c32_f32_k14_g32_valid_linear_f32", True)])
def test_a_tile_asks_for_each_vector_that_it_stores(text, one_by_one):
    """At its start where taps are few; else from step to step of its window."""
    problem, context = planned(text, "avx2", "depthwise")
    kernel = dict(stages(lower(problem, "depthwise"), context))["prefetch_output"]
    asked = []
    for steps in (s for s in _loops(kernel) if s.var == "tile"):
        requests = 0
        for s in steps.body[0].body:
            times = 1
            while isinstance(s, For) and s.kind == "unrolled":
                times, s = times * s.hi.constant, s.body[0]
            requests += times * isinstance(s, Prefetch)
        asked.append(requests)
    assert asked == [8, 8, 4]  # tiles of 8x1, 4x2 and 1x4
    tall = _tile_of(kernel, context.plan.rows[0])
    places = [at for at, s in enumerate(tall) if any(isinstance(inner, Prefetch) for inner in walk((s,)))]
    assert len(places) == (context.plan.rows[0] if one_by_one else 1)
    assert all(second - first > 1 for first, second in pairwise(places))


def test_few_filters_put_channels_into_the_lanes():
    """Two filters a panel, each row a vector of sums for each; windows that taps share; one store for the rows of a filter."""
    problem, context = planned("c32_f3_k3_valid_linear_f32", "avx512", "direct")
    assert context.plan.sums_in_lanes
    by_pass = dict(stages(lower(problem, "direct"), context))
    tile = _tile_in_registers(by_pass["tile_sums"], 12)
    assert tile[0].buffer.shape == (12, 2, 16)
    (turned,) = tile[-1].body
    assert (tile[-1].var, turned.kind, turned.hi, turned.width) == ("v", "lanes", 12, 16)
    assert len(list(loads(turned.body[0].value))) == 16 + 1
    shared = _tile_in_registers(by_pass["share_windows"], 12)
    assert _loads_of_x(next(s.body for s in shared if isinstance(s, For) and s.var == "vector")) == 14 * 2
    assert {packing.source: str(packing) for packing in by_pass["pack_weights"].packings} == {
        "w": "w[j, c, f] as [f, c//16, j, c%16]",
        "b": "b[f] as [f//2, f%2]",
    }


def test_a_tile_is_turned_where_steps_lie_side_by_side():
    """Rows and lanes change places in the nest that stores, and only there; what is known only at run time stays as it was."""
    problem, context = planned("c64_f24_k1_valid_relu_f32_first", "avx2", "direct")
    by_pass = dict(stages(lower(problem, "direct"), context))
    rows = context.plan.rows[0]
    before, after = (_tile_in_registers(by_pass[name], rows) for name in ("prefetch_input", "transpose_output"))
    assert [str(s) for s in before[:-1]] == [str(s) for s in after[: len(before) - 1]]
    (vectors,) = after[len(before) - 1 :]
    (filters,) = vectors.body
    (lanes,) = filters.body
    assert (vectors.var, filters.var, filters.hi, lanes.kind, lanes.hi, lanes.width) == ("v", "i", 8, "lanes", rows, 8)
    problem, context = planned("c64_f24_k1_valid_relu_f32_first", "avx2", "generic")
    by_pass = dict(stages(lower(problem, "generic"), context))
    assert any(s.kind == "lanes" and s.hi.constant is None for s in _loops(by_pass["transpose_output"]))


@pytest.mark.parametrize(("text", "asks"), [("c64_f32_k2_valid_relu_f32_first", True), ("c64_f32_k3_valid_relu_f32_first", False)])
def test_a_tile_asks_for_the_steps_of_a_later_one_where_products_are_few(text, asks):
    problem, context = planned(text, "avx2", "direct")
    kernel = dict(stages(lower(problem, "direct"), context))["prefetch_input"]
    places = [s.index for s in walk(kernel.body) if isinstance(s, Prefetch)]
    assert bool(places) == asks
    assert all(str(place[-1]).startswith("min(") and str(place[-1]).endswith("T - 1)") for place in places)


@pytest.mark.parametrize("text", ["c2_f9_k3_same_relu_f32", "c5_f5_k3_g5_same_relu_f32", "c4_f6_k2_g2_same_linear_f32_nobias"])
def test_pack_weights_reads_panels_only(text):
    problem = Problem.parse(text)
    kernel = _after(text, algorithms(problem)[0])["pack_weights"]
    assert [packing.source for packing in kernel.packings] == (["w", "b"] if problem.use_bias else ["w"])
    assert not {"w", "b"} & {b.name for b in kernel.buffers}
    assert {b.name: b.space for b in kernel.buffers}["wp"] == "packed"


def test_no_activation_is_left():
    kernel = _after("c2_f9_k3_same_gelu_f32")["expand_epilogue"]

    def nodes(value):
        yield value
        for operand in operands(value):
            yield from nodes(operand)

    values = [node for s in walk(kernel.body) if hasattr(s, "value") and not hasattr(s.value, "terms") for node in nodes(s.value)]
    assert values
    assert not any(isinstance(node, Activate) for node in values)


def test_collapse_leaves_no_loop_of_one():
    for text in SMALL:
        once = [s for s in _loops(_after(text)["collapse_loops"]) if s.hi - s.lo == 1 and s.kind in ("serial", "unrolled")]
        assert not [s.var for s in once if not any(isinstance(inner, Alloc) for inner in s.body)], text


def test_collapse_keeps_a_loop_whose_registers_have_a_neighbours_name():
    """Nine taps, eight at a time: one round of the loop over eight, and a rest of one, each with weights of its own."""
    problem = Problem.parse("c16_f16_k9_g16_valid_linear_f32")
    context = Context(problem, choose(problem, TARGETS["avx512"]), TARGETS["avx512"])
    assert context.plan.unroll == 8
    kernel = dict(stages(lower(problem, "depthwise"), context))["collapse_loops"]
    assert any(s.hi - s.lo == 1 for s in _loops(kernel))
    arrays = [s.buffer.name for s in next(s.body for s in _loops(kernel) if s.var == "tile") if isinstance(s, Alloc)]
    assert len(arrays) == len(set(arrays))


def test_a_pass_that_is_wrong_would_be_noticed():
    """The comparison itself: a kernel whose tap loop is one short does not give the reference's result."""
    problem, context = planned("c2_f9_k3_valid_linear_f32", "avx2", "direct")
    scheduled = list(stages(lower(problem, "direct"), context))[-1][1]

    def shorten(body):
        return tuple(
            For(s.var, s.lo, s.hi - 1, s.body, s.kind, s.width) if isinstance(s, For) and s.var == "j"
            else For(s.var, s.lo, s.hi, shorten(s.body), s.kind, s.width) if isinstance(s, For)
            else s
            for s in body
        )  # fmt: skip

    x, w, b = exact_data(problem, 1, 19)
    wrong = run_interpreted(scheduled.with_body(shorten(scheduled.body)), problem, x, w, b)
    assert not np.array_equal(wrong, expected(problem, x, w, b))


def test_edges_share_the_weights_of_a_tap():
    """No loop over taps depends on a step any more: it stands outside, and the steps that have the tap inside."""
    for text in ("c2_f9_k3_same_relu_f32", "c300_f4_k3_same_linear_f32", "c16_f8_k40_same_linear_f32"):
        before, after = (_after(text, "direct")[name] for name in ("simplify", "interchange_edges"))
        guards = [
            [s for s in _loops(k) if s.var == "j" and {"t_left", "t_right"} & {*s.lo.variables(), *s.hi.variables()}]
            for k in (before, after)
        ]
        assert guards[0]
        assert not guards[1]
        assert {inner.var for s in _loops(after) if s.var == "j" for inner in _loops(after.with_body(s.body))} >= {"t_left", "t_right", "c"}


def test_a_side_with_edges_has_as_many_steps_as_a_tall_tile():
    kernel = _after("c4_f8_k3_same_linear_f32", "direct")["peel_edges"]
    plan = planned("c4_f8_k3_same_linear_f32", "avx2", "direct")[1].plan
    (lets,) = {tuple(inner for inner in s.body if isinstance(inner, Let)) for s in _loops(kernel) if s.var == "f"}
    for block, first, last in ((0, plan.rows[0], plan.block), (1, plan.block, 2 * plan.block), (2, 2 * plan.block, 290 - plan.rows[0])):
        values = {"T": 290, "block": block}
        for let in lets:
            values[let.name] = let.value.evaluate(values)
        assert (values["inner_first"], values["inner_last"]) == (first, last)


def test_sequences_share_a_panel_of_weights_that_do_not_stay_in_the_cache():
    problem = Problem.parse("c4_f8_k3_same_linear_f32")
    for l2_bytes, gathered in ((1 << 20, False), (256, True)):
        target = replace(TARGETS["sse2"], l2_bytes=l2_bytes)
        plan = choose(problem, target, "direct")
        kernel = [k for _, k in stages(lower(problem, "direct"), Context(problem, plan, target), check=True)][-1]
        assert ("some" in {s.var for s in _loops(kernel)}) == gathered
        x, w, b = exact_data(problem, 6, 9)
        assert_exact(problem, run_interpreted(kernel, problem, x, w, b), expected(problem, x, w, b))


def streaming(text, l2_bytes=1 << 10):
    """A problem, and the context of a machine whose L2 holds less than the weights."""
    problem = Problem.parse(text)
    target = replace(TARGETS["sse2"], l2_bytes=l2_bytes)
    return problem, Context(problem, choose(problem, target, "direct"), target)


#: A chunk that is a part of one tap, one tap, two taps; with steps that lack taps, and without.
STREAMED = (
    "c300_f3_k2_d2_causal_relu_f32",
    "c130_f3_k3_same_linear_f32",
    "c128_f3_k3_pad4x1_linear_f32_nobias",
    "c128_f5_k3_s2_valid_linear_f64",
    "c256_f9_k1_valid_linear_f32",
    "c256_f6_k3_g2_same_linear_f32",
    "c128_f3_k3_s2_causal_linear_f32_first",
)


@pytest.mark.parametrize("text", STREAMED)
def test_streamed_weights_keep_the_result(text):
    """Five sequences, of which four share a chunk, of fewer steps than a tall tile; and one of several tiles."""
    problem, context = streaming(text)
    kernels = dict(stages(lower(problem, "direct"), context))
    for batch, length in ((5, 3), (1, 14)):
        x, w, b = exact_data(problem, batch, length)
        for name in ("stream_weights", PIPELINE[-1][0]):
            y = run_interpreted(kernels[name], problem, x, w, b)
            assert_exact(problem, y, expected(problem, x, w, b), f"@{batch}x{length} after {name}")


@pytest.mark.slow
@pytest.mark.parametrize("text", STREAMED[:3])
def test_streamed_weights_are_verified(text):
    problem, context = streaming(text)
    for _ in stages(lower(problem, "direct"), context, check=True):
        pass


@pytest.mark.parametrize("text", STREAMED)
def test_all_steps_go_over_a_chunk_of_streamed_weights(text):
    """Sequences and steps run inside the taps and the chunks: no loop over chunks or taps stands within one over tiles."""
    problem, context = streaming(text)
    kernel = dict(stages(lower(problem, "direct"), context))["stage_operands"]
    tiles = [s for s in _loops(kernel) if s.var in ("tile", "n")]
    assert {s.var for s in tiles} == {"tile", "n"}
    assert not [inner.var for s in tiles for inner in _loops(kernel.with_body(s.body)) if inner.var in ("j", "chunk", "part")]
    assert "before" not in str(kernel)  # no edge is peeled


def test_weights_are_streamed_where_that_pays():
    """Where they are large, one tap has many channels, and filters are in the lanes."""
    for text, l2_bytes, streams in (
        ("c130_f8_k3_same_linear_f32", 1 << 10, True),
        ("c130_f8_k3_same_linear_f32", 12 << 10, False),  # 12 KiB of weights
        ("c130_f8_k3_same_linear_f32_first", 1 << 10, True),
        ("c130_f7_k3_same_linear_f32_first", 1 << 10, False),  # steps in the lanes
        ("c64_f16_k6_same_linear_f32", 1 << 10, False),
    ):
        problem, context = streaming(text, l2_bytes)
        kernel = dict(stages(lower(problem, "direct"), context))["stream_weights"]
        assert ("part" in {s.var for s in _loops(kernel)}) == streams, text


def _requests(body, names):
    """For each run of a loop over channels that asks for weights: the first that it uses, and the set it asks for, as offsets."""
    for s in body:
        if isinstance(s, Let):
            names[s.name] = s.value.evaluate(names)
        elif isinstance(s, For) and any(isinstance(inner, Prefetch) for inner in walk(s.body)):
            values = range(s.lo.evaluate(names), s.hi.evaluate(names))
            if not s.var.startswith("c_"):
                for value in values:
                    yield from _requests(s.body, {**names, s.var: value})
                continue
            (ask, group) = s.body
            (request,) = ask.body
            used = next(n for inner in walk(group.body) if isinstance(inner, Store) for n in [inner.value] if isinstance(n, Load))
            at = {**names, s.var: 0, group.var: 0, "v": 0, "l": 0}
            places = [{**names, s.var: c, ask.var: line} for c in values for line in range(ask.lo.evaluate(names), ask.hi.evaluate(names))]
            yield used.buffer.offset(used.index).evaluate(at), [request.buffer.offset(request.index).evaluate(p) for p in places]


@pytest.mark.parametrize(("batch", "length"), [(1, 6), (1, 40), (3, 13), (5, 20)])
def test_the_tiles_of_a_chunk_ask_for_every_line_of_the_next_once(batch, length):
    problem, context = streaming("c300_f16_k2_valid_linear_f32")
    kernel = dict(stages(lower(problem, "direct"), context))["prefetch_weights"]
    panel, chunk = context.plan.panel, 150 * context.plan.panel
    asked = {}
    for first, lines in _requests(kernel.body, {"N": batch, "T": length + 1}):
        asked.setdefault(first, []).extend(lines)
    whole = 148 * panel  # what the unrolled loop goes through
    rounds = len(asked[0]) // (whole // 16)  # of fours of sequences, and of blocks
    last = 600 * 16 - chunk
    assert sorted(asked) == list(range(0, 600 * 16, chunk))
    for first, lines in asked.items():
        start = min(first + chunk, last)
        assert sorted(set(lines)) == list(range(start, start + whole, 16))
        assert len(lines) == rounds * len(set(lines))
