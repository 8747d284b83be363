"""A session that is written while it runs: what is durable when, and what failures, interrupts and forks leave."""

from __future__ import annotations

import contextlib
import datetime
import gc
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from pytest_mltraq import environment
from pytest_mltraq.errors import StorageError
from pytest_mltraq.record import (
    ExperimentRecord,
    RunRecord,
    SessionRecord,
    encode_params,
    record_experiment,
    record_run,
    record_session,
)
from pytest_mltraq.run import Run, new_id
from pytest_mltraq.storage import Database
from pytest_mltraq.storage.live import LiveSession

PATIENCE_S = 30


def describe() -> SessionRecord:
    found = environment.Environment(environment.Revision(), None, "3.11", "Linux", "host", {}, "pytest")
    started_at = datetime.datetime.now(datetime.UTC)
    return record_session(found, id_session=new_id(), origin="pytest", tags=(), started_at=started_at)


def experiment(name: str = "example") -> ExperimentRecord:
    return record_experiment(
        name=name, id_experiment=new_id(), fields={}, config={}, code=[], doc=None, nodeid=None, root=Path()
    )


def a_run(position: int, **fields: Any) -> RunRecord:
    run = Run({"at": position}, fields=fields, seed=0)
    params, objects = encode_params(run)
    return record_run(run, position=position, params=params, objects=objects)[0]


def sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement as another program would, with the driver alone."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(str(make_url(url).database))
        with contextlib.closing(connection), connection:
            return connection.execute(statement).fetchall()
    with psycopg.connect(url, options="-csearch_path=mltraq") as server:
        cursor = server.execute(statement)
        return cursor.fetchall() if cursor.description else []


def refuse_runs(url: str) -> None:
    """Have the database refuse runs, as a full disk would."""
    if url.startswith("sqlite"):
        sql(url, "CREATE TRIGGER full BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
        return
    sql(
        url,
        "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the disk is full'; END $$;"
        'CREATE TRIGGER "full" BEFORE INSERT ON runs EXECUTE FUNCTION stop()',
    )


def accept_runs(url: str) -> None:
    sql(url, "DROP TRIGGER full" if url.startswith("sqlite") else 'DROP TRIGGER "full" ON runs')


@pytest.fixture
def live(database_url: str) -> Iterator[LiveSession]:
    """A session with an experiment and a first run, which is stored."""
    database = Database(database_url)
    session = LiveSession(database, describe)
    session.add_experiment(experiment())
    session.add_run("example", a_run(0, loss=0.5))
    yield session
    session.close(0)
    database.close()


def test_flush_makes_everything_durable(live: LiveSession, database_url: str) -> None:
    """When it returns, another connection sees each run that was added."""
    for position in range(1, 100):
        live.add_run("example", a_run(position, loss=0.5))

    live.flush()

    assert sql(database_url, "SELECT count(*), avg(loss) FROM experiment_example") == [(100, 0.5)]
    assert sql(database_url, "SELECT finished_at FROM sessions") == [(None,)]
    assert live.unstored() is None


def test_a_run_is_stored_though_no_other_one_comes(live: LiveSession, database_url: str) -> None:
    """Runs that come quickly after another wait for the next; where none comes, they don't wait for long."""
    live.add_run("example", a_run(1))
    live.add_run("example", a_run(2))

    until = time.monotonic() + PATIENCE_S
    while sql(database_url, "SELECT count(*) FROM runs") != [(3,)] and time.monotonic() < until:
        os.sched_yield()

    assert sql(database_url, "SELECT count(*) FROM runs") == [(3,)]


def test_what_can_not_be_stored_is_kept_and_can_be_stored_later(live: LiveSession, database_url: str) -> None:
    """A failure loses no run and no column of the view; the error says how many runs wait, and they can be asked for."""
    refuse_runs(database_url)
    live.add_experiment(experiment("other"))
    live.add_run("example", a_run(1, accuracy=0.9))
    live.add_run("other", a_run(0, loss=1.5))

    with pytest.raises(StorageError, match=r"2 runs could not be stored: .*the disk is full"):
        live.flush()

    unstored = live.unstored()
    assert unstored is not None
    assert unstored.session == live.session
    assert [(name, run.fields) for name, run in unstored.runs] == [
        ("example", '{"accuracy":0.9}'),
        ("other", '{"loss":1.5}'),
    ]
    assert [record.name for record in unstored.experiments] == ["example", "other"]
    assert sql(database_url, "SELECT count(*) FROM experiments") == [(1,)]

    accept_runs(database_url)
    live.flush()

    assert live.unstored() is None
    assert sql(database_url, "SELECT loss, accuracy FROM experiment_example ORDER BY at") == [(0.5, None), (None, 0.9)]
    assert sql(database_url, "SELECT loss FROM experiment_other") == [(1.5,)]


def test_a_close_that_fails_says_what_is_lost(database_url: str) -> None:
    """It raises; what is not stored can be asked for, with the exit status that the session would have had."""
    session = LiveSession(Database(database_url), describe)
    session.add_experiment(experiment())
    session.add_run("example", a_run(0))
    refuse_runs(database_url)
    session.add_run("example", a_run(1))

    with pytest.raises(StorageError, match="1 run could not be stored"):
        session.close(1)

    unstored = session.unstored()
    assert unstored is not None
    assert [run.position for _, run in unstored.runs] == [1]
    assert unstored.session.exit_status == 1


def is_interrupted(function: Callable[[], None], at: int) -> bool:
    """Call a function with a Ctrl-C before or after one of the calls of C code in it; False where there are not as many."""
    left = at

    def interrupt(frame: object, event: str, argument: object) -> None:
        nonlocal left
        if event == "c_call" and getattr(argument, "__name__", "") == "__exit__":
            return  # between a block and its end Python notices no signal: it would leave a lock held
        left -= event in ("c_call", "c_return")
        if left < 0:
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(interrupt)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


@pytest.mark.parametrize(
    "database_url", ["sqlite"], indirect=True
)  # elsewhere it would interrupt the driver's own imports
@pytest.mark.timeout(120)
def test_an_interrupt_while_it_stores_loses_nothing(live: LiveSession, database_url: str) -> None:
    """Ctrl-C at whatever moment goes on to who runs the tests; the runs are stored at the next one, each once."""
    while live.unstored() is None:
        live.add_run("example", a_run(1, accuracy=0.9))
    gc.collect()  # what earlier tests left would be interrupted too
    at = 0
    while is_interrupted(live.flush, at):
        at += 1

    assert at > 50
    assert sql(database_url, "SELECT max(loss), max(accuracy), count(DISTINCT at) FROM experiment_example") == [
        (0.5, 0.9, 2)
    ]


def test_nothing_is_stored_twice(live: LiveSession, database_url: str) -> None:
    """A transaction of which nobody knows whether it was committed can be made again."""
    record = a_run(1, loss=1.5)
    live.add_run("example", record)
    live.flush()
    live.add_run("example", record)
    live.flush()

    assert sql(database_url, "SELECT count(*) FROM runs") == [(2,)]


def test_a_forked_process_stores_nothing(live: LiveSession, database_url: str) -> None:
    """A test that forks takes the session with it; what the child does with it leaves the parent's as it is."""
    live.add_run("example", a_run(1))
    child = os.fork()
    if not child:
        live.add_run("example", a_run(2))
        live.flush()
        live.close(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

    live.add_run("example", a_run(3))
    live.close(0)

    assert sql(database_url, "SELECT position FROM runs ORDER BY position") == [(0,), (1,), (3,)]
    assert sql(database_url, "SELECT exit_status FROM sessions") == [(0,)]


def test_a_session_that_ended_leaves_one_file(tmp_path: Path) -> None:
    """While it runs there is a write-ahead log beside the file, afterwards nothing."""
    session = LiveSession(Database(tmp_path / "results.db"), describe)
    session.add_experiment(experiment())
    session.add_run("example", a_run(0))
    session.add_run("example", a_run(1))
    session.flush()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.db", "results.db-shm", "results.db-wal"]

    session.close(0)

    assert [path.name for path in tmp_path.iterdir()] == ["results.db"]


def test_a_reader_that_takes_long_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one keeps the file from getting its write-ahead log, it gets it with a later store."""
    file = tmp_path / "results.db"
    session = LiveSession(Database(file), describe)
    session.add_experiment(experiment())
    readers: list[sqlite3.Connection] = []

    def read_before_the_switch(statement: str) -> None:
        if "journal_mode" in statement and not readers:
            readers.append(connect(file, isolation_level=None))
            readers[0].execute("BEGIN")
            readers[0].execute("SELECT * FROM runs").fetchall()

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.set_trace_callback(read_before_the_switch)
        return connection

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", traced)
    session.add_run("example", a_run(0))
    monkeypatch.undo()
    logs = [file.with_name("results.db-wal").exists()]
    readers[0].close()
    for position in (1, 2):
        session.add_run("example", a_run(position))
        session.flush()
    logs.append(file.with_name("results.db-wal").exists())
    session.close(0)

    assert logs == [False, True]
    assert sql(f"sqlite:///{file}", "SELECT count(*) FROM runs") == [(3,)]
