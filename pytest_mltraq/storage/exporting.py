"""Runs of an experiment one by one, with their values as they were set: however many there are, few are in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, func, select
from sqlalchemy.engine import Connection

from pytest_mltraq.codec import Stored
from pytest_mltraq.codec.document import decode_whole
from pytest_mltraq.storage.listing import Filters, meant_runs, meant_versions
from pytest_mltraq.storage.objects import object_loader
from pytest_mltraq.storage.reader import read_types, to_time
from pytest_mltraq.storage.schema import experiments, runs, views

TOGETHER: Final = 200
"""Rows that the driver reads at once."""


class Exported(NamedTuple):
    """A run.

    Attributes:
        own: its id, session, outcome and other columns, by name.
        params: what varies between runs.
        fields: what it set.
        size: how many bytes are stored of it.
    """

    own: dict[str, Any]
    params: dict[str, Any]
    fields: dict[str, Any]
    size: int


def count_exported(connection: Connection, filters: Filters) -> int:
    """Return how many runs `iter_runs` yields."""
    versions = meant_versions(connection, filters).with_only_columns(experiments.c.id_experiment).order_by(None)
    meant = meant_runs(filters).where(runs.c.id_experiment.in_(versions)).order_by(None)
    counted: int = connection.execute(select(func.count()).select_from(meant.subquery())).scalar_one()
    return counted


def iter_runs(connection: Connection, filters: Filters) -> Iterator[Exported]:
    """Yield the runs of all versions of an experiment, oldest first.

    Raises:
        CorruptDataError: what is stored of one can't be read.
    """
    load = object_loader(connection)
    # One version after another: a database sorts the runs of one, not of all.
    for version in connection.execute(meant_versions(connection, filters)).all():
        query = meant_runs(filters).where(runs.c.id_experiment == version.id_experiment)
        options = query.execution_options(stream_results=True, max_row_buffer=TOGETHER)
        with connection.execute(options) as found:  # closed where a run can't be read, too
            for row in found:
                yield _exported(row, version, load)


def _exported(row: Row[Any], version: Row[Any], load: Callable[[str], Stored]) -> Exported:
    sizes = [len(row.params) + len(row.fields)]
    counted = _counting(load, sizes)
    path = f"run {row.id_run}"
    types = read_types(row, path)
    own = {
        "id_run": row.id_run,
        "id_experiment": row.id_experiment,
        "id_session": version.id_session,
        "started_at": None if row.started_at is None else to_time(row.started_at),
        "duration_s": row.duration_s,
        "commit": version.commit,
        "branch": version.branch,
        "outcome": row.outcome,
        "seed": row.seed,
    }
    params = decode_whole(row.params, types.get("params"), counted, f"{path}: params")
    fields = decode_whole(row.fields, types.get("fields"), counted, f"{path}: fields")
    return Exported(own, params, fields, sum(sizes))


def view_names(connection: Connection) -> dict[str, str]:
    """Return the name of each experiment's view: unique, of letters, digits and underscores."""
    return {row.experiment: row.view for row in connection.execute(select(views.c.experiment, views.c.view))}


def _counting(load: Callable[[str], Stored], sizes: list[int]) -> Callable[[str], Stored]:
    def counted(digest: str) -> Stored:
        stored = load(digest)
        sizes.append(len(stored.data))
        return stored

    return counted
