# ruff: noqa: S608 - what is asked is the tests' own
"""Databases of older versions: read as they are by what knows them, upgraded whole by what writes, never by a reader."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, inspect
from sqlalchemy.engine import create_engine, make_url

import pytest_mltraq as mltraq
from pytest_mltraq.errors import SchemaVersionError
from pytest_mltraq.storage import Database
from pytest_mltraq.storage.tables import SCHEMA_VERSION
from tests.exact import same
from tests.golden import DATA, VALUES

OLDER = range(1, SCHEMA_VERSION)

NEW = "00000000-0000-7000-8000-000000000007"
V1_EXPERIMENT = f"""
    INSERT INTO experiments (id_experiment, id_session, name, fields, config, code, created_at)
    SELECT '{NEW}', id, 'values', '{{}}', '{{}}', '[]', started_at FROM sessions LIMIT 1
"""
"""What the first version writes of an experiment."""


def restore(version: int, url: str) -> None:
    """Make a golden database anew."""
    if url.startswith("sqlite"):
        shutil.copyfile(DATA / f"schema_{version}.db", str(make_url(url).database))
        return
    with psycopg.connect(url, autocommit=True) as server:
        server.execute((DATA / f"schema_{version}.sql").read_bytes())


def sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement with the driver alone."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(str(make_url(url).database))) as connection, connection:
            return connection.execute(statement).fetchall()
    with psycopg.connect(url, options="-csearch_path=mltraq") as server:
        cursor = server.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def inspected(url: str) -> Any:
    """Look at a database's tables."""
    engine: Engine = create_engine(make_url(url).set(drivername="sqlite" if "sqlite" in url else "postgresql+psycopg"))
    yield inspect(engine)
    engine.dispose()


def describe(url: str) -> dict[str, Any]:
    """Return all that can be known of the tables: columns, keys and indexes."""
    namespace = None if url.startswith("sqlite") else "mltraq"
    with inspected(url) as found:
        return {
            table: {
                "columns": {
                    column["name"]: (str(column["type"]), column["nullable"])
                    for column in found.get_columns(table, schema=namespace)
                },
                "key": found.get_pk_constraint(table, schema=namespace)["constrained_columns"],
                "foreign": sorted(
                    (key["constrained_columns"], key["referred_table"])
                    for key in found.get_foreign_keys(table, schema=namespace)
                ),
                "indexes": sorted(
                    (index["name"], index["column_names"]) for index in found.get_indexes(table, schema=namespace)
                ),
            }
            for table in sorted(found.get_table_names(schema=namespace))
        }


def version_of(url: str) -> int:
    ((version,),) = sql(url, "SELECT version FROM mltraq_schema")
    return int(version)


@pytest.fixture(params=OLDER)
def golden(request: pytest.FixtureRequest, database_url: str) -> str:
    """The URL of a database of each older version."""
    restore(request.param, database_url)
    return database_url


def test_a_session_that_writes_upgrades(golden: str) -> None:
    """The first transaction that writes makes the tables what they are in a new database."""
    mltraq.create_session(golden).create_experiment("new").persist()

    assert version_of(golden) == SCHEMA_VERSION


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("version", OLDER)
def test_upgraded_tables_are_those_of_a_new_database(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, version: int
) -> None:
    """Columns, types, keys and indexes are the same, whichever way they came."""
    old, new = f"sqlite:///{tmp_path / 'old.db'}", f"sqlite:///{tmp_path / 'new.db'}"
    if kind == "postgresql":
        old = new = request.getfixturevalue("postgresql")
    restore(version, old)

    Database(old).upgrade()
    upgraded = describe(old)
    if kind == "postgresql":
        sql(old, "DROP SCHEMA mltraq CASCADE")
    mltraq.create_session(new).create_experiment("new").persist()

    assert upgraded == describe(new)


def test_everything_in_an_older_database_is_read_as_it_was(golden: str) -> None:
    """Every value has its type; versions, outcomes, errors, steps and views are there."""
    Database(golden).upgrade()
    session = mltraq.create_session(golden)

    values = session.load_experiment("values")
    suite = session.load_experiment("suite")
    plain = session.load_experiment("test_suite.test_plain")

    run = values.runs.first()
    assert same(dict(run.fields), VALUES)
    assert same(dict(run.given_params), VALUES)
    assert same(dict(values.fields), VALUES)
    assert same(dict(values.config), VALUES)
    assert [run.outcome for run in suite.runs.values()] == ["passed", "passed", "failed", "failed"]
    assert [dict(run.fields) for run in suite.runs.values()] == [
        {"loss": 1.0, "done": True},
        {"loss": 0.5, "done": True},
        {"loss": 1.0},
        {"loss": 0.5},
    ]
    failed = list(suite.runs.values())[2]
    assert failed.error is not None
    assert (failed.error.step, failed.error.type) == ("step_check", "AssertionError")
    assert [step.name for step in suite.code] == ["step_train", "step_check", "experiment_suite"]
    assert dict(plain.runs.first().fields) == {"size": 7}
    assert list(session.ls().name) == ["values", "values", "suite", "test_suite.test_plain"]
    frame = session.db.query("SELECT model, avg(loss) AS loss FROM experiment_suite GROUP BY model ORDER BY model")
    assert frame.to_numpy().tolist() == [["better", 0.75], ["worse", 0.75]]
    assert sql(golden, "SELECT count(*) FROM experiment_values") == [(2,)]


def test_a_version_is_added_beside_older_ones(golden: str) -> None:
    """What is new and what is old share name, view and objects."""
    session = mltraq.create_session(golden)
    objects = sql(golden, "SELECT count(*) FROM objects")
    experiment = session.create_experiment("values", **VALUES).add_run(**VALUES)

    experiment.execute(lambda run: run.fields.update(VALUES), config=VALUES).persist(if_exists="append")

    assert sql(golden, "SELECT count(*) FROM experiment_values") == [(3,)]
    assert sql(golden, "SELECT count(*) FROM objects") == objects
    assert same(dict(session.load_experiment("values").runs.first().fields), VALUES)


def test_a_reader_leaves_an_older_database_as_it_is(golden: str) -> None:
    """It says which command upgrades it; a shared database is not taken from those who have an older version."""
    before = describe(golden)
    session = mltraq.create_session(golden)

    with pytest.raises(SchemaVersionError, match="pytest-mltraq upgrade --db ") as caught:
        session.load_experiment("values")

    assert (caught.value.found, caught.value.expected) == (version_of(golden), SCHEMA_VERSION)
    assert version_of(golden) < SCHEMA_VERSION
    assert describe(golden) == before


def test_the_error_of_an_older_database_shows_no_password(postgresql: str) -> None:
    """The command that it names is without it."""
    restore(1, postgresql)
    url = make_url(postgresql).set(password="s3cret")  # noqa: S106 - planted
    session = mltraq.create_session(url.render_as_string(hide_password=False))

    with pytest.raises(SchemaVersionError) as caught:
        session.ls()

    assert "s3cret" not in str(caught.value)


def test_a_pytest_session_upgrades_and_adds(golden: str, pytester: pytest.Pytester) -> None:
    """A suite goes on with the database that it has."""
    pytester.makepyfile(experiment_suite="def experiment_suite(run): run.fields.loss = 0.25")

    result = pytester.runpytest_subprocess(f"--mltraq-db={golden}", "experiment_suite.py")

    result.assert_outcomes(passed=1)
    assert version_of(golden) == SCHEMA_VERSION
    assert sql(golden, "SELECT count(*), min(loss) FROM experiment_suite") == [(5, 0.25)]


def test_an_upgrade_that_fails_leaves_what_was_there(golden: str) -> None:
    """It is one transaction: a table of the user that is in its way undoes the steps before it."""
    sql(golden, "CREATE TABLE verdicts (id integer)")
    before = describe(golden)

    with pytest.raises(mltraq.StorageError, match="verdicts"):
        mltraq.create_session(golden).create_experiment("new").persist()

    assert describe(golden) == before
    assert version_of(golden) < SCHEMA_VERSION
    assert sql(golden, "SELECT count(*) FROM experiments WHERE name = 'new'") == [(0,)]


def test_processes_upgrade_one_database_at_once(golden: str) -> None:
    """One of them does, the others find it done; all of them store what they have."""
    code = (
        "import sys, pytest_mltraq as mltraq\n"
        "session = mltraq.create_session(sys.argv[1])\n"
        "experiment = session.create_experiment(sys.argv[2])\n"
        "input()\n"
        "experiment.persist()\n"
    )
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", code, golden, f"new{number}"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]

    errors = [program.communicate("go\n")[1] for program in programs]

    assert errors == [""] * 3
    assert version_of(golden) == SCHEMA_VERSION
    assert sql(golden, "SELECT count(*) FROM experiments WHERE name LIKE 'new%'") == [(3,)]


def test_a_session_notices_that_a_newer_version_upgraded(database_url: str) -> None:
    """What it would write next may not be what the tables mean by now: it fails and writes nothing."""
    session = mltraq.create_session(database_url)
    session.create_experiment("first").persist()
    sql(database_url, f"UPDATE mltraq_schema SET version = {SCHEMA_VERSION + 1}")

    with pytest.raises(SchemaVersionError, match="pip install --upgrade pytest-mltraq"):
        session.create_experiment("second").persist()

    assert sql(database_url, "SELECT name FROM experiments") == [("first",)]


def test_a_session_of_the_first_version_can_go_on(database_url: str) -> None:
    """A session that was running when the database was upgraded writes what it knows."""
    restore(1, database_url)
    Database(database_url).upgrade()

    sql(database_url, V1_EXPERIMENT)

    assert mltraq.create_session(database_url).load_experiment(id_experiment=NEW).name == "values"


def test_nothing_is_made_by_an_upgrade_of_nothing(tmp_path: Path) -> None:
    """A database that is not there yet is none of an older version."""
    assert Database(tmp_path / "results.db").upgrade() is None
    assert list(tmp_path.iterdir()) == []
