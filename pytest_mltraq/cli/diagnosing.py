"""`doctor`: checks a database whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from pytest_mltraq.cli.database import on_database
from pytest_mltraq.cli.output import printed, say
from pytest_mltraq.cli.table import Report, Table
from pytest_mltraq.counting import counted
from pytest_mltraq.progress import progress_bar

if TYPE_CHECKING:
    from pytest_mltraq.storage import Database
    from pytest_mltraq.storage.diagnosis import Diagnosis

MANY: Final = 100
"""Problems that a table lists; the others are counted."""

COLUMNS: Final = ("what", "where", "problem")


@click.command()
@click.option("--repair", is_flag=True, help="Define all views anew, by what is stored, and check then.")
@printed
@on_database()
def doctor(database: Database, repair: bool) -> Report:
    """Check a database whole: its file, tables, documents, objects, artifacts, references and views.

    Prints what is wrong. The exit status is 1 where something is.
    """
    if repair:
        from pytest_mltraq.storage.diagnosis import repair_views

        with database.writing() as connection:
            say(f"defined {counted(repair_views(connection), 'view')} anew")
    found = _diagnose(database)
    unreferenced = len(found.unreferenced)
    if unreferenced:
        size = sum(found.unreferenced.values()) / 1e6
        say(
            f"nothing refers to {counted(unreferenced, 'object')} ({size:,.1f} MB): pytest-mltraq prune gives the room back"
        )
    if not found.problems:
        say("nothing is wrong")
    rows: list[tuple[Any, ...]] = list(found.problems)
    more = f"and {len(rows) - MANY:,} more; --format json lists all" if len(rows) > MANY else None
    document = {
        "problems": [problem._asdict() for problem in found.problems],
        "unreferenced": {"objects": unreferenced, "size": sum(found.unreferenced.values())},
    }
    return Report([Table(COLUMNS, rows[:MANY], note=more)], document, Table(COLUMNS, rows), 1 if rows else 0)


def _diagnose(database: Database) -> Diagnosis:
    from pytest_mltraq.errors import StorageError
    from pytest_mltraq.storage.diagnosis import Diagnosis, Problem, count_rows, diagnose

    try:
        with database.reading() as connection:
            assert connection is not None  # noqa: S101 - on_database saw to it
            with progress_bar("checking", count_rows(connection), unit="row") as advance:
                return diagnose(connection, database.artifacts, advance)
    except StorageError as error:  # a damaged file may fail anywhere
        return Diagnosis([Problem("file", str(database), str(error))], {})
