"""A headless Chromium for the tests of pages, driven by Selenium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

needs_browser = pytest.mark.skipif(
    BROWSER is None or DRIVER is None,
    reason="no Chromium and chromedriver: install them (Debian: apt-get install chromium chromium-driver)",
)


@contextmanager
def chromium(width: int = 1280, height: int = 900) -> Iterator[Any]:
    """A browser with a window of this size, without a network."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for argument in (
        "--headless=new",
        "--no-sandbox",  # as root, in containers
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--window-size={width},{height}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        driver.set_window_size(width, height)
        yield driver
    finally:
        driver.quit()


def opened(driver: Any, page: Path) -> Any:
    """The driver, with a page that is ready."""
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get(page.as_uri())
    WebDriverWait(driver, 30).until(lambda d: d.execute_script("return document.documentElement.dataset.ready"))
    return driver


def lit(shown: Any, column: int) -> dict[int, int]:
    """The lines of a column that are lit: softly (1) or strongly (2)."""
    found = shown.execute_script(f"return Array.from(columns[{column}].lit)")
    return {line: how for line, how in enumerate(found) if how}


def visible(shown: Any, column: int, kind: str) -> set[int]:
    """The lines of a kind that stand in the document."""
    rows = shown.find_elements("css selector", f"#column{column} .line.{kind}")
    return {int(row.get_attribute("data-line")) for row in rows}


def press(shown: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(shown).send_keys(key).perform()


def focused(shown: Any) -> str:
    return str(shown.switch_to.active_element.get_attribute("id"))


def hover(shown: Any, column: int, line: int) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    shown.execute_script(f"columns[{column}].list.scrollTop = {line} * ROW - 90; columns[{column}].draw()")
    row = shown.find_element("id", f"column{column}-{line}")
    number = row.find_element("class name", "number")  # rows are wider than their column
    ActionChains(shown).move_to_element(number).perform()
