"""Pages in a real browser: what is lit, slid, switched and typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.browser import hover, lit, needs_browser, opened, press, visible
from support.pages import PROBLEM, data_of

from conv1d_codegen.inspection.page import page
from conv1d_codegen.inspection.page_data import Data

pytestmark = needs_browser
pytest.importorskip("selenium", reason="no Selenium: it is in the dependency group `test`")


def loop_line(explored: Data, wanted: Callable[[str], bool]) -> int:
    """The first line of the last stage that is wanted."""
    stage = explored["stages"][-1]
    return next(line for line, text in enumerate(stage["lines"]) if wanted(explored["texts"][text]))


def test_hovering_a_statement_lights_what_it_became(shown: Any, explored: Data) -> None:
    line = loop_line(explored, lambda text: "+= xv" in text)
    ir = {number for number, loop in enumerate(explored["loopOf"]) if loop == line}
    assembly = {number for number, of in enumerate(explored["llvmOf"]) if of in ir}
    assert any("fmadd" in explored["assembly"][number] for number in assembly)
    hover(shown, 0, line)
    assert lit(shown, 0) == {line: 2}
    assert lit(shown, 1) == dict.fromkeys(ir, 2)
    assert lit(shown, 2) == dict.fromkeys(assembly, 2)
    assert visible(shown, 0, "strong") == {line}
    assert "+= xv" in shown.find_element("id", "line").text


def test_hovering_a_loop_lights_all_within(shown: Any, explored: Data) -> None:
    line = loop_line(explored, lambda text: text.startswith("for c_"))
    depths = explored["stages"][-1]["depths"]
    end = next(at for at in range(line + 1, len(depths)) if depths[at] <= depths[line])
    ir = {number for number, loop in enumerate(explored["loopOf"]) if line <= loop < end}
    hover(shown, 0, line)
    assert lit(shown, 0) == {line: 2, **dict.fromkeys(range(line + 1, end), 1)}
    assert set(lit(shown, 1)) == ir
    assert set(lit(shown, 1).values()) == {1, 2}


def test_hovering_an_instruction_lights_where_it_comes_from(shown: Any, explored: Data) -> None:
    number = next(
        line for line, text in enumerate(explored["assembly"]) if "fmadd" in text and explored["llvmOf"][line] >= 0
    )
    ir = explored["llvmOf"][number]
    hover(shown, 2, number)
    assert lit(shown, 2)[number] == 2
    assert [line for line, how in lit(shown, 1).items() if how == 2] == [ir]
    assert lit(shown, 0) == {explored["loopOf"][ir]: 2}


def test_leaving_puts_the_light_out_unless_a_click_keeps_it(shown: Any, explored: Data) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    line = loop_line(explored, lambda text: "+= xv" in text)
    hover(shown, 0, line)
    ActionChains(shown).move_to_element(shown.find_element("css selector", "h1")).perform()
    assert not lit(shown, 0)
    hover(shown, 0, line)
    ActionChains(shown).click().perform()
    ActionChains(shown).move_to_element(shown.find_element("css selector", "h1")).perform()
    assert lit(shown, 0) == {line: 2}
    assert visible(shown, 1, "strong")  # brought into view
    assert visible(shown, 2, "strong")
    press(shown, "\ue00c")  # Escape
    assert not lit(shown, 0)


def test_the_slider_goes_through_the_passes(shown: Any, explored: Data) -> None:
    slider = shown.find_element("id", "pass")
    shown.find_element("css selector", "#view input").send_keys("")
    names = [stage["name"] for stage in explored["stages"]]
    steps = shown.execute_script("return steps.map((step) => step.name)")
    assert [name for name in steps if name in names] == names
    for at in range(len(steps) - 1, -1, -1):
        assert slider.get_attribute("aria-valuetext") == f"{steps[at]}, {at + 1} of {len(steps)}"
        number = shown.execute_script(f"return steps[{at}].stages[0]")
        stage = explored["stages"][number]
        texts = [explored["texts"][number] for number in stage["lines"]]
        assert shown.execute_script("return columns[0].kernel.texts(columns[0].stage)") == texts
        new = {line for line, came in enumerate(stage["came"]) if came < 0} if number else set()
        drawn = {int(row.get_attribute("data-line")) for row in shown.find_elements("css selector", "#column0 .line")}
        assert visible(shown, 0, "new") == new & drawn
        if stage["name"] == steps[at]:
            assert stage["reason"] in shown.find_element("id", "reason").text
        slider.send_keys("\ue012")  # ←
    assert slider.get_attribute("value") == "0"


def test_lines_of_an_earlier_stage_are_linked_by_their_text_and_by_their_place(shown: Any, explored: Data) -> None:
    at = next(n for n, step in enumerate(shown.execute_script("return steps")) if step["name"] == "tile")
    shown.execute_script(f"showPass({at})")
    stage = shown.execute_script("return columns[0].stage")
    texts = shown.execute_script(f"return kernels[0].texts({stage})")
    last = [explored["texts"][number] for number in explored["stages"][-1]["lines"]]

    def became(line: int) -> tuple[set[int], set[int]]:
        found = f"const found = kernels[0].became([{line}], {stage});"
        strong, soft = shown.execute_script(f"{found} return [[...found.strong], [...found.soft]]")
        return set(strong), set(soft)

    by_text = {line: strong for line in range(len(texts)) if (strong := became(line)[0])}
    assert len(by_text) > len(texts) // 3
    assert all(texts[line] == last[loop] for line, loops in by_text.items() for loop in loops)
    assert any(len(loops) > 1 for loops in by_text.values())  # what was copied
    by_place = [line for line in range(len(texts)) if line not in by_text and became(line)[1]]
    assert by_place
    line = next(line for line, loops in by_text.items() if loops & set(explored["loopOf"]))
    hover(shown, 0, line)
    expected = {n for n, loop in enumerate(explored["loopOf"]) if loop in by_text[line]}
    assert {n for n, how in lit(shown, 1).items() if how == 2} == expected
    instruction = next(n for n, ir in enumerate(explored["llvmOf"]) if ir in expected)
    hover(shown, 2, instruction)
    assert lit(shown, 0)[line] == 2  # and back


def test_views_switch(shown: Any) -> None:
    def titles() -> list[str]:
        return [title.text for title in shown.find_elements("css selector", ".column h2") if title.is_displayed()]

    assert [title.split(" ")[0] for title in titles()] == ["Loop", "LLVM", "Assembly"]
    shown.find_element("css selector", "#view input[value='1']").click()
    assert "generic" in shown.find_element("css selector", "#column0 .line").text
    shown.find_element("css selector", "#view input[value='both']").click()
    assert [title[:11] for title in titles()] == ["A · Loop IR", "B · Loop IR"]
    marked = shown.find_elements("css selector", "#column0 .line.new .sign")
    assert marked
    assert {sign.text for sign in marked} == {"≠"}
    shown.find_element("css selector", "#levels [data-kind='assembly']").click()
    assert [title[:12] for title in titles()] == ["A · Assembly", "B · Assembly"]
    assert len(shown.find_elements("css selector", "#volumes figure")) == 2
    shown.find_element("css selector", "#view input[value='0']").click()
    shown.find_element("css selector", "#levels [data-kind='llvm']").click()
    assert [title.split(" ")[0] for title in titles()] == ["Loop", "Assembly"]


def test_side_by_side_the_same_statements_are_lit_in_both(driver: Any, tmp_path: Path) -> None:
    file = tmp_path / "targets.html"
    file.write_text(page(PROBLEM, [data_of(target=target) for target in ("avx2", "sse2")]), encoding="utf-8")
    shown = opened(driver, file)
    shown.find_element("css selector", "#view input[value='both']").click()
    ours, theirs = shown.execute_script("return kernels.map((kernel) => kernel.texts(kernel.last))")

    def instructions(side: int, line: int) -> set[int]:
        found = f"return [...kernels[{side}].linked('loops', {line}, kernels[{side}].last).strong.assembly]"
        return set(shown.execute_script(found))

    same = (line for line, text in enumerate(ours) if text in theirs and instructions(0, line))
    line, alike = next(
        (line, alike) for line in same if (alike := [n for n, text in enumerate(theirs) if text == ours[line]])
        if any(instructions(1, other) for other in alike)
    )  # fmt: skip
    hover(shown, 0, line)
    assert lit(shown, 0)[line] == 2
    assert lit(shown, 1) == dict.fromkeys(alike, 1)
    alone = next(line for line, text in enumerate(ours) if text not in theirs and text.startswith("let "))
    hover(shown, 0, alone)
    assert not lit(shown, 1)
    shown.find_element("css selector", "#levels [data-kind='assembly']").click()
    first = min(instructions(0, line))
    hover(shown, 0, first)
    assert lit(shown, 0)[first] == 2
    assert set(lit(shown, 1)) == {n for other in alike for n in instructions(1, other)}
    assert set(lit(shown, 1).values()) == {1}
    assert shown.get_log("browser") == []


def test_tiles_light_the_lines_that_store_them(shown: Any, explored: Data) -> None:
    tiles = explored["volume"]["tiles"]
    assert len(shown.find_elements("css selector", "#volume0 .tile")) == len(tiles)
    shown.execute_script("volumes[0].svg.focus()")
    assert set(lit(shown, 0)) == set(tiles[0][4])
    press(shown, "\ue010")  # End
    assert set(lit(shown, 0)) == set(tiles[-1][4])
    said = shown.find_element("id", "status").text
    runs, low, high, *_ = tiles[-1]
    steps = ", ".join(str(first) if last == first + 1 else f"{first} to {last - 1}" for first, last in runs)
    assert f"steps {steps}, filters {low} to {high - 1}" in said
    press(shown, "\ue012")  # ←: the tile before in time
    left = tiles[shown.execute_script("return volumes[0].active")][0]
    assert left[0][0] + left[-1][1] < runs[0][0] + runs[-1][1]
    padding = shown.find_elements("css selector", "#volume0 .padding")
    steps = explored["volume"]["steps"]
    beside = [(first > 0) + (last < steps) for first, last in explored["volume"]["onInput"]]
    assert len(padding) == sum(beside) > 0
