"""A page in a browser, which several files look at: both are made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import chromium, opened
from support.pages import PROBLEM, data_of

from conv1d_codegen.inspection.page import page
from conv1d_codegen.inspection.page_data import Data


@pytest.fixture(scope="session")
def driver() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def explored() -> Data:
    """A kernel, as its page has it."""
    return data_of(f"{PROBLEM}@1x250", algorithm="auto")


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory, explored: Data) -> Path:
    """A page of two kernels: of two targets and two algorithms."""
    file = tmp_path_factory.mktemp("pages") / "two.html"
    file.write_text(page(PROBLEM, [explored, data_of(target="neon", algorithm="generic")]), encoding="utf-8")
    return file


@pytest.fixture
def shown(driver: Any, two: Path) -> Iterator[Any]:
    """The page in the browser; after the test, nothing may have been complained about."""
    driver.set_window_size(1280, 900)
    yield opened(driver, two)
    assert driver.get_log("browser") == []
