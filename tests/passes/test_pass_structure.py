"""What each pass makes of the loops: that it has done what it is for."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from support.helpers import algorithms, assert_exact, exact_data, expected, run_interpreted
from support.pass_helpers import SMALL, loads_of_x, loops, lowered, passes_of, planned, tile_in_registers, tile_of
from support.type_helpers import known, the

from conv1d_codegen.ir import Activate, Alloc, Block, For, If, Kernel, Let, Prefetch, Statement, Storage, Store, Value
from conv1d_codegen.ir.rewrite import loads, map_statements, values_of, walk
from conv1d_codegen.lower import lower
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.passes import Context, interchange, stages
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.cost_model import choose


def test_block_time_makes_the_parallel_space() -> None:
    kernel = passes_of("c2_f9_k3_same_relu_f32")["block_time"]
    assert [(s.var, s.kind) for s in loops(kernel)[:2]] == [("n", "parallel"), ("block", "parallel")]


def test_simplify_leaves_no_guard_in_the_middle() -> None:
    """Where every tap falls on the input, the tap loop is `0..k`; valid padding has no edges at all."""
    same = loops(passes_of("c2_f9_k3_same_relu_f32")["simplify"])
    assert {s.var for s in same} >= {"t", "t_left", "t_right"}
    taps = {
        (s.lo.constant, s.hi.constant)
        for outer in same
        if outer.var == "t"
        for s in walk(outer.body)
        if isinstance(s, For) and s.var == "j"
    }
    assert taps == {(0, 3)}
    assert not {s.var for s in loops(passes_of("c2_f9_k3_valid_linear_f32")["simplify"])} & {"t_left", "t_right"}
    assert "t_right" not in {s.var for s in loops(passes_of("c2_f9_k3_causal_linear_f32")["simplify"])}


def test_tile_uses_the_plans_tiles() -> None:
    problem, context = planned("c2_f64_k3_valid_linear_f32", "avx2", "direct")
    kernel = dict(stages(lower(problem, context.plan), context))["tile"]
    rows = {s.hi.constant for s in loops(kernel) if s.var == "i"}
    assert rows == set(context.plan.rows)
    assert {s.width for s in loops(kernel) if s.kind == "lanes"} == {context.plan.width}


def test_depthwise_tiles_go_over_all_channels_of_a_step_before_the_next() -> None:
    kernel = passes_of("c20_f20_k3_g20_same_linear_f32", "depthwise")["tile"]
    order = [(outer.var, inner.var) for outer in loops(kernel) for inner in outer.body if isinstance(inner, For)]
    assert {pair for pair in order if "panel" in pair and "i" not in pair} == {
        ("tile", "panel"),
        ("panel", "j"),
        ("panel", "t_left"),  # the few steps at the edges go one by one, and share their weights
        ("panel", "t_right"),
        ("f", "panel"),
    }
    # the last vector is moved inward, not cut
    assert not [s for s in loops(kernel) if s.kind == "lanes" and s.hi != s.width]
    assert "let first := min(8*panel, 12)" in str(kernel)


def test_what_is_less_than_a_vector_is_cut() -> None:
    kernel = passes_of("c5_f5_k3_g5_same_relu_f32", "depthwise")["tile"]
    assert {(s.hi.constant, s.width) for s in loops(kernel) if s.kind == "lanes"} == {(5, 8)}


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
def test_a_tile_loads_its_window_once(text: str, loaded: int) -> None:
    problem, context = planned(text, "avx2", "depthwise")
    kernel = dict(stages(lower(problem, context.plan), context))["share_windows"]
    assert context.plan.rows[0] == 8
    assert loads_of_x(tile_of(kernel, 8)) == loaded


def test_an_edge_that_has_lost_a_loop_shares_no_weights() -> None:
    """The other edge does. In both, a step's loops are one within another, so that only the inner one tells."""
    problem, context = planned("c2_f9_k3_same_relu_f32", "avx2", "direct")
    kernel = dict(stages(lower(problem, context.plan), context))["simplify"]

    def without_channels(s: Statement) -> Block | None:
        if isinstance(s, For) and s.var == "t_left":
            return (
                replace(
                    s, body=map_statements(s.body, lambda s: s.body if isinstance(s, For) and s.var == "c" else None)
                ),
            )
        return None

    for given, edges in ((kernel, 2), (kernel.with_body(map_statements(kernel.body, without_channels)), 1)):
        shared = interchange.run(given, context)
        assert sum(s.var == "edge" for s in loops(shared)) == edges
        kept = [
            s
            for s in loops(shared)
            if s.var == "t_left" and "j" in {inner.var for inner in s.body if isinstance(inner, For)}
        ]
        assert len(kept) == 2 - edges


def test_edges_of_many_taps_are_tiles_with_guards() -> None:
    """Each step of the input that rows and taps share is read once, if it is there; taps of one row
    are not unrolled.
    """
    problem, context = planned("c16_f16_k15_g16_same_linear_f32", "avx2", "depthwise")
    by_pass = dict(stages(lower(problem, context.plan), context))

    def on_input(kernel: Kernel) -> list[If]:
        return [s for s in walk(kernel.body) if isinstance(s, If) and len(s.conditions) == 2]

    assert all(loads_of_x(s.body) == 1 for s in on_input(by_pass["tile"]))
    guards = on_input(by_pass["share_windows"])
    whole, rest = 8 + 4 - 1, 8 + 3 - 1  # steps that eight rows read for four taps, and for the last three
    assert len(guards) == 2 * (whole + rest)
    assert all(loads_of_x(s.body) == 1 for s in guards)
    single = [s for s in loops(by_pass["collapse_loops"]) if s.var == "j" and s.hi.constant is None]
    assert single
    assert all(s.kind == "serial" for s in single)
    few = dict(stages(*lowered("c16_f16_k7_g16_same_linear_f32")))["share_windows"]
    assert not on_input(few)


@pytest.mark.parametrize(
    ("text", "one_by_one"), [("c32_f32_k3_g32_valid_linear_f32", False), ("c32_f32_k14_g32_valid_linear_f32", True)]
)
def test_a_tile_asks_for_each_vector_that_it_stores(text: str, one_by_one: bool) -> None:
    """At its start where taps are few; else from step to step of its window."""
    problem, context = planned(text, "avx2", "depthwise")
    kernel = dict(stages(lower(problem, context.plan), context))["prefetch"]
    asked = []
    for steps in (s for s in loops(kernel) if s.var == "tile"):
        requests = 0
        for s in the(For, steps.body[0]).body:
            times = 1
            while isinstance(s, For) and s.kind == "unrolled":
                times, s = times * known(s.hi.constant), s.body[0]
            requests += times * isinstance(s, Prefetch)
        asked.append(requests)
    assert asked == [8, 8, 4]  # tiles of 8x1, 4x2 and 1x4
    tall = tile_of(kernel, context.plan.rows[0])
    places = [at for at, s in enumerate(tall) if any(isinstance(inner, Prefetch) for inner in walk((s,)))]
    assert len(places) == (context.plan.rows[0] if one_by_one else 1)
    assert all(second - first > 1 for first, second in pairwise(places))


def test_few_filters_put_channels_into_the_lanes() -> None:
    """Two filters a panel, each row a vector of sums for each; windows that taps share; one store for the rows of a
    filter.
    """
    problem, context = planned("c32_f3_k3_valid_linear_f32", "avx512", "direct")
    assert context.plan.sums_in_lanes
    by_pass = dict(stages(lower(problem, context.plan), context))
    tile = tile_in_registers(by_pass["tile"], 12)
    assert [size.constant for size in the(Alloc, tile[0]).buffer.shape] == [12, 2, 16]
    last = the(For, tile[-1])
    (turned,) = (the(For, s) for s in last.body)
    assert (last.var, turned.kind, turned.hi.constant, turned.width) == ("v", "lanes", 12, 16)
    assert len(list(loads(the(Store, turned.body[0]).value))) == 16 + 1
    shared = tile_in_registers(by_pass["share_windows"], 12)
    assert loads_of_x(next(s.body for s in shared if isinstance(s, For) and s.var == "vector")) == 14 * 2
    assert {packing.source: str(packing) for packing in by_pass["pack_weights"].packings} == {
        "w": "w[j, c, f] as [f, c//16, j, c%16]",
        "b": "b[f] as [f//2, f%2]",
    }


def test_a_tile_is_turned_where_steps_lie_side_by_side() -> None:
    """Rows and lanes change places in the nest that stores, and only there; what is known only at run time stays as it
    was.
    """
    problem, context = planned("c64_f24_k1_valid_relu_f32_first", "avx2", "direct")
    by_pass = dict(stages(lower(problem, context.plan), context))
    rows = context.plan.rows[0]
    before, after = (tile_in_registers(by_pass[name], rows) for name in ("share_windows", "transpose_output"))
    assert [str(s) for s in before[:-1]] == [str(s) for s in after[: len(before) - 1]]
    (vectors,) = (the(For, s) for s in after[len(before) - 1 :])
    (filters,) = (the(For, s) for s in vectors.body)
    (lanes,) = (the(For, s) for s in filters.body)
    assert (vectors.var, filters.var, filters.hi.constant) == ("v", "i", 8)
    assert (lanes.kind, lanes.hi.constant, lanes.width) == ("lanes", rows, 8)
    problem, context = planned("c64_f24_k1_valid_relu_f32_first", "avx2", "generic")
    by_pass = dict(stages(lower(problem, context.plan), context))
    assert any(s.kind == "lanes" and s.hi.constant is None for s in loops(by_pass["transpose_output"]))


@pytest.mark.parametrize(
    ("text", "asks"), [("c64_f32_k2_valid_relu_f32_first", True), ("c64_f32_k3_valid_relu_f32_first", False)]
)
def test_a_tile_asks_for_the_steps_of_a_later_one_where_products_are_few(text: str, asks: bool) -> None:
    problem, context = planned(text, "avx2", "direct")
    kernel = dict(stages(lower(problem, context.plan), context))["prefetch"]
    places = [s.index for s in walk(kernel.body) if isinstance(s, Prefetch) and s.buffer.name == "x"]
    assert bool(places) == asks
    assert all(re.fullmatch(r"max\(min\(.*, T - 1\), .*\)", str(place[-1])) for place in places)


@pytest.mark.parametrize(
    "text", ["c2_f9_k3_same_relu_f32", "c5_f5_k3_g5_same_relu_f32", "c4_f6_k2_g2_same_linear_f32_nobias"]
)
def test_pack_weights_reads_panels_only(text: str) -> None:
    problem = Problem.parse(text)
    kernel = passes_of(text, algorithms(problem)[0])["pack_weights"]
    assert [packing.source for packing in kernel.packings] == (["w", "b"] if problem.use_bias else ["w"])
    assert not {"w", "b"} & {b.name for b in kernel.buffers}
    assert {b.name: b.storage for b in kernel.buffers}["wp"] is Storage.CONSTANT


def test_no_activation_is_left() -> None:
    kernel = passes_of("c2_f9_k3_same_gelu_f32")["expand_epilogue"]

    def nodes(value: Value) -> Iterator[Value]:
        yield value
        for operand in value.operands:
            yield from nodes(operand)

    values = [node for s in walk(kernel.body) for value in values_of(s) for node in nodes(value)]
    assert values
    assert not any(isinstance(node, Activate) for node in values)


def test_collapse_leaves_no_loop_of_one() -> None:
    for text in SMALL:
        once = [
            s for s in loops(passes_of(text)["collapse_loops"]) if s.hi - s.lo == 1 and s.kind in ("serial", "unrolled")
        ]
        assert not [s.var for s in once if not any(isinstance(inner, Alloc) for inner in s.body)], text


def test_collapse_keeps_a_loop_whose_registers_have_a_neighbours_name() -> None:
    """Nine taps, eight at a time: one round of the loop over eight, and a rest of one, each with weights of its own."""
    problem = Problem.parse("c16_f16_k9_g16_valid_linear_f32")
    context = Context(problem, choose(problem, TARGETS["avx512"]), TARGETS["avx512"])
    assert context.plan.unroll == 8
    kernel = dict(stages(lower(problem, context.plan), context))["collapse_loops"]
    assert any(s.hi - s.lo == 1 for s in loops(kernel))
    arrays = [s.buffer.name for s in next(s.body for s in loops(kernel) if s.var == "tile") if isinstance(s, Alloc)]
    assert len(arrays) == len(set(arrays))


def test_edges_share_the_weights_of_a_tap() -> None:
    """No loop over taps depends on a step any more: it stands outside, and the steps that have the tap inside."""
    for text in ("c2_f9_k3_same_relu_f32", "c300_f4_k3_same_linear_f32", "c16_f8_k40_same_linear_f32"):
        before, after = (passes_of(text, "direct")[name] for name in ("simplify", "interchange"))
        guards = [
            [s for s in loops(k) if s.var == "j" and {"t_left", "t_right"} & {*s.lo.variables(), *s.hi.variables()}]
            for k in (before, after)
        ]
        assert guards[0]
        assert not guards[1]
        assert {inner.var for s in loops(after) if s.var == "j" for inner in loops(after.with_body(s.body))} >= {
            "t_left",
            "t_right",
            "c",
        }


def test_a_side_with_edges_has_as_many_steps_as_a_tall_tile() -> None:
    kernel = passes_of("c4_f8_k3_same_linear_f32", "direct")["peel_edges"]
    plan = planned("c4_f8_k3_same_linear_f32", "avx2", "direct")[1].plan
    (lets,) = {tuple(inner for inner in s.body if isinstance(inner, Let)) for s in loops(kernel) if s.var == "f"}
    for block, first, last in (
        (0, plan.rows[0], plan.block),
        (1, plan.block, 2 * plan.block),
        (2, 2 * plan.block, 290 - plan.rows[0]),
    ):
        values = {"T": 290, "block": block}
        for let in lets:
            values[let.name] = let.value.evaluate(values)
        assert (values["inner_first"], values["inner_last"]) == (first, last)


def test_sequences_share_a_panel_of_weights_that_do_not_stay_in_the_cache() -> None:
    problem = Problem.parse("c4_f8_k3_same_linear_f32")
    for l2_bytes, gathered in ((1 << 20, False), (256, True)):
        target = replace(TARGETS["sse2"], l2_bytes=l2_bytes)
        plan = choose(problem, target, "direct")
        kernel = [k for _, k in stages(lower(problem, plan), Context(problem, plan, target), check=True)][-1]
        assert ("some" in {s.var for s in loops(kernel)}) == gathered
        x, w, b = exact_data(problem, 6, 9)
        assert_exact(problem, run_interpreted(kernel, problem, x, w, b), expected(problem, x, w, b))
