"""Which problems, inputs and accuracies get Cook–Toom: what is promised of the choice, for any
measure of what is fast.
"""

from typing import Any

import numpy as np
import pytest
from support.helpers import RUNNABLE, compiled, real_data
from support.kernel_helpers import call
from support.toom_helpers import predicted_share, share_of_bound, toom_plan, windows_of

from conv1d_codegen import CompileError, CompileOptions, Conv1D, Plan, reference
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.machine.host import host
from conv1d_codegen.machine.target import TARGETS, Target
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.cook_toom_model import best_windows, plans_of_long_inputs
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.details import detailed
from conv1d_codegen.schedule.registers import weights_are_large
from conv1d_codegen.schedule.window_forms import ACCURACIES, allows
from conv1d_codegen.toom import LARGEST

TEXT = "c64_f64_k3_same_linear_f32"  # for which windows pay on any machine
SIZES = ((1, 64), (8, 8), (32, 32), (64, 3), (64, 64), (96, 40), (256, 256), (512, 512))
KINDS = ("k1_same", "k2_valid", "k3_same", "k5_s2_same", "k7_d3_causal", "k11_pad3x4", "k5_s2_d3_valid")
PROBLEMS = [
    Problem.parse(f"c{c}_f{f}_{kind}_relu_{dtype}") for c, f in SIZES for kind in KINDS for dtype in ("f32", "f64")
]
PROBLEMS += [Problem.parse(f"c64_f64_k3_{rest}_f32") for rest in ("g64_same_relu", "g2_same_relu", "causal_linear")]
every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)

#: How much larger than direct's bound the largest error of an accuracy may be.
MOST = {"standard": 1, "fast": 8}


@every_target
def test_the_error_of_what_auto_takes_is_allowed(target: Target) -> None:
    taken: dict[str, list[Plan]] = {accuracy: [] for accuracy in ACCURACIES}
    for problem in PROBLEMS:
        for accuracy in ACCURACIES:
            plan = choose(problem, target, "auto", accuracy)
            if plan.algorithm == "cook_toom":
                taken[accuracy].append(plan)
                assert predicted_share(problem, plan) <= MOST[accuracy], f"{problem} {target} {accuracy}: {plan}"
                assert problem.kernel_size > 1
                assert plan.outputs > 1
            assert allows(problem, plan, accuracy)
    assert not taken["strict"]
    assert len(taken["standard"]) > 10
    assert len(taken["fast"]) >= len(taken["standard"])
    largest = {
        accuracy: max(level.multiplications for plan in taken[accuracy] for level in plan.toom.levels or (plan.toom,))
        for accuracy in MOST
    }
    assert largest["standard"] <= 8 < largest["fast"]


@every_target
def test_who_asks_for_cook_toom_gets_it(target: Target) -> None:
    for problem in PROBLEMS:
        for accuracy in MOST:
            plan = choose(problem, target, "cook_toom", accuracy)
            assert plan.algorithm == "cook_toom", f"{problem} {target}"
            assert plan == detailed(problem, target, best_windows(problem, target, accuracy))
            smallest = toom_plan(2, min(2, problem.kernel_size))
            assert predicted_share(problem, plan) <= max(MOST[accuracy], predicted_share(problem, smallest)), (
                f"{problem} {target}: {plan}"
            )


@every_target
def test_short_inputs_have_the_other_plan(target: Target) -> None:
    taken = 0
    for problem in PROBLEMS:
        depthwise = problem.groups == problem.channels > 1
        algorithm, windows = "depthwise" if depthwise else "direct", choose(problem, target)
        assert choose(problem, target, "auto", "strict") == choose(problem, target, algorithm)
        item = 8 if problem.dtype == "f64" else 4
        long = (4 << 20) // ((problem.channels + problem.filters) * item)  # and yet near: input and output take 4 MiB
        for length in (0, 1, problem.extent, 40, 100, 333, 1000, 1 << 17, long):
            plan, other = choose(problem, target, length=length), choose(problem, target, algorithm, length=length)
            # Some lengths have room for smaller windows only, or read fewer weights for some.
            paying = [detailed(problem, target, each) for each in plans_of_long_inputs(problem, target, "standard")]
            assert plan in (other, *paying), f"{problem}@1x{length} {target}"
            if plan.algorithm == "cook_toom":
                assert windows_of(problem, plan, length).first, f"{problem}@1x{length} {target}: no windows in {plan}"
                taken += 1
            assert plan == other or length > problem.extent
        # where weights come from beyond L2, 4 MiB are few steps to read them for
        assert plan in (windows, *paying) or weights_are_large(problem, target), f"{problem} {target}"
    assert taken > 50


@pytest.mark.parametrize(
    ("text", "slower", "faster"),
    [
        ("c512_f512_k5_same_relu_f32", 50, 150),  # weights from beyond L2, for few windows
        ("c600_f600_k3_d4_causal_relu_f32", 80, 800),  # the same, read for two blocks
        ("c768_f768_k128_g16_valid_relu_f32", 177, 400),  # the same, of all groups
        ("c128_f128_k9_same_relu_f32", 30, 250),  # too few windows for a tile, beside steps without one
        ("c128_f138_k4_same_relu_f32", 8, 64),  # one window
        ("c128_f256_k3_d8_causal_relu_f32_first", 10240, 10000),  # rows that fall into two sets of L1
    ],
)
def test_lengths_for_which_windows_were_measured_to_be_slower(text: str, slower: int, faster: int) -> None:
    """Each by something of its own: 0.52 to 1.02 times as fast as directly, on an AVX-512 machine."""
    problem, target = Problem.parse(text), TARGETS["avx512"]
    assert choose(problem, target, length=slower).algorithm == "direct"
    assert choose(problem, target, length=faster).algorithm == "cook_toom"


@pytest.mark.parametrize("target", ["avx2", "avx512"])
@pytest.mark.parametrize("channels", [32, 64, 128, 256])
@pytest.mark.parametrize("taps", [9, 11, 12, 16, 24])
def test_many_taps_are_nested(target: str, channels: int, taps: int) -> None:
    """At any dilation, with an error within the bound; where most can be saved, and never where bits must be strict."""
    machine = TARGETS[target]
    for rest in ("", "_d4"):
        problem = Problem.parse(f"c{channels}_f{channels}_k{taps}{rest}_same_relu_f32")
        plan = choose(problem, machine, "auto", "standard", 10000)
        assert plan.nested, f"{problem} {target}: {plan}"
        assert predicted_share(problem, plan) <= 0.76
        assert plan.stream == plan.block or rest
        assert choose(problem, machine, "auto", "strict", 10000).algorithm == "direct"
        assert allows(problem, plan, "standard")
        assert not allows(problem, plan, "strict")


@pytest.mark.parametrize("text", ["c64_f64_k5_same_relu_f32", "c16_f64_k9_same_relu_f32", "c64_f24_k9_same_relu_f32"])
def test_few_taps_and_few_channels_are_not_nested(text: str) -> None:
    """Transforms are longer, and fewer products share them."""
    problem = Problem.parse(text)
    for accuracy in MOST:
        for target in TARGETS.values():
            assert not choose(problem, target, "auto", accuracy).nested


def test_short_inputs_have_smaller_windows() -> None:
    """Of one level where a nested one has no room, or little."""
    problem, target = Problem.parse("c128_f128_k9_same_relu_f32"), TARGETS["avx512"]
    chosen = {length: choose(problem, target, length=length) for length in (12, 150, 1000)}
    assert chosen[12].algorithm == "direct"
    assert (chosen[150].algorithm, chosen[150].nested) == ("cook_toom", ())
    assert chosen[1000].nested == (3,)
    assert chosen[1000] == choose(problem, target)


def test_allowed() -> None:
    problem = Problem.parse(TEXT)
    assert [allows(problem, choose(problem, host(), "direct"), accuracy) for accuracy in ACCURACIES] == [True] * 3
    unusual = toom_plan(4, 2, nested=(2,))
    assert [allows(problem, unusual, accuracy) for accuracy in ("strict", "standard", "fast")] == [False] * 3
    small, wide, wild = (toom_plan(m, r) for m, r in ((2, 3), (8, 3), (2, 9)))
    assert [allows(problem, small, accuracy) for accuracy in ("strict", "standard", "fast")] == [False, True, True]
    assert [allows(problem, wide, accuracy) for accuracy in ("strict", "standard", "fast")] == [False, False, True]
    assert [allows(problem, wild, accuracy) for accuracy in ("strict", "standard", "fast")] == [False] * 3


# --- options and plans ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accuracy": "exact"}, "CompileOptions.accuracy must be one of standard, strict, fast. Received: 'exact'."),
        ({"accuracy": None}, "CompileOptions.accuracy must be one of .* Received: None."),
        (
            {"accuracy": "strict", "algorithm": "cook_toom"},
            'accuracy="strict" excludes the algorithm "cook_toom": leave one of them out',
        ),
        ({"accuracy": "strict", "plan": toom_plan(2, 3)}, 'accuracy="strict" excludes the algorithm "cook_toom"'),
        (
            {"algorithm": "direct", "plan": toom_plan(2, 3)},
            "plan is one of algorithm='cook_toom'. Received: algorithm='direct'",
        ),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CompileOptions(**options)


def test_options_are_kept_in_a_config() -> None:
    layer = Conv1D(4, 3, options={"accuracy": "fast", "algorithm": "cook_toom"})
    assert Conv1D.from_config(layer.get_config()).options == layer.options == CompileOptions("cook_toom", "fast")
    assert "options" not in Conv1D(4, 3, options={"accuracy": "strict"}).get_config()
    for options in (
        {"accuracy": "standard"},
        {"algorithm": "cook_toom"},
        {"algorithm": "direct"},
        {"accuracy": "fast", "num_threads": 2},
    ):
        layer = Conv1D(4, 3, options=options)
        assert layer.get_config()["options"] == options
        assert Conv1D.from_config(layer.get_config()).options == layer.options


def test_windows_are_only_for_who_asks_for_them() -> None:
    assert (
        CompileOptions().accuracy
        == CompileOptions("direct").accuracy
        == CompileOptions(plan=choose(Problem.parse(TEXT), host(), "direct")).accuracy
        == "strict"
    )
    assert CompileOptions("cook_toom").accuracy == CompileOptions(plan=toom_plan(2, 3)).accuracy == "standard"
    problem = Problem.parse(TEXT)
    assert compile_problem(problem).plan.algorithm == "direct"
    for options in (CompileOptions(accuracy="standard"), CompileOptions(accuracy="fast"), CompileOptions("cook_toom")):
        assert compile_problem(problem, options).plan.algorithm == "cook_toom"


def test_a_layer_keeps_the_bound_beside_clicks_unless_more_speed_is_asked_for() -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((1, 3000, 64), np.float32)
    x[0, 150::300] *= 1e4
    weights = [random.standard_normal((3, 64, 64), np.float32), random.standard_normal(64, np.float32)]
    kernel, bias = weights
    shares = {}
    for accuracy in ("", "standard"):
        layer = Conv1D(64, 3, padding="same", weights=weights, options={"accuracy": accuracy})
        y = layer(x)
        error = np.abs(y - reference.conv1d(x, kernel, bias, layer.problem))
        shares[accuracy] = (error / reference.error_bound(x, kernel, bias, layer.problem)).max()
    assert shares[""] < 2  # of one product that outweighs all others, each addition rounds all of the sum
    assert shares["standard"] > 100


def test_the_text_of_plans() -> None:
    for n in range(2, LARGEST + 1):
        for m in range(2, n + 1):
            plan = toom_plan(m, n + 1 - m, rows=(3, 2, 1))
            assert Plan.parse(str(plan)) == plan
    for m, r, nested in ((12, 9, (3,)), (27, 18, (3, 3))):
        plan = toom_plan(m, r, nested=nested, stream=3 * m)
        assert Plan.parse(str(plan)) == plan
    assert str(toom_plan(12, 9, nested=(3,), windows=2)) == (
        "cook_toom F(12,9) nested=3 lanes=filters 4x1 rows=2,1 block=24 unroll=2"
    )
    assert str(toom_plan(4, 3)) == "cook_toom F(4,3) lanes=filters 4x1 rows=2,1 block=12 unroll=2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cook_toom lanes=filters 8x1 rows=2,1 block=4 unroll=1", r"Plan.outputs is an int from 1.* Received: 0"),
        ("cook_toom F(2,0) lanes=filters 8x1 rows=2,1 block=4 unroll=1", r"Plan.taps is an int from 1.* Received: 0"),
        (
            "cook_toom F(1,3) lanes=filters 8x1 rows=2,1 block=4 unroll=1",
            r"F\(1,3\) saves nothing: .* Received: cook_toom F\(1,3\)",
        ),
        (
            "cook_toom F(9,3) lanes=filters 8x1 rows=2,1 block=9 unroll=1",
            r"m \+ r - 1 <= 10 .*Received: m=9, r=3, that is 11",
        ),
        (
            "cook_toom F(2,3) lanes=filters 8x1 rows=2,1 block=5 unroll=1",
            r"of the 2 outputs of a window. Received: cook_toom F\(2,3\)",
        ),
        (
            "cook_toom F(12,9) nested=2 lanes=filters 8x1 rows=2,1 block=12 unroll=1",
            r"their product divides m and r. Received: m=12, r=9, levels of 2 taps",
        ),
        (
            "cook_toom F(4,4) nested=2 lanes=filters 8x1 rows=2,1 block=8 unroll=1 stream=4",
            r"streams all steps of a block, or none. Received: cook_toom F\(4,4\) nested=2",
        ),
        (
            "direct nested=3 lanes=filters 8x1 rows=2,1 block=4 unroll=1",
            r"can have a rest or inputs, or be looped, nested or folded. Received: direct nested=3",
        ),
        (
            "cook_toom F(2,3) lanes=time 8x1 rows=2 block=4 unroll=1",
            r"cook_toom with lanes=filters.*: cook_toom F\(2,3\) lanes=time",
        ),
        (
            "direct F(2,3) lanes=filters 8x1 rows=2,1 block=4 unroll=1",
            r"F\(2,3\) is for cook_toom plans. Received .*algorithm='direct'",
        ),
        (
            "cook_toom F(2, 3) lanes=filters 8x1 rows=2,1 block=4 unroll=1",
            r"Not a plan's text form: 'cook_toom F\(2, 3\)",
        ),
        ("cook_toom F(-2,3) lanes=filters 8x1 rows=2,1 block=4 unroll=1", r"Not a plan's text form"),
        ("cook_toom F(2) lanes=filters 8x1 rows=2,1 block=4 unroll=1", r"Not a plan's text form"),
    ],
)
def test_texts_that_are_no_plans(text: str, message: str) -> None:
    with pytest.raises(CompileError, match=message):
        Plan.parse(text)


@pytest.mark.parametrize("pair", [(2.0, 3), (True, 3), (2, "3"), (None, 3), (-2, 3)])
def test_numbers_that_are_none(pair: tuple[Any, Any]) -> None:
    with pytest.raises(CompileError, match=r"Plan\.(outputs|taps) is an int"):
        Plan("cook_toom", "filters", 8, 1, (1,), 4, 1, *pair)


def test_one_tap() -> None:
    """Windows save nothing there, and are computed all the same."""
    problem = Problem.parse("c17_f9_k1_same_linear_f32")
    for target in RUNNABLE:
        compilation = compiled(problem, target, "cook_toom")
        assert compilation.plan.taps == 1
        x, w, b = real_data(problem, 2, 90)
        assert share_of_bound(problem, call(compilation.kernel, compilation.kernel.pack(w, b), x), x, w, b).max() <= 1
