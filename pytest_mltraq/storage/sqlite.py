"""SQLite files, without SQLAlchemy: whether one is ours, connections that are kept, and one to write through.

Opening a SQLite file costs more the more views it has, because SQLite reads the definitions of all of them. So a connection
that is given back is kept for the next one who asks. It holds no lock: one to a file in WAL mode would, and is closed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import types
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

from pytest_mltraq.errors import ConfigurationError, ForeignDatabaseError, StorageError
from pytest_mltraq.passwords import without_password
from pytest_mltraq.storage.tables import APPLICATION_ID

BUSY_TIMEOUT_S: Final = 60
"""How long a writer waits for the others before it gives up."""

ROOM_BYTES: Final = 2**17
"""What a disk has left, at most, that is full: a transaction and its journal take some pages of 32 KiB."""

_TO_READ: Final = ("PRAGMA cache_size = -2000", "PRAGMA temp_store = DEFAULT")
"""Settings for reading, those of SQLite. The size of a cache that is negative is in KiB."""

_TO_WRITE: Final = ("PRAGMA cache_size = -500", "PRAGMA temp_store = MEMORY")
"""Settings for writing: what is new goes to the file while the processor's cache still has it.

Before a statement that inserts several rows SQLite copies the pages that it is going to change, a few, so that it could be undone
alone. They would go to a temporary file, and a full disk there, or no folder for it, be an error of the database's.
"""

SMALLEST_BYTES: Final = 512
"""The size of the smallest database that SQLite can make: one page."""

_JOURNAL: Final = bytes.fromhex("d9d505f920a163d7")
"""How a journal that counts begins. Source: SQLite's documentation, "Database File Format", 3."""

_SLIP: Final = re.compile(r"(sqlite|postgres(ql)?)(\+\w+)?:(?!//)")
_FILE_URL: Final = re.compile(r"sqlite:///([^?]+)")
_MLTRAQ: Final = "an MLtraq database"
_MLFLOW: Final = "an MLflow database"
_OTHERS: Final = (
    ({"experiments", "alembic_version", "metrics"}, _MLFLOW),
    ({"studies", "trials"}, "an Optuna database"),
    ({"alembic_version"}, "a database that Alembic manages"),
)


def find_path(where: str | os.PathLike[str] | None) -> Path | None:
    """Return the path of a SQLite file that is named by its path or URL; None of other URLs, and in memory.

    Raises:
        ConfigurationError: it is a URL without `//`.
    """
    if where is None:
        return None
    given = os.fspath(where)
    if _SLIP.match(given):
        message = f"expected a file, sqlite:///PATH or postgresql://USER@HOST/NAME, found {given.partition(':')[0]}: without //"
        raise ConfigurationError(message)
    url = _FILE_URL.fullmatch(given)
    if url is None and "://" in given:
        return None
    name = given if url is None else url[1]
    return None if name == ":memory:" else Path(name) if url else Path(name).expanduser()


class SQLiteFile:
    """A SQLite file; nothing is made before something is written.

    Args:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[_Kept] = []
        weakref.finalize(self, _close_all, self._idle)

    def open(self) -> DriverConnection:
        """Return a connection, in no transaction; it is kept for the next one when it is closed."""
        while self._idle:
            with contextlib.suppress(IndexError):  # another thread took it
                kept = self._idle.pop()
                if kept.is_current():
                    return kept.taken()
                kept.discard()
        made = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, factory=_Kept)
        made.belong(self._idle, self.path)
        configure(made)
        return made

    @contextlib.contextmanager
    def connected(self) -> Iterator[SQLiteConnection]:
        """Hold a connection."""
        with translated(self.path), contextlib.closing(self.open()) as driver:
            yield SQLiteConnection(driver, self.path)

    def close(self) -> None:
        """Close what is kept."""
        _close_all(self._idle)


def configure(connection: sqlite3.Connection) -> None:
    """Set a new connection up."""
    connection.isolation_level = None  # the driver begins no transactions
    # A killed process loses nothing with NORMAL in WAL mode; a power cut may lose the last commits, and damages nothing.
    connection.execute("PRAGMA synchronous = NORMAL")
    # Of a new file only: documents are mostly longer than SQLite's page of 4 KiB, and a chain of pages costs.
    connection.execute("PRAGMA page_size = 32768")
    connection.execute("PRAGMA foreign_keys = ON")


class DriverConnection(sqlite3.Connection):
    """A connection with settings for what it does."""

    _is_to_write = False

    def settings(self, *, writes: bool) -> Iterator[str]:
        """Yield the statements, to run between transactions, that set it up to write, or to read; none where it is so."""
        if writes != self._is_to_write:
            yield from _TO_WRITE if writes else _TO_READ
            self._is_to_write = writes


class _Kept(DriverConnection):
    """A connection that is kept when it is closed: in a list that has at most one, of the process that made it."""

    def belong(self, idle: list[_Kept], path: Path) -> None:
        self._list: list[_Kept] | None = idle
        self._path = path
        self._process = os.getpid()
        self._identity: tuple[int, int] | None = None
        self._is_idle = False

    def is_current(self) -> bool:
        """Whether its file is still where it was, and this process the one that opened it."""
        return self._process == os.getpid() and self._identity == identify(self._path)

    def taken(self) -> DriverConnection:
        self._is_idle = False
        return self

    def discard(self) -> None:
        """Close it, when it is closed."""
        self._list = None
        if self._is_idle and self._process == os.getpid():  # in a forked process it is let go of: it is its parent's
            super().close()

    def close(self) -> None:
        if self._is_idle:
            return
        if self._list is None or self._list or self._process != os.getpid():
            super().close()
            return
        if self.in_transaction:
            self.rollback()
        self._identity = identify(self._path)
        if self._identity is None or self._path.with_name(f"{self._path.name}-wal").exists():
            super().close()
            return
        self._is_idle = True
        self._list.append(self)


def discard(connection: object) -> None:
    """Have a connection not be kept: somebody else's statements may have changed its settings."""
    if isinstance(connection, _Kept):
        connection.discard()


def _close_all(idle: list[_Kept]) -> None:
    while idle:
        idle.pop().discard()


class _Result(sqlite3.Cursor):
    """What a statement finds, with the names that SQLAlchemy has for it."""

    def first(self) -> Any:
        return self.fetchone()

    def scalar_one(self) -> Any:
        (value,) = self.fetchone()
        return value


class SQLiteConnection:
    """A connection to write through, as `rows.Connection` says."""

    dialect: Final = types.SimpleNamespace(name="sqlite")

    def __init__(self, driver: DriverConnection, path: Path) -> None:
        self.driver = driver
        self.info: dict[str, Any] = {}
        self._path = path

    def exec_driver_sql(self, statement: str, values: tuple[Any, ...] = ()) -> _Result:
        """Run a statement."""
        with translated(self._path):
            return self.driver.cursor(_Result).execute(statement, values)

    def begin_nested(self) -> NoReturn:
        """Not needed: SQLite has no views that refuse to be replaced."""
        raise NotImplementedError

    @contextlib.contextmanager
    def begin(self, *, writes: bool = True) -> Iterator[None]:
        """Open a transaction."""
        with translated(self._path):
            for statement in opening(self.driver, writes=writes):
                self.driver.execute(statement)
            try:
                yield
                self.driver.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # it was closed, after an interrupt
                    self.driver.rollback()
                raise


def opening(driver: DriverConnection, *, writes: bool) -> Iterator[str]:
    """Yield the statements that open a transaction.

    One that reads before it writes fails at once when another one wrote meanwhile, whatever the timeout; one that says at its
    begin that it will write waits for its turn.
    """
    yield from driver.settings(writes=writes)
    yield "BEGIN IMMEDIATE" if writes else "BEGIN"


def driver_of(connection: Any) -> DriverConnection | None:
    """Return the driver's connection of one to SQLite, of SQLAlchemy's too; None of others."""
    if isinstance(connection, SQLiteConnection):
        return connection.driver
    driver = connection.connection.driver_connection
    return driver if isinstance(driver, DriverConnection) else None


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, with the file's name."""
    try:
        yield
    except sqlite3.Error as error:
        reason = str(error).strip()
        message = f"{show(path)}: {reason}{say_cause(path, reason)}"
        raise StorageError(message) from error


def show(path: Path) -> str:
    """Write the URL of a file."""
    return without_password(f"sqlite:///{path}")


def say_cause(path: Path, reason: str) -> str:
    """Say that the disk is full where SQLite says no more than that it can't read or write."""
    if "I/O error" in reason:
        with contextlib.suppress(OSError):
            if shutil.disk_usage(path.parent).free < ROOM_BYTES:
                return ": the disk is full"
    return ""


def identify(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one in its place; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"{path} can't be read: {error.strerror}"
        raise StorageError(message) from error
    return found.st_dev, found.st_ino


def make_folder(path: Path) -> None:
    """Make the folder of a file, and its parents."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{path} can't be written: its folder can't be made ({error.strerror})"
        raise StorageError(message) from error
    check_writable(path)


def check_writable(path: Path) -> None:
    """Look whether a file and its folder can be written, or its folder be made; SQLite writes journals beside it."""
    folder = next(place for place in path.absolute().parents if place.exists())
    for place in (path, folder) if path.exists() else (folder,):
        if not os.access(place, os.W_OK):
            message = f"{path} can't be written: no permission for {place}"
            raise StorageError(message)
    if not folder.is_dir():
        message = f"{path} can't be written: {folder} is no folder"
        raise StorageError(message)


def refuse_foreign_file(path: Path) -> None:
    """Refuse a file that was not made by this package, by looking at it only.

    It is opened by SQLite alone: a process that opens and closes a file by itself loses the locks that SQLite has on it.

    Raises:
        ForeignDatabaseError: it belongs to something else, which the message names.
        StorageError: it can't be read.
    """
    if path.is_dir():
        message = f"{path} is a folder: expected the path of a database file"
        raise StorageError(message)
    if 0 < path.stat().st_size < SMALLEST_BYTES:  # SQLite takes some of these for empty, and writes over them
        message = f"{path} is no SQLite database: choose another path; the file was left as it is"
        raise ForeignDatabaseError(message)
    with _looking_at(path) as connection:
        # Pragmas, not a SELECT, which would read the definitions of all views.
        application, version = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if application == APPLICATION_ID:
            return
        tables = dict(connection.execute("SELECT name, coalesce(sql, '') FROM sqlite_master"))
    if tables or application or version:  # of another program
        other = _name_other(tables)
        message = f"{path} is {other}, not one of pytest-mltraq: choose another path; it was left as it is"
        if other in {_MLTRAQ, _MLFLOW}:
            message += f" ('pytest-mltraq import {path} --db PATH' stores what it has in another database)"
        raise ForeignDatabaseError(message)


@contextlib.contextmanager
def _looking_at(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a SQLite file so that it can't change; what a writer that was killed left half done is undone, as by any reader."""
    real = path.resolve()
    name = real.as_posix().replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    if _has_journal(real):
        how = "mode=rw"
    elif real.with_name(f"{real.name}-wal").exists():  # it may have the tables
        how = "mode=ro"
    else:  # nothing is made beside the file
        how = "mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(f"file:{name}?{how}", uri=True, timeout=BUSY_TIMEOUT_S)) as connection:
            yield connection
    except sqlite3.OperationalError as error:
        message = f"{path} can't be read: {error}{say_cause(path, str(error))}"
        raise StorageError(message) from error
    except sqlite3.DatabaseError as error:
        what = "no SQLite database" if "not a database" in str(error) else f"a damaged SQLite database ({error})"
        message = f"{path} is {what}: choose another path; the file was left as it is"
        raise ForeignDatabaseError(message) from error


def _has_journal(path: Path) -> bool:
    """Whether a transaction of a SQLite file goes on, or was not ended: a new file has no header until it is."""
    try:
        with path.with_name(f"{path.name}-journal").open("rb") as journal:
            return journal.read(len(_JOURNAL)) == _JOURNAL
    except OSError:
        return False


def _name_other(tables: dict[str, str]) -> str:
    if "unsafe_pickle" in tables.get("experiments", ""):
        return _MLTRAQ
    for names, description in _OTHERS:
        if names <= tables.keys():
            return description
    return f"a database with {', '.join(sorted(tables)[:5])}" if tables else "a database of another program"
