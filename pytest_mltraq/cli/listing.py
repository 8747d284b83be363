"""`ls`: sessions, experiments and runs, the newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from pytest_mltraq.cli.database import on_database
from pytest_mltraq.cli.filters import check_experiment, filtered
from pytest_mltraq.cli.names import COMMIT_DIGITS, RUN_DIGITS, SESSION_DIGITS, complete, experiment_names
from pytest_mltraq.cli.output import printed
from pytest_mltraq.cli.table import Report, Table, rounded
from pytest_mltraq.counting import counted
from pytest_mltraq.errors import near

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from pytest_mltraq.storage import Database
    from pytest_mltraq.storage.listing import ExperimentRow, Filters, RunRow, SessionRow

LIMIT: Final = 20
MAX_COLUMNS: Final = 8
"""Params and fields that are columns of a list of runs; the others are counted."""

LONGEST: Final = 40
"""Characters of a list of names that are shown."""


@click.command()
@click.argument("what", type=click.Choice(["sessions", "experiments", "runs"]), default="sessions")
@click.argument("experiment", required=False, shell_complete=complete(experiment_names))
@filtered
@click.option("--limit", type=click.IntRange(0), default=LIMIT, show_default=True, help="How many; 0 is all.")
@printed
@on_database()
def ls(database: Database, what: str, filters: Filters, limit: int) -> Report:
    """List sessions, experiments (a row for each version) or runs, the newest first; of one EXPERIMENT where it is named.

    `ls runs EXPERIMENT` lists the runs of its newest version in the sessions that are meant.
    """
    with database.reading() as connection:
        assert connection is not None  # noqa: S101 - on_database saw to it
        if filters.experiment is not None:
            check_experiment(connection, filters.experiment)
        found = LISTS[what](connection, filters, limit or None)
        return found if found.document else _nothing(connection, what, filters, found)


def _nothing(connection: Connection, what: str, filters: Filters, found: Report) -> Report:
    """Say why there is nothing: a branch or tag may have been misspelt."""
    from pytest_mltraq.storage.listing import known_branches, known_tags

    notes = [f"no {what} like that"]
    for name, wanted, known in (("branch", filters.branch, known_branches), ("tag", filters.tag, known_tags)):
        if wanted is not None and wanted not in (names := known(connection)):
            notes.append(f"there is no {name} {wanted!r}; {near(wanted, names)}")
    return found._replace(parts=[found.flat._replace(note=": ".join(notes))])


def _list_sessions(connection: Connection, filters: Filters, limit: int | None) -> Report:
    from pytest_mltraq.storage.listing import list_sessions

    found, total = list_sessions(connection, filters, limit)
    rows = [
        (
            row.id[:SESSION_DIGITS],
            row.started_at,
            row.outcome,
            row.branch,
            _commit(row),
            ", ".join(row.tags),
            _some(row.experiments),
            sum(row.outcomes.values()),
            _others(row.outcomes),
        )
        for row in found
    ]
    columns = ("session", "started", "outcome", "branch", "commit", "tags", "experiments", "runs", "not passed")
    return _report(columns, rows, found, total)


def _list_experiments(connection: Connection, filters: Filters, limit: int | None) -> Report:
    from pytest_mltraq.storage.listing import list_versions

    found, total = list_versions(connection, filters, limit)
    rows = [
        (
            row.id_experiment[:RUN_DIGITS],
            row.name,
            row.created_at,
            row.id_session[:SESSION_DIGITS],
            row.branch,
            _commit(row),
            sum(row.outcomes.values()),
            _others(row.outcomes),
        )
        for row in found
    ]
    columns = ("experiment", "name", "stored", "session", "branch", "commit", "runs", "not passed")
    return _report(columns, rows, found, total)


def _list_runs(connection: Connection, filters: Filters, limit: int | None) -> Report:
    from pytest_mltraq.storage.listing import list_runs, list_versions

    version = None
    if filters.experiment is not None:
        newest, _ = list_versions(connection, filters._replace(outcome=None), 1)
        version = newest[0].id_experiment if newest else ""
    found, total = list_runs(connection, filters, limit, version)
    params = _names(row.params for row in found)
    fields = [
        name for name in _names(row.fields for row in found) if any(_is_scalar(row.fields, name) for row in found)
    ]
    shown_params, shown_fields = params[:MAX_COLUMNS], fields[: max(0, MAX_COLUMNS - len(params))]
    of_all = () if filters.experiment is not None else ("experiment",)
    rows = [
        (
            row.id_run[:RUN_DIGITS],
            *((row.experiment,) if of_all else ()),
            row.outcome,
            *(rounded(row.params.get(name)) for name in shown_params),
            *(rounded(row.fields.get(name)) if _is_scalar(row.fields, name) else None for name in shown_fields),
            rounded(row.duration_s),
        )
        for row in found
    ]
    columns = ("run", *of_all, "outcome", *shown_params, *shown_fields, "seconds")
    left_out = [*params[len(shown_params) :], *fields[len(shown_fields) :]]
    return _report(columns, rows, found, total, left_out)


LISTS: Final[dict[str, Callable[[Connection, Filters, int | None], Report]]] = {
    "sessions": _list_sessions,
    "experiments": _list_experiments,
    "runs": _list_runs,
}


def _report(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    found: Sequence[SessionRow | ExperimentRow | RunRow],
    total: int,
    left_out: Sequence[str] = (),
) -> Report:
    """Return the short rows for people, and all of what was found for programs."""
    notes = []
    if total > len(found):
        notes.append(f"{total - len(found):,} older ones are not shown; --limit 0 shows all")
    if left_out:
        notes.append(f"{counted(len(left_out), 'more column')}: {_some(left_out)}; --format json shows all")
    document = [row._asdict() for row in found]
    flat = Table(list(document[0]) if document else columns, [list(row.values()) for row in document])
    return Report([Table(columns, rows, note="; ".join(notes) or None)], document, flat)


def _others(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items()) if outcome != "passed")


def _commit(row: SessionRow | ExperimentRow) -> str | None:
    return None if row.commit is None else row.commit[:COMMIT_DIGITS]


def _some(names: Iterable[str]) -> str:
    text = ", ".join(names)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _names(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def _is_scalar(fields: Mapping[str, Any], name: str) -> bool:
    return not isinstance(fields.get(name), dict | list | type(None))
