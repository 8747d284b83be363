"""Pages of sessions that pytest ran: `--mltraq-report=report.html`, and the example project."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.page.opened import Open, texts
from tests.page.test_file import data_of, decode_column
from tests.readme import readers_environment

EXAMPLE = Path(__file__).parents[2] / "example_project"

EXPERIMENT = """
import os
import pytest


def step_train(run, model, seed):
    run.fields.accuracy = 0.9 + seed / 1000 - float(os.environ.get("DROP", "0")) * (model == "tree")
    if os.environ.get("FAIL") == f"{model}{seed}":
        raise ValueError("no memory")


@pytest.mark.metric("accuracy", rtol=0.01)
@pytest.mark.runs(model=["logreg", "tree"], seed=range(4))
def experiment_iris(run):
    pass
"""

Suite = Callable[..., pytest.RunResult]


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """Runs pytest in a folder with an experiment, whose results depend on variables of the environment."""
    pytester.makepyfile(experiment_iris=EXPERIMENT)

    def run(*arguments: str, **variables: str) -> pytest.RunResult:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            return pytester.runpytest_subprocess("-q", *arguments)

    return run


def test_the_page_of_a_session_has_its_verdicts(suite: Suite, pytester: pytest.Pytester) -> None:
    """They are those of the session that just ended, which the page has with the earlier ones."""
    suite("--mltraq-db=results.db")

    result = suite("--mltraq-db=results.db", "--mltraq-report=reports/report.html", DROP="0.2", FAIL="logreg2")

    result.stdout.fnmatch_lines(["report: reports/report.html"])
    data = data_of(pytester.path / "reports" / "report.html")
    assert data["sessions"]["rows"]["exit_status"] == {"all": [1, 0]}
    assert data["database"] == "results.db"
    columns = data["verdicts"]
    found = zip(decode_column(columns["session"], 4), decode_column(columns["verdict"], 4), strict=True)
    assert sorted(word for session, word in found if session == 0) == ["regressed", "undecided"]
    assert data["errors"][0]["message"] == "no memory"


def test_a_session_that_is_not_stored_has_a_page(suite: Suite, pytester: pytest.Pytester) -> None:
    """Without a database too, which is not named there."""
    result = suite("--mltraq", "--mltraq-report=report.html")

    assert result.ret == 0
    data = data_of(pytester.path / "report.html")
    assert (data["database"], data["experiments"][0]["runs"]["n"]) == ("not stored", 8)


def test_a_page_that_cannot_be_made_fails_the_session(suite: Suite, pytester: pytest.Pytester) -> None:
    """In one line, after the runs were stored; the others reports are written."""
    pytester.makeconftest(
        """
        import pathlib
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_sessionfinish():
            pathlib.Path("reports").touch()
        """
    )

    result = suite("--mltraq-db=results.db", "--mltraq-report=reports/report.html", "--mltraq-report=report.json")

    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(["the report reports/report.html could not be written: *", "report: report.json"])


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a part of the example project, written when its session ended."""
    leftovers = shutil.ignore_patterns(".*", "__pycache__", "*.db*")
    folder = Path(shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("page") / "example", ignore=leftovers))
    arguments = [
        "--mltraq-db=results.db",
        "--mltraq-report=page.html",
        "-k",
        "digits_curve or test_cancer or GaussianNB or RidgeClassifier",
    ]
    command = ["/bin/sh", "-c", 'pytest "$@"', "pytest", *arguments]
    result = subprocess.run(command, cwd=folder, env=readers_environment(), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / "page.html"


def test_the_example_project_has_a_page(opened: Open, example: Path) -> None:
    """Its experiments and tests, their params that are code, arrays, curves and code."""
    report = opened(lambda file: Path(shutil.copy(example.with_name("results.db"), file)))
    page = report.go()

    assert page.inner_text("h1").endswith("No metric regressed")
    names = texts(report, "table:has(caption:text-is('Experiments')) tbody td:first-child")
    assert names == [
        "digits",
        "digits_curve",
        "test_cancer.test_cross_validation",
        "test_cancer.test_recall_costs_precision",
    ]
    page.get_by_role("main").get_by_role("link", name="digits", exact=True).click()
    report.wait_for("h1", "digits")
    assert "GaussianNB" in page.inner_text("section.runs")
    page.get_by_role("button", name="5 passed").first.click()
    page.get_by_role("link", name="run 1", exact=True).click()
    report.wait_for("main", "ndarray int64 (10, 10)")
    assert "def step_train(run: Run, model: Callable[[], Any])" in str(page.text_content("main"))
    report.go(experiment="digits_curve", tab="curves")
    report.wait("() => document.querySelectorAll('.series li').length === 3")
    assert page.get_by_label("y", exact=True).input_value() == "accuracy"
