"""`pytest-mltraq ls`: what is stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest_mltraq as mltraq
from tests.program import run


def test_ls_has_a_row_for_each_version(file: Path) -> None:
    """Name and number of runs of everything that is stored."""
    rows = json.loads(run("ls", "--db", str(file), "--format", "json").stdout)

    assert [(row["name"], row["runs"]) for row in rows] == [("iris", 2), ("iris", 2), ("größe", 0)]
    assert list(rows[0]) == list(mltraq.create_session(file).ls().columns)


def test_ls_prints_a_table(file: Path) -> None:
    """A line for each version, below the names of the columns."""
    lines = run("ls", "--db", str(file)).stdout.splitlines()

    assert len(lines) == 4
    assert lines[0].split()[:2] == ["id_experiment", "name"]


def test_an_option_wins_over_the_environment(file: Path, tmp_path: Path) -> None:
    """`--db` says which database is meant, whatever `MLTRAQ_DB` says."""
    result = run("ls", "--db", str(file), MLTRAQ_DB=str(tmp_path / "other.db"))

    assert "iris" in result.stdout


def test_ls_of_a_database_that_is_not_there_makes_none(tmp_path: Path) -> None:
    """Looking leaves nothing behind."""
    run("ls", "--db", str(tmp_path / "results.db"))

    assert list(tmp_path.iterdir()) == []


def test_ls_works_on_postgresql(filled_postgresql: str) -> None:
    """Both kinds of database are listed alike."""
    result = run("ls", "--db", filled_postgresql, "--format", "json")

    assert [row["name"] for row in json.loads(result.stdout)] == ["iris", "iris", "größe"]
