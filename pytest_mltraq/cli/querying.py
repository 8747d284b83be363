"""Questions in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pytest_mltraq.cli.database import on_database
from pytest_mltraq.cli.output import printed
from pytest_mltraq.cli.table import Table

if TYPE_CHECKING:
    from pytest_mltraq.storage import Database


@click.command()
@click.argument("sql")
@printed
@on_database()
def query(database: Database, sql: str) -> Table:
    """Print what a SELECT finds, such as "SELECT model, avg(accuracy) FROM experiment_iris GROUP BY model"."""
    return Table(*database.select(sql))
