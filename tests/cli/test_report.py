"""`pytest-mltraq report`: a page for a browser, and reports of sessions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.history import a_run, store_session
from tests.page.test_file import data_of
from tests.program import run


def test_a_page_is_written_and_said(file: Path, tmp_path: Path) -> None:
    """Nothing goes to standard output; the page has the experiments of the database."""
    page = tmp_path / "reports" / "page.html"

    result = run("report", "--db", str(file), "-o", str(page))

    assert (result.exit_code, result.stdout) == (0, ""), result.output
    assert result.stderr == f"report: {page}\n"
    assert [experiment["name"] for experiment in data_of(page)["experiments"]] == ["größe", "iris"]


def test_experiments_sessions_and_runs_are_chosen(file: Path, tmp_path: Path) -> None:
    """By name, and by how many of the newest."""
    page = tmp_path / "page.html"

    result = run("report", "iris", "--db", str(file), "-o", str(page), "--sessions", "1", "--runs", "3")

    assert result.exit_code == 0, result.output
    [experiment] = data_of(page)["experiments"]
    assert (experiment["name"], experiment["runs"]["n"], len(experiment["versions"])) == ("iris", 3, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "page.pdf"], "Error: expected a file that ends with .html, .json, .md, .metrics, found 'page.pdf'\n"),
        (["-o", "page.md", "-o", "page.pdf"], "Error: expected a file that ends with .html, .json, .md, .metrics"),
        (["irs", "-o", "page.md"], "Error: session "),
        (["-o", "page.md", "--session", "nope"], "Error: no session has an id that begins with 'nope'"),
        (["irs", "-o", "page.html"], "Error: experiment 'irs' is not stored; did you mean 'iris'?\n"),
        (["-o", "file.txt/page.html"], "Error: file.txt/page.html can't be written: file.txt is no folder\n"),
        (["-o", "file.txt/page.md"], "Error: file.txt/page.md can't be written: file.txt is no folder\n"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_status_2(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    """A wrong suffix, a wrong name, a place that is no folder; nothing is left there."""
    monkeypatch.chdir(tmp_path)
    Path("file.txt").touch()
    before = sorted(tmp_path.iterdir())

    result = run("report", "--db", str(file), *arguments)

    assert result.exit_code == 2
    assert result.stderr.startswith(message)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "page.html", "--session", "last"], "--session says nothing about page.html"),
        (["-o", "page.md", "--runs", "3"], "--runs says nothing about page.md"),
        (["-o", "page.md", "--sessions", "3"], "--sessions says nothing about page.md"),
    ],
)
def test_an_option_that_says_nothing_is_refused(file: Path, arguments: list[str], message: str) -> None:
    """A page shows many sessions, the other reports one."""
    result = run("report", "--db", str(file), *arguments)

    assert result.exit_code == 2
    assert message in result.stderr


def test_several_reports_at_once_of_some_experiments(database_url: str, tmp_path: Path) -> None:
    """Each is said; a session without metrics has a report too."""
    store_session(database_url, {"iris": [a_run({"seed": 1}, {"loss": 0.5})], "other": [a_run()]}, tags=["v1"])
    outputs = [tmp_path / f"report.{suffix}" for suffix in ("html", "md", "json")]
    options = [argument for output in outputs for argument in ("-o", str(output))]

    result = run("report", "iris", "--db", database_url, *options, "--session", "v1")

    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == [f"report: {output}" for output in outputs]
    text = outputs[1].read_text(encoding="utf-8")
    assert text.startswith("## No metrics were judged\n")
    assert "iris: 1 run\n" in text
    assert "other" not in text
    assert json.loads(outputs[2].read_text(encoding="utf-8"))["session"]["tags"] == ["v1"]
