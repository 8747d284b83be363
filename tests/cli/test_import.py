"""`pytest-mltraq import`: what is in recovery files, into a database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest_mltraq as mltraq
from pytest_mltraq.storage import Database
from pytest_mltraq.storage.recovery import write_recovery
from tests.program import run
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
