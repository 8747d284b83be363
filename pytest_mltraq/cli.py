"""The command `pytest-mltraq`: look at what is stored, without pytest."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from pytest_mltraq.environment import without_password
from pytest_mltraq.errors import MltraqError, NotFoundError
from pytest_mltraq.session import Session

if TYPE_CHECKING:
    import pandas


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pytest-mltraq")
def main() -> None:
    """Look at the experiments that pytest-mltraq stored."""


def _reads_database(command: Callable[..., pandas.DataFrame]) -> Callable[..., None]:
    """Make a command of a function that returns a table: adds its options, prints the table."""

    @click.option(
        "--db", envvar="MLTRAQ_DB", required=True, metavar="PATH or URL", help="the database (also: $MLTRAQ_DB)"
    )
    @click.option(
        "--format", "form", type=click.Choice(list(FORMATS)), default="table", help="how the table is printed"
    )
    def run(db: str, form: str, **arguments: Any) -> None:
        try:
            session = Session(db)
            frame = command(session, **arguments)
            session.close()
        except MltraqError as error:
            raise click.ClickException(without_password(str(error))) from error
        FORMATS[form](frame)

    run.__doc__ = command.__doc__
    return run


def _print_table(frame: pandas.DataFrame) -> None:
    click.echo(frame.to_string(index=False) if len(frame.columns) else "")


def _print_csv(frame: pandas.DataFrame) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(frame.columns)
    writer.writerows(frame.itertuples(index=False))


def _print_json(frame: pandas.DataFrame) -> None:
    click.echo(json.dumps(json.loads(frame.to_json(orient="records", date_format="iso")), indent=2, ensure_ascii=False))


FORMATS: dict[str, Callable[[Any], None]] = {"table": _print_table, "csv": _print_csv, "json": _print_json}


@_reads_database
def _ls(session: Session) -> pandas.DataFrame:
    """List the experiments, a row for each version."""
    if session.db.is_empty():
        message = f"{session.db}: nothing is stored there"
        raise NotFoundError(message)
    return session.ls()


@_reads_database
def _query(session: Session, sql: str) -> pandas.DataFrame:
    """Print what a SELECT finds, such as "SELECT model, avg(accuracy) FROM experiment_iris GROUP BY model"."""
    return session.db.query(sql)


main.command("ls")(_ls)
main.command("query")(click.argument("sql")(_query))
