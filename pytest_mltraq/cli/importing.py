"""What is in files, into a database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pytest_mltraq.cli.database import on_database
from pytest_mltraq.cli.output import printed
from pytest_mltraq.cli.table import Table

if TYPE_CHECKING:
    from pytest_mltraq.storage import Database


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE ...")
@printed
@on_database(may_be_new=True)
def import_files(database: Database, files: tuple[Path, ...]) -> Table:
    """Store what recovery files have: the runs that a session could not store.

    Nothing is stored twice, however often it is imported. Prints how many runs each file has, and how many of them were new;
    then the files are of no use any more.
    """
    from pytest_mltraq.storage.recovery import import_recovery

    rows = []
    for file in files:
        found = import_recovery(file, database)
        rows.append([str(file), found.id_session, found.runs, found.new])
    return Table(["file", "session", "runs", "new"], rows)
