"""What a report page costs: its size, how long it takes to write, to be ready, to sort and to brush, for 1,000 and 10,000 runs.

It needs Playwright and a Chromium beside the package.
"""

from __future__ import annotations

import math
import random
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from measuring import make_parser, verdict, workspace
from playwright.sync_api import Browser, Page, sync_playwright

import pytest_mltraq as mltraq
from pytest_mltraq.report.page import write_page
from pytest_mltraq.storage import Database

BOUNDS = {1_000: {"size": 0.5, "ready": 0.5}, 10_000: {"sort": 0.1, "brush": 0.1}}
"""MB and seconds."""

SORT = """() => {
    const begin = performance.now();
    document.querySelector("section.runs thead th:nth-child(6) button").click();
    document.body.offsetHeight;
    return (performance.now() - begin) / 1000;
}"""
BRUSH = """(share) => {
    const track = document.querySelector(".track[title=loss]");
    const { left, top, height } = track.getBoundingClientRect();
    const at = (y) => ({ clientX: left + 16, clientY: top + y, button: 0, pointerId: 1, bubbles: true });
    track.setPointerCapture = () => {};
    track.dispatchEvent(new PointerEvent("pointerdown", at(height - 9)));
    const begin = performance.now();
    track.dispatchEvent(new PointerEvent("pointerup", at(height * share)));
    document.body.offsetHeight;
    // The drawing itself is done when its result is asked for.
    document.querySelector(".parallel canvas:nth-child(2)").getContext("2d").getImageData(0, 0, 1, 1);
    return (performance.now() - begin) / 1000;
}"""


def main() -> None:
    """Measure and print."""
    rounds: int = make_parser(__doc__).parse_args().rounds
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with workspace() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        for runs in BOUNDS:
            database = make_database(folder / f"{runs}.db", runs)
            begin = time.perf_counter()
            page = write_page(database, folder / f"{runs}.html")
            found = {"size": page.stat().st_size / 1e6, "written": time.perf_counter() - begin}
            print_row(runs, found | measure(browser, page, rounds))
        browser.close()


def make_database(file: Path, runs: int) -> Database:
    """Store runs with three params, five numbers, and of each tenth one a curve of 100 rows."""
    dice = random.Random(1)  # noqa: S311 - no secret
    experiment = mltraq.create_session(file).create_experiment("sweep")
    for number in range(runs):
        run = mltraq.Run(
            {"optimizer": ("adam", "sgd", "lion")[number % 3], "lr": 10 ** -(number % 31 / 8), "seed": number}
        )
        loss = 1 + abs(dice.gauss(0, 1)) + math.log10(run.params.lr) ** 2
        run.fields.update(
            loss=loss, accuracy=1 / (1 + loss), f1=dice.random(), time_s=dice.random(), memory_mb=dice.random()
        )
        if number % 10 == 0:
            rows = [loss + 2 / (1 + row) + dice.gauss(0, 0.01) for row in range(100)]
            run.fields.curve = mltraq.Sequence.from_columns(range(100), {"loss": rows, "epoch": list(range(100))})
        run.outcome = "passed"
        experiment.runs.add(run)
    experiment.persist()
    return Database(file)


def measure(browser: Browser, file: Path, rounds: int) -> dict[str, float]:
    """Measure in the browser: seconds until the overview is there, for sorting all runs, and for brushing an axis; medians."""
    found: dict[str, list[float]] = {"ready": [], "sort": [], "brush": []}
    for _ in range(rounds):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(file.as_uri())
        found["ready"].append(int(attribute(page, "ready")) / 1000)
        page.goto(f"{file.as_uri()}#experiment=sweep&tab=parallel&grouped=0")
        page.wait_for_selector(".track[title=loss]", state="attached")
        found["sort"].append(page.evaluate(SORT))
        found["brush"].append(max(page.evaluate(BRUSH, share) for share in (0.7, 0.4)))
        page.close()
    return {name: statistics.median(values) for name, values in found.items()}


def attribute(page: Page, name: str) -> Any:
    """Return a data attribute of the document."""
    return page.evaluate(f"document.documentElement.dataset.{name}")


def print_row(runs: int, found: dict[str, float]) -> None:
    """Print what was measured, with the bounds."""
    for name, value in found.items():
        bound = BOUNDS[runs].get(name)
        unit = "MB" if name == "size" else "s"
        kept = "" if bound is None else f"  <= {bound} {unit}  {verdict(is_ok=value <= bound)}"
        print(f"{runs:6,} runs  {name:8} {value:.3f} {unit}{kept}")


if __name__ == "__main__":
    main()
