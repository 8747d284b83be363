"""The table of runs in a real browser: sorted, filtered, with chosen columns, collapsed, in pages, and by the keyboard."""

from __future__ import annotations

from typing import Any

import pytest

from tests.page import databases
from tests.page.opened import NEWEST, RUNS, Open, Opened, column, select, texts


def test_runs_are_sorted_by_numbers_and_by_texts(opened: Open) -> None:
    """A head sorts upward, then downward, and says so; what has no value comes last both times."""
    report = opened()
    page = report.go(experiment="churn", grouped="0")
    known = [row[0] for row in select(report, NEWEST)]
    numbers = sorted(value for value in known if isinstance(value, float))

    page.get_by_role("button", name="accuracy").click()
    assert [float(text) for text in column(report, "accuracy") if text] == numbers
    assert column(report, "accuracy")[-1] == ""
    page.get_by_role("button", name="accuracy").click()
    assert [float(text) for text in column(report, "accuracy") if text] == numbers[::-1]
    assert column(report, "accuracy")[-1] == ""
    assert page.locator("section.runs th[aria-sort=descending]").inner_text().startswith("accuracy")

    page.get_by_role("button", name="model").click()
    assert column(report, "model") == sorted(column(report, "model"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("boosting", 15),
        ("failed", 1),
        ("model:boost lr=0.01", 5),
        ("accuracy>0.93", 5),
        ("accuracy<=0.9 model!=tree", 0),
        ('"model":tree seed<2', 6),
        ("nothing like that", 0),
        ("lr>=0.01 lr<0.1", 15),
    ],
)
def test_runs_are_filtered(opened: Open, query: str, expected: int) -> None:
    """Words look in all texts, comparisons in a column; the number of runs that are left is said."""
    report = opened()
    page = report.go(experiment="churn", grouped="0")

    page.get_by_label("Filter runs").fill(query)

    assert page.get_by_text(f"{expected} of 45 runs", exact=True).is_visible()
    assert page.locator(f"{RUNS}:not(:has(.empty))").count() == expected
    page.get_by_role("button", name="Show all").click()
    assert page.get_by_text("45 runs", exact=True).is_visible()


def test_a_filter_by_a_column_that_is_not_there_says_so(opened: Open) -> None:
    """Nothing is left out because of a typing error."""
    page = opened().go(experiment="churn")

    page.get_by_label("Filter runs").fill("acuracy>0.9")

    assert page.get_by_role("alert").inner_text() == "There is no column “acuracy”."
    assert page.get_by_text("45 runs", exact=True).is_visible()


def test_replicates_are_collapsed_and_opened(opened: Open) -> None:
    """A group shows mean and standard deviation; its runs are below it when it is opened."""
    report = opened()
    page = report.go(experiment="churn")

    assert page.locator(RUNS).count() == 9
    assert column(report, "accuracy")[7] == "0.9336 ± 0.0010"
    first = page.locator("button.opener").first
    first.focus()
    page.keyboard.press("Enter")
    assert page.locator(f"{RUNS}.member").count() == 5
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    assert column(report, "seed")[1:6] == ["0", "1", "2", "3", "4"]
    page.get_by_label("Collapse over seed").uncheck()
    assert page.locator(RUNS).count() == 45


def test_columns_are_chosen(opened: Open) -> None:
    """Any param, field or other value of a run can be a column; the choice is in the address."""
    report = opened()
    page = report.go(experiment="churn", grouped="0")

    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("(seed)").check()
    page.get_by_label("accuracy", exact=True).uncheck()
    page.keyboard.press("Escape")

    heads = texts(report, "section.runs thead th")
    assert "seed" in " ".join(heads)
    assert not any(head.startswith("accuracy") for head in heads)
    report.reload()
    assert texts(report, "section.runs thead th") == heads


def test_earlier_sessions_are_chosen(opened: Open) -> None:
    """The runs of one earlier session, or of all that are listed."""
    report = opened()
    page = report.go(experiment="churn", grouped="0")

    page.locator("section.runs").get_by_label("Session", exact=True).select_option("all")
    assert page.get_by_text("1 080 runs", exact=True).is_visible()
    page.locator("section.runs").get_by_label("Session", exact=True).select_option("3")
    assert page.get_by_text("45 runs", exact=True).is_visible()
    link = page.locator(f"{RUNS} a").first
    name = link.get_attribute("href") or ""
    assert select(report, "SELECT id FROM sessions ORDER BY started_at LIMIT 1 OFFSET 3")[0][0] in name


def test_ten_thousand_runs_are_shown_in_pages(opened: Open) -> None:
    """All of them are sorted, a page of them is shown; the keyboard goes through the rows and to the next page."""
    report = opened(databases.make_large)
    page = report.go(experiment="sweep", grouped="0")

    assert page.locator(RUNS).count() == 100
    assert page.get_by_text("1–100 of 10 000 runs").is_visible()
    page.get_by_role("button", name="loss").click()
    least = select(report, "SELECT min(fields ->> 'loss'), max(fields ->> 'loss') FROM runs")[0]
    assert float(column(report, "loss")[0]) == pytest.approx(least[0], rel=1e-4)
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    assert page.get_by_text("101–200 of 10 000 runs").is_visible()
    page.get_by_label("per page").select_option("500")
    assert page.locator(RUNS).count() == 500


def focused(report: Opened) -> Any:
    """Return the text of the element that has the focus."""
    return report.script("document.activeElement.innerText.trim()")


def test_rows_are_reached_by_arrow_keys(opened: Open) -> None:
    """Arrows, Home and End go from row to row; Enter follows the link."""
    report = opened()
    page = report.go(experiment="churn", grouped="0")

    page.get_by_role("link", name="run 1", exact=True).focus()
    page.keyboard.press("ArrowDown")
    assert focused(report) == "run 2"
    page.keyboard.press("End")
    assert focused(report) == "run 45"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert focused(report) == "run 43"
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    report.wait_for("h1", "logreg · lr 0.001 · seed 0")
    assert report.script("document.activeElement.id") == "main"


def test_tabs_are_reached_by_arrow_keys(opened: Open) -> None:
    """Arrows choose the next chart; Tab goes on to its panel."""
    report = opened()
    page = report.go(experiment="churn")

    page.get_by_role("tab", name="History").focus()
    page.keyboard.press("ArrowRight")
    assert focused(report) == "Parallel coordinates"
    assert page.get_by_role("group", name="Parallel coordinates").is_visible()
    page.keyboard.press("End")
    assert focused(report) == "Steps and config"
    page.keyboard.press("ArrowRight")
    assert focused(report) == "History"
    page.keyboard.press("Tab")
    assert report.script("document.activeElement.getAttribute('role')") == "tabpanel"


def test_the_focus_begins_at_the_content(opened: Open) -> None:
    """The first stop skips the list of views."""
    report = opened()
    page = report.go()

    page.keyboard.press("Tab")
    assert focused(report) == "Skip to the content"
    page.keyboard.press("Enter")
    assert report.script("document.activeElement.id") == "main"


def test_tables_and_controls_have_names(opened: Open) -> None:
    """Every table has a caption, every control a name, every image a text, for those who hear the page."""
    report = opened()
    for place in ({}, {"experiment": "churn"}, {"experiment": "churn", "tab": "images"}, {"compare": "last"}):
        report.go(**place)
        nameless = report.script(
            """() => [...document.querySelectorAll("table, button, input, select, img, [role=img], [role=slider], a[href]")].filter((element) => {
                const own = element.getAttribute("aria-label") ?? element.getAttribute("alt");
                const said = element.tagName === "TABLE" ? element.caption : (element.labels?.[0] ?? element);
                return !(own ?? said?.textContent)?.trim();
            }).map((element) => element.outerHTML.slice(0, 200))"""
        )
        assert nameless == []
