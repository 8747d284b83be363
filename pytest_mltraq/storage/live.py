"""A session that is written while it runs: each run is durable as soon as it is reported."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from pytest_mltraq.record import ExperimentRecord, RunRecord, SessionRecord, now
from pytest_mltraq.storage import writer
from pytest_mltraq.storage.database import Database
from pytest_mltraq.storage.views import View


class LiveSession:
    """Writes a session's runs, each in a transaction of its own, through one connection.

    A SQLite file is in WAL mode meanwhile, where a commit costs some 50 µs and survives a killed process; afterwards it
    is one file again.

    Args:
        database: where the session is stored; created with the first run.
        describe: makes the session's record, when the first run is stored.
    """

    def __init__(self, database: Database, describe: Callable[[], SessionRecord]) -> None:
        self._database = database
        self._describe = describe
        self._exit = contextlib.ExitStack()
        self._connection: Connection | None = None
        self._id_session: str | None = None
        self._experiments: dict[str, tuple[str, View]] = {}

    @property
    def id_session(self) -> str | None:
        """The id of the session; None before the first run."""
        return self._id_session

    def add_experiment(self, record: ExperimentRecord) -> None:
        """Store an experiment, unless this session did already.

        Raises:
            StorageError: the database can't be written.
        """
        if record.name in self._experiments:
            return
        connection = self._open()
        with self._database.transaction(connection):
            writer.add_experiment(connection, record, str(self._id_session))
        self._experiments[record.name] = record.id_experiment, View(record.name)

    def add_run(self, experiment: str, record: RunRecord) -> None:
        """Store a run of an experiment that was added.

        Raises:
            StorageError: the database can't be written.
        """
        connection = self._open()
        id_experiment, view = self._experiments[experiment]
        with self._database.transaction(connection):
            writer.add_runs(connection, [record], id_experiment, view)

    def close(self, exit_status: int) -> None:
        """Store that the session ended, and close the connection.

        Raises:
            StorageError: the database can't be written.
        """
        if self._connection is None:
            return
        with self._exit:
            with self._database.transaction(self._connection):
                writer.finish_session(self._connection, str(self._id_session), now(), exit_status)
            self._set_journal(self._connection, "DELETE")
        self._connection = None

    def _open(self) -> Connection:
        if self._connection is None:
            connection = self._exit.enter_context(self._database.connected())
            record = self._describe()
            with self._database.transaction(connection):
                writer.add_session(connection, record)
            self._set_journal(connection, "WAL")
            self._connection, self._id_session = connection, record.id
        return self._connection

    def _set_journal(self, connection: Connection, mode: str) -> None:
        """Change SQLite's journal; where others use the file now, or it lies on a network folder, it stays as it is."""
        if connection.dialect.name == "sqlite":
            driver = connection.connection.driver_connection
            assert driver is not None
            with contextlib.suppress(
                SQLAlchemyError, driver.OperationalError if hasattr(driver, "OperationalError") else OSError
            ):
                driver.execute(f"PRAGMA journal_mode = {mode}").fetchall()
