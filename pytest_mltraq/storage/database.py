"""A database of ours: opened, read and written in transactions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import OperationalError

from pytest_mltraq.errors import StorageError
from pytest_mltraq.storage import engine as engines
from pytest_mltraq.storage import schema

if TYPE_CHECKING:
    import pandas


class Database:
    """A database, named by a file or URL; nothing is created before the first write.

    Args:
        where: the path of a SQLite file, an SQLAlchemy URL, or None for one in memory.

    Attributes:
        url: its URL; `str(database)` is the URL without its password.

    Raises:
        ConfigurationError: the URL's scheme is unknown, or its driver isn't installed.
        ForeignDatabaseError: the file belongs to something else.
        SchemaVersionError: it was written by a newer version.
        StorageError: it can't be opened.
    """

    def __init__(self, where: str | os.PathLike[str] | None = None) -> None:
        self.url: URL = engines.parse_url(where)
        self._file = engines.sqlite_file(self.url)
        self._engine = engines.open_engine(self.url)
        self._ready = False
        if self._file is None or self._file.exists():
            if self._file is not None:
                engines.refuse_foreign_file(self._file)
            with self.reading():
                pass

    def __str__(self) -> str:
        return engines.shown(self.url)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that writes; the database and its tables are created where they are missing.

        It is committed when the context ends, and undone when the context raises.

        Raises:
            StorageError: the database can't be written.
        """
        with engines.translated(self.url), self.connected() as connection, self.transaction(connection):
            yield connection

    @contextlib.contextmanager
    def connected(self) -> Iterator[Connection]:
        """Hold a connection for several transactions; the folder of a SQLite file is made where it is missing.

        Raises:
            StorageError: the database can't be reached.
        """
        with engines.translated(self.url):
            if self._file is not None:
                self._make_folder()
            with self._engine.connect() as connection:
                yield connection.execution_options(mltraq_writes=True)

    @contextlib.contextmanager
    def transaction(self, connection: Connection) -> Iterator[None]:
        """Write in a transaction of a connection that is held."""
        with engines.translated(self.url), connection.begin():
            if not self._ready:
                schema.create(connection)
            yield
        self._ready = True

    def _make_folder(self) -> None:
        assert self._file is not None
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"{self._file.parent} can't be made for the database {self._file.name}: {error.strerror}"
            raise StorageError(message) from error
        for place, need in ((self._file.parent, os.W_OK | os.X_OK), (self._file, os.W_OK)):
            if place.exists() and not os.access(place, need):
                message = f"{self._file} can't be written: no permission for {place}"
                raise StorageError(message)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection | None]:
        """Open a transaction that reads; None where the database has no tables yet."""
        if self._file is not None and not self._file.exists():
            yield None
            return
        with engines.translated(self.url), self._engine.connect() as connection, connection.begin():
            if not self._ready:
                version = schema.read_version(connection)
                if version is None:
                    yield None
                    return
                schema.check_version(connection, version)
                self._ready = True
            yield connection

    def check_writable(self) -> None:
        """Find out whether the database can be written, without writing anything.

        Raises:
            StorageError: it can't.
        """
        if self._file is None:
            return
        for place in (self._file, *self._file.parents):
            if place.exists():
                break
        if place != self._file and not place.is_dir():
            message = f"{self._file} can't be made: {place} is no folder"
            raise StorageError(message)
        for needed in {place, self._file.parent} if place == self._file else {place}:
            if not os.access(needed, os.W_OK):
                message = f"{self._file} can't be written: no permission for {needed}"
                raise StorageError(message)

    def query(self, sql: str) -> pandas.DataFrame:
        """Return what a SELECT finds; parameters are not taken, and nothing is committed.

        Raises:
            StorageError: the database refuses the statement.
        """
        import pandas as pd

        with self.reading() as connection:
            if connection is None:
                message = f"{self} is empty: persist an experiment first"
                raise StorageError(message)
            result = connection.execute(text(sql.replace(":", r"\:")))
            if not result.returns_rows:
                message = f"expected a SELECT, found {sql.strip()[:60]!r}"
                connection.rollback()
                raise StorageError(message)
            frame = pd.DataFrame(result.fetchall(), columns=list(result.keys()))
            connection.rollback()
            return frame

    def close(self) -> None:
        """Close what is open."""
        self._engine.dispose()


__all__ = ["Database", "OperationalError"]
