"""All that is stored of one session, experiment or run, for people to look at: what is damaged is said in its place."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Row, Table, select
from sqlalchemy.engine import Connection

from pytest_mltraq.codec import Decoder, load_list, load_object
from pytest_mltraq.errors import CorruptDataError
from pytest_mltraq.storage.objects import object_loader
from pytest_mltraq.storage.reader import read_types
from pytest_mltraq.storage.schema import experiments, is_document, runs, sessions, verdicts
from pytest_mltraq.storage.tables import LISTS

Values = Mapping[str, Any]
"""Values by name, as they were set; in the place of a damaged one stands the `CorruptDataError`."""


class RunDetails(NamedTuple):
    """A run.

    Attributes:
        stored: its columns as they are stored, documents as JSON says them; without `types`.
        experiment: its experiment's name.
        id_session: the session that stored it.
        versions: how many versions of experiments have a run of this id; this is the newest one's.
        params: what varies between runs.
        fields: what it set.
    """

    stored: dict[str, Any]
    experiment: str
    id_session: str
    versions: int
    params: Values
    fields: Values


class ExperimentDetails(NamedTuple):
    """A version of an experiment, without its runs; see `RunDetails`."""

    stored: dict[str, Any]
    session: dict[str, Any]
    fields: Values
    config: Values


class Outcome(NamedTuple):
    """What a run came to, for the groups of an experiment; documents are JSON text."""

    id_run: str
    outcome: str | None
    params: str
    fields: str
    types: str | None
    error: str | None


def read_run(connection: Connection, id_run: str) -> RunDetails:
    """Read a run; of several versions that have it, the newest one's."""
    query = (
        select(runs, experiments.c.name, experiments.c.id_session)
        .join(experiments, experiments.c.id_experiment == runs.c.id_experiment)
        .where(runs.c.id_run == id_run)
        .order_by(experiments.c.created_at.desc(), experiments.c.id_experiment.desc())
    )
    rows = connection.execute(query).all()
    row = rows[0]
    decode = _decoder(connection, row)
    return RunDetails(
        _stored(runs, row),
        row.name,
        row.id_session,
        len(rows),
        decode("params"),
        decode("fields"),
    )


def read_experiment(connection: Connection, id_experiment: str) -> ExperimentDetails:
    """Read a version of an experiment."""
    row = connection.execute(select(experiments).where(experiments.c.id_experiment == id_experiment)).one()
    decode = _decoder(connection, row)
    return ExperimentDetails(
        _stored(experiments, row), read_session(connection, row.id_session), decode("fields"), decode("config")
    )


def read_session(connection: Connection, id_session: str) -> dict[str, Any]:
    """Read the columns of a session."""
    return _stored(sessions, connection.execute(select(sessions).where(sessions.c.id == id_session)).one())


def read_outcomes(connection: Connection, id_experiment: str) -> Generator[Outcome]:
    """Yield what the runs of a version came to, in their order; close it where not all are read."""
    columns = (runs.c[name] for name in Outcome._fields)
    query = select(*columns).where(runs.c.id_experiment == id_experiment).order_by(runs.c.position, runs.c.id_run)
    with connection.execute(query.execution_options(yield_per=1000)) as found:
        for row in found:
            yield Outcome(*row)


def read_verdicts(
    connection: Connection, *, id_session: str | None = None, id_experiment: str | None = None
) -> list[dict[str, Any]]:
    """Read the verdicts of a session or a version of an experiment."""
    query = select(verdicts).order_by(verdicts.c.experiment, verdicts.c.id_experiment, verdicts.c.position)
    if id_session is not None:
        query = query.where(verdicts.c.id_session == id_session)
    if id_experiment is not None:
        query = query.where(verdicts.c.id_experiment == id_experiment)
    return [_stored(verdicts, row) for row in connection.execute(query)]


def _stored(table: Table, row: Row[Any]) -> dict[str, Any]:
    """Return a row's columns, documents as JSON says them."""
    values = row._mapping  # noqa: SLF001 - the public way to a row's values by name
    found = {}
    for column in table.columns:
        value = values[column.name]
        if value is not None and is_document(column):
            value = (load_list if column.name in LISTS else load_object)(value, column.name)
        found[column.name] = value
    return found


def _decoder(connection: Connection, row: Row[Any]) -> Any:
    """Return what decodes a document of a row, by its name."""
    load = object_loader(connection)
    types = read_types(row, "")

    def decode(name: str) -> Values:
        entries = types.get(name, {})
        plain = load_object(getattr(row, name), name)
        return {key: _decoded(value, entries.get(key), f"{name}.{key}", load) for key, value in plain.items()}

    return decode


def _decoded(value: Any, entry: Any, path: str, load: Any) -> Any:
    if entry is None:
        return value
    try:
        return Decoder(load).decode(value, entry, path)
    except CorruptDataError as error:
        return error
