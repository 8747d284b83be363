"""MLflow's tracking store in a SQLite file.

Runs of one experiment and one commit are a version of ours. What is read has been there, and the same, in every release since
MLflow 1.0; what is asked is not the revision of its schema, but whether the columns are there.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import sys
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final, NamedTuple

from pytest_mltraq.importers.source import Placed, Tables, Version, read_id
from pytest_mltraq.run import Run, RunError, derive_seed
from pytest_mltraq.sequence import RESERVED, Sequence

_OUTCOMES: Final = {"FINISHED": "passed", "FAILED": "failed"}
"""Of a run's status; the others are `interrupted`: it was killed, or runs still."""

_COMMIT: Final = "mlflow.source.git.commit"
_BRANCH: Final = "mlflow.source.git.branch"
_SOURCE: Final = "mlflow.source.name"
_NOTE: Final = "mlflow.note.content"

Point = tuple[str, float, int, int]
"""A metric's name, value, time [ms since 1970], and step."""


class _Known(NamedTuple):
    """What is known of a run before it is read."""

    id_experiment: uuid.UUID
    experiment: str
    position: int


class MLflowDatabase:
    """A tracking store of MLflow; see `Source`.

    Raises:
        ForeignDatabaseError: its tables are those of another version.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.left_out: Counter[str] = Counter()
        self._known: dict[str, _Known] = {}
        tables.expect(
            "an MLflow database",
            experiments="experiment_id name artifact_location lifecycle_stage",
            runs="run_uuid name status start_time end_time lifecycle_stage artifact_uri experiment_id user_id",
            params="key value run_uuid",
            metrics="key value timestamp step is_nan run_uuid",
            tags="key value run_uuid",
        )

    def versions(self) -> Iterable[Version]:
        """Return the experiments, a version for each commit, in a session of its own."""
        tags = self._tags_of_experiments()
        for stage, what in (("experiments", "experiments that were deleted"), ("runs", "runs that were deleted")):
            (count,) = next(self._tables.ask(f"SELECT count(*) FROM {stage} WHERE lifecycle_stage = 'deleted'"))  # noqa: S608
            if count:
                self.left_out[what] += count
        created = "creation_time" if "creation_time" in self._tables.columns["experiments"] else "NULL"
        for identity, name, place, time in self._tables.ask(
            f"SELECT experiment_id, name, artifact_location, {created} FROM experiments"  # noqa: S608
            " WHERE lifecycle_stage <> 'deleted' ORDER BY experiment_id"
        ):
            yield from self._versions_of(identity, str(name), f"{identity}/{time}/{place}", tags[identity])

    def _tags_of_experiments(self) -> dict[int, dict[str, Any]]:
        tags: dict[int, dict[str, Any]] = defaultdict(dict)
        if "experiment_tags" in self._tables.columns:
            for identity, key, value in self._tables.ask("SELECT experiment_id, key, value FROM experiment_tags"):
                tags[identity][key] = value
        return tags

    def _versions_of(self, identity: int, name: str, key: str, tags: dict[str, Any]) -> Iterator[Version]:
        found = self._tables.ask(
            "SELECT runs.run_uuid, start_time, end_time, c.value, b.value, s.value FROM runs"
            " LEFT JOIN tags c ON c.run_uuid = runs.run_uuid AND c.key = ?"
            " LEFT JOIN tags b ON b.run_uuid = runs.run_uuid AND b.key = ?"
            " LEFT JOIN tags s ON s.run_uuid = runs.run_uuid AND s.key = ?"
            " WHERE experiment_id = ? AND lifecycle_stage <> 'deleted' ORDER BY start_time, runs.run_uuid",
            _COMMIT,
            _BRANCH,
            _SOURCE,
            identity,
        )
        by_commit: dict[tuple[str | None, str | None], list[tuple[Any, ...]]] = defaultdict(list)
        for run, start, end, commit, branch, source in found:
            by_commit[commit or None, branch or None].append((run, start, end, source))
        for (commit, branch), runs in by_commit.items():
            id_experiment = read_id(f"mlflow/{key}/{commit}/{branch}")
            self._known.update((run[0], _Known(id_experiment, name, at)) for at, run in enumerate(runs))
            started = min((start for _, start, _, _ in runs if start is not None), default=0)
            yield Version(
                id_session=read_id(f"session/{id_experiment}"),
                id_experiment=id_experiment,
                name=name,
                fields={"tags": tags} if tags else {},
                started_at=_moment(started),
                finished_at=_moment(max((end for _, _, end, _ in runs if end is not None), default=started)),
                commit=commit,
                branch=branch,
                command=next((str(source) for *_, source in runs if source), "MLflow"),
                doc=tags.get(_NOTE),
            )

    def count(self) -> int:
        """Return how many runs there are."""
        return len(self._known)

    def runs(self) -> Iterator[Placed]:
        """Yield the runs; what belongs to them is read beside them, in the same order."""
        params, tags = self._beside("params", "key, value"), self._beside("tags", "key, value")
        metrics = self._beside("metrics", "key, value, timestamp, step, is_nan")
        for identity, *values in self._tables.ask(
            "SELECT run_uuid, name, status, start_time, end_time, artifact_uri, user_id FROM runs ORDER BY run_uuid"
        ):
            texts, labels, points = params.of(identity), tags.of(identity), metrics.of(identity)
            known = self._known.get(identity)
            if known is None:
                continue
            run = Run(
                given := {name: _param(text) for name, text in texts},
                fields=_fields(points, dict(labels), values),
                seed=derive_seed(known.experiment, given),
                id_run=read_id(identity),
            )
            _, status, start, end, *_ = values
            run.outcome = _OUTCOMES.get(status, "interrupted")
            if run.outcome == "failed":
                run.error = RunError(None, "MLflow", "the run failed; MLflow keeps no error", "")
            run.started_at = None if start is None else _moment(start)
            run.duration_s = None if start is None or end is None else (end - start) / 1000
            yield Placed(known.id_experiment, known.position, run)

    def _beside(self, table: str, columns: str) -> _Beside:
        return _Beside(self._tables.ask(f"SELECT run_uuid, {columns} FROM {table} ORDER BY run_uuid, rowid"))  # noqa: S608


class _Beside:
    """Rows that belong to runs, in the runs' order."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._groups = groupby(rows, key=lambda row: row[0])
        self._next = next(self._groups, None)

    def of(self, run: str) -> list[tuple[Any, ...]]:
        """Return the rows of a run; runs are asked for in their order."""
        while self._next is not None and self._next[0] < run:  # of a run that is not there
            self._next = next(self._groups, None)
        if self._next is None or self._next[0] != run:
            return []
        found = [tuple(rest) for _, *rest in self._next[1]]
        self._next = next(self._groups, None)
        return found


def _fields(rows: list[tuple[Any, ...]], tags: dict[str, Any], values: list[Any]) -> dict[str, Any]:
    """Return a run's fields: its metrics as they were last, their history, and what else MLflow keeps of it."""
    points = [(key, _number(value, is_nan), time, step) for key, value, time, step, is_nan in rows]
    # Of a metric that was logged several times, MLflow shows the one with the largest step, time and value.
    last: dict[str, Point] = {}
    for point in points:
        key, value, time, step = point
        if key not in last or _order(last[key]) < (step, time, value):
            last[key] = point
    fields: dict[str, Any] = {key: value for key, value, _, _ in last.values()}
    if len(points) > len(last) or any(step for *_, step in points):
        fields[_free("history", fields)] = _history(points)
    name, _, _, _, artifacts, user = values
    about = {"name": name, "user": user, "artifact_uri": artifacts, "tags": tags}
    fields[_free("mlflow", fields)] = {key: value for key, value in about.items() if value}
    return fields


def _order(point: Point) -> tuple[int, int, float]:
    _, value, time, step = point
    return step, time, value


def _history(points: list[Point]) -> Sequence:
    """Return all that was logged as one table: a row for each step, or several where a metric has several values there."""
    rows: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    times: dict[tuple[int, int], int] = {}
    seen: Counter[tuple[str, int]] = Counter()
    for key, value, time, step in sorted(points, key=lambda point: (point[3], point[2])):
        at = step, seen[key, step]
        seen[key, step] += 1
        rows[at][key] = value
        times[at] = min(time, times.get(at, time))
    order = sorted(rows)
    names = dict.fromkeys(key for key, *_ in points)
    columns: dict[str, list[Any]] = {_free("step", names): [step for step, _ in order]}
    for name in names:
        columns[_free(name, RESERVED)] = [rows[at].get(name) for at in order]
    return Sequence.from_columns([times[at] * 1_000_000 for at in order], columns)


def _free(name: str, taken: Iterable[str]) -> str:
    """Return a name that no other thing has."""
    while name in taken:
        name += "_"
    return name


def _number(value: float, is_nan: Any) -> float:
    """Return a metric's value: in the place of an infinite one MLflow stores the largest that there is."""
    if is_nan:
        return math.nan
    return math.copysign(math.inf, value) if abs(value) == sys.float_info.max else float(value)


def _param(text: str) -> Any:
    """Return a param as what it was before MLflow made a text of it, where that text says so to the letter."""
    for constant in (None, True, False):
        if text == str(constant):
            return constant
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            if str(kind(text)) == text:
                return kind(text)
    return text


def _moment(milliseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(milliseconds=milliseconds)
