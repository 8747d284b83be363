"""Rows into what was stored."""

from __future__ import annotations

import contextlib
import datetime
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

from pytest_mltraq.bunch import Bunch, FrozenBunch
from pytest_mltraq.codec import decode_document, load_list, load_object
from pytest_mltraq.errors import CorruptDataError
from pytest_mltraq.run import Run, RunError, StepTime
from pytest_mltraq.steps import StepCode
from pytest_mltraq.storage.objects import ObjectSource
from pytest_mltraq.storage.rows import Connection, execute


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


class _ExperimentRow(NamedTuple):
    id_experiment: str
    name: str
    fields: str
    config: str
    types: str | None
    code: str
    doc: str | None
    nodeid: str | None


class _RunRow(NamedTuple):
    id_run: str
    seed: int
    params: str
    fields: str
    types: str | None
    steps: str
    outcome: str | None
    error: str | None
    started_at: Any
    duration_s: float | None
    attempts: int


def load_experiment(connection: Connection, id_experiment: str, source: ObjectSource) -> StoredExperiment:
    """Load a version of an experiment with its runs; values of which JSON loses something are restored when they are used.

    Args:
        connection: in a transaction.
        id_experiment: its id.
        source: reads objects, later.

    Raises:
        CorruptDataError: what is stored of it can't be read.
    """
    query = f"SELECT {', '.join(_ExperimentRow._fields)} FROM experiments WHERE id_experiment = ?"  # noqa: S608
    row = _ExperimentRow(*execute(connection, query, id_experiment).first())
    types = read_types(row, id_experiment)
    source.expect(row.types)
    query = f"SELECT {', '.join(_RunRow._fields)} FROM runs WHERE id_experiment = ? ORDER BY position, id_run"  # noqa: S608
    with _readable(f"experiment {row.id_experiment}"):
        found = StoredExperiment(
            uuid.UUID(row.id_experiment),
            row.name,
            decode_document(row.fields, types.get("fields"), source.load, "fields", source=source),
            decode_document(row.config, types.get("config"), source.load, "config", source=source),
            [StepCode(**code) for code in load_list(row.code, "code")],
            row.doc,
            row.nodeid,
            [_load_run(_RunRow(*run), source) for run in execute(connection, query, id_experiment)],
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


def _load_run(row: _RunRow, source: ObjectSource) -> Run:
    with _readable(f"run {row.id_run}"):
        return _restore_run(row, source)


def _restore_run(row: _RunRow, source: ObjectSource) -> Run:
    types, of_run = read_types(row, row.id_run), f"run {row.id_run}: "
    source.expect(row.types)
    params = decode_document(
        row.params, types.get("params"), source.load, f"{of_run}params", kind=FrozenBunch, source=source
    )
    run = Run(params, seed=row.seed, id_run=uuid.UUID(row.id_run))
    run.fields = decode_document(row.fields, types.get("fields"), source.load, f"{of_run}fields", source=source)
    run.outcome = row.outcome
    run.steps = [StepTime(**step) for step in load_list(row.steps, "steps")]
    run.error = None if row.error is None else RunError(**load_object(row.error, "error"))
    run.started_at = None if row.started_at is None else to_time(row.started_at, f"{of_run}started_at")
    run.duration_s, run.attempts = row.duration_s, row.attempts
    return run


def read_types(row: Any, what: str) -> dict[str, Any]:
    """Return what JSON lost of a row's documents.

    Raises:
        CorruptDataError: that is no JSON object.
    """
    return {} if row.types is None else load_object(row.types, f"{what}: types")


def to_time(stored: Any, where: str = "a time") -> datetime.datetime:
    """Return a stored time: text on SQLite, a datetime of any zone on PostgreSQL.

    Raises:
        CorruptDataError: it is none.
    """
    try:
        time = stored if isinstance(stored, datetime.datetime) else datetime.datetime.fromisoformat(stored)
        return time.astimezone(datetime.UTC)
    except (ValueError, TypeError, OverflowError) as error:
        message = f"expected ISO 8601, found {stored!r:.40}: {error}"
        raise CorruptDataError(where, message) from error
