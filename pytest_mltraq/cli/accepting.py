"""`accept`: a change of a metric that is meant, in a file that is reviewed."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pytest_mltraq.cli.database import on_database
from pytest_mltraq.cli.names import SESSION_DIGITS, complete, experiment_names
from pytest_mltraq.cli.output import printed, say
from pytest_mltraq.cli.table import Table
from pytest_mltraq.errors import NotFoundError, near

if TYPE_CHECKING:
    from pytest_mltraq.acceptance import Acceptance
    from pytest_mltraq.storage import Database
    from pytest_mltraq.storage.history import SessionVerdict


@click.command()
@click.argument("metric")
@click.option(
    "--experiment", required=True, metavar="NAME", shell_complete=complete(experiment_names), help="The experiment."
)
@click.option(
    "--reason", required=True, metavar="TEXT", help="Why the change is meant: for who reviews it, and for later."
)
@click.option("--params", metavar="PARAMS", help="The group, such as model:tree; by default all that failed.")
@click.option(
    "--session",
    "word",
    default="last",
    show_default=True,
    metavar="ID",
    help="The session that measured the new values.",
)
@click.option("--by", metavar="NAME", help="Who accepts it; by default the name that git commits with.")
@click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file; by default mltraq-baseline.toml in the project's root.",
)
@printed
@on_database()
def accept(
    database: Database,
    metric: str,
    experiment: str,
    reason: str,
    params: str | None,
    word: str,
    by: str | None,
    file: Path | None,
) -> Table:
    """Accept a changed METRIC: from here on it is compared with what it was in this session.

    Where no run has the params of a group any more, it is accepted that they are gone.
    The change is written to a text file, which is committed and reviewed with the code that caused it. Limits (min, max) stay.
    """
    from pytest_mltraq.acceptance import find_file, read_acceptances, write_acceptances
    from pytest_mltraq.git import find_user
    from pytest_mltraq.storage.history import read_session_verdicts
    from pytest_mltraq.storage.lookup import find_named_session

    with database.reading() as connection:
        assert connection is not None  # noqa: S101 - on_database saw to it
        id_session = find_named_session(connection, word)
        verdicts = read_session_verdicts(connection, id_session)
    chosen = _choose(verdicts, id_session, experiment, metric, params)
    file = file or find_file(Path.cwd())
    by = by or find_user(Path.cwd())
    entries = [_make(verdict, id_session, reason, by) for verdict in chosen]
    known = read_acceptances(file)
    write_acceptances(file, (known | {entry.key: entry for entry in entries}).values())
    say(f"written to {file}: commit it with the change")
    return _table(entries)


def _choose(
    verdicts: list[SessionVerdict], id_session: str, experiment: str, metric: str, params: str | None
) -> list[SessionVerdict]:
    from pytest_mltraq.groups import label_params

    session = f"session {id_session[:SESSION_DIGITS]}"
    of_metric = [verdict for verdict in verdicts if (verdict.experiment, verdict.metric) == (experiment, metric)]
    if not of_metric:
        known = {f"{verdict.metric} of {verdict.experiment}" for verdict in verdicts}
        message = f"{session} did not judge {metric} of {experiment}; {near(f'{metric} of {experiment}', known)}"
        raise NotFoundError(message)
    groups = {
        label_params(verdict.params): verdict
        for verdict in of_metric
        if verdict.is_gone or (verdict.mean is not None and verdict.values)
    }
    if params is not None:
        if params not in groups:
            message = f"{metric} of {experiment} has no group {params!r} in {session}; {near(params, groups)}"
            raise NotFoundError(message)
        return [groups[params]]
    failed = [verdict for verdict in groups.values() if verdict.fails]
    if not failed:
        message = (
            f"{metric} of {experiment} did not fail in {session}; --params names a group that is accepted all the same"
        )
        raise NotFoundError(message)
    return failed


def _make(verdict: SessionVerdict, id_session: str, reason: str, by: str | None) -> Acceptance:
    from pytest_mltraq.acceptance import Acceptance

    return Acceptance(
        verdict.experiment,
        verdict.metric,
        verdict.params,
        verdict.baseline_mean,
        verdict.mean,
        reason,
        by,
        datetime.datetime.now(datetime.UTC).date().isoformat(),
        verdict.commit,
        id_session,
        verdict.values,
    )


def _table(entries: list[Acceptance]) -> Table:
    from pytest_mltraq.groups import label_params

    rows: list[tuple[Any, ...]] = [
        (
            entry.experiment,
            entry.metric,
            label_params(entry.params),
            entry.old,
            "removed" if entry.is_removal else entry.new,
            entry.by,
        )
        for entry in entries
    ]
    return Table(("experiment", "metric", "group", "old", "new", "by"), rows)
