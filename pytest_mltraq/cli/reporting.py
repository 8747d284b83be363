"""`report`: what is stored as a page for a browser, and a session's report in its other forms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pytest_mltraq.cli.database import on_database
from pytest_mltraq.cli.names import complete, experiment_names
from pytest_mltraq.cli.output import say
from pytest_mltraq.errors import ConfigurationError

if TYPE_CHECKING:
    from pytest_mltraq.storage import Database

PAGE: Final = ".html"
"""The suffix of the report that is about all of a database; the others are about a session."""


@click.command()
@click.argument("experiments", nargs=-1, shell_complete=complete(experiment_names))
@click.option(
    "-o",
    "--output",
    "outputs",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="The file, .html, .md, .json or .metrics; an earlier one is replaced. Repeatable.",
)
@click.option(
    "--session",
    "word",
    metavar="ID",
    help="Which session a .md, .json or .metrics file is about: a tag, the beginning of its id or commit; by default the last.",
)
@click.option("--sessions", type=click.IntRange(1), help="How many of the newest sessions a page shows.")
@click.option(
    "--runs", type=click.IntRange(0), help="How many runs a page lists one by one, of the newest sessions first."
)
@on_database()
def report(
    database: Database,
    experiments: tuple[str, ...],
    outputs: tuple[Path, ...],
    word: str | None,
    sessions: int | None,
    runs: int | None,
) -> None:
    """Write what is stored, or some EXPERIMENTS of it, to files.

    A .html file is a page that shows the database and works offline. The others are the report of one session, as it is written
    when the session ends: Markdown for people, JSON for programs, OpenMetrics for GitLab.
    """
    from pytest_mltraq.report.files import check_report

    limits = {name: value for name, value in (("sessions", sessions), ("runs", runs)) if value is not None}
    is_page = [output.suffix.lower() == PAGE for output in outputs]
    for option, is_given, fits in (("--session", word is not None, not all(is_page)), *_page_options(limits, is_page)):
        if is_given and not fits:
            message = f"{option} says nothing about {', '.join(map(str, outputs))}"
            raise click.UsageError(message)
    for output in outputs:
        check_report(output)
    if any(is_page):
        _write_pages(database, [one for one in outputs if one.suffix.lower() == PAGE], experiments, limits)
    if not all(is_page):
        _write_reports(database, [one for one in outputs if one.suffix.lower() != PAGE], experiments, word or "last")
    for output in outputs:
        say(f"report: {output}")


def _page_options(limits: dict[str, int], is_page: list[bool]) -> list[tuple[str, bool, bool]]:
    return [(f"--{name}", name in limits, any(is_page)) for name in ("sessions", "runs")]


def _write_pages(database: Database, files: list[Path], experiments: tuple[str, ...], limits: dict[str, Any]) -> None:
    from pytest_mltraq.report.page import Limits, write_page

    for file in files:
        write_page(database, file, experiments=experiments or None, limits=Limits(**limits))


def _write_reports(database: Database, files: list[Path], experiments: tuple[str, ...], word: str) -> None:
    from pytest_mltraq.report.files import write_report
    from pytest_mltraq.report.stored import stored_report

    found = stored_report(database, word, experiments)
    for file in files:
        try:
            write_report(file, found)
        except OSError as error:
            message = f"expected a file that can be written, found {file}: {error.strerror}"
            raise ConfigurationError(message) from error
