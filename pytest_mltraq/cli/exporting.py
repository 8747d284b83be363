"""`export`: runs into files for other programs."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pytest_mltraq.cli.columns import Column, Columns, fitting
from pytest_mltraq.cli.database import on_database
from pytest_mltraq.cli.files import WRITERS, Target, replacing
from pytest_mltraq.cli.filters import check_experiment, filtered
from pytest_mltraq.cli.names import complete, experiment_names
from pytest_mltraq.cli.output import say, standard_output
from pytest_mltraq.counting import counted
from pytest_mltraq.progress import progress_bar

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from pytest_mltraq.storage import Database
    from pytest_mltraq.storage.exporting import Exported
    from pytest_mltraq.storage.listing import Filters

MANY_ROWS: Final = 5_000
MANY_BYTES: Final = 32_000_000
"""Rows that are written together, and in memory together, are as many as one of these allows."""

SUFFIXES: Final = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@click.command()
@click.argument("experiment", required=False, shell_complete=complete(experiment_names))
@filtered
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The file, or the folder for all experiments; without it the runs go to standard output.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(WRITERS)),
    help="The form; by default what the file's suffix says, else csv.",
)
@on_database()
def export(database: Database, filters: Filters, output: Path | None, form: str | None) -> None:
    """Write the runs of EXPERIMENT, of all its versions, to a file; without EXPERIMENT, a file for each into a folder.

    There is a row for each run and a column for each param and field, all of one type.
    """
    if form is None:
        form = SUFFIXES.get(output.suffix.lower(), "csv") if output is not None else "csv"
    if output is None and (filters.experiment is None or form == "parquet"):
        what = "a folder for all experiments" if filters.experiment is None else "a file for Parquet"
        message = f"expected -o PATH, {what}; found nothing"
        raise click.UsageError(message)
    with database.reading() as connection:
        assert connection is not None  # noqa: S101 - on_database saw to it
        if filters.experiment is None:
            _export_all(connection, filters, Path(str(output)), form)
        else:
            check_experiment(connection, filters.experiment)
            _export_one(connection, filters, output, form)


def _export_all(connection: Connection, filters: Filters, folder: Path, form: str) -> None:
    from pytest_mltraq.storage.exporting import view_names

    if folder.is_file() or folder.suffix.lower() in SUFFIXES:
        message = f"expected a folder for all experiments, found {folder}; or name the experiment that is meant"
        raise click.UsageError(message)
    for name, view in view_names(connection).items():
        file = folder / f"{view.removeprefix('experiment_') or view}.{form}"
        _export_one(connection, filters._replace(experiment=name), file, form)


def _export_one(connection: Connection, filters: Filters, file: Path | None, form: str) -> None:
    from pytest_mltraq.storage.exporting import count_exported, iter_runs

    total = count_exported(connection, filters)
    found = Columns()
    # Twice through all runs: what the columns are is known when the last one was seen, and memory doesn't hold them.
    for run in _shown(iter_runs(connection, filters), total, "looking"):
        found.add("params", run.params)
        found.add("fields", run.fields)
    columns = found.columns()
    rows = _shown(iter_runs(connection, filters), total, "writing")
    if file is None:
        output = standard_output()
        with contextlib.closing(rows):  # before the connection, wherever the writing ends
            _write(rows, columns, output, form)
        output.flush()
        return
    with replacing(file) as opened, contextlib.closing(rows):
        _write(rows, columns, opened, form)
    say(f"{file}: {counted(total, 'run')}, {counted(len(columns), 'column')}")


def _write(rows: Iterable[Exported], columns: Sequence[Column], file: Target, form: str) -> None:
    writer = WRITERS[form](file, columns)
    waiting: list[list[Any]] = []
    size = 0
    for run in rows:
        values = {"own": run.own, "params": run.params, "fields": run.fields}
        waiting.append([fitting(dict.get(values[at.source], at.key), at.kind) for at in columns])
        size += run.size
        if len(waiting) >= MANY_ROWS or size >= MANY_BYTES:
            writer.write(waiting)
            waiting, size = [], 0
    if waiting:
        writer.write(waiting)
    writer.close()


def _shown(runs: Iterable[Exported], total: int, what: str) -> Generator[Exported]:
    with progress_bar(what, total, unit="run") as advance:
        for run in runs:
            yield run
            advance(1)
