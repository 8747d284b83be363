"""`report`: what is stored as a page for a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pytest_mltraq.cli.database import on_database
from pytest_mltraq.cli.names import complete, experiment_names
from pytest_mltraq.cli.output import say
from pytest_mltraq.errors import ConfigurationError

if TYPE_CHECKING:
    from pytest_mltraq.storage import Database

SUFFIX: Final = ".html"


@click.command()
@click.argument("experiments", nargs=-1, shell_complete=complete(experiment_names))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="The file, .html; an earlier one is replaced.",
)
@click.option("--sessions", type=click.IntRange(1), help="How many of the newest sessions are shown.")
@click.option(
    "--runs", type=click.IntRange(0), help="How many runs are listed one by one, of the newest sessions first."
)
@on_database()
def report(
    database: Database, experiments: tuple[str, ...], output: Path, sessions: int | None, runs: int | None
) -> None:
    """Write a page that shows the database, or some EXPERIMENTS of it: one HTML file that works offline."""
    from pytest_mltraq.report.page import Limits, write_page

    if output.suffix.lower() != SUFFIX:
        message = f"expected a file that ends in {SUFFIX}, found {output}"
        raise ConfigurationError(message)
    given = {name: value for name, value in (("sessions", sessions), ("runs", runs)) if value is not None}
    write_page(database, output, experiments=experiments or None, limits=Limits(**given))
    say(f"report: {output}")
