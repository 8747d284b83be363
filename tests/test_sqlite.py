"""Connections to SQLite files that are kept: for the next one who asks, and in nobody's way."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

import pytest_mltraq as mltraq
from pytest_mltraq.storage.database import Database
from pytest_mltraq.storage.merging import merge
from pytest_mltraq.storage.sqlite import SQLiteConnection, SQLiteFile


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with an experiment."""
    session = mltraq.create_session(tmp_path / "results.db")
    session.create_experiment("example").add_run().persist()
    session.close()
    return tmp_path / "results.db"


def test_a_connection_is_kept_for_the_next_one(file: Path) -> None:
    """The definitions of views are read once; two at the same time have one each."""
    ours = SQLiteFile(file)
    first = ours.open()
    first.close()
    second, third = ours.open(), ours.open()

    assert second is first
    assert third is not first

    for connection in (second, third):
        connection.close()
    ours.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        first.execute("SELECT 1")


def test_what_is_kept_hinders_nobody(file: Path) -> None:
    """Another program can lock the whole file, change its journal, and leaves one file."""
    session = mltraq.create_session(file)
    experiment = session.load_experiment("example")

    with contextlib.closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        other.execute("ROLLBACK")
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("CREATE TABLE extra (x)")
        experiment.reload()
        assert other.execute("PRAGMA journal_mode = DELETE").fetchall() == [("delete",)]

    experiment.reload()
    assert [path.name for path in file.parent.iterdir()] == ["results.db"]
    session.close()


def test_a_transaction_that_is_left_open_is_undone(file: Path) -> None:
    """Who gets the connection next begins anew."""
    ours = SQLiteFile(file)
    first = ours.open()
    first.execute("BEGIN IMMEDIATE")
    first.execute("DELETE FROM runs")
    first.close()

    second = ours.open()
    assert second is first
    assert second.execute("SELECT count(*) FROM runs").fetchall() == [(1,)]
    second.close()
    ours.close()


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_is_not_the_same_any_more_is_noticed(file: Path, how: str) -> None:
    """What is stored goes to the file that is there now, not to one that has no name any more."""
    session = mltraq.create_session(file)
    session.load_experiment("example")
    other = mltraq.create_session(file.with_name("other.db"))
    other.create_experiment("another").add_run().persist()
    other.close()
    if how == "removed":
        file.unlink()
    else:
        file.with_name("other.db").replace(file)

    session.create_experiment("new").add_run().persist()
    session.close()

    with contextlib.closing(sqlite3.connect(file)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM experiments ORDER BY name")]
    assert names == (["new"] if how == "removed" else ["another", "new"])


def test_a_forked_process_opens_its_own(file: Path) -> None:
    """Parent and child both go on, each with a connection of its own."""
    ours = SQLiteFile(file)
    kept = ours.open()
    kept.close()
    child = os.fork()
    if not child:
        connection = ours.open()
        connection.execute("INSERT INTO views VALUES ('a', 'b', '[]')")
        os._exit(connection is kept)
    assert os.waitpid(child, 0)[1] == 0

    connection = ours.open()
    assert connection is kept
    assert connection.execute("SELECT count(*) FROM views WHERE experiment = 'a'").fetchall() == [(1,)]
    connection.close()
    ours.close()


def test_a_query_leaves_no_settings(file: Path) -> None:
    """Statements of users have a connection that is not kept."""
    session = mltraq.create_session(file)
    with contextlib.suppress(mltraq.StorageError):
        session.db.query("ATTACH ':memory:' AS other")
    with contextlib.suppress(mltraq.StorageError):
        session.db.query("PRAGMA case_sensitive_like = ON")

    assert session.db.query("SELECT 'a' LIKE 'A' AS same").same.tolist() == [1]
    assert session.db.query("SELECT name FROM pragma_database_list").name.tolist() == ["main"]
    session.close()


def test_writing_needs_no_room_for_temporary_files(file: Path) -> None:
    """Nothing is in the folder for them: it may be full, or nobody may write there; that of the database is what counts."""
    opened: set[str] = set()

    def note(*arguments: object) -> None:
        for entry in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # that of the folder itself
                opened.add(entry.readlink().name)

    session = mltraq.create_session(file)
    with session.db.connected() as connection:
        assert isinstance(connection, SQLiteConnection)
        connection.driver.set_trace_callback(note)  # it is kept for the next one
    session.create_experiment("many").add_runs(x=range(200)).persist()
    session.close()
    event.listen(Engine, "commit", note)
    try:
        merge(Database(file), Database(file.with_name("other.db")))
    finally:
        event.remove(Engine, "commit", note)

    assert {"results.db", "other.db"} <= opened
    assert not [name for name in opened if name.startswith("etilqs")]  # how SQLite calls them


def test_a_reader_has_the_settings_of_sqlite_again(file: Path) -> None:
    """Who wrote before keeps little in memory, and has temporary files nowhere else; what somebody sorts may be large."""
    settings = "SELECT cache_size, temp_store FROM pragma_cache_size, pragma_temp_store"
    session = mltraq.create_session(file)
    session.create_experiment("new").add_run().persist()
    with session.db.connected() as connection:
        assert isinstance(connection, SQLiteConnection)
        assert connection.driver.execute(settings).fetchone() == (-500, 2)
        with connection.begin(writes=False):
            assert connection.driver.execute(settings).fetchone() == (-2000, 0)
    session.close()
