"""What metrics were in earlier sessions: read by the experiment's name and the versions' ids, never by a scan of the runs."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, NoReturn

from pytest_mltraq.baseline import Earlier
from pytest_mltraq.codec import Decoder, load_json, load_list, load_object
from pytest_mltraq.errors import CorruptDataError
from pytest_mltraq.groups import readable_params
from pytest_mltraq.storage.reader import to_time
from pytest_mltraq.storage.rows import Connection, execute, literal
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
    statuses = ", ".join(map(str, FINISHED))
    finished = f"s.finished_at IS NOT NULL AND (s.exit_status IS NULL OR s.exit_status IN ({statuses}))"
    return _versions(connection, "NULL", f"e.name = ? AND {finished}", experiment)


def list_versions(connection: Connection, id_session: str) -> list[Version]:
    """Return the experiments that a session stored, in the order in which it did."""
    return _versions(connection, "e.code", "e.id_session = ?", id_session)


def _versions(connection: Connection, code: str, which: str, value: str) -> list[Version]:
    query = f"""
        SELECT e.id_session, e.id_experiment, s.started_at, s."commit", s.branch, s.tags, s.dirty,
            e.name, e.nodeid, {code}, e.metrics, e.fields, e.config
        FROM experiments e JOIN sessions s ON s.id = e.id_session WHERE {which}
        ORDER BY s.started_at, e.created_at, e.id_experiment
    """  # noqa: S608 - none of it is data
    found = {}
    for id_session, id_experiment, started_at, commit, branch, tags, dirty, name, *more in execute(
        connection, query, value
    ):
        session = Earlier(
            id_session,
            id_experiment,
            to_time(started_at),
            commit,
            branch,
            tuple(load_list(tags, "tags")),
            bool(dirty),
        )
        nodeid, steps, metrics, fields, config = more
        found[id_session, name] = Version(
            session,
            name,
            nodeid,
            *_place(steps),
            [] if metrics is None else load_list(metrics, "metrics"),
            load_object(fields, "fields"),
            load_object(config, "config"),
        )
    return list(found.values())


def _place(code: str | None) -> tuple[str | None, int | None]:
    steps = [] if code is None else load_list(code, "code")
    return (steps[-1]["file"], steps[-1]["line"]) if steps else (None, None)


def list_names(connection: Connection) -> list[tuple[str, list[str]]]:
    """Return the id and the tags of each session."""
    query = "SELECT id, tags FROM sessions ORDER BY started_at"
    return [(id_session, load_list(tags, "tags")) for id_session, tags in execute(connection, query)]


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
        rows = execute(connection, _statement(connection, ids, page))
        for id_experiment, id_run, nodeid, outcome, params, types, *values in rows:
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
    columns = ["id_experiment", "id_run", "nodeid", "outcome", "params", _types(connection, "params")]
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


def read_verdicts(connection: Connection, ids: Sequence[str]) -> list[StoredVerdict]:
    """Return what was said of the metrics of some versions."""
    columns, marks = ", ".join(StoredVerdict._fields), ", ".join("?" * len(ids))
    query = f"SELECT {columns} FROM verdicts WHERE id_experiment IN ({marks})"  # noqa: S608 - none of it is data
    found = [StoredVerdict(*row) for row in execute(connection, query, *ids)] if ids else []
    return [
        one._replace(params=load_object(str(one.params), "verdicts.params"), fails=bool(one.fails)) for one in found
    ]


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
    query = """
        SELECT v.experiment, v.metric, v.params, v.fails, v.mean, v.baseline_mean, s."commit", v.details
        FROM verdicts v JOIN sessions s ON s.id = v.id_session WHERE v.id_session = ?
        ORDER BY v.id_experiment, v.position
    """
    found = [SessionVerdict(*row) for row in execute(connection, query, id_session)]
    return [
        one._replace(
            params=load_object(str(one.params), "verdicts.params"),
            fails=bool(one.fails),
            values=load_object(str(one.values), "verdicts.details").get("values", {}) if one.values else {},
        )
        for one in found
    ]
