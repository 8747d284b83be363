"""SQLAlchemy's side of a database: URLs, drivers, transactions. What reads needs it, and all of PostgreSQL."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool, StaticPool

from pytest_mltraq.errors import ConfigurationError, StorageError
from pytest_mltraq.passwords import without_password
from pytest_mltraq.storage.sqlite import (
    BUSY_TIMEOUT_S,
    DriverConnection,
    SQLiteFile,
    configure,
    discard,
    opening,
    say_cause,
)
from pytest_mltraq.storage.tables import SCHEMA_NAME

IN_MEMORY: Final = "sqlite:///:memory:"

_SCHEMES: Final = ("sqlite", "postgresql", "postgres")


def parse_url(where: str | os.PathLike[str] | None) -> URL:
    """Return the URL of a database that is named by a path, a URL or nothing (in memory).

    Raises:
        ConfigurationError: the URL's scheme is unknown, or its driver isn't installed.
    """
    if where is None:
        return make_url(IN_MEMORY)
    given = os.fspath(where)
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


def open_engine(url: URL, file: SQLiteFile | None) -> Engine:
    """Make an engine whose transactions are safe with other writers; connects to nothing yet.

    Args:
        url: the database.
        file: what its connections are taken from.
    """
    if url.get_backend_name() == "postgresql":
        # The search path is ours alone, so that a table of another tool is never taken for one of ours.
        options = f"{url.query.get('options', '')} -csearch_path={SCHEMA_NAME}".strip()
        engine = create_engine(url, poolclass=NullPool, connect_args={"options": options})
        event.listen(engine, "connect", _configure_postgresql)
        return engine
    if file is not None:
        engine = create_engine("sqlite://", poolclass=NullPool, creator=file.open)
    else:
        engine = create_engine(
            url,
            poolclass=NullPool if sqlite_file(url) else StaticPool,
            connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False, "factory": DriverConnection},
        )
        event.listen(engine, "connect", lambda connection, record: configure(connection))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_postgresql(connection: Any, record: object) -> None:
    from psycopg.types.string import TextLoader

    connection.adapters.register_loader("json", TextLoader)  # documents are read as text: the codec takes them


def _begin_sqlite(connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    for statement in opening(driver, writes=connection.get_execution_options().get("mltraq_writes", False)):
        connection.exec_driver_sql(statement)


def sqlite_file(url: URL) -> Path | None:
    """Return the file of a SQLite URL; None in memory and for other databases."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


@contextlib.contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turn the database's errors into ours, with the database's name and without its password."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip()
        file = sqlite_file(url)
        message = f"{shown(url)}: {without_password(reason)}{'' if file is None else say_cause(file, reason)}"
        raise StorageError(message) from error


@contextlib.contextmanager
def undone_on_error(connection: Connection) -> Iterator[None]:
    """End a transaction that an error leaves open: SQLAlchemy does not after an interrupt in the middle of a commit."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(connection.dialect.loaded_dbapi.Error, SQLAlchemyError):
            connection.connection.rollback()
        raise


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
        if is_sqlite:  # the connection of a database in memory goes on; the others are closed
            connection.exec_driver_sql("PRAGMA query_only = OFF")
            discard(connection.connection.driver_connection)


def no_select(sql: str) -> StorageError:
    """Make the error for a statement that is no SELECT."""
    message = f"expected a SELECT, found {sql.strip()[:60]!r}"
    return StorageError(message)
