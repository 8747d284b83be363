"""What is in files, into a database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pytest_mltraq.cli.database import on_database
from pytest_mltraq.cli.output import printed, say
from pytest_mltraq.cli.table import Table
from pytest_mltraq.errors import StorageError

if TYPE_CHECKING:
    from pytest_mltraq.storage import Database


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE ...")
@printed
@on_database(may_be_new=True)
def import_files(database: Database, files: tuple[Path, ...]) -> Table:
    """Store what files have: recovery files, and SQLite databases of MLtraq and MLflow.

    Nothing is stored twice, however often it is imported. Prints how many experiments and runs each file has, and how many of the
    runs were new. What can't be taken in is named on standard error. The files are only read.
    """
    return Table(["file", "from", "experiments", "runs", "new"], [_import(file, database) for file in files])


def _import(file: Path, database: Database) -> list[Any]:
    from pytest_mltraq.importers import import_database, is_database
    from pytest_mltraq.storage.recovery import import_recovery

    try:
        holds_tables = is_database(file)
    except OSError as error:
        message = f"{file} can't be read: {error.strerror}"
        raise StorageError(message) from error
    if not holds_tables:
        recovered = import_recovery(file, database)
        return [str(file), f"session {recovered.id_session}", recovered.experiments, recovered.runs, recovered.new]
    found = import_database(file, database)
    for what, often in found.left_out.items():
        say(f"{file}: left out: {what}" + (f" ({often:,} times)" if often > 1 else ""))
    return [str(file), found.program, found.experiments, found.runs, found.new]
