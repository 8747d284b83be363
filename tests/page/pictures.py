"""The pictures of the documentation: `python -m tests.page.pictures` makes them anew, in `docs/images`.

They look the same on every machine where the font Inter is installed (Debian's `fonts-inter`).
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from pytest_mltraq.report.page import write_page
from pytest_mltraq.storage import Database
from tests.page import databases
from tests.page.opened import Make, Opened, find_browser, launch

FOLDER = Path(__file__).parents[2] / "docs" / "images"
COLOURS = 256
"""Of a picture: enough for a page, and a third of the size."""


class Picture(NamedTuple):
    """A picture: of which place of which report, and how it is looked at."""

    name: str
    place: dict[str, str]
    make: Make = databases.make_project
    size: tuple[int, int] = (1180, 720)
    scheme: Any = "light"


PICTURES = (
    Picture("overview", {}),
    Picture("experiment-dark", {"experiment": "churn", "group": "7"}, size=(1180, 640), scheme="dark"),
    Picture("parallel", {"experiment": "sweep", "tab": "parallel", "grouped": "0"}, databases.make_large, (1180, 760)),
    Picture("curves", {"experiment": "churn", "tab": "curves", "ylog": "1"}, size=(1180, 680)),
    Picture("compare", {"compare": "last"}, size=(1180, 620)),
    Picture("phone", {}, size=(390, 760)),
)


def main() -> None:
    """Make all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    executable = find_browser()
    assert executable is not None, "there is no browser"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = launch(playwright, executable)
        pages: dict[Make, Path] = {}
        for picture in PICTURES:
            if picture.make not in pages:
                own = Path(folder) / picture.make.__name__
                own.mkdir()
                pages[picture.make] = write_page(Database(picture.make(own / "results.db")), own / "page.html")
            save(take(browser, picture, pages[picture.make]), FOLDER / f"{picture.name}.png")
        browser.close()


def take(browser: Browser, picture: Picture, file: Path) -> bytes:
    """Take a picture of a place."""
    width, height = picture.size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=picture.scheme, timezone_id="UTC", locale="en-GB"
    )
    report = Opened(context.new_page(), file)
    page = report.go(**picture.place)
    if picture.name == "parallel":
        brush(report)
    page.wait_for_timeout(300)  # charts are drawn in the next frames
    taken = page.screenshot()
    context.close()
    return taken


def brush(report: Opened) -> None:
    """Keep the runs with a small loss."""
    box = report.page.locator(".track[title=loss]").bounding_box()
    assert box is not None
    mouse, x = report.page.mouse, box["x"] + box["width"] / 2
    mouse.move(x, box["y"] + box["height"] - 2)
    mouse.down()
    mouse.move(x, box["y"] + box["height"] * 0.8)
    mouse.up()
    mouse.move(0, 0)


def save(data: bytes, file: Path) -> None:
    """Write a picture with few colours."""
    # Not by the median cut, which drops colours that are rare: here they mean something.
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image = image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    image.save(file, optimize=True)


if __name__ == "__main__":
    main()
