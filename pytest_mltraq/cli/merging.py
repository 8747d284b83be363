"""Several databases into one."""

from __future__ import annotations

import click

from pytest_mltraq.cli.database import find_artifacts
from pytest_mltraq.cli.output import printed
from pytest_mltraq.cli.table import Table
from pytest_mltraq.errors import NotFoundError
from pytest_mltraq.passwords import without_password


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(), metavar="PATH or URL ...")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(),
    metavar="PATH or URL",
    help="The database that they are added to; made where it is missing.",
)
@click.option("--without-artifacts", is_flag=True, help="Don't copy the files of artifacts.")
@printed
def merge(sources: tuple[str, ...], output: str, without_artifacts: bool) -> Table:
    """Add all that is stored in databases to another one, such as those of parallel CI jobs.

    Nothing is stored twice, however often it is merged. The sources are only read; the files of artifacts, which are kept beside each, are
    copied beside the output. Prints how many rows came from each.
    """
    from pytest_mltraq.storage import Database, merging

    place = find_artifacts()
    databases = [Database(where, place) for where in sources]
    for source in databases:  # before anything is added
        if source.is_empty():
            message = f"{source}: nothing is stored there"
            raise NotFoundError(message)
    target = Database(output, place)
    tables = [table.name for table in merging.MERGED]
    rows = []
    for where, source in zip(sources, databases, strict=True):
        added = merging.merge(source, target, artifacts=not without_artifacts).added
        source.close()
        rows.append([without_password(where), *(added[name] for name in tables)])
    target.close()
    return Table(["source", *tables], rows)
