"""Databases into one: nothing is lost, nothing is stored twice, and the sources stay as they were."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

import pytest_mltraq as mltraq
from pytest_mltraq.errors import NotFoundError, StorageError
from pytest_mltraq.storage import Database
from pytest_mltraq.storage.merging import merge
from tests.golden import DATA, VALUES

TABLES = ("sessions", "experiments", "runs", "objects", "verdicts")


def store(url: str | Path, name: str, *seeds: int, **fields: object) -> mltraq.Experiment:
    """Store an experiment in a session of its own."""
    session = mltraq.create_session(url)
    experiment = session.create_experiment(name)
    for seed in seeds:
        experiment.add_run(seed=seed)

    def step(run: mltraq.Run) -> None:
        run.fields.update(loss=run.params.seed / 10, weights=np.arange(5000), **fields)

    if seeds:
        experiment.execute(step)
    experiment.persist()
    session.close()
    return experiment


def counts(url: str) -> dict[str, int]:
    """Count the rows of each table."""
    database = Database(url)
    found = {table: database.select(f"SELECT count(*) FROM {table}")[1][0][0] for table in TABLES}  # noqa: S608
    database.close()
    return found


def test_what_parallel_jobs_stored_is_in_one_database(tmp_path: Path, database_url: str) -> None:
    """Runs of one experiment are versions of it, objects are single, and the view has all columns and rows."""
    store(tmp_path / "a.db", "fit", 0, 1)
    store(tmp_path / "b.db", "fit", 0, 2, extra="only here")
    store(tmp_path / "b.db", "other")

    target = Database(database_url)
    first = merge(Database(tmp_path / "a.db"), target)
    second = merge(Database(tmp_path / "b.db"), target)

    assert first.added == {"sessions": 1, "experiments": 1, "objects": 1, "runs": 2, "verdicts": 0}
    assert second.added == {"sessions": 2, "experiments": 2, "objects": 0, "runs": 2, "verdicts": 0}
    _, rows = target.select("SELECT seed, loss, extra FROM experiment_fit ORDER BY seed, extra")
    assert sorted(rows, key=repr) == [(0, 0.0, "only here"), (0, 0.0, None), (1, 0.1, None), (2, 0.2, "only here")]
    assert target.select("SELECT count(*) FROM experiment_other")[1] == [(0,)]


def test_merging_twice_changes_nothing(tmp_path: Path, database_url: str) -> None:
    """What is known by its id is there already."""
    store(tmp_path / "a.db", "fit", 0, 1)
    target = Database(database_url)
    merge(Database(tmp_path / "a.db"), target)
    before = counts(database_url)

    again = merge(Database(tmp_path / "a.db"), target)

    assert set(again.added.values()) == {0}
    assert counts(database_url) == before


def test_what_is_merged_later_is_added(tmp_path: Path) -> None:
    """A database that was merged while it grew brings what is new, and that its session ended."""
    source = tmp_path / "a.db"
    session = mltraq.create_session(source)
    session.create_experiment("first").persist()
    Database(source).close()
    with Database(source).writing() as connection:
        connection.exec_driver_sql("UPDATE sessions SET finished_at = NULL")
    target = Database(tmp_path / "all.db")
    merge(Database(source), target)
    assert target.select("SELECT finished_at FROM sessions") == (["finished_at"], [(None,)])

    session.create_experiment("second").persist()
    added = merge(Database(source), target).added

    assert added == {"sessions": 0, "experiments": 1, "objects": 0, "runs": 0, "verdicts": 0}
    ((finished,),) = target.select("SELECT finished_at FROM sessions")[1]
    assert finished is not None


def test_a_server_is_merged_into_a_file(tmp_path: Path, postgresql: str) -> None:
    """Times, truth values and documents are what they were."""
    experiment = store(postgresql, "fit", 0, 1)
    target = tmp_path / "all.db"

    merge(Database(postgresql), Database(target))

    loaded = mltraq.create_session(target).load_experiment("fit")
    assert loaded.id_experiment == experiment.id_experiment
    for before, after in zip(experiment.runs.values(), loaded.runs.values(), strict=True):
        assert (after.started_at, after.duration_s, after.seed) == (before.started_at, before.duration_s, before.seed)
        assert after.fields.loss == before.fields.loss
        np.testing.assert_array_equal(after.fields.weights, before.fields.weights)
    texts = Database(target).select("SELECT typeof(started_at), typeof(dirty) FROM sessions")[1]
    assert texts[0][0] == "text"


def test_an_older_database_is_merged_and_left_as_it_was(tmp_path: Path) -> None:
    """The tables of the target are of the newest version, those of the source stay what they are."""
    source = tmp_path / "schema_1.db"
    shutil.copyfile(DATA / "schema_1.db", source)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    target = tmp_path / "all.db"

    merge(Database(source), Database(target))

    assert hashlib.sha256(source.read_bytes()).hexdigest() == digest
    loaded = mltraq.create_session(target).load_experiment("values")
    assert list(next(iter(loaded.runs.values())).fields) == list(VALUES)


def test_a_source_that_is_missing_is_named(tmp_path: Path) -> None:
    """Nothing is made of a wrong name, neither source nor target."""
    target = tmp_path / "all.db"

    with pytest.raises(NotFoundError, match=r"missing\.db: nothing is stored there"):
        merge(Database(tmp_path / "missing.db"), Database(target))

    assert not (tmp_path / "missing.db").exists()
    assert not target.exists()


def test_a_merge_that_fails_changes_nothing(tmp_path: Path) -> None:
    """A damaged source leaves the target as it was."""
    store(tmp_path / "a.db", "fit", 0, 1)
    store(tmp_path / "all.db", "own", 0)
    with Database(tmp_path / "a.db").writing() as connection:
        connection.exec_driver_sql("ALTER TABLE runs RENAME COLUMN seed TO seed_lost")
    before = counts(str(tmp_path / "all.db"))

    with pytest.raises(StorageError):
        merge(Database(tmp_path / "a.db"), Database(tmp_path / "all.db"))

    assert counts(str(tmp_path / "all.db")) == before


def test_a_database_that_is_merged_into_itself_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`merge a.db b.db -o a.db` adds to one of its sources."""
    store(tmp_path / "a.db", "fit", 0, 1)
    monkeypatch.chdir(tmp_path)

    added = merge(Database("a.db"), Database(tmp_path / "a.db")).added

    assert set(added.values()) == {0}
    assert counts("a.db")["runs"] == 2


def test_verdicts_come_with_their_sessions(pytester: pytest.Pytester) -> None:
    """What was judged in the jobs is there to be read, and each verdict once."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.metric("loss", max=1)
        def test_loss(run):
            run.fields.loss = 0.5
        """
    )
    for name in ("a.db", "b.db"):
        pytester.runpytest_subprocess(f"--mltraq-db={name}")
    target = Database(pytester.path / "all.db")

    for name in ("a.db", "b.db", "a.db"):
        merge(Database(pytester.path / name), target)

    assert target.select("SELECT metric, verdict, mean FROM verdicts")[1] == [("loss", "new", 0.5)] * 2
