"""`pytest-mltraq doctor`: what is wrong with a database is found, and views are repaired."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from pytest_mltraq.storage import Database
from pytest_mltraq.storage.sqlite import driver_of
from tests.golden import DATA
from tests.history import a_run, store_session
from tests.program import run
from tests.test_importers import MLFLOW, MLTRAQ

ALTERED = (
    "CREATE TABLE kept AS SELECT * FROM experiment_iris",
    "DROP VIEW experiment_iris",
    "CREATE VIEW experiment_iris AS SELECT * FROM kept",
)
"""A view with the same columns, and the same rows until the next session."""


@pytest.fixture
def stored(database_url: str) -> str:
    """The URL of a sound database of each kind."""
    for day in (20, 21):
        store_session(
            database_url,
            {
                "iris": [
                    a_run({"model": "tree", "seed": seed}, {"w": np.arange(50.0), "loss": 0.5}) for seed in range(2)
                ]
            },
            at=f"2026-11-{day}T12:00:00+00:00",
        )
    return database_url


def change(url: str, statements: Iterable[str]) -> None:
    """Damage a database."""
    with Database(url).writing() as connection:
        for statement in statements:
            connection.execute(text(statement))


def problems(url: str | Path, *arguments: str) -> list[tuple[str, str]]:
    """Return what is wrong: with what, and why."""
    result = run("doctor", "--db", str(url), "--format", "json", *arguments)
    found: list[dict[str, Any]] = json.loads(result.stdout)["problems"]
    assert result.exit_code == (1 if found else 0), result.output
    return [(problem["what"], problem["problem"]) for problem in found]


def test_a_sound_database_has_nothing_wrong(stored: str) -> None:
    """The exit status is 0."""
    result = run("doctor", "--db", stored)

    assert (result.exit_code, result.stdout, result.stderr) == (0, "what  where  problem\n", "nothing is wrong\n")


@pytest.mark.parametrize(
    ("statements", "what", "said"),
    [
        (["UPDATE objects SET size = 7"], "object", "expected 7 bytes"),
        (["DELETE FROM objects"], "run", "is missing in the database"),
        (["UPDATE runs SET outcome = 'exploded' WHERE position = 0"], "run", "expected one of passed, failed"),
        (["UPDATE runs SET types = '[1]' WHERE position = 0"], "run", "types"),
        (["UPDATE runs SET params = '[1]' WHERE position = 0"], "run", "expected a JSON object as params"),
        (["UPDATE experiments SET code = '{}'"], "experiment", "expected a JSON list as code"),
        (["UPDATE sessions SET origin = 'nowhere'"], "session", "expected one of pytest, python, mltraq, mlflow"),
        (["DROP VIEW experiment_iris"], "view", "experiment_iris"),
        (["DELETE FROM views"], "view", "the experiment has no view"),
        (
            ["INSERT INTO views VALUES ('ghost', 'experiment_ghost', '[]')"],
            "view",
            "nothing is stored of its experiment",
        ),
        (
            ["DROP VIEW experiment_iris", "CREATE VIEW experiment_iris AS SELECT 1 AS id_run"],
            "view",
            "columns are missing: id_experiment",
        ),
        ([*ALTERED], "view", "its definition was altered"),
        (["DROP VIEW experiment_iris", "DROP TABLE verdicts"], "table", "verdicts"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_damage_is_found(stored: str, statements: list[str], what: str, said: str) -> None:
    """The exit status is 1, and the problem says where it is."""
    change(stored, statements)

    found = problems(stored)

    assert [problem for kind, problem in found if kind == what and said in problem] != [], found


def test_rows_that_refer_to_nothing_are_found(tmp_path: Path) -> None:
    """SQLite keeps no such promise by itself."""
    path = tmp_path / "results.db"
    store_session(path, {"iris": [a_run()]})
    database = Database(path)
    with database.connected() as connection:
        driver: Any = driver_of(connection)
        driver.execute("PRAGMA foreign_keys = OFF")
        driver.execute("DELETE FROM sessions")

    assert ("experiments", "id_session refers to a row of sessions that is missing") in problems(path)


def test_a_content_that_changed_is_found(tmp_path: Path) -> None:
    """By its digest."""
    path = tmp_path / "results.db"
    store_session(path, {"iris": [a_run(fields={"w": np.arange(50.0)})]})
    change(f"sqlite:///{path}", ["UPDATE objects SET data = zeroblob(size)"])

    assert [what for what, problem in problems(path) if "is damaged" in problem] == ["run", "object"]


def test_a_damaged_file_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    """Wherever SQLite notices it."""
    path = tmp_path / "results.db"
    store_session(path, {"iris": [a_run(fields={"w": np.arange(20_000.0) + at}) for at in range(10)]})
    content = bytearray(path.read_bytes())
    for at in range(16384, len(content), 4096):
        content[at : at + 64] = b"\xff" * 64
    path.write_bytes(content)

    result = run("doctor", "--db", str(path))

    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    "statements",
    [
        ["DROP VIEW experiment_iris"],
        ["DELETE FROM views"],
        ["UPDATE views SET columns = '[]'", "DROP VIEW experiment_iris"],
        ["UPDATE views SET columns = '[1]'"],
        ["DROP VIEW experiment_iris", "CREATE VIEW experiment_iris AS SELECT 1 AS id_run"],
        ["INSERT INTO views VALUES ('ghost', 'experiment_ghost', '[]')"],
        [*ALTERED],
    ],
    ids=lambda value: value[0],
)
def test_views_are_repaired(stored: str, statements: list[str]) -> None:
    """By what is stored; nothing else is changed."""
    change(stored, statements)
    assert problems(stored) != []

    assert problems(stored, "--repair") == []

    query = "SELECT model, loss, seed FROM experiment_iris ORDER BY seed"
    rows = json.loads(run("query", "--db", stored, "--format", "json", query).stdout)
    assert [tuple(row.values()) for row in rows] == [("tree", 0.5, seed) for seed in (0, 0, 1, 1)]


def test_what_only_takes_room_is_said_and_is_no_problem(stored: str) -> None:
    """Until it is pruned."""
    change(stored, ["DELETE FROM runs"])

    result = run("doctor", "--db", stored)

    assert result.exit_code == 0, result.output
    assert "nothing refers to 1 object (0.0 MB): pytest-mltraq prune gives the room back" in result.stderr


def test_many_problems_are_counted(tmp_path: Path) -> None:
    """A table lists some of them, JSON all."""
    path = tmp_path / "results.db"
    store_session(path, {"iris": [a_run({"seed": seed}, outcome="passed") for seed in range(150)]})
    change(f"sqlite:///{path}", ["UPDATE runs SET outcome = 'exploded'"])

    result = run("doctor", "--db", str(path))

    assert len(result.stdout.splitlines()) == 101
    assert result.stderr == "and 50 more; --format json lists all\n"
    assert len(problems(path)) == 150


@pytest.mark.parametrize("source", [MLTRAQ, MLFLOW])
def test_what_was_imported_is_sound(database_url: str, source: Path) -> None:
    """As if it had been measured here."""
    assert run("import", str(source), "--db", database_url).exit_code == 0

    assert problems(database_url) == []


@pytest.mark.parametrize("version", ["schema_1.db"])
def test_an_upgraded_database_is_sound(tmp_path: Path, version: str) -> None:
    """Its views too, which an earlier version of the package defined."""
    shutil.copy(DATA / version, tmp_path)
    assert run("upgrade", "--db", str(tmp_path / version)).exit_code == 0

    assert problems(tmp_path / version) == []
