"""What metrics were in earlier sessions: read by the experiment's name and the versions' ids, never by a scan of the runs."""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from sqlalchemy import and_, or_, select
from sqlalchemy.engine import Connection

from pytest_mltraq.baseline import Earlier
from pytest_mltraq.codec import Decoder, load_json, load_list, load_object
from pytest_mltraq.errors import CorruptDataError
from pytest_mltraq.groups import readable_params
from pytest_mltraq.storage.engine import run
from pytest_mltraq.storage.rows import literal
from pytest_mltraq.storage.schema import experiments, runs, sessions, verdicts
from pytest_mltraq.storage.views import ODD_KEY

FINISHED: Final = (0, 1)
"""Exit statuses of pytest sessions that went to their end: all passed, or tests failed."""

MAX_VALUES: Final = 400
"""Metrics that one statement reads; databases limit the columns of a result."""


class Version(NamedTuple):
    """A version of an experiment, and the session that stored it.

    Attributes:
        earlier: the session.
        experiment: the experiment's name.
        nodeid: where pytest found it.
        file: the file of its last step, or None; of the judged session only.
        line: the line there, from 1, or None.
        metrics: what was said of its metrics; with each of them how many runs pytest found of the experiment, selected or not.
        fields: what its runs share, as JSON says it.
        config: what was the same for all of them, as JSON says it.
    """

    earlier: Earlier
    experiment: str
    nodeid: str | None
    file: str | None
    line: int | None
    metrics: list[dict[str, Any]]
    fields: dict[str, Any]
    config: dict[str, Any]

    def is_whole(self, runs: int) -> bool | None:
        """Whether all runs of the experiment ran, or were skipped: none was deselected, nor left out when the session stopped.

        Args:
            runs: how many are stored.

        Returns:
            None where it isn't known how many there were, as of sessions of a Python program.
        """
        found = next((plain["runs"] for plain in self.metrics if type(plain.get("runs")) is int), None)
        return None if found is None else runs >= found


class Measured(NamedTuple):
    """What a run measured.

    Attributes:
        id_experiment: the version it belongs to.
        nodeid: what pytest calls it, or None.
        outcome: `passed`, `failed`, ...
        params: as people read them.
        values: numbers by the names of metrics; a metric that it didn't set is not there.
    """

    id_experiment: str
    nodeid: str | None
    outcome: str | None
    params: dict[str, Any]
    values: dict[str, float]


class StoredVerdict(NamedTuple):
    """What was said of a metric of a version, for a group of its runs.

    Attributes:
        id_experiment: the version.
        metric: its name.
        params: of the group, as JSON.
        verdict: the word.
        fails: whether the gate failed for it.
        accepted: the session whose change was accepted when it was judged, or None.
    """

    id_experiment: str
    metric: str
    params: dict[str, Any]
    verdict: str
    fails: bool
    accepted: str | None


def list_finished(connection: Connection, experiment: str) -> list[Version]:
    """Return the newest version that each finished session stored of an experiment, the oldest first."""
    finished = and_(
        experiments.c.name == experiment,
        sessions.c.finished_at.is_not(None),
        or_(sessions.c.exit_status.is_(None), sessions.c.exit_status.in_(FINISHED)),
    )
    return list(_versions(connection, finished))


def list_versions(connection: Connection, id_session: str) -> list[Version]:
    """Return the experiments that a session stored, in the order in which it did."""
    return list(_versions(connection, experiments.c.id_session == id_session, experiments.c.code))


def _versions(connection: Connection, which: Any, *more: Any) -> Iterator[Version]:
    query = (
        select(
            experiments.c.id_session,
            experiments.c.id_experiment,
            sessions.c.started_at,
            sessions.c.commit,
            sessions.c.branch,
            sessions.c.tags,
            sessions.c.dirty,
            experiments.c.name,
            experiments.c.nodeid,
            experiments.c.metrics,
            experiments.c.fields,
            experiments.c.config,
            *more,
        )
        .join(sessions, sessions.c.id == experiments.c.id_session)
        .where(which)
        .order_by(sessions.c.started_at, experiments.c.created_at, experiments.c.id_experiment)
    )
    found = {}
    for row in connection.execute(query):
        earlier = Earlier(
            row.id_session,
            row.id_experiment,
            as_time(row.started_at),
            row.commit,
            row.branch,
            tuple(load_list(row.tags, "tags")),
            bool(row.dirty),
        )
        file, line = _place(row.code) if more else (None, None)
        found[row.id_session, row.name] = Version(
            earlier,
            row.name,
            row.nodeid,
            file,
            line,
            [] if row.metrics is None else load_list(row.metrics, "metrics"),
            load_object(row.fields, "fields"),
            load_object(row.config, "config"),
        )
    return iter(found.values())


def _place(code: str) -> tuple[str | None, int | None]:
    steps = load_list(code, "code")
    return (steps[-1]["file"], steps[-1]["line"]) if steps else (None, None)


def list_names(connection: Connection) -> list[tuple[str, list[str]]]:
    """Return the id and the tags of each session."""
    query = select(sessions.c.id, sessions.c.tags).order_by(sessions.c.started_at)
    return [(row.id, load_list(row.tags, "tags")) for row in connection.execute(query)]


def read_measured(connection: Connection, ids: Sequence[str], metrics: Sequence[str]) -> list[Measured]:
    """Return what the runs of some versions measured, in the order of their positions.

    Args:
        connection: in a transaction.
        ids: of the versions.
        metrics: names of fields.
    """
    if not ids:
        return []
    pages = [metrics[at : at + MAX_VALUES] for at in range(0, len(metrics), MAX_VALUES)] or [[]]
    found: dict[tuple[str, str], Measured] = {}
    for page in pages:
        for row in run(connection, _statement(connection, ids, page)):
            id_experiment, id_run, nodeid, outcome, params, types, *values = tuple(row)
            measured = found.get((id_experiment, id_run))
            if measured is None:
                readable = readable_params(params, None if types is None else f'{{"params":{types}}}')
                measured = found[id_experiment, id_run] = Measured(id_experiment, nodeid, outcome, readable, {})
            for name, value, entry in zip(page, values[::2], values[1::2], strict=True):
                number = _number(_plain(connection, value), None if entry is None else load_list(entry, "types"))
                if number is not None:
                    measured.values[name] = number
    return list(found.values())


def _statement(connection: Connection, ids: Sequence[str], metrics: Sequence[str]) -> str:
    columns = [
        runs.c.id_experiment.name,
        runs.c.id_run.name,
        "nodeid",
        "outcome",
        "params",
        _types(connection, "params"),
    ]
    for name in metrics:
        columns += [_value(connection, name), _types(connection, "fields", name)]
    wanted = ", ".join(map(literal, ids))
    return (
        f"SELECT {', '.join(columns)} FROM runs "  # noqa: S608 - names and ids are literals
        f"WHERE id_experiment IN ({wanted}) ORDER BY position, id_run"
    )


def _value(connection: Connection, name: str) -> str:
    """Read a field in SQL: on SQLite as a number, on PostgreSQL as JSON."""
    if connection.dialect.name == "postgresql":
        return f"fields -> {literal(name)}"
    if ODD_KEY.search(name):
        return f"(SELECT atom FROM json_each(runs.fields) WHERE key = {literal(name)})"  # noqa: S608
    return f"json_extract(fields, {literal(_path(name))})"


def _types(connection: Connection, *names: str) -> str:
    """Read in SQL what JSON loses of a value, as JSON."""
    if connection.dialect.name == "postgresql":
        return " -> ".join(["types", *map(literal, names)])
    if ODD_KEY.search(names[-1]):
        return f"(SELECT value FROM json_each(runs.types, '$.fields') WHERE key = {literal(names[-1])})"  # noqa: S608
    return f"json_extract(types, {literal(_path(*names))})"


def _path(*names: str) -> str:
    return "$" + "".join(f'."{name}"' for name in names)


def _plain(connection: Connection, value: Any) -> Any:
    if connection.dialect.name == "postgresql" and isinstance(value, str):
        return load_json(value, "fields")
    return value


def _number(plain: Any, entry: Any) -> float | None:
    """Return a value as a number; None where it is none, or was not set."""
    try:
        value = Decoder(_missing).decode(plain, entry, "fields")
    except CorruptDataError:  # an object, such as an array
        return None
    if not isinstance(value, numbers.Number) or isinstance(value, complex):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")  # type: ignore[operator]


def _missing(reference: Any) -> NoReturn:
    raise KeyError(reference)


def read_verdicts(connection: Connection, ids: Iterable[str]) -> list[StoredVerdict]:
    """Return what was said of the metrics of some versions."""
    columns = [verdicts.c[name] for name in StoredVerdict._fields]
    query = select(*columns).where(verdicts.c.id_experiment.in_(list(ids)))
    return [
        StoredVerdict(*row)._replace(params=load_object(row.params, "verdicts.params"), fails=bool(row.fails))
        for row in connection.execute(query)
    ]


def as_time(value: Any) -> datetime.datetime:
    """Return a stored time; SQLite has it as text."""
    time = value if isinstance(value, datetime.datetime) else datetime.datetime.fromisoformat(value)
    return time.astimezone(datetime.UTC)


class SessionVerdict(NamedTuple):
    """What a session says of a metric, as far as accepting it needs it.

    Attributes:
        experiment: the experiment's name.
        metric: the metric's name.
        params: of the group.
        fails: whether the gate failed for it.
        mean: its mean, or None.
        baseline_mean: what it was compared with, or None.
        commit: of the session.
        values: the metric by replicate.
    """

    experiment: str
    metric: str
    params: dict[str, Any]
    fails: bool
    mean: float | None
    baseline_mean: float | None
    commit: str | None
    values: dict[str, float]

    @property
    def is_gone(self) -> bool:
        """Whether it failed because no run has these params any more: it has a baseline, and nothing to compare with it."""
        return self.fails and self.mean is None and self.baseline_mean is not None


def read_session_verdicts(connection: Connection, id_session: str) -> list[SessionVerdict]:
    """Return what was said of the metrics of a session, in the order in which it was."""
    query = (
        select(
            verdicts.c.experiment,
            verdicts.c.metric,
            verdicts.c.params,
            verdicts.c.fails,
            verdicts.c.mean,
            verdicts.c.baseline_mean,
            sessions.c.commit,
            verdicts.c.details,
        )
        .join(sessions, sessions.c.id == verdicts.c.id_session)
        .where(verdicts.c.id_session == id_session)
        .order_by(verdicts.c.id_experiment, verdicts.c.position)
    )
    return [
        SessionVerdict(*row)._replace(
            params=load_object(row.params, "verdicts.params"),
            fails=bool(row.fails),
            values=load_object(row.details, "verdicts.details").get("values", {}) if row.details else {},
        )
        for row in connection.execute(query)
    ]
