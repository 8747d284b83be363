"""Databases into one: what parallel jobs stored each in a file of its own."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, func, literal, select
from sqlalchemy.engine import Connection

from pytest_mltraq.codec import load_list
from pytest_mltraq.codec.forms import Columns
from pytest_mltraq.errors import NotFoundError
from pytest_mltraq.progress import progress_bar
from pytest_mltraq.record import to_text
from pytest_mltraq.storage.artifacts import copy_files
from pytest_mltraq.storage.database import Database
from pytest_mltraq.storage.rows import insert_rows, lock_writers
from pytest_mltraq.storage.schema import (
    experiments,
    objects,
    runs,
    sessions,
    verdicts,
    views,
)
from pytest_mltraq.storage.views import View

MERGED: Final = (sessions, experiments, objects, runs, verdicts)
"""What is merged, in an order in which rows come after those that they refer to."""

MANY: Final = 1000
"""Rows that are held at a time; of objects, which may be large, it is one."""


class Merged(NamedTuple):
    """What came into a database from another one.

    Attributes:
        source: the other one, without a password.
        added: rows that were not there before, by table.
    """

    source: str
    added: dict[str, int]


def merge(source: Database, target: Database, *, artifacts: bool = True) -> Merged:
    """Add all that is stored in a database to another one, in one transaction.

    Rows are known by their ids, which are unique everywhere, and objects by their digest: what is there already is left as
    it is, so that merging twice changes nothing. A session that was still running when it was merged first is completed.
    The source is only read, whatever the version of its tables.

    Args:
        source: what is added.
        target: what it is added to.
        artifacts: whether the files of artifacts are copied too, to where those of the target are kept.

    Raises:
        NotFoundError: nothing is stored in the source, or the file of an artifact is missing.
        StorageError: one of them can't be read or written; the target is as it was then.
    """
    if source.is_same(target):  # it has all of it; and who reads it would keep it from being written
        return Merged(str(source), {table.name: 0 for table in MERGED})
    with source.reading(older=True) as reading:
        if reading is None:
            message = f"{source}: nothing is stored there"
            raise NotFoundError(message)
        if artifacts:
            copy_files(reading, source.artifacts, target.artifacts)
        with target.writing() as writing:
            lock_writers(writing)
            before = _count(writing)
            with progress_bar("merging", _size(reading), unit="row") as advance:
                for table in MERGED:
                    names = [column.name for column in table.columns]
                    for rows in _read(reading, table):
                        insert_rows(writing, table.name, names, rows, **({"together": 1} if table is objects else {}))
                        advance(len(rows))
            _finish_sessions(reading, writing)
            for name, columns in reading.execute(select(views.c.experiment, views.c.columns)):
                View(name).extend(writing, [_columns_of(load_list(columns, "views.columns"))])
            after = _count(writing)
    return Merged(str(source), {name: after[name] - before[name] for name in after})


def _read(connection: Connection, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a table, some at a time; a column that an older version doesn't have is NULL."""
    present = _columns(connection, table)
    if not present:
        return
    query = select(*(column if column.name in present else literal(None) for column in table.columns))
    many = 1 if table is objects else MANY
    found = connection.execution_options(stream_results=True, max_row_buffer=many).execute(query)
    for rows in found.partitions(many):
        yield [tuple(_value(value) for value in row) for row in rows]


def _columns(connection: Connection, table: Table) -> set[str]:
    """Return the columns that a table has in this database; none where there is no such table."""
    is_sqlite = connection.dialect.name == "sqlite"
    query = (
        f"SELECT name FROM pragma_table_info('{table.name}')"  # noqa: S608 - our own names
        if is_sqlite
        else f"SELECT column_name FROM information_schema.columns WHERE table_schema = 'mltraq' AND table_name = '{table.name}'"  # noqa: S608
    )
    return set(connection.exec_driver_sql(query).scalars())


def _columns_of(view: list[tuple[str, str, str]]) -> tuple[Columns, Columns]:
    """Return what a view has, params and fields, as a run says what it has."""
    params, fields = (
        tuple((kind, (key,)) for of, key, kind in view if of == source) for source in ("params", "fields")
    )
    return params, fields


def _value(value: Any) -> Any:
    """Return a value as any of the databases takes it: times are text in one and times in the other."""
    return to_text(value) if isinstance(value, datetime.datetime) else value


def _finish_sessions(reading: Connection, writing: Connection) -> None:
    """Complete the sessions that ended since they were merged first."""
    open_ones = set(writing.execute(select(sessions.c.id).where(sessions.c.finished_at.is_(None))).scalars())
    for chunk in _chunks(sorted(open_ones)):
        query = select(sessions.c.id, sessions.c.finished_at, sessions.c.exit_status)
        for row in reading.execute(query.where(sessions.c.id.in_(chunk), sessions.c.finished_at.is_not(None))):
            values = {"finished_at": _value(row.finished_at), "exit_status": row.exit_status}
            writing.execute(sessions.update().where(sessions.c.id == row.id).values(values))


def _chunks(ids: list[str]) -> Iterable[list[str]]:
    """Cut ids into lists that a statement takes as parameters."""
    return (ids[at : at + 500] for at in range(0, len(ids), 500))


def _size(connection: Connection) -> int:
    """Count the rows of a database whose tables may be older."""
    tables = [table for table in MERGED if _columns(connection, table)]
    return sum(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)


def _count(connection: Connection) -> dict[str, int]:
    return {table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in MERGED}
