"""Questions in SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import click

from pytest_mltraq.cli.database import on_database
from pytest_mltraq.cli.output import printed
from pytest_mltraq.cli.table import Table
from pytest_mltraq.errors import StorageError, near

if TYPE_CHECKING:
    from pytest_mltraq.storage import Database

_TABLES: Final = ("sessions", "experiments", "runs", "objects", "verdicts", "views")
_NO_TABLE: Final = re.compile(r'no such table: (\S+)|relation "([^"]+)" does not exist')
_NO_COLUMN: Final = re.compile(r'no such column: (\S+)|column "([^"]+)" does not exist')


@click.command()
@click.argument("sql")
@printed
@on_database()
def query(database: Database, sql: str) -> Table:
    """Print what a SELECT finds, such as "SELECT model, avg(accuracy) FROM experiment_iris GROUP BY model"."""
    try:
        return Table(*database.select(sql))
    except StorageError as error:
        advice = _advise(database, sql, str(error))
        if advice is None:
            raise
        message = f"{error}; {advice}"
        raise StorageError(message) from error


def _advise(database: Database, sql: str, reason: str) -> str | None:
    """Say which table or column is near one that is missing; None where that isn't what is wrong."""
    if found := _NO_TABLE.search(reason):
        views = [str(view) for (view,) in database.select("SELECT view FROM views")[1]]
        name = found[1] or found[2]
        prefixed = f"experiment_{name}"
        return near(prefixed if prefixed in views else name, [*views, *_TABLES])
    if found := _NO_COLUMN.search(reason):
        known: set[str] = set()
        for (view,) in database.select("SELECT view FROM views")[1]:
            if view in sql:
                quoted = str(view).replace('"', '""')
                known |= set(database.select(f'SELECT * FROM "{quoted}" LIMIT 0')[0])  # noqa: S608 - quoted
        return near(found[1] or found[2], known) if known else None
    return None
