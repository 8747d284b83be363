"""The views of the page in a real browser: they show what is stored."""

from __future__ import annotations

import re

import pytest

from tests.page import databases
from tests.page.opened import Open, select, texts


def test_the_overview_says_what_regressed_first(opened: Open) -> None:
    """The newest session in one sentence; its verdicts, the failing ones first; the others when they are asked for."""
    report = opened()
    page = report.go()

    assert page.inner_text("h1").endswith("6 metrics regressed, 1 run failed")
    words = texts(report, "table:has(caption:text-is('Verdicts on metrics')) tbody td:first-child .badge")
    assert [word.split()[-1] for word in words] == ["regressed"] * 6 + ["undecided"] * 2
    page.get_by_role("button", name="Show the 10 unchanged").click()
    assert page.locator("table:has(caption:text-is('Verdicts on metrics')) tbody tr").count() == 18
    row = texts(report, "tr.fails")[0]
    for part in ("accuracy of churn", "model boosting", "0.9369 ± 0.0019", "0.9206 ± 0.0018", "−1.74 %", "paired t"):
        assert part in row


def test_the_overview_lists_failures_experiments_and_sessions(opened: Open) -> None:
    """A failed run with its step and error, each experiment with its means, each session with its commit and tags."""
    report = opened()
    report.go()

    assert texts(report, "table:has(caption:text-is('Runs that failed')) tbody tr") == [
        "✕ failed churn · logreg · lr 0.1 · seed 3 step_train FloatingPointError: the loss is not finite after 3 epochs"
    ]
    names = texts(report, "table:has(caption:text-is('Experiments')) tbody td:first-child")
    assert names == ["churn", "tests.test_api.test_latency"]
    sessions = texts(report, "table:has(caption:text-is('Sessions')) tbody tr")
    assert len(sessions) == databases.SESSIONS
    assert sessions[0].startswith("26 Nov 2026, 08:30")
    assert "1 failed, 47 passed" in sessions[0]
    assert sum("v1.0" in row for row in sessions) == 1


def test_a_run_shows_everything_that_is_stored(opened: Open) -> None:
    """Params, fields of every kind, durations of steps, images, code and environment."""
    report = opened()
    [(id_run, accuracy)] = select(
        report,
        "SELECT r.id_run, r.fields ->> 'accuracy' FROM runs r JOIN experiments e USING (id_experiment) JOIN sessions s ON "
        's.id = e.id_session WHERE r.params = \'{"model":"tree","lr":0.1,"seed":0}\' ORDER BY s.started_at DESC LIMIT 1',
    )
    page = report.go(experiment="churn", run=id_run)

    assert page.inner_text("h1") == "tree · lr 0.1 · seed 0"
    params = texts(report, "table:has(caption:text-is('Params')) tr")
    assert params == ["model tree", "lr 0.1", "seed 0"]
    fields = dict(row.split(" ", 1) for row in texts(report, "table:has(caption:text-is('Fields')) tr"))
    assert float(fields["accuracy"]) == accuracy
    assert fields["confusion"].startswith("ndarray int64 (2, 2) array([[")
    assert fields["importances"].startswith("DataFrame (3, 2) feature gain 0 tenure 0.52")
    assert fields["notes"] == "dict of 3 {'classes': ['stays', 'leaves'], 'scaled': True, 'threshold': 0.5}"
    assert fields["training"] == "Sequence 60 rows: idx, timestamp, epoch, loss, accuracy"
    steps = texts(report, "table:has(caption:text-is('Durations of steps')) tbody th")
    assert steps == ["step_split", "step_train", "step_evaluate", "experiment_churn"]
    assert texts(report, "figure figcaption") == ["roc", "heat"]
    assert report.script("[...document.querySelectorAll('figure img')].every(image => image.naturalWidth > 0)")
    assert "Set a quarter of the samples aside." in page.inner_text("pre:has-text('def step_split')")
    assert "runner-2" in page.inner_text("main")
    assert page.locator(".chart canvas").count() == 1


def test_a_failed_run_shows_its_error(opened: Open) -> None:
    """Type, step, message and traceback, with the step marked in the durations; the run before is a click away."""
    report = opened()
    [(id_run,)] = select(report, "SELECT id_run FROM runs WHERE outcome = 'failed'")
    page = report.go(experiment="churn", run=id_run)

    assert texts(report, ".failure h2") == ["FloatingPointError in step_train"]
    assert "line 31, in step_train" in page.inner_text(".failure pre")
    assert texts(report, "table:has(caption:text-is('Durations of steps')) tbody tr")[1].startswith(
        "step_train ✕ failed"
    )
    page.get_by_role("link", name="previous").click()
    report.wait_for("h1", "logreg · lr 0.1 · seed 2")


def test_two_sessions_are_compared(opened: Open) -> None:
    """Each group of each metric side by side with its verdict, and what else differs; other sessions can be chosen."""
    report = opened()
    page = report.go(compare="last")

    rows = texts(report, "table:has(caption:text-is('churn in both sessions')) tbody tr")
    assert len(rows) == 20
    [row] = [row for row in rows if row.startswith("accuracy model boosting lr 0.01 ")]
    assert re.match(r"accuracy model boosting lr 0\.01 0\.9491 ± \S+ n 5 0\.9336 ± \S+ n 5 −0\.0156 −1\.64 %", row)
    assert "✕ regressed" in row
    assert texts(report, "table:has(caption:text-is('What differs between the sessions')) th") == ["commit"]

    page.get_by_label("Before").select_option(index=databases.SESSIONS - 1)
    report.wait_for("main table", "scikit-learn")
    assert "1.7.2 → 1.8.0" in page.inner_text("table:has(caption:text-is('What differs between the sessions'))")
    assert "not judged" in page.inner_text("table:has(caption:text-is('churn in both sessions'))")
    page.get_by_role("button", name="Swap").click()
    report.wait_for("main table", "1.8.0 → 1.7.2")


def test_a_session_shows_what_it_was(opened: Open) -> None:
    """Its experiments, where it ran, and its packages; a link to its CI job only where that is one."""
    report = opened()
    [(id_session,)] = select(report, "SELECT id FROM sessions ORDER BY started_at LIMIT 1 OFFSET 6")
    page = report.go(session=id_session)

    assert page.inner_text("h1").endswith("48 runs, none failed")
    assert texts(report, "table:has(caption:text-is('Experiments of the session')) tbody td:first-child") == [
        "churn",
        "tests.test_api.test_latency",
    ]
    assert (
        page.get_by_role("link", name="job").get_attribute("href") == "https://github.com/ann/churn/actions/runs/7006"
    )
    page.get_by_text("3 installed packages").click()
    assert texts(report, ".packages li") == ["numpy 2.3.1", "pandas 3.1.1", "scikit-learn 1.7.2"]


def test_places_have_addresses(opened: Open) -> None:
    """Views follow the address, the back button goes back, and how a view is looked at is kept in its link."""
    report = opened()
    page = report.go()

    page.get_by_role("navigation").get_by_role("link", name="churn").click()
    page.get_by_role("tab", name="Scatter").click()
    page.get_by_label("x", exact=True).select_option("fields.loss")
    page.get_by_label("Filter runs").fill("model:tree")
    address = report.script("location.href")
    assert page.evaluate("document.title") == "churn · mltraq report"
    page.go_back()
    report.wait_for("h1", "1 run failed")

    page.goto("about:blank")
    page.goto(address)
    report.wait("() => document.documentElement.dataset.ready")
    assert page.get_by_role("tab", name="Scatter").get_attribute("aria-selected") == "true"
    assert page.get_by_label("x", exact=True).input_value() == "fields.loss"
    assert page.get_by_label("Filter runs").input_value() == "model:tree"
    assert page.get_by_text("15 of 45 runs").is_visible()


@pytest.mark.parametrize("place", [{"experiment": "none"}, {"experiment": "churn", "run": "none"}, {"session": "none"}])
def test_a_place_that_is_not_there_says_so(opened: Open, place: dict[str, str]) -> None:
    """An address of something that the page hasn't leads to a message, not to an empty view."""
    report = opened()
    page = report.go(**place)

    assert page.inner_text("h1") == "Not here"
    page.get_by_role("main").get_by_role("link", name="Overview").click()
    report.wait_for("h1", "1 run failed")


def test_what_is_left_out_stands_at_the_end(opened: Open) -> None:
    """Every view ends with what is not on the page."""
    report = opened()
    report.go(experiment="churn")

    assert any(
        line.startswith("sequences without curves, because there is no room") for line in texts(report, "footer li")
    )
