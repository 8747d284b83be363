"""From a path or URL to a database that is ours: drivers, pragmas, and files that belong to something else."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, CursorResult, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool, StaticPool

from pytest_mltraq.environment import without_password
from pytest_mltraq.errors import ConfigurationError, ForeignDatabaseError, StorageError
from pytest_mltraq.storage import schema

IN_MEMORY: Final = "sqlite:///:memory:"
BUSY_TIMEOUT_S: Final = 60
"""How long a writer waits for the others before it gives up."""

ROOM_BYTES: Final = 2**16
"""What a disk has left, at most, that is full: a transaction and its journal take some pages of 16 KiB."""

SMALLEST_BYTES: Final = 512
"""The size of the smallest database that SQLite can make: one page."""

_SCHEMES: Final = ("sqlite", "postgresql", "postgres")
_SLIP: Final = re.compile(r"(sqlite|postgres(ql)?)(\+\w+)?:(?!//)")
_OTHERS: Final = (
    ({"experiments", "alembic_version", "metrics"}, "an MLflow database"),
    ({"studies", "trials"}, "an Optuna database"),
    ({"alembic_version"}, "a database that Alembic manages"),
)


def parse_url(where: str | os.PathLike[str] | None) -> URL:
    """Return the URL of a database that is named by a path, a URL or nothing (in memory).

    Raises:
        ConfigurationError: the URL's scheme is unknown, or its driver isn't installed.
    """
    if where is None:
        return make_url(IN_MEMORY)
    given = os.fspath(where)
    if _SLIP.match(given):
        message = f"expected a file, sqlite:///PATH or postgresql://USER@HOST/NAME, found {given.partition(':')[0]}: without //"
        raise ConfigurationError(message)
    if "://" not in given:
        return URL.create("sqlite", database=str(Path(given).expanduser()))
    scheme = given.partition("://")[0]
    if scheme.partition("+")[0] not in _SCHEMES:
        message = f"expected a file, sqlite:///PATH or postgresql://USER@HOST/NAME as database, found {scheme}://..."
        raise ConfigurationError(message)
    try:
        url = make_url(given)
    except (ArgumentError, ValueError) as error:
        message = f"expected {scheme}://USER@HOST/NAME as database, found a URL that can't be read"
        raise ConfigurationError(message) from error
    if "@" in (url.host or ""):
        message = f"{scheme}://...: a password that has an @ in it is written with %40 in its place"
        raise ConfigurationError(message)
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    try:
        url.get_dialect().import_dbapi()
    except NoSuchModuleError as error:
        message = f"expected postgresql://USER@HOST/NAME as database, found the unknown driver {url.drivername!r}"
        raise ConfigurationError(message) from error
    except ImportError as error:
        message = f"the driver of {url.drivername!r} is not installed: pip install 'pytest-mltraq[postgres]' ({error})"
        raise ConfigurationError(message) from error
    return url


def shown(url: URL) -> str:
    """Write a URL without its password; the form is the same with every SQLAlchemy, which escapes differently."""
    return without_password(url.render_as_string(hide_password=True)).replace("%3Amemory%3A", ":memory:")


def open_engine(url: URL) -> Engine:
    """Make an engine whose transactions are safe with other writers; connects to nothing yet."""
    if url.get_backend_name() == "postgresql":
        # The search path is ours alone, so that a table of another tool is never taken for one of ours.
        options = f"{url.query.get('options', '')} -csearch_path={schema.SCHEMA_NAME}".strip()
        engine = create_engine(url, poolclass=NullPool, connect_args={"options": options})
        event.listen(engine, "connect", _configure_postgresql)
        return engine
    engine = create_engine(
        url,
        poolclass=NullPool if sqlite_file(url) else StaticPool,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_postgresql(connection: Any, record: object) -> None:
    from psycopg.types.string import TextLoader

    connection.adapters.register_loader("json", TextLoader)  # documents are read as text: the codec takes them


def _configure_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None  # the driver begins no transactions: _begin_sqlite does
    # A killed process loses nothing with NORMAL in WAL mode; a power cut may lose the last commits, and damages nothing.
    connection.execute("PRAGMA synchronous = NORMAL")
    # Of a new file only: documents are mostly longer than SQLite's page of 4 KiB, and a chain of pages costs.
    connection.execute("PRAGMA page_size = 16384")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads before it writes fails at once when another one wrote meanwhile, whatever the timeout;
    # one that says at its begin that it will write waits for its turn.
    writes = connection.get_execution_options().get("mltraq_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def sqlite_file(url: URL) -> Path | None:
    """Return the file of a SQLite URL; None in memory and for other databases."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


def refuse_foreign_file(file: Path) -> None:
    """Refuse a file that was not made by this package, by looking at it only.

    It is opened by SQLite alone: a process that opens and closes a file by itself loses the locks that SQLite has on it.

    Raises:
        ForeignDatabaseError: it belongs to something else, which the message names.
        StorageError: it can't be read.
    """
    if file.is_dir():
        message = f"{file} is a folder: expected the path of a database file"
        raise StorageError(message)
    if 0 < file.stat().st_size < SMALLEST_BYTES:  # SQLite takes some of these for empty, and writes over them
        message = f"{file} is no SQLite database: choose another path; the file was left as it is"
        raise ForeignDatabaseError(message)
    ((application, version),) = _look_at(file, "SELECT * FROM pragma_application_id, pragma_user_version")
    if application == schema.APPLICATION_ID:
        return
    tables = dict(_look_at(file, "SELECT name, coalesce(sql, '') FROM sqlite_master"))
    if tables or application or version:  # of another program
        message = (
            f"{file} is {_name_other(tables)}, not one of pytest-mltraq: choose another path; it was left as it is"
        )
        raise ForeignDatabaseError(message)


def _look_at(file: Path, query: str) -> list[Any]:
    """Return what a SELECT finds in a SQLite file, which is opened so that it can't change."""
    # A file in WAL mode may have its tables in the journal beside it; without one, nothing is made there.
    is_open = file.with_name(f"{file.name}-wal").exists()
    path = file.resolve().as_posix().replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    uri = f"file:{path}?mode=ro" + ("" if is_open else "&immutable=1")
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            return connection.execute(query).fetchall()
    except sqlite3.OperationalError as error:
        message = f"{file} can't be read: {error}{_cause(file, str(error))}"
        raise StorageError(message) from error
    except sqlite3.DatabaseError as error:
        what = "no SQLite database" if "not a database" in str(error) else f"a damaged SQLite database ({error})"
        message = f"{file} is {what}: choose another path; the file was left as it is"
        raise ForeignDatabaseError(message) from error


def _name_other(tables: dict[str, str]) -> str:
    if "unsafe_pickle" in tables.get("experiments", ""):
        return "an MLtraq database"
    for names, description in _OTHERS:
        if names <= tables.keys():
            return description
    return f"a database with {', '.join(sorted(tables)[:5])}" if tables else "a database of another program"


@contextlib.contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turn the database's errors into ours, with the database's name and without its password."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip()
        message = f"{shown(url)}: {without_password(reason)}{_cause(sqlite_file(url), reason)}"
        raise StorageError(message) from error


def _cause(file: Path | None, reason: str) -> str:
    """Say that the disk is full where SQLite says no more than that it can't read or write."""
    if file is None or "I/O error" not in reason:
        return ""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(file.parent).free < ROOM_BYTES:
            return ": the disk is full"
    return ""


@contextlib.contextmanager
def undone_on_error(connection: Connection) -> Iterator[None]:
    """End a transaction that an error leaves open: SQLAlchemy does not after an interrupt in the middle of a commit."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(connection.dialect.loaded_dbapi.Error, SQLAlchemyError):
            connection.connection.rollback()
        raise


def quoted(name: str) -> str:
    """Quote a name for SQL, as the standard says."""
    return '"' + name.replace('"', '""') + '"'


def run(connection: Connection, statement: str) -> CursorResult[Any]:
    """Run a statement that has no parameters; psycopg takes a lone percent sign for one."""
    return connection.exec_driver_sql(
        statement if connection.dialect.name == "sqlite" else statement.replace("%", "%%")
    )


@contextlib.contextmanager
def without_writing(connection: Connection) -> Iterator[None]:
    """Let the database refuse what writes, also after a COMMIT that is in the statement itself."""
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:
        connection.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    connection.exec_driver_sql("PRAGMA query_only = ON" if is_sqlite else "SET TRANSACTION READ ONLY")
    try:
        yield
    except DBAPIError as error:
        if "readonly" in str(error.orig) or "read-only" in str(error.orig):
            raise no_select(str(error.statement)) from error
        raise
    finally:
        if is_sqlite:  # the connection of a database in memory goes on; one to PostgreSQL is closed
            connection.exec_driver_sql("PRAGMA query_only = OFF")


def no_select(sql: str) -> StorageError:
    """Make the error for a statement that is no SELECT."""
    message = f"expected a SELECT, found {sql.strip()[:60]!r}"
    return StorageError(message)
