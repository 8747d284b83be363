"""`pytest-mltraq tag`, `prune` and `upgrade`."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import inspect, select

from pytest_mltraq.environment import identify_process
from pytest_mltraq.storage import Database, schema, tables
from tests.history import a_run, store_session
from tests.program import program, run

DATA = Path(__file__).parents[1] / "data"
SHARED = np.arange(1000.0)


def answer(*arguments: str) -> Any:
    """Return what a command prints as JSON."""
    result = run(*arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def days(url: str | Path) -> str:
    """Return the days of the sessions that are stored."""
    return " ".join(row["started_at"][8:10] for row in answer("ls", "--db", str(url), "--limit", "0"))


def counts(url: str | Path) -> dict[str, int]:
    """Return how many rows each table has."""
    with Database(url).reading() as connection:
        assert connection is not None
        return {table.name: len(connection.execute(select(table)).all()) for table in schema.metadata.sorted_tables}


def views(url: str | Path) -> set[str]:
    """Return the views that the database has."""
    with Database(url).reading() as connection:
        assert connection is not None
        name = "mltraq" if connection.dialect.name == "postgresql" else None
        return set(inspect(connection).get_view_names(schema=name))


# -- tag ---------------------------------------------------------------------------------------------------------------


def test_a_session_is_given_names_and_loses_them(database_url: str) -> None:
    """By `last` or the beginning of its id; a name is there once."""
    store_session(database_url, {}, at="2026-11-20T12:00:00+00:00")
    newest = store_session(database_url, {}, at="2026-11-21T12:00:00+00:00", tags=["first"])

    assert answer("tag", "last", "v1", "größe", "v1", "--db", database_url) == [
        {"session": newest, "tag": name} for name in ("first", "v1", "größe")
    ]
    assert [
        row["tag"] for row in answer("tag", newest, "--remove", "v1", "--remove", "first", "--db", database_url)
    ] == ["größe"]
    assert [row["tags"] for row in answer("ls", "--db", database_url)] == [["größe"], []]
    assert [row["tag"] for row in answer("tag", "last", "--db", database_url)] == ["größe"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["abcd", "v1"], "no session has an id that begins with 'abcd'; the newest are: "),
        (["last", ""], "expected a name for the session"),
        (["last", "a\0b"], "expected a name for the session"),
        (["last", "--remove", "v2"], "the session is not called 'v2'; there are: v1"),
    ],
)
def test_a_wrong_name_changes_nothing(tmp_path: Path, arguments: list[str], said: str) -> None:
    """It is an error."""
    store_session(tmp_path / "results.db", {}, tags=["v1"])

    result = run("tag", "--db", str(tmp_path / "results.db"), *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert answer("ls", "--db", str(tmp_path / "results.db"))[0]["tags"] == ["v1"]


# -- prune -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def history(database_url: str) -> str:
    """The URL of a database of each kind, with a session a day, of two branches; that of the 21st has a tag."""
    for day in range(20, 26):
        store_session(
            database_url,
            {
                "iris": [a_run({"seed": seed}, {"shared": SHARED, "own": SHARED + day}) for seed in range(2)],
                **({"gone": [a_run()]} if day == 20 else {}),
            },
            at=f"2026-11-{day}T12:00:00+00:00",
            branch="main" if day % 2 else "topic",
            tags=["v1"] if day == 21 else [],
        )
    return database_url


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--keep", "2"], "25 24 21"),
        (["--keep", "1", "--per-branch"], "25 24 21"),
        (["--keep", "2", "--per-branch"], "25 24 23 22 21"),
        (["--keep", "0"], "21"),
        (["--older-than", "2026-11-23T12:00:00+00:00"], "25 24 23 21"),
        (["--older-than", "2026-11-24T00:00:00+00:00", "--keep", "3"], "25 24 23 21"),
        (["--older-than", "2026-11-21T00:00:00+00:00", "--keep", "1"], "25 24 23 22 21"),
        (["--keep", "100"], "25 24 23 22 21 20"),
    ],
    ids=" ".join,
)
def test_sessions_are_removed_by_age_and_number(history: str, arguments: list[str], left: str) -> None:
    """Never those with a tag; and first it is only said."""
    before = counts(history)
    said = answer("prune", "--db", history, *arguments)
    assert (days(history), said["removed"], counts(history)) == ("25 24 23 22 21 20", False, before)

    done = answer("prune", "--db", history, *arguments, "--yes")

    assert days(history) == left
    assert done == {**said, "removed": True}


def test_all_that_only_removed_sessions_have_is_removed(history: str) -> None:
    """Experiments, runs, objects, and the view with the last version."""
    assert views(history) == {"experiment_gone", "experiment_iris"}
    result = run("prune", "--db", history, "--keep", "1", "--yes")

    assert result.exit_code == 0, result.output
    assert (
        result.stderr
        == "removed 4 sessions, 5 versions, 9 runs, 0 verdicts, 4 objects (0.0 MB), and the last version of 1 experiment\n"
    )
    assert counts(history) == {
        "sessions": 2,
        "experiments": 2,
        "runs": 4,
        "verdicts": 0,
        "objects": 3,
        "views": 1,
        "mltraq_schema": 1,
    }
    assert views(history) == {"experiment_iris"}
    assert [row["shared"] for row in answer("query", "SELECT count(*) AS shared FROM experiment_iris", "--db", history)]
    assert run("export", "iris", "--db", history).exit_code == 0


def test_a_session_that_runs_is_kept(tmp_path: Path) -> None:
    """Here, or on another machine since yesterday."""
    path, now = tmp_path / "results.db", datetime.datetime.now(datetime.UTC)
    mine = identify_process(os.getpid())
    assert mine is not None
    for hours, process in ((1, None), (2, mine), (3, f"{mine}0"), (48, None), (49, mine)):
        at = (now - datetime.timedelta(hours=hours)).isoformat()
        store_session(path, {}, at=at, is_finished=False, process=process)

    removed = answer("prune", "--keep", "0", "--db", str(path), "--yes")["sessions"]

    assert [row["outcome"] for row in removed] == ["unfinished", "interrupted"]
    assert [row["outcome"] for row in answer("ls", "--db", str(path))] == ["unfinished", "running", "running"]


def test_a_file_is_made_smaller(tmp_path: Path) -> None:
    """The room of what was removed goes back to the system."""
    path = tmp_path / "results.db"
    for day in (20, 21):
        store_session(
            path, {"big": [a_run(fields={"x": np.arange(200_000) + day})]}, at=f"2026-11-{day}T12:00:00+00:00"
        )
    before = path.stat().st_size

    result = run("prune", "--keep", "1", "--yes", "--db", str(path))

    assert "1 object (1.6 MB)" in result.stderr
    assert path.stat().st_size < 0.6 * before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_others_read_is_pruned_all_the_same(tmp_path: Path) -> None:
    """It keeps its size then, and that is said."""
    path = tmp_path / "results.db"
    for day in (20, 21):
        store_session(path, {"x": [a_run()]}, at=f"2026-11-{day}T12:00:00+00:00")
    reader = sqlite3.connect(path)
    reader.execute("PRAGMA journal_mode = WAL")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM runs").fetchone()

    result = run("prune", "--keep", "1", "--yes", "--db", str(path))

    reader.close()
    assert result.exit_code == 0
    assert days(path) == "21"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected --older-than MOMENT or --keep N"),
        (["--per-branch", "--older-than", "7d"], "found no --keep"),
        (["--keep", "-1"], "-1"),
        (["--older-than", "long ago"], "expected a date"),
    ],
)
def test_what_is_not_said_is_not_removed(tmp_path: Path, arguments: list[str], said: str) -> None:
    """A rule is needed."""
    store_session(tmp_path / "results.db", {})

    result = run("prune", "--yes", "--db", str(tmp_path / "results.db"), *arguments)

    assert result.exit_code == 2
    assert said in result.stderr
    assert days(tmp_path / "results.db") == "20"


def test_a_table_says_what_would_be_removed(tmp_path: Path) -> None:
    """As a program in a pipe."""
    store_session(tmp_path / "results.db", {"iris": [a_run()]}, id_session=uuid.UUID(int=0x01A2 << 112))

    result = program("prune", "--keep", "0", "--db", str(tmp_path / "results.db"))

    assert result.stdout.splitlines()[1].split() == [
        *("01a20000-0000", "2026-11-20", "12:00:00", "passed", "main", "abababa", "iris", "1"),
    ]
    assert result.stderr == (
        "would remove 1 session, 1 version, 1 run, 0 verdicts, 0 objects (0.0 MB), "
        "and the last version of 1 experiment; nothing was removed: --yes does it\n"
    )


# -- upgrade -----------------------------------------------------------------------------------------------------------


def test_an_older_database_is_upgraded(tmp_path: Path) -> None:
    """Until then a reader is told the command; afterwards nothing is left to do."""
    path = tmp_path / "results.db"
    shutil.copy(DATA / "schema_1.db", path)
    refused = run("ls", "--db", str(path))

    assert refused.exit_code == 2
    assert "pytest-mltraq upgrade --db" in refused.stderr
    assert answer("upgrade", "--db", str(path)) == [
        {"database": f"sqlite:///{path}", "version": 1, "now": tables.SCHEMA_VERSION}
    ]
    assert answer("upgrade", "--db", str(path))[0]["version"] == tables.SCHEMA_VERSION
    assert run("ls", "--db", str(path)).exit_code == 0


def test_nothing_can_not_be_upgraded(tmp_path: Path) -> None:
    """And no file is made."""
    result = run("upgrade", "--db", str(tmp_path / "results.db"))

    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "nothing is stored there" in result.stderr
