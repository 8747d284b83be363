"""Rows into what was stored."""

from __future__ import annotations

import contextlib
import datetime
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Row, func, select
from sqlalchemy.engine import Connection

from pytest_mltraq.bunch import Bunch, FrozenBunch
from pytest_mltraq.codec import decode_document, load_json, load_object
from pytest_mltraq.errors import CorruptDataError, NotFoundError, near
from pytest_mltraq.run import Run, RunError, StepTime
from pytest_mltraq.steps import StepCode
from pytest_mltraq.storage.objects import ObjectSource
from pytest_mltraq.storage.schema import experiments, runs, sessions


class StoredExperiment(NamedTuple):
    """What is stored of a version of an experiment."""

    id_experiment: uuid.UUID
    name: str
    fields: Bunch
    config: Bunch
    code: list[StepCode]
    doc: str | None
    nodeid: str | None
    runs: list[Run]


def list_experiments(connection: Connection) -> list[Mapping[str, Any]]:
    """Return all versions of all experiments, in the order in which they were stored."""
    counted = select(runs.c.id_experiment, func.count().label("runs")).group_by(runs.c.id_experiment).subquery()
    query = (
        select(
            experiments.c.id_experiment,
            experiments.c.name,
            experiments.c.id_session,
            experiments.c.created_at,
            func.coalesce(counted.c.runs, 0).label("runs"),
            sessions.c.branch,
            sessions.c.commit,
        )
        .join(sessions, sessions.c.id == experiments.c.id_session)
        .outerjoin(counted, counted.c.id_experiment == experiments.c.id_experiment)
        .order_by(experiments.c.created_at, experiments.c.id_experiment)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def list_names(connection: Connection) -> list[str]:
    """Return the names of the stored experiments, in the order of their first versions."""
    first = func.min(experiments.c.created_at)
    query = select(experiments.c.name).group_by(experiments.c.name).order_by(first, experiments.c.name)
    return list(connection.execute(query).scalars())


def find_experiment(
    connection: Connection, *, name: str | None = None, id_experiment: str | None = None, session: str | None = None
) -> str | None:
    """Return the id of the newest version of an experiment, or None.

    Args:
        connection: in a transaction.
        name: its name.
        id_experiment: its id.
        session: the session that stored it.
    """
    query = select(experiments.c.id_experiment)
    if id_experiment is not None:
        query = query.where(experiments.c.id_experiment == id_experiment)
    if name is not None:
        query = query.where(experiments.c.name == name)
    if session is not None:
        query = query.where(experiments.c.id_session == session)
    newest = query.order_by(experiments.c.created_at.desc(), experiments.c.id_experiment.desc()).limit(1)
    return connection.execute(newest).scalar()


def not_found(connection: Connection | None, what: str, name: str) -> NotFoundError:
    """Make the error for an experiment that is not stored."""
    known = list_names(connection) if connection is not None else []
    message = f"{what} is not stored; {near(name, known)}"
    return NotFoundError(message)


def load_experiment(connection: Connection, id_experiment: str, source: ObjectSource) -> StoredExperiment:
    """Load a version of an experiment with its runs; values of which JSON loses something are restored when they are used.

    Args:
        connection: in a transaction.
        id_experiment: its id.
        source: reads objects, later.

    Raises:
        CorruptDataError: what is stored of it can't be read.
    """
    row = connection.execute(select(experiments).where(experiments.c.id_experiment == id_experiment)).one()
    types = read_types(row, id_experiment)
    source.expect(row.types)
    query = select(runs).where(runs.c.id_experiment == id_experiment).order_by(runs.c.position, runs.c.id_run)
    with _readable(f"experiment {row.id_experiment}"):
        found = StoredExperiment(
            uuid.UUID(row.id_experiment),
            row.name,
            decode_document(row.fields, types.get("fields"), source.load, "fields", source=source),
            decode_document(row.config, types.get("config"), source.load, "config", source=source),
            [StepCode(**code) for code in load_json(row.code, "code")],
            row.doc,
            row.nodeid,
            [_load_run(run, source) for run in connection.execute(query)],
        )
    source.look(connection)
    return found


@contextlib.contextmanager
def _readable(path: str) -> Iterator[None]:
    """Turn what damaged rows raise into the error that says where they are."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        if isinstance(error, CorruptDataError):
            raise
        message = f"expected what was stored, found damaged data ({type(error).__name__}: {error})"
        raise CorruptDataError(path, message) from error


def _load_run(row: Row[Any], source: ObjectSource) -> Run:
    with _readable(f"run {row.id_run}"):
        return _restore_run(row, source)


def _restore_run(row: Row[Any], source: ObjectSource) -> Run:
    types, of_run = read_types(row, row.id_run), f"run {row.id_run}: "
    source.expect(row.types)
    params = decode_document(
        row.params, types.get("params"), source.load, f"{of_run}params", kind=FrozenBunch, source=source
    )
    run = Run(params, seed=row.seed, id_run=uuid.UUID(row.id_run))
    run.fields = decode_document(row.fields, types.get("fields"), source.load, f"{of_run}fields", source=source)
    run.outcome = row.outcome
    run.steps = [StepTime(**step) for step in load_json(row.steps, "steps")]
    run.error = None if row.error is None else RunError(**load_json(row.error, "error"))
    run.started_at = None if row.started_at is None else _time(row.started_at)
    run.duration_s, run.attempts = row.duration_s, row.attempts
    return run


def read_types(row: Row[Any], what: str) -> dict[str, Any]:
    """Return what JSON lost of a row's documents.

    Raises:
        CorruptDataError: that is no JSON object.
    """
    return {} if row.types is None else load_object(row.types, f"{what}: types")


def _time(value: Any) -> datetime.datetime:
    time = value if isinstance(value, datetime.datetime) else datetime.datetime.fromisoformat(value)
    return time.astimezone(datetime.UTC)
