"""Pages in a real browser, for everybody: by keyboard, to a screen reader, in both themes, at any width, and at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.browser import focused, lit, needs_browser, opened, press, visible
from support.pages import data_of

from conv1d_codegen.inspection.page import page
from conv1d_codegen.inspection.page_data import Data

pytestmark = needs_browser
pytest.importorskip("selenium", reason="no Selenium: it is in the dependency group `test`")

#: Of bench/shapes.json the one with the most lines of LLVM IR (avx512, accuracy=standard).
LARGEST = "c600_f600_k3_d4_pad8x0_relu_f32@16x80"
MOST_BYTES, MOST_SECONDS = 3 << 20, 1.0


def test_all_can_be_reached_and_done_from_the_keyboard(shown: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    seen = []
    for _ in range(20):
        press(shown, "\ue004")  # Tab
        element = shown.switch_to.active_element
        seen.append(element.get_attribute("id") or element.get_attribute("name") or element.text)
        ring = shown.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        assert ring not in ("none", ""), seen
        if seen[-1].startswith("volume"):
            break
    order = [
        "view",
        "theme",
        "before",
        "pass",
        "Loop IR",
        "LLVM IR",
        "Assembly",
        "column0",
        "column1",
        "column2",
        "volume0",
    ]
    assert seen == order
    shown.execute_script("columns[0].list.focus()")
    press(shown, *["\ue015"] * 12)  # ↓
    column = shown.find_element("id", "column0")
    assert column.get_attribute("aria-activedescendant") == "column0-12"
    press(shown, "\ue010")  # End
    count = shown.execute_script("return columns[0].count")
    active = shown.find_element("id", f"column0-{count - 1}")
    assert active.get_attribute("aria-selected") == "true"
    assert active.is_displayed()
    assert lit(shown, 1)
    assert visible(shown, 1, "strong")  # brought into view
    press(shown, "\ue014")  # →
    assert focused(shown) == "column1"
    active = shown.execute_script("return columns[1].active")
    assert lit(shown, 1)[active] == 2
    shift = ActionChains(shown).key_down("\ue008").send_keys("\ue014").key_up("\ue008")
    shift.perform()  # Shift →
    assert focused(shown) == "column1"
    assert shown.execute_script("return columns[1].list.scrollLeft") > 0
    press(shown, "\ue012", "\ue007")  # ←, Enter
    assert focused(shown) == "column0"
    before = shown.find_element("id", "pass").get_attribute("value")
    press(shown, ",")
    assert int(shown.find_element("id", "pass").get_attribute("value")) == int(before) - 1
    press(shown, ".")
    assert shown.find_element("id", "pass").get_attribute("value") == before


def test_a_screen_reader_is_told_everything(shown: Any) -> None:
    assert shown.find_element("css selector", "html").get_attribute("lang") == "en"
    tree = shown.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles: dict[str, list[str]] = {}
    for node in tree:
        if not node.get("ignored"):
            name = node.get("name", {}).get("value", "")
            roles.setdefault(node.get("role", {}).get("value", ""), []).append(name)
    for role in ("button", "radio", "slider", "listbox", "option", "image"):
        assert roles[role], role
        assert all(roles[role]), (role, roles[role])
    assert "Loop IR" in " ".join(roles["listbox"])
    assert "Roofline" in " ".join(roles["image"])
    ids = shown.execute_script("return [...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))
    row = shown.find_element("css selector", "#column1 .line")
    assert row.get_attribute("aria-setsize") == str(shown.execute_script("return columns[1].count"))
    assert shown.find_element("id", "status").get_attribute("aria-live") == "polite"


PAIRS = [
    *((text, ground) for text in ("text", "muted", "accent") for ground in ("ground", "panel")),
    *((text, ground) for text in ("text", "muted", "accent") for ground in ("soft", "new")),
    ("text", "strong"),
    ("new-sign", "new"),
    ("ground", "accent"),
    *(("text", f"shade{n}") for n in range(6)),
]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_themes_are_readable(shown: Any, theme: str) -> None:
    """As the system has it, and as it is chosen; contrast as WCAG 2.2, 1.4.3 and 1.4.11, want it."""
    other = "dark" if theme == "light" else "light"

    def ground() -> str:
        return str(shown.execute_script("return getComputedStyle(document.body).backgroundColor"))

    def prefer(scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        shown.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    prefer(theme)
    as_system = ground()
    prefer(other)
    assert ground() != as_system
    shown.find_element("css selector", f"#theme input[value='{theme}']").click()
    assert ground() == as_system
    colours = shown.execute_script(
        "const style = getComputedStyle(document.documentElement);"
        "return Object.fromEntries(arguments[0].map((name) => [name, style.getPropertyValue('--' + name).trim()]))",
        sorted({name for pair in PAIRS for name in pair} | {"edge", *(f"stripe{n}" for n in range(6))}),
    )
    for text, behind in PAIRS:
        assert contrast(colours[text], colours[behind]) >= 4.5, (text, behind)
    for name in ("edge", *(f"stripe{n}" for n in range(6))):
        assert contrast(colours[name], colours["panel"]) >= 3, name
    shown.refresh()
    assert ground() == as_system  # it is remembered
    shown.execute_script("localStorage.clear()")
    prefer("light")


def contrast(a: str, b: str) -> float:
    """Of two colours #rrggbb."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("width", [900, 1280, 1920])
def test_nothing_is_wider_than_the_window(shown: Any, width: int) -> None:
    shown.set_window_size(width, 800)
    for view in ("0", "both"):
        shown.find_element("css selector", f"#view input[value='{view}']").click()
        wide = shown.execute_script("return document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, view


def test_markup_in_names_is_text(driver: Any, tmp_path: Path, explored: Data) -> None:
    evil = "</script><script>document.title = 'evil'</script><img src=x onerror=\"document.title = 'evil'\">"
    file = tmp_path / "evil.html"
    texts = [evil, *explored["texts"][1:]]
    file.write_text(page(evil, [{**explored, "title": evil, "schedule": evil, "texts": texts}]), encoding="utf-8")
    opened(driver, file)
    assert driver.title == f"{evil} · conv1d_codegen"
    assert driver.find_element("css selector", "h1").text == evil
    assert evil in driver.find_element("css selector", "#column0 .line").text
    assert not driver.find_elements("css selector", "img")
    assert driver.get_log("browser") == []


def test_the_largest_kernel_loads_at_once(driver: Any, tmp_path: Path) -> None:
    file = tmp_path / "largest.html"
    sides = [data_of(LARGEST, "avx512", algorithm) for algorithm in ("auto", "generic")]
    file.write_text(page(LARGEST, sides), encoding="utf-8")
    assert file.stat().st_size <= MOST_BYTES
    seconds = []
    for _ in range(5):
        opened(driver, file)
        seconds.append(driver.execute_script("return performance.getEntriesByName('ready')[0].startTime") / 1000)
    assert min(seconds) <= MOST_SECONDS, seconds  # of a machine that does other things too
    rows = driver.find_elements("css selector", ".line")
    assert len(rows) < 400  # only what is in view
    assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert driver.get_log("browser") == []
