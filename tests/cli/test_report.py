"""`pytest-mltraq report`: a page for a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

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
        (["-o", "page.pdf"], "Error: expected a file that ends in .html, found page.pdf\n"),
        (["irs", "-o", "page.html"], "Error: experiment 'irs' is not stored; did you mean 'iris'?\n"),
        (["-o", "file.txt/page.html"], "Error: expected a file that can be written, found file.txt/page.html"),
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
