"""Records: what is stored of runs, experiments and sessions, encoded.

A record is made where a run ran, once, and travels as it is: to the writer in the same process, or detached over the wire
of pytest-xdist, which takes nothing but tuples, dicts, numbers, text and bytes.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pytest_mltraq.bunch import FrozenBunch
from pytest_mltraq.codec import NOWHERE, Encoded, Home, Objects, Shape, dump_json, encode_document
from pytest_mltraq.codec.forms import Buffer, Columns
from pytest_mltraq.codec.text import readable
from pytest_mltraq.environment import Environment, hide_secrets
from pytest_mltraq.errors import UnsupportedTypeError
from pytest_mltraq.run import Run
from pytest_mltraq.steps import StepCode

StoredObjects = dict[str, tuple[str, tuple[Buffer, ...]]]


class RunRecord(NamedTuple):
    """A run as it is stored; documents are JSON text.

    Attributes:
        columns: the scalar params and fields by kind, for the experiment's view.
        objects: what its documents refer to, by digest: the kind of each, and the buffers that its bytes are in.
    """

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
    columns: tuple[Columns, Columns]
    objects: StoredObjects


class ExperimentRecord(NamedTuple):
    """An experiment as it is stored; documents are JSON text."""

    id_experiment: str
    name: str
    nodeid: str | None
    doc: str | None
    fields: str
    config: str
    types: str | None
    code: str
    created_at: str
    metrics: str | None
    objects: StoredObjects


class SessionRecord(NamedTuple):
    """A session as it is stored when it begins; documents are JSON text."""

    id: str
    started_at: str
    finished_at: str | None
    exit_status: int | None
    origin: str
    tags: str
    commit: str | None
    branch: str | None
    dirty: bool | None
    ci: str | None
    python: str
    platform: str
    host: str
    packages: str
    command: str
    process: str | None


Record = TypeVar("Record", RunRecord, ExperimentRecord)


def record_run(
    run: Run,
    *,
    position: int,
    params: Encoded,
    nodeid: str | None = None,
    worker: str | None = None,
    objects: Objects | None = None,
    home: Home = NOWHERE,
    shape: Shape | None = None,
) -> tuple[RunRecord, tuple[UnsupportedTypeError, ...]]:
    """Encode a run.

    Args:
        run: the run; its fields are encoded now.
        position: its place in the experiment, from 0.
        params: its params, encoded by `encode_params`.
        nodeid: where pytest found it.
        worker: the process that ran it, under pytest-xdist.
        objects: what its params refer to.
        home: where it is going to be stored.
        shape: of its fields, where it was found a moment ago.

    Returns:
        The record, and an error for each field that can't be stored and is not in it.
    """
    found: Objects = dict(objects) if objects else {}
    fields = encode_document(run.fields, "fields", found, home, shape)
    record = RunRecord(
        id_run=str(run.id_run),
        position=position,
        nodeid=nodeid,
        outcome=run.outcome,
        seed=run.seed,
        params=params.document,
        fields=fields.document,
        types=None if params.types is None and fields.types is None else _types(params=params, fields=fields),
        steps=dump_json([{"name": step.name, "duration_s": step.duration_s} for step in run.steps]),
        error=None if run.error is None else dump_json(_readable(run.error._asdict())),
        started_at=None if run.started_at is None else to_text(run.started_at),
        duration_s=run.duration_s,
        worker=worker,
        attempts=run.attempts,
        columns=(params.columns, fields.columns),
        objects=_taken_apart(found),
    )
    return record, fields.refused


def encode_params(run: Run, home: Home = NOWHERE) -> tuple[Encoded, Objects]:
    """Encode the params that a run was given.

    Raises:
        UnsupportedTypeError: one can't be stored; several: an ExceptionGroup.
    """
    objects: Objects = {}
    encoded = encode_document(run.given_params, "params", objects, home)
    raise_refused(encoded.refused)
    return encoded, objects


def record_experiment(
    *,
    name: str,
    id_experiment: uuid.UUID,
    fields: Mapping[str, Any],
    config: Mapping[str, Any],
    code: Iterable[StepCode],
    doc: str | None,
    nodeid: str | None,
    root: Path,
    metrics: Iterable[Mapping[str, Any]] | None = None,
    home: Home = NOWHERE,
) -> ExperimentRecord:
    """Encode an experiment.

    Args:
        name: its name.
        id_experiment: its id.
        fields: what its runs share.
        config: what was the same for all runs; secrets in it are not stored.
        code: its steps.
        doc: what it is about.
        nodeid: where pytest found it.
        root: the folder that files are named from.
        metrics: what it says of its metrics, as JSON takes it; None where it says nothing.
        home: see `record_run`.

    Raises:
        UnsupportedTypeError: a field or config can't be stored; several: an ExceptionGroup.
    """
    objects: Objects = {}
    encoded_fields = encode_document(fields, "fields", objects, home)
    encoded_config = encode_document(FrozenBunch(hide_secrets(config)), "config", objects, home)
    raise_refused((*encoded_fields.refused, *encoded_config.refused))
    return ExperimentRecord(
        id_experiment=str(id_experiment),
        name=name,
        nodeid=nodeid,
        doc=doc,
        fields=encoded_fields.document,
        config=encoded_config.document,
        types=_types(fields=encoded_fields, config=encoded_config),
        code=dump_json([_readable(_relative(step, root)._asdict()) for step in code]),
        created_at=now(),
        metrics=None if metrics is None else dump_json(list(metrics)),
        objects=_taken_apart(objects),
    )


def record_session(
    environment: Environment, *, id_session: uuid.UUID, origin: str, tags: Iterable[str], started_at: datetime.datetime
) -> SessionRecord:
    """Encode a session that begins."""
    return SessionRecord(
        id=str(id_session),
        started_at=to_text(started_at),
        finished_at=None,
        exit_status=None,
        origin=origin,
        tags=dump_json(list(tags)),
        commit=environment.revision.commit,
        branch=readable(environment.revision.branch or "") or None,
        dirty=environment.revision.dirty,
        ci=None if environment.ci is None else dump_json(environment.ci),
        python=environment.python,
        platform=environment.platform,
        host=environment.host,
        packages=dump_json(environment.packages),
        command=readable(environment.command),
        process=environment.process,
    )


def raise_refused(refused: Sequence[UnsupportedTypeError]) -> None:
    """Raise what can't be stored, if anything; without the codec's part of the traceback, which says nothing to users."""
    if not refused:
        return
    errors = [error.with_traceback(None) for error in refused]
    if len(errors) == 1:
        raise errors[0]
    message = f"{len(errors)} values can't be stored: {', '.join(error.path for error in errors)}"
    raise ExceptionGroup(message, errors)


def now() -> str:
    """Return the time, as it is stored."""
    return to_text(datetime.datetime.now(datetime.UTC))


def to_text(time: datetime.datetime) -> str:
    """Write a time as it is stored: ISO 8601, UTC, microseconds, of the same length always, so that text sorts as time."""
    utc = time if time.tzinfo is datetime.UTC else time.astimezone(datetime.UTC)
    return utc.isoformat(" ", "microseconds")


def _types(**encoded: Encoded) -> str | None:
    types = {name: item.types for name, item in encoded.items() if item.types is not None}
    return dump_json(types) if types else None


def detach(record: Record) -> Record:
    """Return a record with objects of its own: what is changed later is not in it, and any wire takes it."""
    if not record.objects:
        return record
    own: StoredObjects = {digest: (kind, (b"".join(buffers),)) for digest, (kind, buffers) in record.objects.items()}
    return record._replace(objects=own)


def _taken_apart(objects: Objects) -> StoredObjects:
    return {digest: (stored.kind, stored.buffers) for digest, stored in objects.items()}


def _relative(step: StepCode, root: Path) -> StepCode:
    """Name a step's file from the root folder: absolute paths say nothing on another machine."""
    if step.file is None:
        return step
    file = Path(step.file)
    return step._replace(file=file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name)


def _readable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Make texts that any database takes: an exception's message may hold anything."""
    return {name: readable(value) if isinstance(value, str) else value for name, value in values.items()}
