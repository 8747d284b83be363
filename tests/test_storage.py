# ruff: noqa: S608 - what is asked is the tests' own
"""Experiments in databases, SQLite and PostgreSQL: readable with plain SQL, whole at every moment, and nobody else's."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import json
import math
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import traceback
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine, make_url

import pytest_mltraq as mltraq
from pytest_mltraq.bunch import FrozenBunch
from pytest_mltraq.errors import ForeignDatabaseError, SchemaVersionError
from pytest_mltraq.storage import tables
from pytest_mltraq.storage.sqlite import SQLiteConnection
from tests.exact import same

NOBODY = 65534


def sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement as a user would who never saw this project: with the driver alone."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(str(make_url(url).database))
        with contextlib.closing(connection), connection:
            return connection.execute(statement).fetchall()
    with psycopg.connect(url, options="-csearch_path=mltraq") as server:
        cursor = server.execute(statement)
        return cursor.fetchall() if cursor.description else []


def quoted(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def store(url: str, name: str, *runs: dict[str, Any], if_exists: Any = "append", **params: Any) -> mltraq.Experiment:
    """Store a version of an experiment with a run for each dict of fields, by a session of its own."""
    session = mltraq.create_session(url)
    experiment = session.create_experiment(name)
    for fields in runs:
        experiment.add_run(**params)
        list(experiment.runs.values())[-1].execute(lambda run, fields=fields: run.fields.update(fields))
    experiment.persist(if_exists)
    session.close()
    return experiment


def load(url: str, name: str) -> list[dict[str, Any]]:
    """Load the fields of an experiment's runs, by a session of its own."""
    session = mltraq.create_session(url)
    try:
        return [dict(run.fields) for run in session.load_experiment(name).runs.values()]
    finally:
        session.close()


def view_of(url: str, experiment: str) -> str:
    """The name of an experiment's view."""
    escaped = experiment.replace("'", "''")
    ((name,),) = sql(url, f"SELECT view FROM views WHERE experiment = '{escaped}'")
    return str(name)


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Begin a program in a process of its own; it waits for `go` with `input()` where it wants to."""
    return subprocess.Popen(
        [sys.executable, "-c", f"import pytest_mltraq as mltraq, sys\n{code}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*programs: subprocess.Popen[str]) -> list[str]:
    """Let programs go on at once, and wait for their ends; what they printed."""
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("go\n")
        program.stdin.flush()
    answers = [program.communicate() for program in programs]
    assert [error for (_, error), program in zip(answers, programs, strict=True) if program.returncode] == []
    return [answer for answer, _ in answers]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a SQLite database will be."""
    return tmp_path / "results.db"


# -- tables and documents ----------------------------------------------------------------------------------------------

TABLES = {
    "sessions": "id started_at finished_at exit_status origin tags commit branch dirty ci python platform host packages command process",
    "experiments": "id_experiment id_session name nodeid doc fields config types code created_at metrics",
    "runs": "id_experiment id_run position nodeid outcome seed params fields types steps error started_at duration_s worker attempts",
    "verdicts": "id_experiment position id_session experiment metric params verdict fails reason method n mean sd baseline_session baseline_n "
    "baseline_mean baseline_sd change low high p_value q_value minimum_detectable_change details",
    "objects": "digest kind size data",
}


def test_tables_have_the_promised_columns(database_url: str) -> None:
    """The schema is a contract with everybody who reads it."""
    store(database_url, "example", {"x": 1})

    session = mltraq.create_session(database_url)
    missing = {
        table: set(columns.split()) - set(session.db.query(f"SELECT * FROM {table}").columns)
        for table, columns in TABLES.items()
    }

    assert missing == {table: set() for table in TABLES}


def test_documents_are_plain_json(database_url: str) -> None:
    """Fields are stored as a reader expects them, in their order."""
    store(database_url, "example", {"zebra": 0.9, "trail": ["a", "b"], "none": None, "nan": math.nan})

    ((fields, types),) = sql(database_url, "SELECT CAST(fields AS TEXT), CAST(types AS TEXT) FROM runs")

    assert fields == '{"zebra":0.9,"trail":["a","b"],"none":null,"nan":null}'
    assert list(json.loads(types)["fields"]) == ["nan"]


def test_documents_can_be_asked_by_sql(database_url: str) -> None:
    """The database's own JSON operators reach into lists and dicts."""
    store(database_url, "example", {"trail": ["a", "b"], "nested": {"deep": {"loss": 0.5}}})

    answer = sql(database_url, "SELECT fields -> 'trail' ->> 1, fields -> 'nested' -> 'deep' ->> 'loss' FROM runs")

    assert [(text, float(loss)) for text, loss in answer] == [("b", 0.5)]


def test_a_session_is_stored_with_its_first_experiment(database_url: str) -> None:
    """One row for a program, with where it ran; none for a program that stores nothing."""
    session = mltraq.create_session(database_url)
    session.create_experiment("first").persist()
    session.create_experiment("second").persist()
    mltraq.create_session(database_url)

    rows = sql(database_url, "SELECT id, origin, exit_status, CAST(tags AS TEXT), python, host FROM sessions")
    joined = sql(database_url, "SELECT count(*) FROM experiments e JOIN sessions s ON s.id = e.id_session")

    assert len(rows) == 1
    assert rows[0][:4] == (str(session.id_session), "python", None, "[]")
    assert joined == [(2,)]


def test_a_run_is_stored_with_its_steps_and_its_error(database_url: str) -> None:
    """Outcome, durations, and what went wrong are there for SQL."""

    def step_broken(run: mltraq.Run) -> None:
        run.fields.before = 1
        raise ValueError("too large")

    session = mltraq.create_session(database_url)
    experiment = session.create_experiment("example").add_run(lr=0.1)
    with contextlib.suppress(mltraq.StepError):
        experiment.execute(step_broken)
    experiment.persist()

    rows = sql(
        database_url,
        "SELECT position, outcome, error ->> 'type', error ->> 'message', error ->> 'step', steps -> 0 ->> 'name', params ->> 'lr', "
        "attempts, duration_s >= 0 FROM runs",
    )

    assert [tuple(map(str, row)) for row in rows] == [
        (
            "0",
            "failed",
            "ValueError",
            "too large",
            "step_broken",
            "step_broken",
            "0.1",
            "1",
            "1" if database_url.startswith("sqlite") else "True",
        )
    ]


def test_steps_are_stored_with_their_code(database_url: str) -> None:
    """The source of each step is in the database, with a digest of it."""

    def step_train(run: mltraq.Run) -> None:
        run.fields.loss = 0.5

    mltraq.create_session(database_url).create_experiment("example").execute(step_train).persist()

    ((name, file, source, digest),) = sql(
        database_url,
        "SELECT code -> 0 ->> 'name', code -> 0 ->> 'file', code -> 0 ->> 'source', code -> 0 ->> 'digest' FROM experiments",
    )

    assert name.endswith("step_train")
    assert not Path(file).is_absolute()
    assert "run.fields.loss = 0.5" in source
    assert len(digest) == 32


def test_times_are_those_of_the_clock(database_url: str) -> None:
    """When a run began is stored in UTC, and comes back as it was."""
    before = datetime.datetime.now(datetime.UTC)
    experiment = store(database_url, "example", {"x": 1})

    loaded = mltraq.create_session(database_url).load_experiment("example").runs.first()

    assert loaded.started_at is not None
    assert before <= loaded.started_at <= datetime.datetime.now(datetime.UTC)
    assert loaded.started_at == experiment.runs.first().started_at
    assert loaded.started_at.utcoffset() == datetime.timedelta(0)


def test_times_are_utc_whatever_the_time_zone_of_the_server(postgresql: str) -> None:
    """A server that shows times in Tokyo's doesn't change when a run began."""
    ((name,),) = sql(postgresql, "SELECT current_database()")
    sql(postgresql, f"ALTER DATABASE {quoted(name)} SET timezone TO 'Asia/Tokyo'")
    experiment = store(postgresql, "example", {"x": 1})

    loaded = mltraq.create_session(postgresql).load_experiment("example").runs.first()

    assert loaded.started_at is not None
    assert loaded.started_at == experiment.runs.first().started_at
    assert loaded.started_at.utcoffset() == datetime.timedelta(0)


# -- what comes back ---------------------------------------------------------------------------------------------------

EVERYTHING: dict[str, Any] = {
    "none": None,
    "bool": True,
    "int": -(2**63),
    "large int": 2**64,
    "huge int": 10**400,
    "float": 0.1,
    "negative zero": -0.0,
    "nan": math.nan,
    "inf": -math.inf,
    "tiny": 5e-324,
    "large float": 1e300,
    "text": "größe\n\t日本 😀 \\ \" ' % : \0 \ud800",
    "bytes": b"\0\xff",
    "long bytes": bytes(range(256)) * 100,
    "complex": 1 - 2j,
    "decimal": decimal.Decimal("1.10"),
    "uuid": uuid.UUID(int=7),
    "datetime": datetime.datetime(2026, 11, 24, 1, 2, 3, 4, tzinfo=datetime.UTC),
    "naive": datetime.datetime(2026, 11, 24),  # noqa: DTZ001 - naive on purpose
    "duration": datetime.timedelta(days=-1, microseconds=1),
    "path": Path("/data/iris.csv"),
    "tuple": (1, (2, [3])),
    "set": {1, "a", None},
    "keys": {1: "a", None: "b", (1, 2): "c", "\0": "d"},
    "bunch": mltraq.Bunch(items=1),
    "scalars": [np.float64(0.5), np.int8(1), np.float32(0.1), np.datetime64("2026-11-24T00:00:00.000000001")],
    "array": np.arange(6, dtype=">i2").reshape(2, 3),
    "frame": pd.DataFrame({"x": [1, 2]}, index=pd.Index(["a", "b"], name="key")),
    "series": pd.Series([1, 2], name="acc"),
    "arrow": pa.table({"x": [1, None]}).replace_schema_metadata({b"a": b"\0"}),
}


def test_everything_that_goes_in_comes_out(database_url: str) -> None:
    """Fields, params, config and experiment fields of every kind come back through the database as they were."""
    session = mltraq.create_session(database_url)
    params = {f"param {name}": value for name, value in EVERYTHING.items()}
    experiment = session.create_experiment("everything", **EVERYTHING).add_run(**params)
    experiment.execute(lambda run: run.fields.update(EVERYTHING), config=EVERYTHING).persist()

    loaded = mltraq.create_session(database_url).load_experiment("everything")

    assert same(dict(loaded.runs.first().fields), EVERYTHING)
    assert same(dict(loaded.runs.first().given_params), params)
    assert same(dict(loaded.fields), EVERYTHING)
    assert same(dict(loaded.config), EVERYTHING)


def test_all_fields_of_all_runs_come_back(database_url: str) -> None:
    """Runs may have different fields, of different types, or none."""
    runs: list[dict[str, Any]] = [
        {},
        {"a": 1},
        {"b": 2, "a": "x"},
        {"a": [1], "c": None},
        {"a": True},
        {"a": 2**60 + 1},
    ]

    store(database_url, "example", *runs)

    assert same(load(database_url, "example"), runs)


def test_fields_come_back_in_the_order_in_which_they_were_set(database_url: str) -> None:
    """Neither the alphabet nor the process changes the order."""
    names = ["zebra", "apple", "Mango", "l1", "l10", "l2", "ä", "10", "9"]

    store(database_url, "example", dict.fromkeys(names, 1), dict.fromkeys(reversed(names), 1))

    first, second = load(database_url, "example")
    assert list(first) == names
    assert list(second) == names[::-1]


ODD_NAMES = [
    *(
        "a b",
        " ",
        "it's",
        "100%",
        "%s",
        "%(x)s",
        ":x",
        "größe",
        "日本",
        "😀",
        "a.b",
        "$.a",
        "a[0]",
        "a/b",
        "select",
        "rowid",
    ),
    *("x;--", "a-b", "{a}", "?", "1", "ctid", "r", "e", "s", "id", "name", "fields", "params", "position", "/*", "b'"),
]
HARD_NAMES = ['say "x"', "back\\slash", "line\nbreak", ""]


def test_a_field_may_be_called_anything(database_url: str) -> None:
    """Fields with odd names, also those that the database uses itself, come back."""
    names = ["id_run", "id_experiment", "id_session", "started_at", "branch", "keys", *ODD_NAMES, *HARD_NAMES]
    runs: list[dict[str, Any]] = [*({name: "value"} for name in names), {name: at for at, name in enumerate(names)}]

    store(database_url, "example", *runs)

    assert load(database_url, "example") == runs


def test_thousands_of_fields_come_back(database_url: str) -> None:
    """There is no limit on the number of fields; the view has the first of them."""
    fields = {f"field_{at}": float(at) for at in range(4_000)}

    store(database_url, "wide", fields)

    assert same(load(database_url, "wide"), [fields])
    assert sql(database_url, "SELECT field_0, field_1000, outcome FROM experiment_wide") == [(0.0, 1000.0, "passed")]
    assert len(mltraq.create_session(database_url).db.query("SELECT * FROM experiment_wide").columns) >= 1_500


def test_thousands_of_runs_come_back(database_url: str) -> None:
    """All runs of an experiment are stored, in their order."""
    session = mltraq.create_session(database_url)
    experiment = session.create_experiment("long").add_runs(x=range(3_000))
    experiment.execute(lambda run: run.fields.update(x=run.params.x)).persist()

    assert [fields["x"] for fields in load(database_url, "long")] == list(range(3_000))
    assert sql(database_url, "SELECT count(*), sum(x) FROM experiment_long") == [(3_000, sum(range(3_000)))]


def test_objects_are_stored_once(database_url: str) -> None:
    """The same content in several runs, versions and experiments is there once."""
    array = np.arange(10_000)
    for name in ("first", "first", "second"):
        store(database_url, name, {"weights": array}, {"weights": array.copy(), "again": [array]})

    ((count, size),) = sql(database_url, "SELECT count(*), sum(size) FROM objects")

    assert count == 1
    assert size < 1.01 * array.nbytes + 1_000


def test_an_object_stays_while_another_version_has_it(database_url: str) -> None:
    """Deleting or replacing one version takes nothing from the others."""
    array = np.arange(1_000)
    store(database_url, "kept", {"weights": array})
    store(database_url, "replaced", {"weights": array})
    store(database_url, "replaced", {"weights": None}, if_exists="replace")
    store(database_url, "deleted", {"weights": array}).delete()

    assert same(load(database_url, "kept"), [{"weights": array}])


NAMES = [
    *(
        "a-b",
        "a_b",
        "a b",
        "a.b",
        "Exp",
        "exp",
        "EXP ",
        "exp ",
        " exp",
        "é",
        "e",
        "😀",
        "日本",
        "?",
        "!",
        "x" * 200,
        "x" * 201,
    ),
]


def test_experiments_whose_names_differ_are_different(database_url: str) -> None:
    """None overwrites, reads or deletes another, and each has a view of its own."""
    stored = {name: store(database_url, name, {"x": at}, if_exists="fail") for at, name in enumerate(NAMES)}
    views = {name: view_of(database_url, name) for name in NAMES}

    for name in NAMES[1::2]:
        stored[name].delete()

    kept = NAMES[::2]
    assert len(set(views.values())) == len(NAMES)
    assert [load(database_url, name) for name in kept] == [[{"x": NAMES.index(name)}] for name in kept]
    assert [sql(database_url, f"SELECT x FROM {quoted(views[name])}") for name in kept] == [
        [(NAMES.index(name),)] for name in kept
    ]


def test_no_name_can_be_made_up_that_takes_the_view_of_another(database_url: str, tmp_path: Path) -> None:
    """Also an experiment that is called as the view of another would be is stored, and has its own view."""
    elsewhere = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    store(elsewhere, "a_b", {"x": 0})
    store(elsewhere, "a-b", {"x": 0})
    made_up = view_of(elsewhere, "a-b").removeprefix("experiment_")
    names = [made_up, "a_b", "a-b", f"{made_up}-"]

    for at, name in enumerate(names):
        store(database_url, name, {"x": at})

    views = [view_of(database_url, name) for name in names]
    assert [sql(database_url, f"SELECT x FROM {quoted(view)}") for view in views] == [[(0,)], [(1,)], [(2,)], [(3,)]]


# -- views -------------------------------------------------------------------------------------------------------------


def test_a_view_has_a_column_for_each_param_and_scalar_field(database_url: str) -> None:
    """The results of a sweep are one SELECT away."""
    session = mltraq.create_session(database_url)
    experiment = session.create_experiment("iris").add_runs(model=["tree", "logreg"], seed=range(2))

    def step(run: mltraq.Run) -> None:
        run.fields.accuracy = 0.5 + 0.25 * run.params.seed + (run.params.model == "tree") * 0.125

    experiment.execute(step).persist()

    rows = sql(database_url, "SELECT model, avg(accuracy), count(*) FROM experiment_iris GROUP BY model ORDER BY model")

    assert rows == [("logreg", 0.625, 2), ("tree", 0.75, 2)]


def test_a_view_says_which_run_and_session_it_was(database_url: str) -> None:
    """Each row can be joined with the tables, and tells when and from which commit it is."""
    experiment = store(database_url, "example", {"x": 1})

    rows = sql(
        database_url,
        "SELECT v.id_run, v.id_session = s.id, v.started_at = r.started_at, v.outcome FROM experiment_example v "
        "JOIN runs r ON r.id_run = v.id_run JOIN sessions s ON s.id = v.id_session",
    )
    columns = mltraq.create_session(database_url).db.query("SELECT * FROM experiment_example").columns

    assert rows == [(str(experiment.runs.first().id_run), True, True, "passed")]
    assert {"id_run", "id_session", "started_at", "commit", "branch", "outcome", "x"} <= set(columns)


def test_a_view_has_the_runs_of_all_versions(database_url: str) -> None:
    """Versions are rows of one view, told apart by their session."""
    for x in range(3):
        store(database_url, "example", {"x": x})

    assert sql(database_url, "SELECT count(DISTINCT id_session), sum(x) FROM experiment_example") == [(3, 3)]


def test_a_field_wins_over_a_param(database_url: str) -> None:
    """Of a field and a param of one name, the field has the name, and the param is `param_<name>`."""
    store(database_url, "example", {"lr": 0.5}, lr=0.1)

    assert sql(database_url, "SELECT lr, param_lr FROM experiment_example") == [(0.5, 0.1)]


def test_a_field_called_like_the_other_name_of_a_param_is_no_trouble(database_url: str) -> None:
    """A field `param_lr` beside a field and a param `lr` is a column of its own."""
    store(database_url, "example", {"lr": 0.5, "param_lr": 7}, lr=0.1)

    frame = mltraq.create_session(database_url).db.query("SELECT * FROM experiment_example")

    assert (frame["lr"].iloc[0], frame["param_lr"].iloc[0]) == (0.5, 7)
    assert 0.1 in frame.iloc[0].tolist()


def test_a_field_called_like_a_column_of_the_view_has_another_name(database_url: str) -> None:
    """The run's own outcome stays the outcome; the field is `field_<name>`."""
    names = ["outcome", "commit", "branch", "id_run", "started_at", "Id_Session"]
    store(database_url, "example", dict.fromkeys(names, "mine"))

    columns = ", ".join(quoted(f"field_{name}") for name in names)

    assert sql(database_url, f"SELECT outcome, {columns} FROM experiment_example") == [
        ("passed", *["mine"] * len(names))
    ]


def test_names_that_differ_in_case_only_are_different_columns(database_url: str) -> None:
    """`Acc` and `acc` are both there, although SQLite doesn't tell them apart."""
    store(database_url, "example", {"Acc": 1, "acc": 2, "ACC": 3})

    assert sql(database_url, 'SELECT "Acc", "field_acc" FROM experiment_example') == [(1, 2)]
    frame = mltraq.create_session(database_url).db.query("SELECT * FROM experiment_example")
    assert {1, 2, 3} <= set(frame.iloc[0].tolist())


def test_columns_may_have_odd_names(database_url: str) -> None:
    """A column has the field's own name, with spaces, quotes, percent signs, dots and all of Unicode."""
    fields = {name: float(at) for at, name in enumerate(ODD_NAMES)}
    store(database_url, "example", fields)

    columns = ", ".join(map(quoted, ODD_NAMES))
    frame = mltraq.create_session(database_url).db.query(f"SELECT {columns} FROM experiment_example")

    assert frame.columns.tolist() == ODD_NAMES
    assert frame.iloc[0].tolist() == list(fields.values())
    assert sql(database_url, f"SELECT {columns} FROM experiment_example") == [tuple(fields.values())]


@pytest.mark.parametrize("name", [name for name in HARD_NAMES if name])
def test_columns_may_have_names_with_quotes_and_backslashes(database_url: str, name: str) -> None:
    """A column has the field's own name also where the name has to be escaped twice."""
    store(database_url, "example", {name: 1.5, "x": 1})

    assert sql(database_url, f"SELECT {quoted(name)}, x FROM experiment_example") == [(1.5, 1)]


def test_long_names_are_cut_without_becoming_one(database_url: str) -> None:
    """Names that are longer than databases allow stay different, as columns and as views."""
    first, second = "f" * 100 + "1", "f" * 100 + "2"
    store(database_url, "e" * 100 + "1", {first: 1, second: 2}, **{first: 3})
    store(database_url, "e" * 100 + "2", {"größe" * 20: 5})

    frame = mltraq.create_session(database_url).db.query(
        f"SELECT * FROM {quoted(view_of(database_url, 'e' * 100 + '1'))}"
    )
    other = sql(database_url, f"SELECT * FROM {quoted(view_of(database_url, 'e' * 100 + '2'))}")

    assert {1, 2, 3} <= set(frame.iloc[0].tolist())
    assert len(set(frame.columns)) == len(frame.columns)
    assert max(len(column.encode()) for column in frame.columns) <= 63
    assert other[0][-1] == 5


def test_a_view_is_extended_by_later_runs(database_url: str) -> None:
    """A field that an experiment never had is a new column; earlier runs have NULL there."""
    store(database_url, "example", {"a": 1})
    store(database_url, "example", {"a": 2, "b": "x"})
    store(database_url, "example", {"c": 0.5})

    rows = sql(database_url, "SELECT a, b, c FROM experiment_example ORDER BY id_run")

    assert rows == [(1, None, None), (2, "x", None), (None, None, 0.5)]


def test_a_session_extends_a_view_that_another_process_extended(database_url: str) -> None:
    """A session that knows an older view doesn't take columns away that came since."""
    session = mltraq.create_session(database_url)
    session.create_experiment("example").execute(lambda run: run.fields.update(a=1)).persist()
    finish(
        start(
            "mltraq.create_experiment('example', sys.argv[1]).execute(lambda run: run.fields.update(b=2)).persist('append')",
            database_url,
        )
    )

    session.create_experiment("example").execute(lambda run: run.fields.update(c=3)).persist("append")

    rows = sql(database_url, "SELECT a, b, c FROM experiment_example ORDER BY id_run")
    assert rows == [(1, None, None), (None, 2, None), (None, None, 3)]


def test_a_column_may_change_its_kind(database_url: str) -> None:
    """Integers, then floats, then text: the view can always be read, and counts right as long as there are numbers."""
    store(database_url, "example", {"x": 1})
    store(database_url, "example", {"x": 2.5})
    numbers = sql(database_url, "SELECT sum(x), count(x) FROM experiment_example")
    store(database_url, "example", {"x": "many"})
    texts = sql(database_url, "SELECT x FROM experiment_example ORDER BY id_run")

    assert numbers == [(3.5, 2)]
    assert [str(text) for (text,) in texts] == ["1", "2.5", "many"]


KINDS: dict[str, tuple[Any, Any, set[str], set[str]]] = {
    "integer and boolean": (1, True, {"1"}, {"1", "true", "t"}),
    "nothing and integer": (None, 1, {"None"}, {"1"}),
    "nothing and text": (None, "a", {"None"}, {"a"}),
    "boolean and text": (True, "a", {"1", "true", "t"}, {"a"}),
    "float and integer": (0.5, 1, {"0.5"}, {"1", "1.0"}),
    "NaN and integer": (math.nan, 1, {"None"}, {"1", "1.0"}),
    "integer and list": (2, [1], {"2", "2.0"}, {"None", "[1]"}),
    "dict and float": ({"a": 1}, 0.5, {"None", '{"a":1}'}, {"0.5"}),
    "list and boolean": ([], False, {"None", "[]"}, {"0", "false", "f", "False"}),
    "bytes and integer": (b"a", 1, {"None"}, {"1"}),
    "array and text": (np.arange(3), "a", {"None"}, {"a"}),
}


def test_runs_may_have_values_of_different_kinds(database_url: str) -> None:
    """Whatever kinds meet in a column, the view can be read."""
    runs: list[dict[str, Any]] = [{name: values[at] for name, values in KINDS.items()} for at in range(2)]
    store(database_url, "example", {**runs[0], "at": 1}, {**runs[1], "at": 2})

    wrong = {}
    for name, (_, _, *expected) in KINDS.items():
        rows = sql(database_url, f"SELECT {quoted(name)} FROM experiment_example ORDER BY at")
        shown = [str(row[0]) for row in rows]
        if not all(text in texts for text, texts in zip(shown, expected, strict=True)):
            wrong[name] = shown

    assert wrong == {}


def test_averages_are_those_of_the_numbers(database_url: str) -> None:
    """NaN, infinities and None are NULL, which `avg()` leaves out."""
    odd = [math.nan, math.inf, -math.inf, None, np.float32("nan"), np.float64("inf")]
    numbers = [dict.fromkeys(map(str, range(len(odd))), number) for number in (1.0, 2.0)]
    store(database_url, "example", *numbers, {str(at): value for at, value in enumerate(odd)}, {})

    averages = ", ".join(f"avg({quoted(str(at))})" for at in range(len(odd)))
    rows = sql(database_url, f"SELECT {averages} FROM experiment_example")

    assert rows == [(1.5,) * len(odd)]


def test_large_integers_can_be_read_in_a_view(database_url: str) -> None:
    """An integer beyond 63 bits is a number in the view, and doesn't keep others from being read."""
    numbers = [2**63 - 1, 2**63, 2**64 - 1, 2**70, -(2**63), -(2**63) - 1, 10**30]
    large = {f"x{at}": number for at, number in enumerate(numbers)}
    store(database_url, "example", {**large, "at": 1}, {**dict.fromkeys(large, 7), "at": 2})

    first, second = sql(database_url, f"SELECT {', '.join(large)} FROM experiment_example ORDER BY at")

    assert list(first) == [pytest.approx(number) for number in numbers]
    assert list(second) == [7] * len(numbers)


def test_floats_are_exact_in_a_view(database_url: str) -> None:
    """Floats in the view are those of the run."""
    numbers = (1e300, 5e-324, -0.0, 0.1, 1e-7, 123456789.123456789, 1.7976931348623157e308)
    store(database_url, "example", {f"x{at}": number for at, number in enumerate(numbers)})

    columns = ", ".join(f"x{at}" for at in range(len(numbers)))

    assert sql(database_url, f"SELECT {columns} FROM experiment_example") == [numbers]


def test_what_is_no_scalar_has_no_column(database_url: str) -> None:
    """Lists, dicts, arrays and tables are in the document and the objects; a view stays readable."""
    store(database_url, "example", {"x": 1, "list": [1], "dict": {"a": 1}, "array": np.arange(3), "bytes": b"a"})

    columns = set(mltraq.create_session(database_url).db.query("SELECT * FROM experiment_example").columns)

    assert "x" in columns
    assert not {"list", "dict", "array", "bytes"} & columns


def test_an_experiment_without_runs_has_an_empty_view(database_url: str) -> None:
    """The view is there with the experiment."""
    mltraq.create_session(database_url).create_experiment("empty").persist()

    assert sql(database_url, "SELECT id_run, outcome FROM experiment_empty") == []


def test_an_experiment_may_be_called_like_sql(database_url: str) -> None:
    """A name with quotes, percent signs and semicolons is a name."""
    name = "x'; DROP TABLE runs; -- %s %(a)s \" :b"
    store(database_url, name, {"x": 1})

    assert load(database_url, name) == [{"x": 1}]
    assert sql(database_url, f"SELECT x FROM {quoted(view_of(database_url, name))}") == [(1,)]


def test_a_view_that_a_user_made_of_a_view_is_no_trouble(database_url: str) -> None:
    """A team's own view, made of an experiment's, doesn't keep later runs from being stored."""
    store(database_url, "example", {"a": 1})
    sql(database_url, "CREATE VIEW best AS SELECT max(a) AS a FROM experiment_example")

    store(database_url, "example", {"a": 2, "b": 1})

    assert sql(database_url, "SELECT a FROM best") == [(2,)]


# -- transactions ------------------------------------------------------------------------------------------------------


def test_a_refused_value_leaves_the_old_version(database_url: str) -> None:
    """A replace that fails changes nothing."""
    store(database_url, "example", {"x": 1})
    session = mltraq.create_session(database_url)
    experiment = session.create_experiment("example").execute(lambda run: run.fields.update(x=2, bad=object()))

    with pytest.raises(mltraq.UnsupportedTypeError, match=r"fields\.bad"):
        experiment.persist("replace")

    assert load(database_url, "example") == [{"x": 1}]
    assert sql(database_url, "SELECT x FROM experiment_example") == [(1,)]


@pytest.mark.parametrize("where", ["fields of the experiment", "config", "params"])
def test_a_value_that_is_refused_anywhere_leaves_the_old_version(database_url: str, where: str) -> None:
    """Whatever can't be stored, all of the new version is refused."""
    store(database_url, "example", {"x": 1})
    experiment = mltraq.create_session(database_url).create_experiment("example")
    match where:
        case "params":
            experiment.add_run(bad=object())
        case "config":
            experiment.execute(lambda run: run.fields.update(x=2), config={"bad": iter(())})
        case _:
            experiment.execute(lambda run: run.fields.update(x=2))
            experiment.fields.bad = object()

    with pytest.raises(mltraq.UnsupportedTypeError, match="bad"):
        experiment.persist("replace")

    assert load(database_url, "example") == [{"x": 1}]
    assert sql(database_url, "SELECT count(*) FROM runs") == [(1,)]


def test_a_first_version_that_is_refused_leaves_nothing(database_url: str) -> None:
    """No ghost is listed."""
    session = mltraq.create_session(database_url)
    experiment = session.create_experiment("example").execute(lambda run: run.fields.update(bad=object()))

    with pytest.raises(mltraq.UnsupportedTypeError):
        experiment.persist()

    assert len(session.ls()) == 0
    assert len(mltraq.create_session(database_url).ls()) == 0


def test_refused_values_are_said_before_a_file_is_made(file: Path) -> None:
    """All of them, those of the last runs too, although runs of plain values are encoded while they are stored."""
    experiment = mltraq.create_session(file).create_experiment("example").add_runs(at=range(4))
    experiment.execute(lambda run: run.fields.update(x=1) if run.params.at % 2 else run.fields.update(bad=object()))

    with pytest.raises(ExceptionGroup, match=r"2 values can't be stored"):
        experiment.persist()

    assert not file.exists()


def test_the_first_runs_may_be_plain_and_the_last_refused(database_url: str) -> None:
    """Nothing of the first ones is stored, and all values that can't be are said."""
    store(database_url, "example", {"x": 1})
    experiment = mltraq.create_session(database_url).create_experiment("example").add_runs(at=range(40))
    experiment.execute(lambda run: run.fields.update(x=2, late=object() if run.params.at > 37 else "x" * 100_000))

    with pytest.raises(ExceptionGroup, match=r"2 values can't be stored"):
        experiment.persist("replace")

    assert load(database_url, "example") == [{"x": 1}]
    assert sql(database_url, "SELECT x FROM experiment_example") == [(1,)]


def test_the_first_runs_may_be_plain_and_the_last_have_objects(database_url: str) -> None:
    """All of them are stored once, in their order."""
    experiment = mltraq.create_session(database_url).create_experiment("example").add_runs(at=range(40))
    experiment.execute(lambda run: run.fields.update(at=np.arange(5) if run.params.at > 37 else run.params.at))

    experiment.persist()

    *plain, first, last = load(database_url, "example")
    assert plain == [{"at": at} for at in range(38)]
    assert [found["at"].tolist() for found in (first, last)] == [[0, 1, 2, 3, 4]] * 2
    assert sql(database_url, "SELECT count(*) FROM objects") == [(1,)]


def test_a_name_that_only_equals_one_of_the_run_before_is_refused(database_url: str) -> None:
    """Nothing is stored then, whenever it is found out."""

    class Text(str):
        __slots__ = ()

    experiment = mltraq.create_session(database_url).create_experiment("example").add_runs(name=["x", Text("x")])
    for name, run in zip(["x", Text("x")], experiment.runs.values(), strict=True):
        run.given_params = FrozenBunch()
        run.fields[name] = 0.5

    with pytest.raises(mltraq.UnsupportedTypeError, match="a name is text"):
        experiment.persist()

    assert len(mltraq.create_session(database_url).ls()) == 0


def test_storing_takes_memory_for_a_few_documents(file: Path) -> None:
    """Plain values are encoded as they are stored, so that there are never the documents of all runs."""
    text = "x" * 100_000
    experiment = mltraq.create_session(file).create_experiment("example").add_runs(at=range(300))
    experiment.execute(lambda run: run.fields.update(text=text, loss=0.5))

    tracemalloc.start()
    try:
        experiment.persist()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 3_000_000
    assert file.stat().st_size > 30_000_000


KILLED = """
import json, os, signal
from sqlalchemy import event
from sqlalchemy.engine import Engine
from pytest_mltraq.storage.sqlite import SQLiteConnection

url = sys.argv[1]

def version(n):
    session = mltraq.create_session(url)
    return session.create_experiment("example").add_runs(at=range(5)).execute(lambda run: run.fields.update(n=n, **{f"f{n}": 1}))

def state():
    session = mltraq.create_session(url)
    found = [run.fields.n for run in session.load_experiment("example").runs.values()]
    return len(session.ls()), found, session.db.query("SELECT n FROM experiment_example")["n"].tolist()

version(0).persist()
states = []
for n in range(1, 40):
    new = version(n)
    child = os.fork()
    if not child:
        statements = []
        def kill(*arguments):
            statements.append(arguments)
            if len(statements) == n:
                os.kill(os.getpid(), signal.SIGKILL)
        event.listen(Engine, "before_cursor_execute", kill)
        event.listen(Engine, "commit", kill)
        with new.session.db.connected() as connection:
            if isinstance(connection, SQLiteConnection):  # it is kept for the next one
                connection.driver.set_trace_callback(kill)
        new.persist("replace")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    states.append((status, *state()))
    if not status:
        break
print(json.dumps(states))
"""


def test_a_replace_that_is_killed_leaves_the_old_or_the_new_version(database_url: str) -> None:
    """Killed before any of its statements, a process leaves one whole version, and nothing that is in the way of the next."""
    (answer,) = finish(start(KILLED, database_url))

    states = json.loads(answer)
    *killed, ended = states
    assert len(killed) > 5
    assert [status for status, *_ in killed] == [9] * len(killed)
    assert [(count, runs, view) for _, count, runs, view in killed] == [(1, [0] * 5, [0] * 5)] * len(killed)
    assert ended == [0, 1, [len(states)] * 5, [len(states)] * 5]


KILLED_LATE = """
import os, signal
session = mltraq.create_session(sys.argv[1])
experiment = session.create_experiment("example").add_runs(at=range(200))
experiment.execute(lambda run: run.fields.update({f"f{n}": n / 7 for n in range(1000)}))
with session.db.connected() as connection:
    kill = lambda statement: statement == "COMMIT" and os.kill(os.getpid(), signal.SIGKILL)
    connection.driver.set_trace_callback(kill)
experiment.persist()
"""


def test_a_new_file_whose_first_writer_was_killed_is_empty(file: Path) -> None:
    """Most of a large experiment was in the file already, without a header: SQLite undoes it."""
    start(KILLED_LATE, str(file)).communicate()
    assert file.stat().st_size > 1_000_000

    session = mltraq.create_session(file)

    assert len(session.ls()) == 0
    session.create_experiment("example").add_run(n=1).persist()
    assert sql(f"sqlite:///{file}", "SELECT n FROM experiment_example") == [(1,)]


def test_a_file_that_only_seems_to_have_a_journal_is_left_alone(file: Path) -> None:
    """No other file is touched by looking at one."""
    beside = file.with_name("results.db-journal")
    file.write_text("no database" * 100)
    beside.write_text("my journal")

    with pytest.raises(ForeignDatabaseError, match="no SQLite database"):
        mltraq.create_session(file)

    assert (file.read_text(), beside.read_text()) == ("no database" * 100, "my journal")


REPLACE = """
session = mltraq.create_session(sys.argv[1])
input()
for n in range(int(sys.argv[2])):
    experiment = session.create_experiment("example").add_runs(at=range(10))
    experiment.execute(lambda run: run.fields.update(n=n, text="x" * 1000)).persist("replace")
"""


def test_a_reader_during_replaces_sees_one_whole_version(database_url: str) -> None:
    """Every read finds all runs, and all of one version."""
    store(database_url, "example", *[{"n": -1, "text": ""}] * 10)
    program = start(REPLACE, database_url, "25")
    assert program.stdin is not None
    program.stdin.write("go\n")
    program.stdin.flush()
    session = mltraq.create_session(database_url)
    seen = []

    while program.poll() is None:
        seen.append([run.fields.n for run in session.load_experiment("example").runs.values()])

    assert program.communicate()[1] == ""
    assert [versions for versions in seen if len(versions) != 10 or len(set(versions)) != 1] == []
    assert len(seen) > 5
    assert [fields["n"] for fields in load(database_url, "example")] == [24] * 10


def test_two_processes_replace_the_same_experiment(database_url: str) -> None:
    """Neither fails, and the last version is whole."""
    programs = [start(REPLACE, database_url, "20") for _ in range(2)]

    finish(*programs)

    assert len(mltraq.create_session(database_url).ls()) == 1
    assert [fields["n"] for fields in load(database_url, "example")] == [19] * 10
    assert sql(database_url, "SELECT count(*) FROM runs") == [(10,)]


APPEND = """
input()
session = mltraq.create_session(sys.argv[1])
for n in range(5):
    for name in ("example", f"own {sys.argv[2]}"):
        experiment = session.create_experiment(name).add_run(at=n)
        experiment.execute(lambda run: run.fields.update(**{f"field_{sys.argv[2]}_{n}": n})).persist("append")
"""


def test_four_processes_create_one_database_at_once(database_url: str) -> None:
    """The worst moment is the first: none fails, and nothing of any is lost, in tables and views."""
    programs = [start(APPEND, database_url, str(n)) for n in range(4)]

    finish(*programs)

    columns = ", ".join(f"sum(field_{process}_{n})" for process in range(4) for n in range(5))
    assert sql(database_url, f"SELECT {columns} FROM experiment_example") == [tuple(range(5)) * 4]
    assert sql(database_url, "SELECT count(*) FROM runs") == [(40,)]
    assert sql(database_url, "SELECT count(*) FROM sessions") == [(4,)]
    assert sql(database_url, "SELECT count(*) FROM views") == [(5,)]


def test_storing_and_loading_cost_the_same_whatever_else_is_stored(database_url: str) -> None:
    """The number of statements doesn't grow with the number of experiments."""
    session = mltraq.create_session(database_url)
    for at in range(40):
        session.create_experiment(f"other {at}").execute(lambda run: run.fields.update(x=1)).persist()
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)

    with session.db.connected() as connection:
        if isinstance(connection, SQLiteConnection):  # it is kept for the next one, and SQLAlchemy doesn't see it
            connection.driver.set_trace_callback(statements.append)
    event.listen(Engine, "before_cursor_execute", note)
    try:
        session.create_experiment("example").execute(lambda run: run.fields.update(x=1)).persist()
        session.load_experiment("example")
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    assert 5 < len(statements) < 25


# -- files -------------------------------------------------------------------------------------------------------------


def test_a_database_is_one_file(tmp_path: Path, file: Path) -> None:
    """Nothing is left beside it, neither after writing nor after reading."""
    store(f"sqlite:///{file}", "example", {"x": np.arange(10_000)})
    load(f"sqlite:///{file}", "example")

    assert [path.name for path in tmp_path.iterdir()] == ["results.db"]


def test_the_folders_of_a_database_are_made(tmp_path: Path) -> None:
    """A path may lead through folders that aren't there yet."""
    file = tmp_path / "results" / "2026" / "november.db"

    store(str(file), "example", {"x": 1})

    assert load(str(file), "example") == [{"x": 1}]


def test_nothing_is_made_before_something_is_stored(tmp_path: Path) -> None:
    """Listing, loading and failing to load leave no file and no folder."""
    session = mltraq.create_session(tmp_path / "folder" / "results.db")

    session.ls()
    str(session)
    with pytest.raises(mltraq.NotFoundError):
        session.load_experiment("example")
    session.close()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["a b.db", "größe 日本.db", "a#b?c%20d.db", "a&b=c;d.db", "results", "it's.db", "a:b.db"]
)
def test_a_database_may_have_any_file_name(tmp_path: Path, name: str) -> None:
    """A path is a path, whatever it would mean in a URL."""
    store(str(tmp_path / name), "example", {"x": 1})

    assert load(str(tmp_path / name), "example") == [{"x": 1}]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("where", ["results.db", "sqlite:///results.db", "./results.db", Path("results.db")], ids=str)
def test_a_path_is_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Any) -> None:
    """A relative path, alone or in a URL, is one from where the program runs."""
    monkeypatch.chdir(tmp_path)

    mltraq.create_session(where).create_experiment("example").persist()

    assert (tmp_path / "results.db").exists()


def test_a_database_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))

    mltraq.create_session("~/results.db").create_experiment("example").persist()

    assert (tmp_path / "results.db").exists()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", None])
def test_a_database_in_memory_is_that_of_its_session(url: str | None) -> None:
    """Two sessions in memory share nothing."""
    first, second = mltraq.create_session(url), mltraq.create_session(url)

    first.create_experiment("example").persist()

    assert (len(first.ls()), len(second.ls())) == (1, 0)


def test_an_empty_file_becomes_a_database(file: Path) -> None:
    """A file that a program made to have its name is nobody's yet."""
    file.touch()

    store(str(file), "example", {"x": 1})

    assert load(str(file), "example") == [{"x": 1}]


def _text(file: Path) -> None:
    file.write_text("epoch,loss\n1,0.5\n")


def _short(file: Path) -> None:
    file.write_bytes(b"S")


def _image(file: Path) -> None:
    file.write_bytes(bytes(range(256)) * 64)


def _sqlite(*statements: str) -> Callable[[Path], None]:
    def make(file: Path) -> None:
        with contextlib.closing(sqlite3.connect(file)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    return make


def _newer(file: Path) -> None:
    store(str(file), "example", {"x": 1})
    _sqlite("UPDATE mltraq_schema SET version = 99")(file)


def _damaged(file: Path) -> None:
    _sqlite("CREATE TABLE photos (name TEXT)")(file)
    content = bytearray(file.read_bytes())
    content[100:200] = bytes(range(100))  # the first page, after the file's header
    file.write_bytes(content)


def _damaged_header(file: Path) -> None:
    file.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)


FOREIGN = {
    "text": (_text, ForeignDatabaseError, "no SQLite database"),
    "a byte": (_short, ForeignDatabaseError, "no SQLite database"),
    "binary": (_image, ForeignDatabaseError, "no SQLite database"),
    "damaged header": (_damaged_header, ForeignDatabaseError, "no SQLite database"),
    "damaged": (_damaged, ForeignDatabaseError, "damaged"),
    "table without rows": (_sqlite("CREATE TABLE photos (name TEXT)"), ForeignDatabaseError, "photos"),
    "tables with our names": (
        _sqlite("CREATE TABLE runs (id INTEGER)", "CREATE TABLE experiments (id INTEGER)"),
        ForeignDatabaseError,
        "experiments, runs",
    ),
    "view without a table": (_sqlite("CREATE VIEW one AS SELECT 1"), ForeignDatabaseError, "results.db"),
    "application without a table": (
        _sqlite("PRAGMA application_id = 1196437808", "CREATE TABLE x (a)", "DROP TABLE x"),
        ForeignDatabaseError,
        "results.db",
    ),
    "MLflow": (
        _sqlite(
            "CREATE TABLE alembic_version (version_num VARCHAR(32))",
            "CREATE TABLE experiments (experiment_id INTEGER)",
            "CREATE TABLE runs (run_uuid VARCHAR(32))",
            "CREATE TABLE metrics (key VARCHAR(250), value FLOAT)",
        ),
        ForeignDatabaseError,
        "MLflow",
    ),
    "MLtraq": (
        _sqlite(
            "CREATE TABLE experiments (id_experiment CHAR(32), name VARCHAR, meta BLOB, fields BLOB, unsafe_pickle BLOB)",
            "CREATE TABLE experiment_example (id_experiment CHAR(32), id_run CHAR(32))",
        ),
        ForeignDatabaseError,
        "MLtraq",
    ),
    "newer version": (_newer, SchemaVersionError, "version 99"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_that_is_not_ours_is_refused_and_left_as_it_is(tmp_path: Path, file: Path, kind: str) -> None:
    """The error names the file and what it is; not a byte of it changes, and nothing is put beside it."""
    make, error, what = FOREIGN[kind]
    make(file)
    before = file.read_bytes()

    with pytest.raises(error, match=what) as caught:
        mltraq.create_session(file).create_experiment("example").persist()

    assert "results.db" in str(caught.value)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["results.db"]


def test_a_foreign_database_that_is_being_written_is_refused(file: Path) -> None:
    """Tables that another program made, and that are in its write-ahead log still, are seen."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE photos (name TEXT)")
        connection.execute("INSERT INTO photos VALUES ('a.jpg')")

        with pytest.raises(ForeignDatabaseError, match="photos"):
            mltraq.create_session(file).create_experiment("example").persist()

        assert connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("photos",)]


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """The error says that it is a folder."""
    with pytest.raises(mltraq.StorageError, match="is a folder"):
        mltraq.create_session(tmp_path)


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    """A path through a file is refused with its name."""
    (tmp_path / "results").write_text("a file")

    with pytest.raises(mltraq.StorageError, match="results"):
        mltraq.create_session(tmp_path / "results" / "november.db").create_experiment("example").persist()


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Work as a user without rights: as root, no permission would be missing."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.fixture
def read_only_folder() -> Iterator[Path]:
    """A folder that can be read only; as nobody can enter pytest's own, it is beside it."""
    with tempfile.TemporaryDirectory(prefix="mltraq-read-only-") as name:
        folder = Path(name)
        store(str(folder / "there.db"), "example", {"x": 1})  # which also imports what is needed
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


def test_a_folder_that_cannot_be_written_is_named(read_only_folder: Path) -> None:
    """The error names the folder, and nothing is made."""
    with as_nobody(), pytest.raises(mltraq.StorageError, match=r"new\.db can't be written: no permission"):
        mltraq.create_session(read_only_folder / "new.db").create_experiment("example").persist()

    assert [path.name for path in read_only_folder.iterdir()] == ["there.db"]


def test_a_folder_that_cannot_be_made_is_named(read_only_folder: Path) -> None:
    """So is one whose parent can't be written."""
    with as_nobody(), pytest.raises(mltraq.StorageError, match=r"november\.db can't be written"):
        mltraq.create_session(read_only_folder / "2026" / "november.db").create_experiment("example").persist()


def test_a_database_that_cannot_be_written_can_be_read(read_only_folder: Path) -> None:
    """A colleague without rights reads results; what they can't do is said when they try."""
    with as_nobody():
        session = mltraq.create_session(read_only_folder / "there.db")
        loaded = [dict(run.fields) for run in session.load_experiment("example").runs.values()]
        with pytest.raises(mltraq.StorageError, match=r"there\.db can't be written"):
            session.create_experiment("other").persist()

    assert loaded == [{"x": 1}]


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("mysql://ann:s3cret@db/x", "mysql"),
        ("postgresql+nothing://ann:s3cret@db/x", "nothing"),
        ("postgresql://ann:s3cret@db:port/x", "postgresql"),
        ("http://ann:s3cret@db/x.db", "http"),
        ("://", "postgresql"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_what_is_expected(url: str, what: str) -> None:
    """The error says what a URL looks like, and never a password."""
    with pytest.raises(mltraq.ConfigurationError, match=what) as caught:
        mltraq.create_session(url)

    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


# -- damage ------------------------------------------------------------------------------------------------------------


def test_a_truncated_file_is_an_error_of_ours(file: Path) -> None:
    """Wherever a file ends, what can't be read is refused; nothing comes back that was not stored."""
    store(str(file), "example", *[{"x": at, "text": "x" * 500} for at in range(50)])
    content = file.read_bytes()

    for size in range(1, len(content), 4_000):
        file.write_bytes(content[:size])
        with pytest.raises(mltraq.MltraqError):
            load(str(file), "example")


@pytest.mark.parametrize(
    ("table", "column", "damage"),
    [
        ("runs", "fields", "'{'"),
        ("runs", "fields", "'[]'"),
        ("runs", "fields", "''"),
        ("runs", "params", "'nonsense'"),
        ("runs", "types", "'[1]'"),
        ("runs", "types", """'{"fields": {"x": ["hologram"]}}'"""),
        ("runs", "types", """'{"fields": {"y": ["uuid"]}}'"""),
        ("runs", "types", """'{"fields": 5}'"""),
        ("runs", "steps", "'{'"),
        ("runs", "steps", "'5'"),
        ("runs", "steps", """'[{"a": 1}]'"""),
        ("runs", "error", "'5'"),
        ("runs", "error", """'{"a": 1}'"""),
        ("runs", "started_at", "'yesterday'"),
        ("runs", "id_run", "'nonsense'"),
        ("experiments", "fields", "'{'"),
        ("experiments", "config", "'5'"),
        ("experiments", "types", "'5'"),
        ("experiments", "code", "'5'"),
        ("experiments", "code", """'[{"a": 1}]'"""),
        ("objects", "data", "zeroblob(200)"),
        ("objects", "data", "x'00'"),
        ("objects", "data", "substr(data, 1, length(data) - 1)"),
        ("objects", "kind", "'arrow'"),
    ],
    ids=str,
)
def test_damaged_rows_are_corrupt_data(file: Path, table: str, column: str, damage: str) -> None:
    """What is stored and can't be read is refused, and said where it is."""
    store(str(file), "example", {"x": 1, "weights": np.arange(3)})
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(f"UPDATE {table} SET {column} = {damage}")

    with pytest.raises(mltraq.CorruptDataError):
        load(str(file), "example")


def test_a_changed_bit_of_an_object_is_noticed(database_url: str) -> None:
    """An array of which one bit changed is corrupt data, not another array."""
    store(database_url, "example", {"weights": np.array([99.0, 100.0, 101.0])})
    changed = np.array([99.0, 50.0, 101.0]).tobytes().hex()
    original = np.array([99.0, 100.0, 101.0]).tobytes().hex()
    ((data,),) = sql(database_url, "SELECT data FROM objects")
    damaged = bytes(data).hex().replace(original, changed)
    literal = f"x'{damaged}'" if database_url.startswith("sqlite") else f"decode('{damaged}', 'hex')"
    sql(database_url, f"UPDATE objects SET data = {literal}")

    with pytest.raises(mltraq.CorruptDataError, match="weights"):
        load(database_url, "example")


def test_a_missing_object_is_noticed(database_url: str) -> None:
    """An array that is gone is corrupt data, and the error says which field had it."""
    store(database_url, "example", {"weights": np.arange(3)})
    sql(database_url, "DELETE FROM objects")

    with pytest.raises(mltraq.CorruptDataError, match="weights"):
        load(database_url, "example")


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


def test_a_shared_database_keeps_the_tables_of_others(postgresql: str) -> None:
    """Our tables are in a schema of their own; those of another tool, of the same names, are neither read nor written."""
    with psycopg.connect(postgresql, autocommit=True) as connection:
        for table in ("runs", "experiments", "sessions", "objects", "views", "mltraq_schema"):
            connection.execute(f"CREATE TABLE public.{table} (id integer)")
            connection.execute(f"INSERT INTO public.{table} VALUES (7)")

    store(postgresql, "example", {"x": 1})

    assert load(postgresql, "example") == [{"x": 1}]
    with psycopg.connect(postgresql) as connection:
        for table in ("runs", "experiments", "sessions", "objects", "views", "mltraq_schema"):
            assert connection.execute(f"SELECT * FROM public.{table}").fetchall() == [(7,)]
        schemas = connection.execute(
            "SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_name IN ('runs', 'experiment_example')"
        ).fetchall()
    assert sorted(schemas) == [("mltraq",), ("public",)]


def test_a_query_may_join_the_tables_of_others(postgresql: str) -> None:
    """The team's own tables are one schema away."""
    store(postgresql, "example", {"x": 1})
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.owners (name text)")
        connection.execute("INSERT INTO public.owners VALUES ('ann')")

    frame = mltraq.create_session(postgresql).db.query("SELECT name, x FROM public.owners, experiment_example")

    assert frame.to_numpy().tolist() == [["ann", 1]]


def test_a_schema_of_our_name_that_is_not_ours_is_left_as_it_is(postgresql: str) -> None:
    """Another tool's schema `mltraq` is an error, not a place to write."""
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA mltraq")
        connection.execute("CREATE TABLE mltraq.runs (id integer)")
        connection.execute("INSERT INTO mltraq.runs VALUES (7)")

    with pytest.raises(mltraq.StorageError):
        mltraq.create_session(postgresql).create_experiment("example").persist()

    assert sql(postgresql, "SELECT * FROM runs") == [(7,)]
    assert sql(postgresql, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'mltraq'") == [
        ("runs",)
    ]


def test_tables_of_a_newer_version_are_refused(database_url: str) -> None:
    """The error says both versions and what to do; nothing is written."""
    store(database_url, "example", {"x": 1})
    sql(database_url, f"UPDATE mltraq_schema SET version = {tables.SCHEMA_VERSION + 1}")

    with pytest.raises(SchemaVersionError, match="upgrade") as caught:
        mltraq.create_session(database_url)

    assert (caught.value.found, caught.value.expected) == (tables.SCHEMA_VERSION + 1, tables.SCHEMA_VERSION)
    assert sql(database_url, "SELECT count(*) FROM experiments") == [(1,)]


def with_password(url: str, form: str) -> str:
    """Put a password into a URL."""
    parsed = make_url(url)
    if form == "in the query":
        return parsed.update_query_dict({"password": "s3cret"}).render_as_string(hide_password=False)
    password = {"plain": "s3cret", "with a slash": "pre/s3cret", "with an at": "pre@s3cret"}[form]
    return parsed.set(username="postgres", password=password).render_as_string(hide_password=False)


PASSWORDS = pytest.mark.parametrize("form", ["plain", "with a slash", "with an at", "in the query"])


@PASSWORDS
def test_a_password_is_never_shown(postgresql: str, form: str) -> None:
    """Neither printing a session, an experiment or a database shows it, nor their repr."""
    session = mltraq.create_session(with_password(postgresql, form))
    experiment = session.create_experiment("example").persist()

    things = [session, session.db, session.db.url, experiment, vars(session)]
    texts = [*map(str, things), *map(repr, things), *map(format, things[:-1])]

    assert [text for text in texts if "s3cret" in text] == []


@PASSWORDS
def test_a_password_is_never_in_an_error(postgresql: str, form: str) -> None:
    """Neither in the message nor in the traceback, also not of the errors that led to it."""
    url = with_password(postgresql, form)
    session = mltraq.create_session(url)
    session.create_experiment("example").persist()
    nowhere = make_url(url).set(database="nowhere").render_as_string(hide_password=False)
    errors: list[BaseException] = []

    for attempt in (
        lambda: mltraq.create_session(nowhere),
        lambda: session.db.query("SELECT nonsense"),
        lambda: session.load_experiment("exampel"),
        lambda: session.create_experiment("example").persist(),
    ):
        with pytest.raises(mltraq.StorageError) as caught:
            attempt()
        errors.append(caught.value)

    texts = ["".join(traceback.format_exception(error)) for error in errors]
    assert [text for text in texts if "s3cret" in text] == []


@pytest.mark.parametrize("form", ["plain", "in the query"])
def test_a_password_is_never_stored(postgresql: str, form: str) -> None:
    """A program that is given the URL on its command line doesn't store it with the session."""
    program = start("mltraq.create_experiment('example', sys.argv[1]).persist()", with_password(postgresql, form))

    finish(program)

    ((command,),) = sql(postgresql, "SELECT command FROM sessions")
    assert "s3cret" not in command
    assert "postgresql" in command


def test_a_server_that_does_not_answer_is_an_error_of_ours() -> None:
    """The error says where it was looked for."""
    password = "s3" + "cret"  # not in one piece: the traceback has the lines of the test

    with pytest.raises(mltraq.StorageError, match=r"127\.0\.0\.1") as caught:
        mltraq.create_session(f"postgresql://ann:{password}@127.0.0.1:1/x")

    assert password not in "".join(traceback.format_exception(caught.value))


# -- queries -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def session(database_url: str) -> Iterator[mltraq.Session]:
    """A session on a database with one experiment."""
    store(database_url, "example", {"x": 1, "note": "12:30"})
    opened = mltraq.create_session(database_url)
    yield opened
    opened.close()


QUERIES = {
    "SELECT x FROM experiment_example": 1,
    "  WITH one AS (SELECT 1 AS n) SELECT n FROM one ; ": 1,
    "SELECT 'a:b' AS text": "a:b",
    "SELECT ':x' AS text": ":x",
    "SELECT '\\:x' AS text": "\\:x",
    "SELECT note FROM experiment_example WHERE note = '12:30'": "12:30",
    "SELECT note FROM experiment_example WHERE note LIKE '%2:3%'": "12:30",
    "SELECT '%s %(x)s 100%' AS text": "%s %(x)s 100%",
    "SELECT '?' AS text": "?",
    "SELECT 'größe 日本' AS text": "größe 日本",
    "-- a comment: with a colon\nSELECT 1 AS n": 1,
    "VALUES (5)": 5,
}


def test_a_query_is_taken_as_it_is(session: mltraq.Session) -> None:
    """Colons, percent signs and question marks are no parameters."""
    answers = {query: session.db.query(query).to_numpy().tolist() for query in QUERIES}

    assert answers == {query: [[answer]] for query, answer in QUERIES.items()}


def test_a_query_may_cast_as_its_database_does(postgresql: str) -> None:
    """PostgreSQL's `::` is a cast."""
    store(postgresql, "example", {"x": 1})

    frame = mltraq.create_session(postgresql).db.query("SELECT '5'::int AS n, (ARRAY[1, 2, 3])[1:2]::text AS slice")

    assert frame.to_numpy().tolist() == [[5, "{1,2}"]]


def test_a_query_that_finds_nothing_has_its_columns(session: mltraq.Session) -> None:
    """An empty answer is an empty table."""
    frame = session.db.query("SELECT 1 AS id_run, 2 AS x WHERE 1 = 0")

    assert (frame.columns.tolist(), len(frame)) == (["id_run", "x"], 0)


def test_a_query_may_have_two_columns_of_one_name(session: mltraq.Session) -> None:
    """A join has the columns of both tables."""
    frame = session.db.query("SELECT 1 AS a, 2 AS a")

    assert frame.columns.tolist() == ["a", "a"]
    assert frame.to_numpy().tolist() == [[1, 2]]


def test_text_that_looks_like_an_id_is_text(session: mltraq.Session) -> None:
    """Columns are what the database says, whatever they are called."""
    assert session.db.query("SELECT 'abc' AS id_run")["id_run"].tolist() == ["abc"]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM runs",
        "UPDATE runs SET outcome = 'passed'",
        "DELETE FROM runs RETURNING id_run",
        "DROP VIEW experiment_example",
        "DROP TABLE runs",
        "INSERT INTO mltraq_schema VALUES (99)",
        "CREATE TABLE mine (a INTEGER)",
        "WITH gone AS (SELECT 1) DELETE FROM runs",
        "COMMIT",
        "SELECT 1; DELETE FROM runs",
        "COMMIT; DELETE FROM runs",
        "DELETE FROM runs; COMMIT; SELECT 1",
        "ROLLBACK; DELETE FROM runs; BEGIN; SELECT 1",
        "",
        "nonsense",
    ],
)
def test_a_query_never_changes_anything(session: mltraq.Session, database_url: str, statement: str) -> None:
    """What is no SELECT is refused; a statement that is run all the same is undone."""
    before = (
        sql(database_url, "SELECT id_run, outcome FROM runs"),
        sql(database_url, "SELECT version FROM mltraq_schema"),
    )

    with contextlib.suppress(mltraq.StorageError):
        session.db.query(statement)

    assert before == (
        sql(database_url, "SELECT id_run, outcome FROM runs"),
        sql(database_url, "SELECT version FROM mltraq_schema"),
    )
    assert sql(database_url, "SELECT x FROM experiment_example") == [(1,)]
    assert session.db.query("SELECT x FROM experiment_example").to_numpy().tolist() == [[1]]


@pytest.mark.parametrize(
    "statement", ["DELETE FROM runs", "UPDATE runs SET outcome = ''", "CREATE TABLE mine (a INTEGER)"]
)
def test_what_is_no_select_is_refused(session: mltraq.Session, statement: str) -> None:
    """The error says what was expected and what was found."""
    with pytest.raises(mltraq.StorageError, match="SELECT"):
        session.db.query(statement)


@pytest.mark.parametrize("statement", ["SELECT nonsense", "nonsense", "SELECT * FROM nowhere"])
def test_a_query_that_the_database_refuses_is_an_error_of_ours(session: mltraq.Session, statement: str) -> None:
    """The error says what the database said; the session can go on."""
    with pytest.raises(mltraq.StorageError, match=r"nonsense|nowhere"):
        session.db.query(statement)

    assert session.db.query("SELECT 1 AS n")["n"].tolist() == [1]


def test_a_query_of_an_empty_database_says_that_it_is_empty(tmp_path: Path) -> None:
    """Before something is stored there is nothing to ask; the error names the database and makes no file."""
    session = mltraq.create_session(tmp_path / "results.db")

    with pytest.raises(mltraq.StorageError, match=r"results\.db is empty"):
        session.db.query("SELECT 1")

    assert list(tmp_path.iterdir()) == []


def test_threads_share_a_session_in_memory() -> None:
    """Threads that store experiments in one session at the same time lose none."""
    session = mltraq.create_session()

    def store_some(thread: int) -> None:
        for at in range(10):
            session.create_experiment(f"e{thread}-{at}").add_run(x=at).persist()

    threads = [threading.Thread(target=store_some, args=(thread,)) for thread in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(session.ls()) == 30


def test_a_program_whose_folder_was_removed_can_store(tmp_path: Path) -> None:
    """The results are stored, although there is no current folder any more."""
    program = (
        "import os, pytest_mltraq as m; os.rmdir(os.getcwd()); m.create_experiment('a', os.environ['DB']).persist()"
    )
    folder = tmp_path / "gone"
    folder.mkdir()

    result = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env={**os.environ, "DB": str(tmp_path / "r.db")}, check=False
    )

    assert result.returncode == 0
    assert mltraq.create_session(tmp_path / "r.db").ls()["name"].tolist() == ["a"]
