"""`pytest-mltraq import`: what is in recovery files and databases of other programs, into a database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pytest_mltraq as mltraq
from pytest_mltraq.storage import Database
from pytest_mltraq.storage.recovery import write_recovery
from tests.program import run
from tests.test_importers import MLFLOW, MLTRAQ
from tests.test_recovery import a_run, unstored


def test_importing_prints_what_was_new(database_url: str, tmp_path: Path) -> None:
    """Several files at once; a second time nothing is new."""
    database = Database(tmp_path / "results.db")
    files = [str(write_recovery(unstored(*map(a_run, range(number))), database, [])) for number in (1, 3)]

    for expected in ([1, 3], [0, 0]):
        result = run("import", *files, "--db", database_url, "--format", "json")
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert [row["file"] for row in found] == files
        assert [row["experiments"] for row in found] == [1, 1]
        assert [row["runs"] for row in found] == [1, 3]
        assert [row["new"] for row in found] == expected

    assert list(mltraq.create_session(database_url).ls()["runs"]) == [1, 3]


def test_a_file_of_something_else_is_one_line_and_status_2(file: Path, tmp_path: Path) -> None:
    """It says what the file should be; the database is as it was."""
    other = tmp_path / "notes.txt"
    other.write_text("notes", encoding="utf-8")
    before = file.read_bytes()

    result = run("import", str(other), "--db", str(file))

    assert result.exit_code == 2
    assert "notes.txt, line 1: expected JSON" in result.stderr
    assert file.read_bytes() == before


def test_databases_of_other_programs_are_imported(tmp_path: Path) -> None:
    """What is left out is named on standard error, which is no data."""
    for expected in ([9, 7], [0, 0]):
        result = run("import", *map(str, (MLTRAQ, MLFLOW)), "--db", str(tmp_path / "results.db"), "--format", "json")
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert [(row["from"], row["experiments"], row["runs"]) for row in found] == [("MLtraq", 4, 9), ("MLflow", 4, 7)]
        assert [row["new"] for row in found] == expected
        assert "left out: experiment 'iris', field 'store': it is a mltraq.DataStore-0" in result.stderr
        assert "left out: runs that were deleted (2 times)" in result.stderr


@pytest.mark.parametrize("source", [MLTRAQ, MLFLOW])
def test_a_command_on_such_a_database_says_how_it_is_imported(source: Path) -> None:
    """It is refused, and what would help is said."""
    result = run("ls", "--db", str(source))

    assert result.exit_code == 2
    assert f"'pytest-mltraq import {source} --db PATH'" in " ".join(result.stderr.split())


@pytest.mark.parametrize(("name", "expected"), [("gone.db", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str, expected: str) -> None:
    """And the exit status 2."""
    result = run("import", str(tmp_path / name), "--db", str(tmp_path / "results.db"))

    assert result.exit_code == 2
    assert expected in result.stderr
    assert not (tmp_path / "results.db").exists()
