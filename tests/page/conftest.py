"""A real browser, where there is one, and pages to open in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mltraq.report.page import write_page
from pytest_mltraq.storage import Database
from tests.page import databases
from tests.page.opened import BROWSERS, Make, Opened, find_browser, launch

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, one for all tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = find_browser()
    if executable is None:
        pytest.skip(f"there is no browser: none of {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as running:
        browser = launch(running, executable)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Make], Path]:
    """Write the page of a database that a function makes; once in a session."""
    known: dict[Make, Path] = {}

    def write(make: Make) -> Path:
        if make not in known:
            folder = tmp_path_factory.mktemp("page")
            known[make] = write_page(Database(make(folder / "results.db")), folder / "page.html")
        return known[make]

    return write


@pytest.fixture
def opened(browser: Browser, written: Callable[[Make], Path]) -> Iterator[Callable[..., Opened]]:
    """Open pages; nothing may be requested, logged or asked in them."""
    made: list[Opened] = []

    def open_page(make: Make = databases.make_project, **options: Any) -> Opened:
        given = {"viewport": {"width": 1280, "height": 900}, "timezone_id": "UTC", "color_scheme": "light", **options}
        context = browser.new_context(**given)
        found = Opened(context.new_page(), written(make))
        made.append(found)
        return found

    yield open_page
    problems = [problem for found in made for problem in found.problems]
    for found in made:
        found.page.context.close()
    assert problems == []
