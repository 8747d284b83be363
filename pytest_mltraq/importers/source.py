"""What importers have in common: a database of another program, as experiments and runs of ours."""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from pytest_mltraq.errors import ForeignDatabaseError, StorageError
from pytest_mltraq.run import Run

NAMESPACE: Final = uuid.UUID("6d6c7471-0000-8000-8000-696d706f7274")
"""Ids that are made of what another program stored are made in this one: the same each time."""


class Version(NamedTuple):
    """A version of an experiment, in a session of its own.

    Attributes:
        id_session: the session's id; experiments may share one.
        id_experiment: the experiment's id.
        name: the experiment's name.
        fields: what its runs share.
        started_at: when the session began.
        finished_at: when it ended.
        commit: of the code that ran.
        branch: that the commit was on.
        python: version of the interpreter, as far as it is known.
        command: what ran.
        doc: what the experiment is about.
    """

    id_session: uuid.UUID
    id_experiment: uuid.UUID
    name: str
    fields: dict[str, Any]
    started_at: datetime.datetime
    finished_at: datetime.datetime
    commit: str | None = None
    branch: str | None = None
    python: str = ""
    command: str = ""
    doc: str | None = None


class Placed(NamedTuple):
    """A run, and where it belongs."""

    id_experiment: uuid.UUID
    position: int
    run: Run


class Source(Protocol):
    """A database of another program.

    Attributes:
        left_out: what can't be taken in, and how often.
    """

    left_out: Counter[str]

    def versions(self) -> Iterable[Version]:
        """Return the versions of experiments."""

    def count(self) -> int:
        """Return how many runs there are."""

    def runs(self) -> Iterator[Placed]:
        """Return the runs."""


class Tables:
    """The tables of a SQLite file, read only.

    Args:
        connection: to the file.
        path: its path, for errors.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self.path = connection, path
        self.columns: dict[str, dict[str, str]] = {}
        for (table,) in self.ask("SELECT name FROM sqlite_master WHERE type = 'table'"):
            found = self.ask("SELECT name, type FROM pragma_table_info(?)", table)
            self.columns[table] = {name: str(kind).upper() for name, kind in found}

    def ask(self, sql: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yield what a SELECT finds."""
        return iter(self._connection.execute(sql, values))

    def expect(self, whose: str, **columns: str) -> None:
        """Look whether tables have the columns that are read.

        Raises:
            ForeignDatabaseError: they don't: another version of the program made them.
        """
        for table, names in columns.items():
            missing = [name for name in names.split() if name not in self.columns.get(table, {})]
            if missing:
                message = (
                    f"{self.path} is {whose} of a version that is not known: expected {', '.join(missing)} in its "
                    f"table {table}, found {', '.join(self.columns.get(table, ())) or 'no such table'}"
                )
                raise ForeignDatabaseError(message)


@contextlib.contextmanager
def open_tables(path: Path) -> Iterator[Tables]:
    """Open a SQLite file, in one transaction that reads.

    Raises:
        StorageError: it can't be read.
    """
    name = path.resolve().as_posix().replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    try:
        with contextlib.closing(sqlite3.connect(f"file:{name}?mode=ro", uri=True)) as connection:
            connection.isolation_level = None
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            connection.execute("BEGIN")
            yield Tables(connection, path)
    except sqlite3.Error as error:
        message = f"{path} can't be read: {error}"
        raise StorageError(message) from error


def quoted(name: str) -> str:
    """Quote the name of a table or a column, which may be anything."""
    return '"' + name.replace('"', '""') + '"'


def text(column: str) -> str:
    """Return SQL that reads a column as text, whatever is in it."""
    return f"CAST({column} AS TEXT)"


def whole(column: str, limit: int = 2**62) -> str:
    """Return SQL that reads a column's integers below a limit, and NULL in the place of all else."""
    return f"CASE WHEN typeof({column}) = 'integer' AND {column} BETWEEN {-limit} AND {limit} THEN {column} END"


def read_id(given: str) -> uuid.UUID:
    """Return the id that another program gave: as it is where it is a UUID, else one that it determines."""
    try:
        return uuid.UUID(given)
    except ValueError:
        return uuid.uuid5(NAMESPACE, given)
