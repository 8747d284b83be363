"""What is stored: sessions, experiments, runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pytest_mltraq.cli.database import on_database
from pytest_mltraq.cli.output import printed
from pytest_mltraq.cli.table import Table

if TYPE_CHECKING:
    from pytest_mltraq.storage import Database


@click.command()
@printed
@on_database()
def ls(database: Database) -> Table:
    """List the experiments, a row for each version."""
    from pytest_mltraq.storage import reader

    columns = ["id_experiment", "name", "id_session", "created_at", "runs", "branch", "commit"]
    with database.reading() as connection:
        found = [] if connection is None else reader.list_experiments(connection)
    return Table(columns, [tuple(row[name] for name in columns) for row in found])
