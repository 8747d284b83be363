"""Databases of MLtraq and MLflow, imported: all that they say is there, once, and nothing in them is carried out."""

from __future__ import annotations

import contextlib
import datetime
import math
import os
import pickle
import shutil
import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pytest_mltraq as mltraq
from pytest_mltraq.errors import ForeignDatabaseError, StorageError
from pytest_mltraq.importers import import_database
from pytest_mltraq.importers.pickled import read_pickled
from pytest_mltraq.storage import Database
from tests.exact import same
from tests.program import run

DATA = Path(__file__).parent / "data"
MLTRAQ, MLFLOW = DATA / "mltraq.db", DATA / "mlflow.db"


def load(url: str | Path, name: str, session: str | None = None) -> mltraq.Experiment:
    return mltraq.create_session(str(url)).load_experiment(name, session=session)


def changed(tmp_path: Path, source: Path, *statements: tuple[str, Any]) -> Path:
    """Copy a database, and change it."""
    copy = tmp_path / f"changed-{source.name}"
    shutil.copy(source, copy)
    with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        for sql, values in statements:
            connection.execute(sql, values)
    return copy


def test_values_of_mltraq_come_back(database_url: str) -> None:
    """Every type that MLtraq keeps; more exactly than MLtraq itself loads them, which can't load a named Series at all."""
    found = import_database(MLTRAQ, Database(database_url))

    assert (found.program, found.experiments, found.runs, found.new) == ("MLtraq", 4, 9, 9)
    assert len(load(database_url, "nothing").runs) == 1
    assert same(load(database_url, "packed").runs.first().fields, mltraq.Bunch(trail=["zz"] * 50))
    experiment = load(database_url, "iris")
    assert experiment.id_experiment == uuid.UUID(int=1)
    assert experiment.fields.dataset == "iris"
    assert experiment.fields.sizes == [1, 2]
    assert experiment.fields.frame.equals(pd.DataFrame({"x": [1.5]}))
    assert sorted((run.given_params.model, run.given_params.seed) for run in experiment.runs.values()) == [
        (model, seed) for model in ("logreg", "tree") for seed in (0, 1)
    ]
    fields = next(run for run in experiment.runs.values() if run.given_params.seed == 1).fields
    plain = {
        "accuracy": 0.625,
        "small": 0.25,
        "count": 7,
        "good": True,
        "when": datetime.datetime(2024, 1, 2, 3, 4, 5, 678),  # noqa: DTZ001
        "day": datetime.date(2024, 1, 2),
        "clock": datetime.time(1, 2, 3),
        "raw": b"\0\xff",
        "none": None,
        "a b": "größe",
        "trail": ["a", (1, {2}), {"k": [None, True, 2**40, -1.5]}],
        "bunch": mltraq.Bunch(x=1),
        "array": np.arange(6, dtype=">i2").reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(4.0).reshape(2, 2)),
        "stamp": {"t": np.datetime64("2024-01-02T03:04:05.678901", "us"), "id": uuid.UUID(int=7)},
    }
    for name, value in plain.items():
        assert same(fields[name], value), name
    assert fields.table["x"].tolist() == [1, 2]
    assert (fields.table.index.name, fields.table.index.tolist()) == ("key", [3, 4])
    assert (fields.series.name, fields.series.tolist()) == (None, [1.5, 2.5])
    assert (fields.named.name, fields.named.tolist()) == ("acc", [1, 2])
    assert fields.arrow.to_pydict() == {"x": [1, None]}
    assert fields.losses.df()["loss"].tolist() == [1.0, 0.5, 1 / 3]
    assert fields.losses.df()["name"].tolist() == ["n0", "n1", "n2"]
    assert len(fields.empty) == 0


def test_what_is_kept_as_a_pickle_or_elsewhere_is_named(database_url: str) -> None:
    """The rest is imported."""
    found = import_database(MLTRAQ, Database(database_url))

    assert found.left_out == {
        "experiment 'iris': the pickled copy of all of it, which may run code": 1,
        "experiment 'iris', field 'store': it is a mltraq.DataStore-0, which only MLtraq can read": 4,
    }
    assert "store" not in load(database_url, "iris").runs.first().fields


def test_a_value_that_mltraq_does_not_have_is_no_value(database_url: str) -> None:
    """SQLite has NULL for it, and for NaN."""
    import_database(MLTRAQ, Database(database_url))

    fields = [dict(run.fields) for run in load(database_url, "Zwei-Namen").runs.values()]

    assert fields == [{"x": 0.0}, {"x": 0.5, "y": 1.0}, {}]


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_unpickled(tmp_path: Path, protocol: int) -> None:
    """A value that runs code when it is unpickled is left out, and named."""
    trap = pickle.dumps([Trap(tmp_path / "ran")], protocol)
    source = changed(tmp_path, MLTRAQ, ("UPDATE experiment_iris SET trail = ?", (trap,)))

    found = import_database(source, Database(tmp_path / "results.db"))

    assert not (tmp_path / "ran").exists()
    (said,) = [what for what in found.left_out if "'trail'" in what]
    assert "experiment 'iris', field 'trail': it is pickled with" in said
    assert "which may run code" in said
    assert found.new == 9
    assert load(tmp_path / "results.db", "iris").runs.first().fields.array.shape == (2, 3)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.sets(st.integers())
    ),
    max_leaves=20,
)


@given(PLAIN, st.integers(2, pickle.HIGHEST_PROTOCOL))
def test_plain_values_are_read_as_they_were_pickled(value: Any, protocol: int) -> None:
    """As pickle itself reads them."""
    try:
        found = read_pickled(pickle.dumps(value, protocol))
    except ValueError as error:  # the same list twice; sets and bytes of protocol 2, which are made by calls
        assert "twice" in str(error) or "may run code" in str(error)  # noqa: PT017
    else:
        assert same(found, value)


@given(st.binary(max_size=60) | st.tuples(PLAIN, st.data()).map(lambda drawn: _damaged(*drawn)))
def test_damaged_pickles_are_refused(data: bytes) -> None:
    """By a ValueError, or they are values."""
    with contextlib.suppress(ValueError):
        read_pickled(data)


def _damaged(value: Any, data: st.DataObject) -> bytes:
    whole = bytearray(pickle.dumps(value))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    return bytes(whole)


def test_what_grows_beyond_measure_when_it_is_written_out_is_refused() -> None:
    """Thirty lists, each twice in the next one, are a billion values."""
    bomb: list[Any] = []
    for _ in range(30):
        bomb = [bomb, bomb]

    with pytest.raises(ValueError, match="is in it twice"):
        read_pickled(pickle.dumps(bomb))


def test_what_mlflow_logged_comes_back(database_url: str) -> None:
    """A version for each commit; params as they were before they were texts; metrics as they were last, and their history."""
    found = import_database(MLFLOW, Database(database_url))

    assert (found.program, found.experiments, found.runs, found.new) == ("MLflow", 4, 7, 7)
    assert found.left_out == {"experiments that were deleted": 1, "runs that were deleted": 2}
    listed = mltraq.create_session(database_url).ls()
    by_commit = {str(row.commit)[0].lower(): row for row in listed.itertuples() if row.name == "iris"}
    assert {commit: row.runs for commit, row in by_commit.items()} == {"a": 2, "b": 2, "n": 2}
    assert by_commit["a"].branch == "main"
    experiment = load(database_url, "iris", str(by_commit["a"].id_session))
    assert experiment.fields == {}
    first, second = experiment.runs.values()
    assert same(dict(first.given_params), {"lr": 0.01, "depth": 3, "model": "tree", "flag": True, "code": "007"})
    assert first.started_at == datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.UTC)
    assert (first.outcome, first.duration_s) == ("passed", 1.5)
    assert (first.fields.accuracy, second.fields.accuracy) == (0.5, 0.625)
    assert first.fields.loss == 1 / 3
    assert first.fields.mlflow["name"] == "run-0"
    assert first.fields.mlflow["user"] == "ada"
    assert first.fields.mlflow["tags"]["owner"] == "ada"
    assert first.fields.mlflow["experiment_tags"] == {"team": "a"}
    history = first.fields.history.df()
    assert history["step"].tolist() == [0, 1, 2]
    assert history["loss"].tolist() == [1.0, 0.5, 1 / 3]
    assert history["val loss"].tolist() == [2.0, 1.0, 2 / 3]
    assert history["accuracy"].tolist()[0] == 0.5
    assert history["timestamp"][2] == pd.Timestamp("2023-11-14 22:13:20.020")


def test_runs_of_mlflow_have_their_outcome_and_odd_numbers(database_url: str) -> None:
    """MLflow has no infinite numbers: in their place it has the largest ones."""
    import_database(MLFLOW, Database(database_url))

    session = mltraq.create_session(database_url)
    runs = [
        run
        for id_experiment in session.ls()["id_experiment"]
        for run in session.load_experiment(id_experiment=id_experiment).runs.values()
    ]

    outcomes = {run.fields.mlflow["name"]: run.outcome for run in runs}
    assert outcomes["failed"] == "failed"
    assert outcomes["killed"] == outcomes["running"] == "interrupted"
    (failed,) = [run for run in runs if run.fields.mlflow["name"] == "failed"]
    assert math.isnan(failed.fields.loss)
    assert (failed.fields.up, failed.fields.down) == (math.inf, -math.inf)


@pytest.mark.parametrize("source", [MLTRAQ, MLFLOW])
def test_importing_twice_changes_nothing(database_url: str, tmp_path: Path, source: Path) -> None:
    """Not even from another place, at another time."""
    database = Database(database_url)
    first = import_database(source, database)
    before = everything(database)

    elsewhere = changed(tmp_path, source)
    second = import_database(elsewhere, database)

    assert second == first._replace(new=0)
    assert everything(database) == before


def everything(database: Database) -> dict[str, list[Any]]:
    names = ("sessions", "experiments", "runs", "objects", "views")
    return {name: sorted(map(repr, database.select(f"SELECT * FROM {name}")[1])) for name in names}  # noqa: S608


def test_what_is_new_is_added_later(tmp_path: Path) -> None:
    """A run that was added since, and one that went on at first and ended since."""
    database = Database(tmp_path / "results.db")
    import_database(MLFLOW, database)
    source = changed(
        tmp_path,
        MLFLOW,
        ("UPDATE runs SET status = 'FINISHED', end_time = start_time + 1000 WHERE name = 'running'", ()),
        (
            (
                "INSERT INTO runs (run_uuid, name, status, start_time, end_time, lifecycle_stage, experiment_id)"
                " VALUES ('00000000000000000000000000000001', 'new', 'FINISHED', 1800000000000, 1800000001000, 'active', 1)"
            ),
            (),
        ),
    )

    found = import_database(source, database)

    assert found.new == 1
    _, rows = database.select("SELECT outcome, count(*) FROM runs GROUP BY 1 ORDER BY 1")
    assert rows == [("failed", 1), ("interrupted", 1), ("passed", 6)]


def test_names_of_metrics_that_are_taken(tmp_path: Path) -> None:
    """Nothing takes the place of a user's metric."""
    source = changed(tmp_path, MLFLOW, ("UPDATE metrics SET key = 'history' WHERE key = 'loss'", ()))
    source = changed(tmp_path, source, ("UPDATE metrics SET key = 'step' WHERE key = 'val loss'", ()))
    source = changed(tmp_path, source, ("UPDATE metrics SET key = 'idx' WHERE key = 'accuracy'", ()))

    import_database(source, Database(tmp_path / "results.db"))

    session = mltraq.create_session(tmp_path / "results.db")
    (id_session,) = session.ls().query("commit.str.startswith('a') and name == 'iris'")["id_session"]
    fields = session.load_experiment("iris", session=id_session).runs.first().fields
    assert fields.history == 1 / 3
    assert fields.step == 2 / 3
    assert fields.history_.df()["step"].tolist() == [2.0, 1.0, 2 / 3]
    assert fields.history_.df()["step_"].tolist() == [0, 1, 2]
    assert fields.history_.df()["idx_"].tolist()[0] == 0.5


@pytest.mark.parametrize(
    ("source", "statement", "expected"),
    [
        (
            MLFLOW,
            "ALTER TABLE metrics RENAME COLUMN is_nan TO other",
            r"is an MLflow database of a version .* expected is_nan in",
        ),
        (MLTRAQ, "ALTER TABLE experiments DROP COLUMN meta", r"is an MLtraq database of a version .* expected meta in"),
        (MLFLOW, "DROP TABLE metrics", r"expected a recovery file, or a database of MLtraq or MLflow, found one with"),
    ],
)
def test_another_version_is_refused(tmp_path: Path, source: Path, statement: str, expected: str) -> None:
    """The error says what is missing; nothing is stored."""
    other = changed(tmp_path, source, (statement, ()))

    with pytest.raises(ForeignDatabaseError, match=expected):
        import_database(other, Database(tmp_path / "results.db"))

    assert not (tmp_path / "results.db").exists()


def test_an_experiment_in_another_format_is_named(tmp_path: Path) -> None:
    """The others are imported."""
    with contextlib.closing(sqlite3.connect(MLTRAQ)) as connection:
        (meta,) = connection.execute("SELECT meta FROM experiments WHERE name = 'iris'").fetchone()
    other = meta.replace(b"DataPakSerializer-0.0", b"DataPakSerializer-9.9")
    source = changed(tmp_path, MLTRAQ, ("UPDATE experiments SET meta = ? WHERE name = 'iris'", (other,)))

    found = import_database(source, Database(tmp_path / "results.db"))

    assert found.runs == 5
    assert any("'iris': it was stored as 'DataPakSerializer-9.9'" in what for what in found.left_out)


def test_a_database_of_ours_is_for_merge(tmp_path: Path) -> None:
    """The error names the command."""
    mltraq.create_session(tmp_path / "ours.db").create_experiment("a").persist()

    with pytest.raises(ForeignDatabaseError, match="'pytest-mltraq merge' joins it"):
        import_database(tmp_path / "ours.db", Database(tmp_path / "results.db"))


def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    """In one line, and nothing is stored."""
    source = changed(tmp_path, MLFLOW)
    content = bytearray(source.read_bytes())
    content[2000:-2000] = bytes(len(content) - 4000)
    source.write_bytes(content)

    with pytest.raises(StorageError, match=r"changed-mlflow.db"):
        import_database(source, Database(tmp_path / "results.db"))

    assert not (tmp_path / "results.db").exists()


def test_the_source_is_left_as_it_was(tmp_path: Path) -> None:
    """Byte for byte, with no file beside it."""
    source = changed(tmp_path, MLFLOW)
    before = source.read_bytes()

    import_database(source, Database(tmp_path / "new" / "results.db"))

    assert source.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"changed-mlflow.db", "new"}


ODD: list[Any] = [None, "a\0b", b"\xff\0", 2**62, -(2**62), math.inf, 1.5]
"""Values that no column should have."""

CELLS = [
    *((MLFLOW, "experiments", name) for name in ("name", "artifact_location", "lifecycle_stage", "creation_time")),
    *((MLFLOW, "runs", name) for name in ("run_uuid", "name", "status", "start_time", "end_time", "artifact_uri")),
    *((MLFLOW, table, name) for table in ("params", "tags", "metrics", "experiment_tags") for name in ("key", "value")),
    *((MLFLOW, "metrics", name) for name in ("timestamp", "step", "is_nan")),
    *((MLTRAQ, "experiments", name) for name in ("id_experiment", "name", "meta", "fields")),
    *(
        (MLTRAQ, "experiment_iris", name)
        for name in ("id_run", "accuracy", "good", "when", "day", "trail", "args", "array")
    ),
]


@pytest.mark.parametrize("begin", [0, 3])
@pytest.mark.parametrize(("source", "table", "column"), CELLS, ids=lambda value: getattr(value, "stem", value))
def test_any_value_in_any_column_is_taken_in_or_named(
    tmp_path: Path, source: Path, table: str, column: str, begin: int
) -> None:
    """SQLite keeps any value anywhere. What is wrong is left out, or the file refused; the database is sound then."""
    damaged = unchecked(tmp_path, source, table, column, (ODD + ODD)[begin : begin + 4])
    database = Database(tmp_path / "results.db")

    with contextlib.suppress(ForeignDatabaseError):
        import_database(damaged, database)
        checked = run("doctor", "--db", str(tmp_path / "results.db"))
        assert (checked.exit_code, checked.stderr) == (0, "nothing is wrong\n"), checked.output


def unchecked(tmp_path: Path, source: Path, table: str, column: str, values: list[Any]) -> Path:
    """Copy a database without its constraints, with values in a column of some rows."""
    copy = changed(tmp_path, source)
    with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        columns = [row[1:3] for row in connection.execute(f"PRAGMA table_info({table})")]
        declared = ", ".join(f'"{name}" {kind}' for name, kind in columns)
        connection.execute(f"ALTER TABLE {table} RENAME TO before")
        connection.execute(f"CREATE TABLE {table} ({declared})")
        connection.execute(f"INSERT INTO {table} SELECT * FROM before")  # noqa: S608
        for at, value in enumerate(values, 1):
            connection.execute(f'UPDATE {table} SET "{column}" = ? WHERE rowid = ?', (value, at))  # noqa: S608
        connection.execute("PRAGMA legacy_alter_table = ON")
        connection.execute("DROP TABLE before")
    return copy


def test_what_mlflow_logged_is_a_baseline(pytester: pytest.Pytester) -> None:
    """Runs that pytest executes now are judged by those that MLflow logged, of the same params."""
    assert run("import", str(MLFLOW), "--db", "results.db").exit_code == 0
    pytester.makepyfile(
        experiment_iris="""
        import pytest

        @pytest.mark.runs(lr=[0.01], depth=[3], model=["tree"], flag=[True], code=["007"])
        @pytest.mark.metric("accuracy", rtol=0.01, method="tolerance")
        def experiment_iris(run):
            run.fields.accuracy = 0.6
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", f"--mltraq-baseline=commit:{'b' * 40}", "-v")

    result.stdout.fnmatch_lines(["*::accuracy* FAILED *", "baseline 0.75 (n = 1), bbbbbbb on main, * old*"])
