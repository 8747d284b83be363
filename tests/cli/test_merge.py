"""`pytest-mltraq merge`: several databases into one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest_mltraq as mltraq
from tests.program import run


def test_merging_prints_what_came_from_each_source(file: Path, tmp_path: Path, postgresql: str) -> None:
    """Files and servers alike; what is merged again adds nothing."""
    target = tmp_path / "new" / "all.db"
    mltraq.create_session(postgresql).create_experiment("served").persist()

    for expected in ([3, 1], [0, 0]):
        result = run("merge", str(file), postgresql, "-o", str(target), "--format", "json")
        assert result.exit_code == 0, result.output
        assert [row["experiments"] for row in json.loads(result.stdout)] == expected

    assert sorted(mltraq.create_session(target).ls()["name"]) == ["größe", "iris", "iris", "served"]


def test_a_password_is_not_printed(tmp_path: Path, postgresql: str) -> None:
    """The source is named without it."""
    mltraq.create_session(postgresql).create_experiment("served").persist()
    url = postgresql.replace("postgres:@", "postgres:s3cret@")
    assert "s3cret" in url

    result = run("merge", url, "-o", str(tmp_path / "all.db"))

    assert result.exit_code == 0, result.output
    assert "s3cret" not in result.output


def test_what_cannot_be_merged_is_one_line_and_status_2(file: Path, tmp_path: Path) -> None:
    """A wrong name, a file of something else, and no source at all."""
    other = tmp_path / "notes.txt"
    other.write_text("notes", encoding="utf-8")
    target = tmp_path / "all.db"

    missing = run("merge", str(file), str(tmp_path / "missing.db"), "-o", str(target))
    foreign = run("merge", str(other), "-o", str(target))
    nothing = run("merge", "-o", str(target))

    assert [result.exit_code for result in (missing, foreign, nothing)] == [2, 2, 2]
    assert "missing.db: nothing is stored there" in missing.stderr
    assert "notes.txt is no SQLite database" in foreign.stderr
    assert not target.exists()
