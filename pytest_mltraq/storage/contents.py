"""What a database holds, in bulk and as plain rows: for reports, which read much and restore little."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Generator
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, case, func, select
from sqlalchemy.engine import Connection

from pytest_mltraq.artifact_store import ArtifactStore
from pytest_mltraq.codec import Stored, digest_object
from pytest_mltraq.record import SessionRecord, to_text
from pytest_mltraq.storage.engine import translated
from pytest_mltraq.storage.schema import experiments, objects, runs, sessions, verdicts

PAGE: Final = 1000
"""Rows that are fetched at once."""


class Version(NamedTuple):
    """A version of an experiment; documents are JSON text."""

    id_experiment: str
    id_session: str
    name: str
    nodeid: str | None
    doc: str | None
    fields: str
    config: str
    types: str | None
    code: str
    created_at: str
    metrics: str | None


class RunRow(NamedTuple):
    """A run; documents are JSON text."""

    id_run: str
    position: int
    nodeid: str | None
    outcome: str | None
    seed: int
    params: str
    fields: str
    types: str | None
    steps: str
    error: str | None
    started_at: str | None
    duration_s: float | None
    worker: str | None
    attempts: int


class ObjectRow(NamedTuple):
    """An object.

    Attributes:
        kind: what it is.
        size: its length [bytes].
        data: its content; None where it is longer than was asked for.
    """

    kind: str
    size: int
    data: bytes | None


class Contents:
    """Reads what is in a database.

    Args:
        connection: in a transaction.
        artifacts: where artifacts are kept.
    """

    def __init__(self, connection: Connection, artifacts: ArtifactStore) -> None:
        self._connection = connection
        self.artifacts = artifacts

    def sessions(self) -> list[SessionRecord]:
        """Return all sessions, the newest first."""
        columns = [sessions.c[name] for name in SessionRecord._fields]
        query = select(*columns).order_by(sessions.c.started_at.desc(), sessions.c.id.desc())
        return [_session(row) for row in self._connection.execute(query)]

    def session(self, id_session: str) -> SessionRecord:
        """Return a session."""
        columns = [sessions.c[name] for name in SessionRecord._fields]
        row = self._connection.execute(select(*columns).where(sessions.c.id == id_session)).one()
        return _session(row)

    def versions(self, of_sessions: Collection[str]) -> list[Version]:
        """Return the versions of experiments that sessions stored, in the order in which they were stored."""
        columns = [experiments.c[name] for name in Version._fields]
        query = select(*columns).where(experiments.c.id_session.in_(of_sessions))
        ordered = query.order_by(experiments.c.created_at, experiments.c.id_experiment)
        return [Version(*row)._replace(created_at=_time(row.created_at)) for row in self._connection.execute(ordered)]

    def outcomes(self, of_sessions: Collection[str]) -> dict[str, dict[str, int]]:
        """Return how many runs the versions of experiments have, by id of the version and outcome."""
        outcome = func.coalesce(runs.c.outcome, "")
        query = (
            select(runs.c.id_experiment, outcome, func.count())
            .join(experiments, experiments.c.id_experiment == runs.c.id_experiment)
            .where(experiments.c.id_session.in_(of_sessions))
            .group_by(runs.c.id_experiment, outcome)
        )
        counts: dict[str, dict[str, int]] = {}
        for id_experiment, found, count in self._connection.execute(query):
            counts.setdefault(id_experiment, {})[found] = count
        return counts

    def runs(self, id_experiment: str) -> Generator[RunRow]:
        """Yield the runs of a version, in their order; close it where not all are read."""
        columns = [runs.c[name] for name in RunRow._fields]
        query = select(*columns).where(runs.c.id_experiment == id_experiment).order_by(runs.c.position, runs.c.id_run)
        with self._connection.execute(query.execution_options(yield_per=PAGE)) as found:
            for row in found:
                yield RunRow(*row)._replace(started_at=_time_or_none(row.started_at))

    def verdicts(self, of_sessions: Collection[str]) -> list[dict[str, Any]]:
        """Return the verdicts of sessions, a row each by the names of its columns, in their order."""
        query = select(verdicts).where(verdicts.c.id_session.in_(of_sessions))
        ordered = query.order_by(verdicts.c.id_experiment, verdicts.c.position)
        names = [str(column.name) for column in verdicts.columns]  # they are of a class of SQLAlchemy's
        return [dict(zip(names, row, strict=True)) for row in self._connection.execute(ordered)]

    def object(self, digest: str, longest: int) -> ObjectRow:
        """Return an object.

        Args:
            digest: its name.
            longest: how long its content may be to be read [bytes].

        Raises:
            LookupError: it is missing.
            ValueError: its content has another digest.
        """
        short = case((objects.c.size <= longest, objects.c.data))
        query = select(objects.c.kind, objects.c.size, short).where(objects.c.digest == digest)
        with translated(self._connection.engine.url):  # a lost connection is no damage
            found = self._connection.execute(query).first()
        if found is None:
            message = f"object {digest} is missing in the database"
            raise LookupError(message)
        kind, size, content = found
        if content is None:
            return ObjectRow(kind, size, None)
        data = bytes(content)
        if digest_object(Stored(kind, data)) != digest:
            message = f"object {digest} is damaged: its content has another digest"
            raise ValueError(message)
        return ObjectRow(kind, size, data)


def _session(row: Row[Any]) -> SessionRecord:
    record = SessionRecord._make(row)
    return record._replace(started_at=_time(row.started_at), finished_at=_time_or_none(row.finished_at))


def _time(value: Any) -> str:
    """Return a time as it is stored on SQLite; PostgreSQL's driver gives an object."""
    return to_text(value) if isinstance(value, datetime.datetime) else str(value)


def _time_or_none(value: Any) -> str | None:
    return None if value is None else _time(value)
