"""A page of the report that is open in a browser, and what tests ask it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

Make = Callable[[Path], Path]
"""Makes a database in a file."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 15_000


def find_browser() -> str | None:
    """Return the browser that is installed, if there is one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def launch(playwright: Playwright, executable: str) -> Browser:
    """Start a browser that connects to nothing by itself; as root it has no sandbox."""
    arguments = [*ARGUMENTS, "--no-sandbox"] if os.geteuid() == 0 else [*ARGUMENTS]
    return playwright.chromium.launch(executable_path=executable, args=arguments)


class Opened:
    """A page in the browser, with what went wrong in it.

    Attributes:
        page: Playwright's object.
        problems: requests, errors and dialogs; a test that expects none finds none at its end.
    """

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.file = file
        self.problems: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: self._note(message.type, message.text, "log"))
        page.on("pageerror", lambda error: self._note("error", str(error), ""))
        page.on("dialog", lambda dialog: self._note("dialog", dialog.message, ""))
        page.on("request", lambda request: self._request(request.url))

    def _note(self, kind: str, text: str, allowed: str) -> None:
        if kind != allowed:
            self.problems.append(f"{kind}: {text}")

    def _request(self, url: str) -> None:
        if url.partition("#")[0] != self.file.as_uri() and not url.startswith("data:"):
            self.problems.append(f"request: {url}")

    def go(self, **place: str) -> Page:
        """Open a place of the report."""
        self.page.goto(f"{self.file.as_uri()}#{urlencode(place)}")
        self.wait("() => document.documentElement.dataset.ready")
        return self.page

    def reload(self) -> None:
        """Open the same place again."""
        self.page.reload()
        self.wait("() => document.documentElement.dataset.ready")

    def wait(self, condition: str, argument: Any = None) -> None:
        """Wait until a function of the page returns something true. (Playwright's own way is forbidden by the page's policy.)"""
        script = f"""async (argument) => {{
            const condition = {condition};
            const end = performance.now() + {PATIENCE_MS};
            while (!condition(argument)) {{
                if (performance.now() > end) return false;
                await new Promise(requestAnimationFrame);
            }}
            return true;
        }}"""
        assert self.page.evaluate(script, argument), f"waited in vain: {condition} of {argument!r}"

    def wait_for(self, selector: str, text: str) -> None:
        """Wait until an element has a text in it."""
        self.wait("([selector, text]) => document.querySelector(selector)?.innerText.includes(text)", [selector, text])

    def script(self, text: str, *arguments: Any) -> Any:
        """Run a script in the page."""
        return self.page.evaluate(text, *arguments)


Open = Callable[..., Opened]
"""The fixture that opens pages."""


def select(opened: Opened, sql: str) -> list[tuple[Any, ...]]:
    """Ask the database that a page was made of."""
    with closing(sqlite3.connect(opened.file.with_name("results.db"))) as connection:
        return connection.execute(sql).fetchall()


def texts(opened: Opened, selector: str) -> list[str]:
    """Return the texts of elements, each in one line."""
    return [" ".join(text.split()) for text in opened.page.locator(selector).all_inner_texts()]


COPY = """
    const canvas = document.querySelector(selector);
    if (!canvas?.width) return 0;
    const copy = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    [copy.canvas.width, copy.canvas.height] = [canvas.width, canvas.height];
    copy.drawImage(canvas, 0, 0);
    return copy.getImageData(0, 0, canvas.width, canvas.height).data.filter((value, at) => at % 4 === 3 && value).length;
"""


def ink(report: Opened, selector: str) -> int:
    """Return how many pixels of a canvas are drawn on."""
    count: int = report.script(f"(selector) => {{ {COPY} }}", selector)
    return count


def wait_for_ink(report: Opened, selector: str) -> None:
    """Wait until a canvas is there and drawn on."""
    report.wait(f"(selector) => {{ {COPY} }}", selector)


RUNS = "section.runs tbody tr"


def column(report: Opened, title: str) -> list[str]:
    """Return the texts of a column of the table of runs."""
    heads = [text.split(" ")[0] for text in texts(report, "section.runs thead th")]
    return texts(report, f"{RUNS} > td:nth-child({heads.index(title) + 1})")


NEWEST = (
    "SELECT fields ->> 'accuracy' FROM runs WHERE id_experiment = "
    "(SELECT id_experiment FROM experiments WHERE name = 'churn' ORDER BY created_at DESC LIMIT 1)"
)
"""Accuracies of the newest version of `churn`."""
