"""Rows and statements to the driver as they are: four times as fast as SQLAlchemy's own insert, and without importing it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

from pytest_mltraq.storage.tables import APPLICATION_ID

TOGETHER: Final = 32
"""Rows that a statement inserts: with 15 columns far below what any SQLite takes (999 values)."""

ROOM: Final = 2**19
"""About how much text a statement inserts [characters], so that the processor's cache has it until it is written."""


class Connection(Protocol):
    """What is needed of a connection to write: SQLAlchemy's is one, and `sqlite.SQLiteConnection`."""

    @property
    def dialect(self) -> Any:
        """Its `name` is `sqlite` or `postgresql`."""

    @property
    def exec_driver_sql(self) -> Any:
        """Runs a statement as the driver takes it."""

    @property
    def begin_nested(self) -> Any:
        """Opens a transaction within the transaction; of PostgreSQL's only."""


def execute(connection: Connection, statement: str, *values: Any) -> Any:
    """Run a statement.

    Args:
        connection: in a transaction.
        statement: SQL, with `?` where values belong; with values, nowhere else.
        values: the values.

    Returns:
        The result, as SQLAlchemy gives it.
    """
    if connection.dialect.name != "sqlite":
        statement = statement.replace("%", "%%")  # psycopg takes a lone percent sign for a mark
        if values:
            statement = statement.replace("?", "%s")
    return connection.exec_driver_sql(statement, values)


def insert_rows(
    connection: Connection, table: str, columns: Iterable[str], rows: Iterable[Sequence[Any]], together: int = TOGETHER
) -> None:
    """Insert rows; those that are there already are left as they are.

    Args:
        connection: in a transaction that writes.
        table: where they belong.
        columns: what their values are.
        rows: their values; all of about the size of the first one.
        together: how many a statement inserts at most. Each statement gives the interpreter's lock away, and may wait 5 ms for
            it; the driver copies what a statement stores.
    """
    names = [quoted(column) for column in columns]
    row = f"({', '.join(['?' if connection.dialect.name == 'sqlite' else '%s'] * len(names))})"
    waiting = iter(rows)
    some = list(itertools.islice(waiting, 1))
    size = sum(len(value) for value in itertools.chain(*some) if isinstance(value, str | bytes))
    together = max(1, min(together, ROOM // (size + 1)))
    some += itertools.islice(waiting, together - 1)
    while some:
        connection.exec_driver_sql(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([row] * len(some))} ON CONFLICT DO NOTHING",  # noqa: S608
            tuple(itertools.chain.from_iterable(some)),
        )
        some = list(itertools.islice(waiting, together))


def lock_writers(connection: Connection) -> None:
    """Have others who replace experiments or views wait until the transaction ends.

    On SQLite they wait since its begin; on PostgreSQL by an advisory lock, one for all so that there is no order to get wrong.
    """
    if connection.dialect.name == "postgresql":
        execute(connection, f"SELECT pg_advisory_xact_lock({APPLICATION_ID})")


def quoted(name: str) -> str:
    """Quote a name for SQL, as the standard says."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Write a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
