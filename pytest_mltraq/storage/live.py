"""A session that is written while it runs."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_mltraq.counting import counted
from pytest_mltraq.errors import StorageError
from pytest_mltraq.record import ExperimentRecord, RunRecord, SessionRecord, now
from pytest_mltraq.storage import writer
from pytest_mltraq.storage.database import Database
from pytest_mltraq.storage.sqlite import BUSY_TIMEOUT_S, SQLiteConnection, driver_of
from pytest_mltraq.storage.views import View

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

GATHER_S: Final = 0.2
"""How soon after a store the next one is: well within the second that is promised, and long enough that ten thousand
quick runs are a few dozen transactions."""

WATCH_S: Final = 0.25
"""How often the thread looks for runs that nobody stored."""

PAUSE: Final = 20
"""How many times as long as a store took no other one is made where the runs are reported: a database that is slow is left
to the thread."""

SWITCH_MS: Final = 50
"""How long others are waited for to change the journal, which is tried again with each store [ms]."""

RETRY_S: Final = 5.0
"""How long after a failure it is tried again."""


class Unstored(NamedTuple):
    """What is not stored of a session.

    Attributes:
        session: the session; `finished_at` and `exit_status` are None before it is closed.
        experiments: those of the runs; they may be stored already.
        runs: runs with the name of their experiment, in the order in which they were added.
    """

    session: SessionRecord
    experiments: list[ExperimentRecord]
    runs: list[tuple[str, RunRecord]]


class LiveSession:
    """Stores a session's experiments and runs while it runs; a run is durable within a second of `add_run`.

    A run is stored in `add_run`, unless the last store was a moment ago: then it waits for the next one. A thread stores what
    waits when no further run comes, and everything where the database is slow or fails. (A thread that stored all of it
    would have to wait for the interpreter's lock with each call of the database: while a test computes in pure Python
    that is 5 ms a call.) Each store is one transaction, and may be tried again, even where it is not known whether
    it was committed: nothing is stored twice.

    A SQLite file is in WAL mode meanwhile, so that others can read it and a killed process loses nothing that was committed;
    afterwards it is one file again. A process that is forked from that of the session stores nothing.

    Args:
        database: where the session is stored; created with the first run.
        describe: makes the session's record, when the first run is added.

    Attributes:
        session: the session's record; None before the first run.
    """

    def __init__(self, database: Database, describe: Callable[[], SessionRecord]) -> None:
        self.session: SessionRecord | None = None
        self._database = database
        self._describe = describe
        self._process = os.getpid()
        self._experiments: dict[str, ExperimentRecord] = {}
        # Not as records: plain tuples of plain values are nothing to the garbage collector, however many wait.
        self._waiting: list[tuple[str, tuple[Any, ...]]] = []
        self._lock = threading.Lock()  # held by who stores
        self._exit_stack = contextlib.ExitStack()
        self._connection: Connection | SQLiteConnection | None = None
        self._has_log = False
        self._views: dict[str, View] = {}  # of the experiments that are known to be stored
        self._failure: Exception | None = None
        self._next_here = self._next_there = 0.0
        self._is_closed = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="mltraq-writer", daemon=True)

    def add_experiment(self, record: ExperimentRecord) -> None:
        """Take an experiment, unless this session has it; it is stored with its first run."""
        self._experiments.setdefault(record.name, record)

    def add_run(self, experiment: str, record: RunRecord) -> None:
        """Store a run of an experiment that was added, now or a moment later."""
        self._waiting.append((experiment, tuple(record)))
        if self._thread.ident is None:
            self._thread.start()
        if time.monotonic() >= self._next_here:
            self._try()

    def flush(self) -> None:
        """Store all that is waiting; it is durable when this returns.

        Raises:
            StorageError: not everything could be stored; the message says how many runs.
        """
        if os.getpid() != self._process:
            return
        with self._lock:
            if self._waiting:
                self._store()
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            runs = len(self._waiting)
            what = "the session's end" if not runs else counted(runs, "run")
            message = f"{what} could not be stored: {self._failure}"
            raise StorageError(message) from self._failure

    def unstored(self) -> Unstored | None:
        """Return what is waiting, and after a failure what is not known to be stored, be it the session's end alone."""
        runs = [(name, RunRecord(*values)) for name, values in self._waiting[:]]
        if not runs and self._failure is None:
            return None
        names = dict.fromkeys(name for name, _ in runs)
        return Unstored(self.session or self._describe(), [self._experiments[name] for name in names], runs)

    def close(self, exit_status: int) -> None:
        """Store what is still waiting and that the session ended, and close the database.

        Raises:
            StorageError: not everything could be stored; the message says how many runs.
        """
        is_empty = self.session is None and not self._waiting
        if is_empty or self._is_closed or os.getpid() != self._process:
            return
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        self.session = (self.session or self._describe())._replace(finished_at=now(), exit_status=exit_status)
        is_held = self._connection is not None
        try:
            self._store()
            if self._failure is not None and is_held:
                self._store()  # the connection may have been lost since it was made: this makes a new one
        finally:
            if self._connection is not None:
                _set_journal(self._connection, "DELETE")
            self._disconnect()
        self._is_closed = True  # where it was interrupted, it can be closed again
        self._raise_failure()

    def _disconnect(self) -> None:
        """Let go of the connection; the next store makes a new one."""
        self._connection, self._has_log = None, False
        self._exit_stack.close()

    def _watch(self) -> None:
        while not self._closing.wait(WATCH_S):
            if time.monotonic() >= self._next_there:
                self._try()

    def _try(self) -> None:
        """Store what is waiting, unless the other thread is at it."""
        if os.getpid() != self._process or self._lock.locked():
            return
        with self._lock:  # not `acquire`, after which an interrupt would leave it held
            if self._waiting:
                self._store()

    def _store(self) -> None:
        """Store what is waiting, and say when the next time is."""
        waiting = self._waiting[:]  # others may come meanwhile
        is_first = not self._views
        begin = time.monotonic()
        try:
            self._write(waiting)
        except BaseException as error:
            self._disconnect()
            self._views.clear()  # what of them was stored is not known
            self._next_here = self._next_there = time.monotonic() + RETRY_S
            if not isinstance(error, Exception):
                raise
            self._failure = error  # whatever it is, `close` raises it, where it can be said
            return
        del self._waiting[: len(waiting)]
        self._failure = None
        end = time.monotonic()
        pause = 0 if is_first else PAUSE * (end - begin)  # the first one opens the database
        self._next_here, self._next_there = end + max(GATHER_S, pause), end + 1.5 * GATHER_S

    def _write(self, waiting: list[tuple[str, tuple[Any, ...]]]) -> None:
        """Store runs, in one transaction; the session and their experiments before them."""
        self.session = session = self.session or self._describe()
        if self._connection is None:
            self._connection = self._exit_stack.enter_context(self._database.connected())
        is_first = not self._views
        with self._database.transaction(self._connection):
            if is_first:
                writer.add_session(self._connection, session)
            for name, records in _by_experiment(waiting).items():
                experiment = self._experiments[name]
                if name not in self._views:
                    writer.add_experiment(self._connection, experiment, session.id)
                    self._views[name] = View(name)
                writer.add_runs(self._connection, records, experiment.id_experiment, self._views[name])
            if session.finished_at is not None:
                writer.finish_session(self._connection, session.id, session.finished_at, session.exit_status)
        if not self._has_log:
            self._has_log = _set_journal(self._connection, "WAL")


def _by_experiment(waiting: Iterable[tuple[str, tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    runs: dict[str, list[tuple[Any, ...]]] = {}
    for name, values in waiting:
        runs.setdefault(name, []).append(values)
    return runs


def _set_journal(connection: Connection | SQLiteConnection, mode: str) -> bool:
    """Change SQLite's journal, which stays as it is on a network folder; returns False where others use the file now."""
    driver = driver_of(connection)
    if driver is None:
        return True
    try:  # who reads for long is not waited for: the next store tries again
        driver.execute(f"PRAGMA busy_timeout = {SWITCH_MS}")
        driver.execute(f"PRAGMA journal_mode = {mode}")
    except sqlite3.OperationalError:
        return False
    finally:
        driver.execute(f"PRAGMA busy_timeout = {1000 * BUSY_TIMEOUT_S}")
    return True
