"""Sessions, experiments and runs as lists: the newest first, some of them, with their outcomes counted.

What is counted is what is shown, so that a list of the newest is quick whatever the size of the database.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, literal_column, or_, select
from sqlalchemy.engine import Connection

from pytest_mltraq.codec import load_list, load_object
from pytest_mltraq.environment import is_running
from pytest_mltraq.groups import readable_params
from pytest_mltraq.record import to_text
from pytest_mltraq.storage.lookup import find_session
from pytest_mltraq.storage.reader import to_time
from pytest_mltraq.storage.schema import experiments, runs, sessions

NOT_EXECUTED: Final = "not executed"
"""What stands for the outcome of runs that have none."""


class Filters(NamedTuple):
    """Which sessions, experiments or runs are meant; None lets all pass.

    Attributes:
        experiment: name of an experiment.
        session: the beginning of the session's id, or `last`.
        branch: branch of the session.
        commit: commit of the session, or the first digits of its hash.
        tag: a name of the session.
        since: the session began then or later.
        until: the session began before.
        outcome: of a run; sessions and experiments pass with at least one such run.
    """

    experiment: str | None = None
    session: str | None = None
    branch: str | None = None
    commit: str | None = None
    tag: str | None = None
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    outcome: str | None = None


class SessionRow(NamedTuple):
    """A session in a list.

    Attributes:
        outcome: `passed`, `failed`, `interrupted` or `error` by pytest's exit status, None of a Python program that ended;
            `running`; `unfinished` where it did not end and nothing here tells whether it still runs.
        experiments: names of what it stored.
        outcomes: how many of its runs have which outcome; `not executed` is that of runs that have none.
    """

    id: str
    started_at: datetime.datetime
    finished_at: datetime.datetime | None
    outcome: str | None
    exit_status: int | None
    origin: str
    branch: str | None
    commit: str | None
    dirty: bool | None
    tags: list[str]
    experiments: list[str]
    outcomes: Mapping[str, int]


class ExperimentRow(NamedTuple):
    """A version of an experiment in a list; see `SessionRow`."""

    id_experiment: str
    name: str
    id_session: str
    created_at: datetime.datetime
    branch: str | None
    commit: str | None
    outcomes: Mapping[str, int]


class RunRow(NamedTuple):
    """A run in a list.

    Attributes:
        params: as people read them; see `groups.readable_params`.
        fields: its document.
        error: step, type, message and traceback, or None.
    """

    id_run: str
    id_experiment: str
    experiment: str
    id_session: str
    position: int
    outcome: str | None
    params: dict[str, Any]
    fields: dict[str, Any]
    error: dict[str, Any] | None
    started_at: datetime.datetime | None
    duration_s: float | None


def list_sessions(connection: Connection, filters: Filters, limit: int | None) -> tuple[list[SessionRow], int]:
    """Return the newest sessions, and how many there are.

    Args:
        connection: in a transaction.
        filters: which are meant.
        limit: how many are returned; None is all.
    """
    meant = select(sessions).where(*_of_session(connection, filters))
    if filters.experiment is not None or filters.outcome is not None:
        passing = select(experiments.c.id_experiment).where(
            experiments.c.id_session == sessions.c.id, *_of_experiment(filters)
        )
        has_run = exists(passing)
        # A session that was cut off counts as interrupted, whatever became of its runs.
        cut_off = or_(sessions.c.exit_status == INTERRUPTED, sessions.c.finished_at.is_(None))
        meant = meant.where(or_(has_run, cut_off) if filters.outcome == "interrupted" else has_run)
    newest = meant.order_by(sessions.c.started_at.desc(), sessions.c.id.desc()).limit(limit)
    stored = experiments.c.id_session.in_(newest.with_only_columns(sessions.c.id))
    of_session: dict[str, list[str]] = {}
    query = select(experiments.c.id_session, experiments.c.name).where(stored)
    for row in connection.execute(query.order_by(experiments.c.created_at, experiments.c.name)):
        of_session.setdefault(row.id_session, []).append(row.name)
    counted = _count_outcomes(connection, experiments.c.id_session, stored)
    rows = [
        _session_row(row, of_session.get(row.id, []), counted.get(row.id, {})) for row in connection.execute(newest)
    ]
    return rows, _count(connection, meant)


def killed_session(connection: Connection) -> SessionRow | None:
    """Return the newest session where it was killed; None where it ended, still runs, or may do so elsewhere."""
    newest = select(sessions).order_by(sessions.c.started_at.desc(), sessions.c.id.desc()).limit(1)
    row = connection.execute(newest).first()
    if row is None or row.finished_at is not None or is_running(row.process) is not False:
        return None
    (found,), _ = list_sessions(connection, Filters(), 1)
    return found


def list_versions(connection: Connection, filters: Filters, limit: int | None) -> tuple[list[ExperimentRow], int]:
    """Return the newest versions of experiments, and how many there are; see `list_sessions`."""
    meant = (
        select(experiments, sessions.c.branch, sessions.c.commit)
        .join(sessions, sessions.c.id == experiments.c.id_session)
        .where(*_of_session(connection, filters), *_of_experiment(filters))
    )
    newest = meant.order_by(experiments.c.created_at.desc(), experiments.c.id_experiment.desc()).limit(limit)
    return _version_rows(connection, newest), _count(connection, meant)


def list_stored_by(connection: Connection, id_session: str) -> list[ExperimentRow]:
    """Return the experiments that a session stored, by name."""
    meant = (
        select(experiments, sessions.c.branch, sessions.c.commit)
        .join(sessions, sessions.c.id == experiments.c.id_session)
        .where(sessions.c.id == id_session)
    )
    return _version_rows(connection, meant.order_by(experiments.c.name, experiments.c.created_at))


def _version_rows(connection: Connection, meant: Select[Any]) -> list[ExperimentRow]:
    which = experiments.c.id_experiment.in_(meant.with_only_columns(experiments.c.id_experiment))
    counted = _count_outcomes(connection, experiments.c.id_experiment, which)
    return [
        ExperimentRow(
            row.id_experiment,
            row.name,
            row.id_session,
            to_time(row.created_at),
            row.branch,
            row.commit,
            counted.get(row.id_experiment, {}),
        )
        for row in connection.execute(meant)
    ]


def meant_versions(connection: Connection, filters: Filters) -> Select[Any]:
    """Return the query for the versions of an experiment, with columns of their sessions, oldest first."""
    return (
        select(experiments.c.id_experiment, experiments.c.id_session, sessions.c.commit, sessions.c.branch)
        .join(sessions, sessions.c.id == experiments.c.id_session)
        .where(experiments.c.name == filters.experiment, *_of_session(connection, filters))
        .order_by(experiments.c.created_at, experiments.c.id_experiment)
    )


def meant_runs(filters: Filters) -> Select[Any]:
    """Return the query for runs with the outcome that is meant, in their order."""
    return select(runs).where(*_of_run(filters)).order_by(runs.c.position, runs.c.id_run)


def list_runs(
    connection: Connection, filters: Filters, limit: int | None, id_experiment: str | None = None
) -> tuple[list[RunRow], int]:
    """Return runs, those of the newest experiments first, and how many there are; see `list_sessions`.

    Args:
        connection: in a transaction.
        filters: which are meant.
        limit: how many are returned; None is all.
        id_experiment: a version of an experiment, whose runs alone are meant.
    """
    with_runs = (
        select(experiments)
        .join(sessions, sessions.c.id == experiments.c.id_session)
        .where(*_of_session(connection, filters), *_of_experiment(filters), _has_runs(filters))
    )
    if id_experiment is not None:
        with_runs = with_runs.where(experiments.c.id_experiment == id_experiment)
    newest_first = (experiments.c.created_at.desc(), experiments.c.id_experiment.desc())
    # As many experiments as runs are wanted have enough of them; the runs of all others needn't be ordered.
    enough = with_runs.order_by(*newest_first).limit(limit).with_only_columns(experiments.c.id_experiment)
    query = (
        select(runs, experiments.c.name, experiments.c.id_session)
        .join(experiments, experiments.c.id_experiment == runs.c.id_experiment)
        .where(runs.c.id_experiment.in_(enough), *_of_run(filters))
        .order_by(*newest_first, runs.c.position, runs.c.id_run)
        .limit(limit)
    )
    counted = (
        select(func.count())
        .select_from(runs)
        .where(runs.c.id_experiment.in_(with_runs.with_only_columns(experiments.c.id_experiment)), *_of_run(filters))
    )
    return [_run_row(row) for row in connection.execute(query)], connection.execute(counted).scalar_one()


def known_branches(connection: Connection) -> list[str]:
    """Return the branches that sessions ran on."""
    query = select(sessions.c.branch).where(sessions.c.branch.is_not(None)).distinct().order_by(sessions.c.branch)
    return list(connection.execute(query).scalars())


def known_tags(connection: Connection) -> list[str]:
    """Return the names that sessions were given."""
    documents = connection.execute(select(sessions.c.tags)).scalars()
    return sorted({tag for document in documents for tag in load_list(document, "tags")})


INTERRUPTED: Final = 2
_OUTCOMES: Final[Mapping[int | None, str | None]] = {None: None, 0: "passed", 1: "failed", INTERRUPTED: "interrupted"}
"""Of a session that ended, by pytest's exit status."""


def session_outcome(finished_at: object, exit_status: int | None, process: str | None) -> str | None:
    """Return what became of a session; see `SessionRow`."""
    if finished_at is not None:
        return _OUTCOMES.get(exit_status, "error")
    return {True: "running", False: "interrupted", None: "unfinished"}[is_running(process)]


def is_tagged(connection: Connection, tag: str) -> ColumnElement[bool]:
    """Return the condition that a session is named so."""
    if connection.dialect.name == "sqlite":
        names = func.json_each(sessions.c.tags).table_valued("value")
    else:
        names = func.json_array_elements_text(sessions.c.tags).table_valued("value")
    return exists(select(literal_column("1")).select_from(names).where(names.c.value == tag))


def _of_session(connection: Connection, filters: Filters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if filters.session is not None:
        found.append(sessions.c.id == find_session(connection, filters.session))
    if filters.branch is not None:
        found.append(sessions.c.branch == filters.branch)
    if filters.commit is not None:
        found.append(sessions.c.commit.startswith(filters.commit.lower(), autoescape=True))
    if filters.tag is not None:
        found.append(is_tagged(connection, filters.tag))
    if filters.since is not None:
        found.append(sessions.c.started_at >= to_text(filters.since))
    if filters.until is not None:
        found.append(sessions.c.started_at < to_text(filters.until))
    return found


def _of_experiment(filters: Filters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if filters.experiment is not None:
        found.append(experiments.c.name == filters.experiment)
    if filters.outcome is not None:
        found.append(_has_runs(filters))
    return found


def _has_runs(filters: Filters) -> ColumnElement[bool]:
    of_experiment = runs.c.id_experiment == experiments.c.id_experiment
    return exists(select(runs.c.id_run).where(and_(of_experiment, *_of_run(filters))))


def _of_run(filters: Filters) -> list[ColumnElement[bool]]:
    return [] if filters.outcome is None else [runs.c.outcome == filters.outcome]


def _count_outcomes(
    connection: Connection, key: ColumnElement[str], which: ColumnElement[bool]
) -> dict[str, Mapping[str, int]]:
    """Count the outcomes of the runs of some experiments, by session or experiment."""
    query = (
        select(key.label("key"), runs.c.outcome, func.count().label("n"))
        .select_from(experiments)
        .join(runs, runs.c.id_experiment == experiments.c.id_experiment)
        .where(which)
        .group_by(key, runs.c.outcome)
    )
    counted: dict[str, Counter[str]] = {}
    for row in connection.execute(query):
        counted.setdefault(row.key, Counter())[row.outcome or NOT_EXECUTED] = row.n
    return dict(counted)


def _count(connection: Connection, meant: Select[Any]) -> int:
    counted: int = connection.execute(select(func.count()).select_from(meant.subquery())).scalar_one()
    return counted


def _session_row(row: Row[Any], names: Sequence[str], outcomes: Mapping[str, int]) -> SessionRow:
    return SessionRow(
        id=row.id,
        started_at=to_time(row.started_at),
        finished_at=None if row.finished_at is None else to_time(row.finished_at),
        outcome=session_outcome(row.finished_at, row.exit_status, row.process),
        exit_status=row.exit_status,
        origin=row.origin,
        branch=row.branch,
        commit=row.commit,
        dirty=row.dirty,
        tags=load_list(row.tags, f"session {row.id}: tags"),
        experiments=list(names),
        outcomes=outcomes,
    )


def _run_row(row: Row[Any]) -> RunRow:
    path = f"run {row.id_run}"
    return RunRow(
        id_run=row.id_run,
        id_experiment=row.id_experiment,
        experiment=row.name,
        id_session=row.id_session,
        position=row.position,
        outcome=row.outcome,
        params=readable_params(row.params, row.types),
        fields=load_object(row.fields, f"{path}: fields"),
        error=None if row.error is None else load_object(row.error, f"{path}: error"),
        started_at=None if row.started_at is None else to_time(row.started_at),
        duration_s=row.duration_s,
    )
