"""A database of ours: opened, read and written in transactions."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mltraq.errors import StorageError
from pytest_mltraq.storage import migrations, sqlite
from pytest_mltraq.storage.artifacts import store_beside, store_of
from pytest_mltraq.storage.rows import execute
from pytest_mltraq.storage.sqlite import SQLiteConnection, SQLiteFile
from pytest_mltraq.storage.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    import pandas
    from sqlalchemy.engine import URL, Connection, Engine


class Database:
    """A database, named by a file or URL; nothing is created before the first write.

    Args:
        where: the path of a SQLite file, an SQLAlchemy URL, or None for one in memory.
        artifacts: where artifacts are kept; see `storage.artifacts.store_of`.

    Attributes:
        artifacts: where artifacts are kept.
        url: its URL, without its password; `str(database)` is that too.
        file: the file of a SQLite database; None of others, and in memory.

    Raises:
        ConfigurationError: the URL's scheme is unknown, or its driver isn't installed.
        ForeignDatabaseError: the file belongs to something else.
        SchemaVersionError: it was written by a newer version.
        StorageError: it can't be opened.
    """

    def __init__(
        self, where: str | os.PathLike[str] | None = None, artifacts: str | os.PathLike[str] | None = None
    ) -> None:
        self._where = where
        self.artifacts = store_of(where, artifacts)
        path = sqlite.find_path(where)
        self._sqlite = None if path is None else SQLiteFile(path)
        if path is None:
            from pytest_mltraq.storage import engine as engines

            self.url, self.file = engines.shown(self._url), engines.sqlite_file(self._url)
        else:
            self.url, self.file = sqlite.show(path), path
        # A database in memory is one connection, which threads use one after another.
        is_shared = self._sqlite is None and self._url.database == ":memory:"
        self._turn = threading.RLock() if is_shared else contextlib.nullcontext()
        self._known: tuple[int, int] | None = None
        self._is_gone = False
        self._version()  # what is wrong with it is said now

    @functools.cached_property
    def _url(self) -> URL:
        from pytest_mltraq.storage import engine as engines

        return engines.parse_url(self._where)

    @functools.cached_property
    def _engine(self) -> Engine:
        from pytest_mltraq.storage import engine as engines

        return engines.open_engine(self._url, self._sqlite)

    def __str__(self) -> str:
        return self.url

    @property
    def identity(self) -> str:
        """What tells the database from every other one that this process uses."""
        if self.file is not None:
            return str(self.file.resolve())
        return f"{self.url} {id(self)}" if self._url.database == ":memory:" else self.url

    @property
    def owns_artifacts(self) -> bool:
        """Whether the files of artifacts are its alone; a place that was named may be that of several databases."""
        return self.file is not None and self.artifacts == store_beside(self.file)

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
        with self._connected() as connection, self.transaction(connection):
            yield connection

    @contextlib.contextmanager
    def connected(self) -> Iterator[Connection | SQLiteConnection]:
        """Hold a connection for several transactions, each with `transaction`, and what `writer` does in them.

        Raises:
            StorageError: the database can't be reached.
        """
        if self._sqlite is None:
            with self._connected() as connection:
                yield connection
        else:
            self._make_room(self._sqlite.path)
            with self._sqlite.connected() as light:
                yield light

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection]:
        from pytest_mltraq.storage import engine as engines

        if self.file is not None:
            self._make_room(self.file)
        with engines.translated(self._url), self._engine.connect() as connection:
            yield connection.execution_options(mltraq_writes=True)

    def _make_room(self, file: Path) -> None:
        """Make the folder of a file where it is missing, and refuse a file that is not ours."""
        sqlite.make_folder(file)
        self._look_at(file)

    @contextlib.contextmanager
    def transaction(self, connection: Connection | SQLiteConnection) -> Iterator[None]:
        """Write in a transaction of a connection that is held; nothing of it is open afterwards, whatever happens."""
        with self._turn, self._begin(connection):
            self._refuse_other_file(connection)
            migrations.prepare(connection, self.url)
            yield
        self._known = connection.info.get("mltraq_file")

    @contextlib.contextmanager
    def _begin(self, connection: Connection | SQLiteConnection) -> Iterator[None]:
        if isinstance(connection, SQLiteConnection):
            with connection.begin():
                yield
            return
        from pytest_mltraq.storage import engine as engines

        with engines.translated(self._url), engines.undone_on_error(connection), connection.begin():
            yield

    def _refuse_other_file(self, connection: Connection | SQLiteConnection) -> None:
        """Refuse to write to a file that is no longer where it was when the connection was made.

        Raises:
            StorageError: the file was removed, or there is another one in its place.
        """
        if self.file is None:
            return
        identity = sqlite.identify(self.file)
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
            yield connection if self._has_tables(connection, older=older) else None

    @contextlib.contextmanager
    def fetching(self) -> Iterator[Connection | SQLiteConnection | None]:
        """Open a transaction as `reading` does, for what reads by `rows.execute`: of a file, it needs no SQLAlchemy."""
        with self.looking() as connection:
            yield connection if self._has_tables(connection) else None

    def _has_tables(self, connection: Connection | SQLiteConnection | None, *, older: bool = False) -> bool:
        version = None if connection is None else migrations.read_version(connection, self.url)
        if version is not None and not older:
            migrations.refuse_older(version, self.url)
        return version is not None

    @contextlib.contextmanager
    def _begun(self) -> Iterator[Connection | None]:
        """Open a transaction that reads, whatever the tables; None where there is no file."""
        if self._is_gone:
            message = f"{self} was closed: what was in memory is gone; use a file to keep it"
            raise StorageError(message)
        if self.file is not None and not self._look_at(self.file):
            yield None
            return
        from pytest_mltraq.storage import engine as engines

        with self._turn, engines.translated(self._url), self._engine.connect() as connection:
            if connection.dialect.name == "postgresql":  # what is read in several statements is of one moment
                connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901
            with connection.begin():
                yield connection

    def _look_at(self, file: Path) -> bool:
        """Refuse a file of something else, which may have come into the place of ours; returns whether there is one."""
        identity = sqlite.identify(file)
        if identity is not None and identity != self._known:
            sqlite.refuse_foreign_file(file)
            self._known = identity
        return identity is not None

    @contextlib.contextmanager
    def looking(self) -> Iterator[Connection | SQLiteConnection | None]:
        """Open a transaction that reads by `rows.execute`, whatever the tables; None where there is no file."""
        if self._sqlite is None:
            with self._begun() as connection:
                yield connection
        elif not self._look_at(self._sqlite.path):
            yield None
        else:
            with self._sqlite.connected() as light, light.begin(writes=False):
                yield light

    def _version(self) -> int | None:
        """Return the version of the tables; None where there are none yet."""
        with self.looking() as connection:
            return None if connection is None else migrations.read_version(connection, self.url)

    def is_unfinished(self) -> bool:
        """Whether the newest session that is stored has not ended: it runs still, or was killed."""
        if self._version() is None:
            return False
        newest = "SELECT finished_at FROM sessions ORDER BY started_at DESC, id DESC LIMIT 1"
        with self.looking() as connection:
            found = None if connection is None else execute(connection, newest).first()
        return found is not None and found[0] is None

    def prepare_writing(self) -> None:
        """Find out whether the database can be written, and upgrade an older one; a new one is not made yet.

        Raises:
            StorageError: it can't.
        """
        if self.file is not None:
            sqlite.check_writable(self.file)
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
        with self.fetching() as connection:
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
        from pytest_mltraq.storage import engine as engines

        with self.reading() as connection:
            if connection is None:
                message = f"{self} is empty: persist an experiment first"
                raise StorageError(message)
            with engines.without_writing(connection):
                result = execute(connection, sql)
                if not result.returns_rows:
                    raise engines.no_select(sql)
                return list(result.keys()), [tuple(row) for row in result]

    def close(self) -> None:
        """Close what is open; a database in memory is gone then, others are opened again where they are needed."""
        self._is_gone = self._url.database == ":memory:"
        if "_engine" in vars(self):
            self._engine.dispose()
        if self._sqlite is not None:
            self._sqlite.close()
