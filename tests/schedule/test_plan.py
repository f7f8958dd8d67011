"""Plans: one line of text and back, what is no plan, and the details that follow from tiles."""

from collections.abc import Iterator

import pytest
from support.helpers import PROBLEMS, algorithms
from support.plans import with_details
from support.toom_helpers import toom_plan
from support.type_helpers import T

from conv1d_codegen.errors import CompileError
from conv1d_codegen.machine.target import TARGETS, Target
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.details import detailed, parts
from conv1d_codegen.schedule.fits import check_fits
from conv1d_codegen.schedule.plan import Plan

DIRECT = "direct lanes=filters 8x2 rows=6,5,4,1 block=102 unroll=4"
DEPTHWISE = "depthwise lanes=channels 8x1 rows=8,4,1 block=256 unroll=3"
FOLDED = "cook_toom F(4,3) fold=16 lanes=filters 8x2 rows=6,3,1 block=96 unroll=4"
WINDOWS = "cook_toom F(4,3) lanes=filters 8x2 rows=6,3,1 block=96 unroll=4"


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_chosen_plan_prints_and_parses(target: Target) -> None:
    for text in PROBLEMS:
        problem = Problem.parse(text)
        if not target.converts(problem.dtype):
            continue
        for algorithm in ("auto", *algorithms(problem), "generic"):
            plan = choose(problem, target, algorithm)
            check_fits(problem, plan)
            assert Plan.parse(str(plan)) == plan
            assert detailed(problem, target, plan.with_tiles()) == plan


def test_any_plan_prints_and_parses() -> None:
    """With details picked by a counter, so that each comes with many others."""
    for text, plan in (("c4_f8_k3_same_relu_f32_first", DIRECT), ("c8_f8_k11_g8_same_relu_f32", DEPTHWISE)):
        for step in range(1, 60):
            numbers = iter(range(step, 10**6, step))

            def pick(choices: list[T], numbers: Iterator[int] = numbers) -> T:
                return choices[next(numbers) % len(choices)]

            found = with_details(Plan.parse(plan), Problem.parse(text), pick)
            assert Plan.parse(str(found)) == found
    windows = toom_plan(
        4, 3, edges="shared", edge_steps=3, rest=5, parts=2, transposed=True, prefetch=("weights", "next_block")
    )
    assert Plan.parse(str(windows)) == windows
    assert str(windows).endswith(" edges=shared:3 rest=5 parts=2 transposed prefetch=weights,next_block")


def test_what_is_as_usual_is_left_out() -> None:
    assert str(Plan.parse(DIRECT)) == DIRECT
    assert Plan.parse(f"{DIRECT} epilogue=100") == Plan.parse(DIRECT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{DIRECT} edges=open:4", "The edges of a plan are alone, shared, tiles"),
        (f"{DIRECT} edges=shared:0", "Edges of a plan have edge_steps"),
        (f"{DIRECT} edges=alone:4", "Edges of a plan have edge_steps"),
        (f"{DIRECT} edges=tiles:4", "Edges of a depthwise plan"),
        (f"{DEPTHWISE} edges=shared:4", "Edges of a direct or cook_toom plan"),
        (f"{DEPTHWISE} borrow=4", "can borrow"),
        (f"{DIRECT} stream=4", "can stream"),
        (f"{WINDOWS} sequences=4", "can have several sequences"),
        (f"{DIRECT} sequences=4 across", "that streams several sequences can go across them"),
        (f"{DIRECT} abreast=1,1,1,1", "can have vectors abreast"),
        (f"{DEPTHWISE} abreast=1,2", "a number of vectors abreast for each of its rows"),
        (f"{DIRECT} rest=4", "can have a rest or inputs, or be looped"),
        (f"{DIRECT} looped", "can have a rest or inputs, or be looped"),
        (f"{DIRECT} parts=2", "can have parts, or a depthwise one that is turned"),
        (f"{DEPTHWISE} parts=2", "can have parts, or a depthwise one that is turned"),
        (f"{DIRECT} turned", "can be turned"),
        (f"{DIRECT} sequences=2 turned transposed", "of one sequence"),
        (f"{DEPTHWISE} transposed", "can be transposed"),
        (f"{DIRECT} prefetch=everything", "is among weights, input, output, output_by_row, next_block"),
        (f"{DIRECT} prefetch=output,output", "is named once"),
        (f"{DEPTHWISE} prefetch=weights", "can prefetch weights"),
        (f"{WINDOWS} prefetch=input", "can prefetch input"),
        (f"{DIRECT} stream=4 sequences=4 across prefetch=input", "unless its tiles go across sequences"),
        (f"{DEPTHWISE} prefetch=output,output_by_row", "at once, or row by row"),
        (f"{WINDOWS} prefetch=output", "can prefetch output"),
        (f"{DIRECT} prefetch=output_by_row", "can prefetch output row by row"),
        (f"{WINDOWS} looped prefetch=next_block", "that is not looped can prefetch the next block"),
        (f"{FOLDED} prefetch=next_block", "prefetches no block"),
        (f"{FOLDED} parts=2", "folds whole vectors of steps"),
        (f"{FOLDED} transposed", "folds whole vectors of steps"),
        (FOLDED.replace("fold=16", "fold=12"), "folds whole vectors of steps"),
        (FOLDED.replace("fold=16", "fold=0"), r"Plan\.fold is an int from 1 to 65536"),
        (DIRECT.replace("lanes", "fold=8 lanes"), "can have a rest or inputs, or be looped, nested or folded"),
        (f"{DIRECT} edges=shared", "Not a plan's text form"),
        (f"{DIRECT} transposed edges=shared:4", "Not a plan's text form"),
        (f"{DIRECT} epilogue=-1", "Not a plan's text form"),
        (f"{DIRECT} epilogue=99999", r"Plan\.epilogue is an int from 0 to 65536"),
    ],
)
def test_details_that_make_no_sense(text: str, message: str) -> None:
    with pytest.raises(CompileError, match=f"{message}.*(Received: |Expected something like )"):
        Plan.parse(text)


@pytest.mark.parametrize(
    ("problem", "text", "message"),
    [
        ("c8_f8_k300_g8_same_relu_f32", f"{DEPTHWISE} edges=tiles:4", 'Edges are "tiles" with up to 256 taps'),
        ("c8_f8_k3_same_relu_f32", f"{DIRECT} transposed", "in channels-first problems"),
        ("c8_f8_k3_same_relu_f32", f"{DIRECT} prefetch=input", "in channels-first problems"),
        ("c8_f8_k3_same_relu_f32_first", f"{WINDOWS} prefetch=next_block", "in channels-last problems"),
        ("c1_f2_k30_same_relu_f32", FOLDED, "with one channel and one filter of each group"),
        ("c1_f1_k30_s2_same_relu_f32", FOLDED, "and no stride or dilation"),
        ("c8_f48_k3_same_relu_f32", f"{WINDOWS} parts=2", "as many whole panels of 16 filters each. Received: 2 parts"),
    ],
)
def test_details_that_do_not_fit_the_problem(problem: str, text: str, message: str) -> None:
    with pytest.raises(CompileError, match=message):
        check_fits(Problem.parse(problem), Plan.parse(text))


def test_details_follow_from_the_problem() -> None:
    def plan(text: str, algorithm: str = "direct", target: str = "avx512") -> Plan:
        return choose(Problem.parse(text), TARGETS[target], algorithm, "strict")

    few, many = plan("c16_f32_k3_same_relu_f32"), plan("c512_f512_k16_same_relu_f32")
    assert (few.sequences, few.stream, few.borrow) == (1, 0, few.rows[0])
    assert (many.sequences, many.stream > 0, many.borrow) == (4, True, 0)
    assert "weights" in many.prefetch
    assert "weights" not in few.prefetch
    assert plan("c64_f64_k3_same_relu_f32_first").transposed
    assert not plan("c64_f64_k3_same_relu_f32").transposed
    assert plan("c64_f64_k9_g64_same_relu_f32", "depthwise").edges == "tiles"
    assert plan("c64_f64_k3_g64_same_relu_f32", "depthwise").edges == "alone"
    assert plan("c64_f3_k3_same_relu_f32").edges == "alone"  # channels in the lanes
    assert few.edges == "shared"
    windows = plan("c64_f64_k256_same_relu_f32", "cook_toom")
    assert windows.looped
    assert "next_block" not in windows.prefetch
    assert plan("c64_f64_k3_same_relu_f32", "cook_toom").prefetch == ("next_block",)


@pytest.mark.parametrize(("filters", "count"), [(512, 2), (768, 2), (1280, 4), (960, 3), (576, 1)])
def test_two_threads_share_the_parts_of_a_short_sequence(filters: int, count: int) -> None:
    """An even number of them, where filters can be cut so: 960 are 15 panels."""
    problem = Problem.parse(f"c512_f{filters}_k3_same_linear_f32")
    plan = Plan("cook_toom", "filters", 16, 4, (6, 3, 1), 144, 4, outputs=6, taps=3)
    assert parts(problem, plan) == count
