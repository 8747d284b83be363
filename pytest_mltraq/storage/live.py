"""A session that is written while it runs, by a thread of its own."""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable
from typing import Final, cast

from sqlalchemy.engine import Connection

from pytest_mltraq.errors import StorageError
from pytest_mltraq.record import ExperimentRecord, RunRecord, SessionRecord, now
from pytest_mltraq.storage import writer
from pytest_mltraq.storage.database import Database
from pytest_mltraq.storage.views import View

GATHER_S: Final = 0.2
"""How long the writer gathers runs before it stores them: well within the second that is promised, and long enough that
ten thousand quick runs are a hundred transactions."""

Item = ExperimentRecord | tuple[str, RunRecord] | None


class LiveSession:
    """Stores a session's experiments and runs in the background; a run is durable within a second of `add_run`.

    One thread, with one connection, writes everything. A SQLite file is in WAL mode meanwhile, so that others can read it and
    a killed process loses nothing that was committed; afterwards it is one file again.

    Args:
        database: where the session is stored; created with the first run.
        describe: makes the session's record, when the first experiment is stored.
    """

    def __init__(self, database: Database, describe: Callable[[], SessionRecord]) -> None:
        self._database = database
        self._describe = describe
        self._queue: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._session: SessionRecord | None = None
        self._experiments: dict[str, tuple[str, View]] = {}
        self._waiting: list[ExperimentRecord | tuple[str, RunRecord]] = []
        self._failure: BaseException | None = None
        self._exit_status: int | None = None

    def add_experiment(self, record: ExperimentRecord) -> None:
        """Store an experiment, unless this session did already."""
        self._put(record)

    def add_run(self, experiment: str, record: RunRecord) -> None:
        """Store a run of an experiment that was added."""
        self._put((experiment, record))

    def close(self, exit_status: int) -> None:
        """Store what is still waiting and that the session ended, and close the database.

        Raises:
            StorageError: not everything could be stored; the message says how many runs.
        """
        if self._thread is None:
            return
        self._exit_status = exit_status
        self._closing.set()
        self._queue.put(None)
        self._thread.join()
        self._thread = None
        if self._failure is not None:
            lost = sum(not isinstance(item, ExperimentRecord) for item in self._waiting)
            message = f"{lost} runs could not be stored: {self._failure}"
            raise StorageError(message) from self._failure

    def _put(self, item: Item) -> None:
        if self._thread is None:
            self._session = self._describe()
            self._thread = threading.Thread(target=self._write, name="mltraq-writer", daemon=True)
            self._thread.start()
        self._queue.put(item)

    def _write(self) -> None:
        """Write until the session is closed; what can't be written waits for the next attempt."""
        ended = False
        with contextlib.ExitStack() as exit_stack:
            connection: Connection | None = None
            while not ended:
                ended = self._gather()
                try:
                    connection = connection or self._open(exit_stack)
                    self._store(connection, ended=ended)
                except Exception as error:  # noqa: BLE001 - whatever it is, `close` raises it, in the thread that can say it
                    self._failure = error
            if connection is not None:
                _set_journal(connection, "DELETE")

    def _gather(self) -> bool:
        """Wait for something to store, and a moment for more; returns whether the session ended."""
        found = [self._queue.get()]
        if found[0] is not None:
            self._closing.wait(GATHER_S)
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._queue.get_nowait())
        self._waiting += [item for item in found if item is not None]
        return None in found

    def _open(self, exit_stack: contextlib.ExitStack) -> Connection:
        connection = exit_stack.enter_context(self._database.connected())
        with self._database.transaction(connection):
            writer.add_session(connection, cast("SessionRecord", self._session))
        _set_journal(connection, "WAL")
        return connection

    def _store(self, connection: Connection, *, ended: bool) -> None:
        """Store what is waiting, in one transaction."""
        id_session = cast("SessionRecord", self._session).id
        known = dict(self._experiments)
        with self._database.transaction(connection):
            for record in self._waiting:
                if isinstance(record, ExperimentRecord) and record.name not in known:
                    writer.add_experiment(connection, record, id_session)
                    known[record.name] = record.id_experiment, View(record.name)
            for name, records in _by_experiment(self._waiting).items():
                writer.add_runs(connection, records, *known[name])
            if ended:
                writer.finish_session(connection, id_session, now(), self._exit_status)
        self._experiments, self._waiting, self._failure = known, [], None


def _by_experiment(items: Iterable[Item]) -> dict[str, list[RunRecord]]:
    runs: dict[str, list[RunRecord]] = {}
    for item in items:
        if item is not None and not isinstance(item, ExperimentRecord):
            name, record = item
            runs.setdefault(name, []).append(record)
    return runs


def _set_journal(connection: Connection, mode: str) -> None:
    """Change SQLite's journal; where others use the file now, or it lies on a network folder, it stays as it is."""
    if connection.dialect.name == "sqlite":
        # Not through SQLAlchemy, whose transaction would hinder it.
        with contextlib.suppress(sqlite3.OperationalError):
            cast("sqlite3.Connection", connection.connection.driver_connection).execute(f"PRAGMA journal_mode = {mode}")
