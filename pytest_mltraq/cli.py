"""The command `pytest-mltraq`: look at what is stored, without pytest."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from typing import Any

import click

from pytest_mltraq.environment import without_password
from pytest_mltraq.errors import MltraqError, NotFoundError
from pytest_mltraq.session import Session

Table = tuple[list[str], list[tuple[Any, ...]]]
"""Columns and rows."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pytest-mltraq")
def main() -> None:
    """Look at the experiments that pytest-mltraq stored."""


def _reads_database(command: Callable[..., Table]) -> Callable[..., None]:
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
            table = command(session, **arguments)
            session.close()
        except MltraqError as error:
            raise click.ClickException(without_password(str(error))) from error
        # Texts may have lone surrogates, which no output takes.
        click.echo(FORMATS[form](*table).encode("utf-8", "replace").decode(), nl=False)

    run.__doc__ = command.__doc__
    return run


def _table(columns: list[str], rows: list[tuple[Any, ...]]) -> str:
    cells = [columns, *([str(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _csv(columns: list[str], rows: list[tuple[Any, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue()


def _json(columns: list[str], rows: list[tuple[Any, ...]]) -> str:
    names = [name if columns.index(name) == at else f"{name}_{at}" for at, name in enumerate(columns)]
    found = [dict(zip(names, map(_finite, row), strict=True)) for row in rows]
    return json.dumps(found, indent=2, ensure_ascii=False, default=str) + "\n"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


FORMATS: dict[str, Callable[[list[str], list[tuple[Any, ...]]], str]] = {"table": _table, "csv": _csv, "json": _json}


@_reads_database
def _ls(session: Session) -> Table:
    """List the experiments, a row for each version."""
    if session.db.is_empty():
        message = f"{session.db}: nothing is stored there"
        raise NotFoundError(message)
    frame = session.ls()
    return list(frame.columns), [tuple(row) for row in frame.itertuples(index=False)]


@_reads_database
def _query(session: Session, sql: str) -> Table:
    """Print what a SELECT finds, such as "SELECT model, avg(accuracy) FROM experiment_iris GROUP BY model"."""
    return session.db.select(sql)


main.command("ls")(_ls)
main.command("query")(click.argument("sql")(_query))
