"""What a page shows is what the compiler made: stages, their lines, the volume, the point on the roofline; and the page
holds it so that nothing in it is markup.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support.pages import PROBLEM, Page, compiled, data_of, side_of

import conv1d_codegen as cc
from conv1d_codegen.__main__ import main
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.inspection.assembly import inner_loop
from conv1d_codegen.inspection.explain import explain
from conv1d_codegen.inspection.page import page
from conv1d_codegen.inspection.page_data import MOST_TILES, Data
from conv1d_codegen.inspection.page_roofline import roofline
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.network import layers
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.problem import Problem


def text_of(data: Data, stage: int) -> str:
    """The loops of a stage, put together again."""
    of = data["stages"][stage]
    lines = zip(of["depths"], of["lines"], strict=True)
    return "".join(f"{'  ' * depth}{data['texts'][number]}\n" for depth, number in lines)


@pytest.fixture(scope="module")
def data() -> Data:
    return data_of()


def test_stages_are_the_passes_that_change_something(data: Data) -> None:
    program = compiled().program
    before, stages = program.loop, [("lowered", program.loop)]
    for name, kernel in program.passes:
        if kernel != before:
            stages.append((name, kernel))
        before = kernel
    assert [stage["name"] for stage in data["stages"]] == [name for name, _ in stages]
    for number, (_, kernel) in enumerate(stages):
        assert text_of(data, number) == str(kernel)
    named = {name for name, _ in stages} | {idle for stage in data["stages"] for idle in stage["idle"]}
    assert named | set(data["stages"][-1]["after"]) == {"lowered", *(name for name, _ in program.passes)}
    assert all(stage["reason"] for stage in data["stages"])


def test_lines_that_stay_are_found_and_the_others_are_new(data: Data) -> None:
    for before, now in zip(data["stages"], data["stages"][1:], strict=False):
        stayed = [line for line in now["came"] if line >= 0]
        assert stayed == sorted(set(stayed))  # each once, and in order
        for line, came in enumerate(now["came"]):
            assert came < 0 or before["lines"][came] == now["lines"][line]
        assert len(stayed) < len(now["lines"]) or len(stayed) < len(before["lines"])
        for line, came in now["copied"]:
            assert now["came"][line] < 0
            assert before["lines"][came] == now["lines"][line]
        for a, a_end, b, b_end in now["replaced"]:
            assert set(range(a, a_end)).isdisjoint(stayed)
            assert set(now["came"][b:b_end]) == {-1}


def test_taps_beside_the_input_are_those_that_the_formula_leaves_out(data: Data) -> None:
    volume = data["volume"]
    for tap, (first, last) in enumerate(volume["onInput"]):
        for step in range(volume["steps"]):
            read = step + 2 * tap - 8  # dilation 2, causal
            assert (first <= step < last) == (0 <= read < 300)
    assert (volume["steps"], volume["filters"], volume["taps"], volume["drawn"]) == (300, 40, 5, 300)


def test_long_inputs_are_drawn_in_part() -> None:
    volume = data_of(f"{PROBLEM}@1x100000")["volume"]
    assert volume["length"] == 100_000
    assert volume["drawn"] < 100_000
    assert MOST_TILES / 4 < len(volume["tiles"]) <= MOST_TILES


def test_facts_are_those_of_the_explanation(data: Data) -> None:
    facts = dict(data["facts"])
    assert facts["run-time sizes"] == "N = 2, T = 300"
    assert facts["arithmetic"] == "3.84 MFLOP"  # 2 · 2 · 300 · 5 · 16 · 40
    numbers = 2 * 300 * 16 + 2 * 300 * 40 + 5 * 16 * 40 + 40
    assert facts["arrays"].endswith(f", {3.84e6 / (4 * numbers):.3g} FLOP a byte")
    assert re.match(r"\d+ fma, ", facts["innermost loop"])
    assert "The inner loop" in data["explained"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("algorithm", ["direct", "cook_toom", "generic"])
def test_points_lie_under_the_roof_unless_products_are_saved(algorithm: str, target: str) -> None:
    made = compiled("c64_f64_k3_same_relu_f32", target, algorithm)
    roof = roofline(explain(made, 1, 500, "standard"), made.target, "f32")
    assert roof is not None
    loop, whole = roof["points"]
    assert 0 < loop["rate"] <= min(roof["peak"], roof["bandwidth"] * loop["intensity"]) * (1 + 1e-9)
    assert roof["peak"] == 2 * 2 * TARGETS[target].lanes("f32") / (1 if TARGETS[target].fma else 2)
    if algorithm == "cook_toom":  # of F(4, 3), 6 products for 12; transforms take some of that
        assert 1.2 <= whole["rate"] / loop["rate"] <= 2.05
    else:
        assert 0.8 <= whole["rate"] / loop["rate"] <= 1.01


def test_intensity_is_what_the_innermost_loop_multiplies_and_loads() -> None:
    """Six steps by two vectors of eight filters: for each channel two vectors and six numbers are loaded."""
    plan = cc.Plan("direct", "filters", 8, 2, (6, 1), block=96, unroll=4)
    made = compile_problem(Problem.parse("c64_f64_k3_valid_relu_f32"), CompileOptions(plan=plan, target="avx2"))
    (point, _) = side_of(made, 1, 500)["roofline"]["points"]
    assert inner_loop(made.dump("asm")) is not None
    assert point["intensity"] == pytest.approx(2 * 6 * 16 / (2 * 32 + 6 * 4))


def test_a_page_loads_nothing(data: Data) -> None:
    text = page(PROBLEM, [data])
    parser = Page(text)
    tags = {tag for tag, _ in parser.elements}
    assert not tags & {"link", "img", "iframe", "object", "embed", "base"}
    assert not [attributes for _, attributes in parser.elements if {"src", "href"} & set(attributes)]
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttpRequest", text)
    assert set(re.findall(r"https?://[^\"' )]+", text)) == {"http://www.w3.org/2000/svg"}  # a name


def test_nothing_in_the_data_is_markup(data: Data) -> None:
    evil = "</script><!--<script>&amp;\u2028\u2029'\"{{ 7 * 7 }}"
    text = page(evil, [{**data, "title": evil, "schedule": evil}])
    parser = Page(text)
    assert parser.sides[0]["title"] == evil
    assert sum(tag == "script" for tag, _ in parser.elements) == 2
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", text)[0]


def test_a_page_has_one_or_two_sides(data: Data) -> None:
    for sides in ([], [data] * 3):
        with pytest.raises(ValueError, match=f"Received: {len(sides)}"):
            page(PROBLEM, sides)


def written(path: Path) -> list[Data]:
    return Page(path.read_text(encoding="utf-8")).sides


def test_explore_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "page.html"
    assert main(["explore", f"{PROBLEM}@2x300", "--target", "avx512", "-o", str(file), "--against", "generic"]) == 0
    assert str(file) in capsys.readouterr().out
    first, second = written(file)
    assert (first["schedule"][:6], second["schedule"][:7]) == ("direct", "generic")
    assert dict(first["facts"])["run-time sizes"] == "N = 2, T = 300"
    assert first["target"].startswith("avx512")
    plan = "direct lanes=filters 8x1 rows=4,1 block=96 unroll=2"
    assert main(["explore", PROBLEM, "-o", str(file), "--against", plan, "--against-target", "avx2"]) == 0
    assert written(file)[1]["schedule"] == plan
    assert written(file)[1]["target"].startswith("avx2")
    assert main(["explore", PROBLEM, "-o", str(file), "--plan", plan, "--against-target", "neon"]) == 0
    assert [each["schedule"] for each in written(file)] == [plan, plan]
    assert written(file)[1]["target"].startswith("neon")


def test_what_is_no_convolution_is_not_said_to_do_no_arithmetic(tmp_path: Path) -> None:
    x = cc.Input(6)
    cc.save(cc.Network(x, layers.LSTM(8, return_sequences=True, name="cell")(x)), tmp_path / "model")
    file = tmp_path / "page.html"
    assert main(["explore", str(tmp_path / "model"), "--layer", "cell", "--target", "avx2", "-o", str(file)]) == 0
    found = dict(written(file)[0]["facts"])
    assert "arithmetic" not in found
    assert "FLOP" not in found["arrays"]
    assert found["predicted"].endswith(" cycles")


def test_explore_shows_a_layer_of_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from conv1d_codegen.network import Input, Sequential, save

    network = Sequential(
        [Input(6), cc.Conv1D(24, 3, padding="same", activation="relu", name="first"), cc.Conv1D(8, 5, name="second")]
    )
    network(np.zeros((1, 100, 6), np.float32))
    save(network, tmp_path / "model")
    file = tmp_path / "page.html"
    for layer, filters in (("first", 24), ("second", 8)):
        assert main(["explore", str(tmp_path / "model"), "--layer", layer, "--length", "100", "-o", str(file)]) == 0
        (shown,) = written(file)
        assert shown["volume"]["filters"] == filters
        assert f"f{filters}" in shown["title"]
    capsys.readouterr()
    for arguments, said in (
        (["--layer", "third"], "third"),
        (["--layer", "first", "--kernel", "2"], "--kernel is 1 to 1"),
        (["--layer", "first", "--measure"], "--measure is for one convolution"),
        ([], "It has first, second."),
    ):
        assert main(["explore", str(tmp_path / "model"), *arguments, "-o", str(file)]) == 2
        assert said in capsys.readouterr().err
