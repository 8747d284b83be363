"""A database of ours: opened, read and written in transactions."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL, Connection

from pytest_mltraq.errors import StorageError
from pytest_mltraq.storage import engine as engines
from pytest_mltraq.storage import migrations
from pytest_mltraq.storage.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    import pandas


class Database:
    """A database, named by a file or URL; nothing is created before the first write.

    Args:
        where: the path of a SQLite file, an SQLAlchemy URL, or None for one in memory.

    Attributes:
        url: its URL, without its password; `str(database)` is that too.
        file: the file of a SQLite database; None of others, and in memory.

    Raises:
        ConfigurationError: the URL's scheme is unknown, or its driver isn't installed.
        ForeignDatabaseError: the file belongs to something else.
        SchemaVersionError: it was written by a newer version.
        StorageError: it can't be opened.
    """

    def __init__(self, where: str | os.PathLike[str] | None = None) -> None:
        self._url: URL = engines.parse_url(where)
        self.url = engines.shown(self._url)
        self.file = engines.sqlite_file(self._url)
        self._engine = engines.open_engine(self._url)
        # A database in memory is one connection, which threads use one after another.
        self._turn = contextlib.nullcontext() if self._url.database != ":memory:" else threading.RLock()
        self._known: tuple[int, int] | None = None
        self._is_closed = False
        self._version()  # what is wrong with it is said now

    def __str__(self) -> str:
        return self.url

    @property
    def identity(self) -> str:
        """What tells the database from every other one that this process uses."""
        if self.file is not None:
            return str(self.file.resolve())
        return f"{self.url} {id(self)}" if self._url.database == ":memory:" else self.url

    def place(self) -> tuple[Path, str]:
        """Return the folder that belongs to the database, for a server's the current one, and its name as one of a file."""
        if self.file is not None:
            return self.file.parent, self.file.name
        return Path(), (self._url.database or "database").replace("/", "_")

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that writes; the database and its tables are created where they are missing.

        It is committed when the context ends, and undone when the context raises.

        Raises:
            StorageError: the database can't be written.
        """
        with engines.translated(self._url), self.connected() as connection, self.transaction(connection):
            yield connection

    @contextlib.contextmanager
    def connected(self) -> Iterator[Connection]:
        """Hold a connection for several transactions; the folder of a SQLite file is made where it is missing.

        Raises:
            StorageError: the database can't be reached.
        """
        with engines.translated(self._url):
            if self.file is not None:
                _make_folder(self.file)
                self._look_at(self.file)
            with self._engine.connect() as connection:
                yield connection.execution_options(mltraq_writes=True)

    @contextlib.contextmanager
    def transaction(self, connection: Connection) -> Iterator[None]:
        """Write in a transaction of a connection that is held; nothing of it is open afterwards, whatever happens."""
        with self._turn, engines.translated(self._url), engines.undone_on_error(connection), connection.begin():
            self._refuse_other_file(connection)
            migrations.prepare(connection)
            yield
        self._known = connection.info.get("mltraq_file")

    def _refuse_other_file(self, connection: Connection) -> None:
        """Refuse to write to a file that is no longer where it was when the connection was made.

        Raises:
            StorageError: the file was removed, or there is another one in its place.
        """
        if self.file is None:
            return
        identity = _identify(self.file)
        if connection.info.setdefault("mltraq_file", identity) != identity:
            message = (
                f"{self.file} was {'removed' if identity is None else 'replaced by another file'} while it was written"
            )
            raise StorageError(message)

    @contextlib.contextmanager
    def reading(self, *, older: bool = False) -> Iterator[Connection | None]:
        """Open a transaction that reads; None where the database has no tables yet.

        Args:
            older: whether the reader knows tables of older versions too.

        Raises:
            SchemaVersionError: the tables are older; the first transaction that writes upgrades them.
        """
        with self._begun() as connection:
            version = None if connection is None else migrations.read_version(connection)
            if connection is None or version is None:
                yield None
            else:
                if not older:
                    migrations.refuse_older(connection, version)
                yield connection

    @contextlib.contextmanager
    def _begun(self) -> Iterator[Connection | None]:
        """Open a transaction that reads, whatever the tables; None where there is no file."""
        if self._is_closed:
            message = f"{self} was closed: what was not used before can't be read any more; load it in another session"
            raise StorageError(message)
        if self.file is not None and not self._look_at(self.file):
            yield None
            return
        with self._turn, engines.translated(self._url), self._engine.connect() as connection:
            if connection.dialect.name == "postgresql":  # what is read in several statements is of one moment
                connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901
            with connection.begin():
                yield connection

    def _look_at(self, file: Path) -> bool:
        """Refuse a file of something else, which may have come into the place of ours; returns whether there is one."""
        identity = _identify(file)
        if identity is not None and identity != self._known:
            engines.refuse_foreign_file(file)
            self._known = identity
        return identity is not None

    def _version(self) -> int | None:
        with self._begun() as connection:
            return None if connection is None else migrations.read_version(connection)

    def prepare_writing(self) -> None:
        """Find out whether the database can be written, and upgrade an older one; a new one is not made yet.

        Raises:
            StorageError: it can't.
        """
        if self.file is not None:
            _check_writable(self.file)
        self.upgrade()

    def upgrade(self) -> int | None:
        """Upgrade the tables to the version that this package writes, in one transaction.

        Returns:
            The version that they had; None where the database has no tables yet, and none are made.

        Raises:
            StorageError: the database can't be written.
        """
        version = self._version()
        if version is not None and version < SCHEMA_VERSION:
            with self.writing():
                pass
        return version

    def is_same(self, other: Database) -> bool:
        """Whether another object is for the same database, as far as its name tells."""
        if self.file is None or other.file is None:
            return self._url == other._url and self._url.database != ":memory:"
        return self.file.resolve() == other.file.resolve()

    def is_empty(self) -> bool:
        """Whether nothing was ever stored; the file of a SQLite database may be missing."""
        with self.reading() as connection:
            return connection is None

    def query(self, sql: str) -> pandas.DataFrame:
        """Return what a SELECT finds; parameters are not taken, and nothing is committed.

        Raises:
            StorageError: the database refuses the statement.
        """
        import pandas as pd

        columns, rows = self.select(sql)
        return pd.DataFrame(rows, columns=columns)

    def select(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the columns and rows that a SELECT finds, as the driver gives them; see `query`."""
        with self.reading() as connection:
            if connection is None:
                message = f"{self} is empty: persist an experiment first"
                raise StorageError(message)
            with engines.without_writing(connection):
                result = engines.run(connection, sql)
                if not result.returns_rows:
                    raise engines.no_select(sql)
                return list(result.keys()), [tuple(row) for row in result]

    def close(self) -> None:
        """Close what is open; nothing can be read afterwards."""
        self._is_closed = True
        self._engine.dispose()


def _identify(file: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one in its place; None where there is none."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"{file} can't be read: {error.strerror}"
        raise StorageError(message) from error
    return found.st_dev, found.st_ino


def _make_folder(file: Path) -> None:
    """Make the folder of a file, and its parents."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{file} can't be written: its folder can't be made ({error.strerror})"
        raise StorageError(message) from error
    _check_writable(file)


def _check_writable(file: Path) -> None:
    """Look whether a file and its folder can be written, or its folder be made; SQLite writes journals beside it."""
    folder = next(place for place in file.absolute().parents if place.exists())
    for place in (file, folder) if file.exists() else (folder,):
        if not os.access(place, os.W_OK):
            message = f"{file} can't be written: no permission for {place}"
            raise StorageError(message)
    if not folder.is_dir():
        message = f"{file} can't be written: {folder} is no folder"
        raise StorageError(message)
