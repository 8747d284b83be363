"""MLflow's tracking store in a SQLite file.

Runs of one experiment and one commit are a version of ours. What is read has been there, and the same, in every release since
MLflow 1.0; what is asked is not the revision of its schema, but whether the columns are there.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import re
import sys
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final, NamedTuple

from pytest_mltraq.importers.source import Placed, Tables, Version, read_id, text, whole
from pytest_mltraq.run import Run, RunError, derive_seed
from pytest_mltraq.sequence import RESERVED, Sequence

_OUTCOMES: Final = {"FINISHED": "passed", "FAILED": "failed"}
"""Of a run's status; the others are `interrupted`: it was killed, or runs still."""

_COMMIT: Final = "mlflow.source.git.commit"
_BRANCH: Final = "mlflow.source.git.branch"
_SOURCE: Final = "mlflow.source.name"
_NOTE: Final = "mlflow.note.content"

_COMMIT_HASH: Final = re.compile(r"[0-9a-f]{7,64}")
_LATEST: Final = 253_402_300_799_999
"""The last millisecond that Python has a time for."""

Point = tuple[str, float, int, int]
"""A metric's name, value, time [ms since 1970], and step."""


class _Known(NamedTuple):
    """What is known of a run before it is read."""

    id_experiment: uuid.UUID
    experiment: str
    position: int
    tags: dict[str, Any]


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
        columns = ", ".join(["experiment_id", text("name"), text("artifact_location"), text(created)])
        for identity, name, place, time in self._tables.ask(
            f"SELECT {columns} FROM experiments WHERE lifecycle_stage IS NOT 'deleted' ORDER BY experiment_id"  # noqa: S608
        ):
            known_as = name or f"experiment {identity}"
            yield from self._versions_of(identity, known_as, f"{identity}/{time}/{place}", tags[identity])

    def _tags_of_experiments(self) -> dict[int, dict[str, Any]]:
        tags: dict[int, dict[str, Any]] = defaultdict(dict)
        if "experiment_tags" in self._tables.columns:
            columns = f"experiment_id, {text('key')}, {text('value')}"
            found = self._tables.ask(f"SELECT {columns} FROM experiment_tags WHERE key IS NOT NULL")  # noqa: S608
            for identity, key, value in found:
                tags[identity][key] = value
        return tags

    def _versions_of(self, identity: int, name: str, key: str, tags: dict[str, Any]) -> Iterator[Version]:
        times = f"{whole('start_time', _LATEST)}, {whole('end_time', _LATEST)}"
        found = self._tables.ask(
            f"SELECT {text('runs.run_uuid')}, {times}, {text('c.value')}, {text('b.value')}, {text('s.value')} FROM runs"  # noqa: S608
            " LEFT JOIN tags c ON c.run_uuid = runs.run_uuid AND c.key = ?"
            " LEFT JOIN tags b ON b.run_uuid = runs.run_uuid AND b.key = ?"
            " LEFT JOIN tags s ON s.run_uuid = runs.run_uuid AND s.key = ?"
            " WHERE experiment_id = ? AND lifecycle_stage IS NOT 'deleted' AND runs.run_uuid IS NOT NULL"
            " ORDER BY 2, 1",
            _COMMIT,
            _BRANCH,
            _SOURCE,
            identity,
        )
        by_commit: dict[tuple[str | None, str | None], list[tuple[Any, ...]]] = defaultdict(list)
        for run, start, end, commit, branch, source in found:
            by_commit[_hash(commit), branch or None].append((run, start, end, source))
        for (commit, branch), runs in by_commit.items():
            id_experiment = read_id(f"mlflow/{key}/{commit}/{branch}")
            self._known.update((run[0], _Known(id_experiment, name, at, tags)) for at, run in enumerate(runs))
            started = min((start for _, start, _, _ in runs if start is not None), default=0)
            yield Version(
                id_session=read_id(f"session/{id_experiment}"),
                id_experiment=id_experiment,
                name=name,
                fields={},  # sessions whose experiments have other ones would not be compared with each other
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
        params, tags = (self._beside(name, text("key"), text("value")) for name in ("params", "tags"))
        is_number = "typeof(value) IN ('integer', 'real')"
        place = whole("timestamp", _LATEST), whole("step")
        metrics = self._beside("metrics", text("key"), "value", *place, "is_nan IS 1", where=is_number)
        (odd,) = next(self._tables.ask(f"SELECT count(*) FROM metrics WHERE NOT {is_number}"))  # noqa: S608
        if odd:
            self.left_out["values of metrics that are no numbers"] += odd
        times = [whole("start_time", _LATEST), whole("end_time", _LATEST)]
        columns = [text("run_uuid"), text("name"), text("status"), *times, text("artifact_uri"), text("user_id")]
        for identity, *values in self._tables.ask(
            f"SELECT {', '.join(columns)} FROM runs WHERE run_uuid IS NOT NULL ORDER BY 1"  # noqa: S608
        ):
            texts, labels, points = params.of(identity), tags.of(identity), metrics.of(identity)
            known = self._known.get(identity)
            if known is None:
                continue
            run = Run(
                given := {name: _param(written) for name, written in texts},
                fields=_fields(points, {"tags": dict(labels), "experiment_tags": known.tags}, values),
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

    def _beside(self, table: str, *columns: str, where: str = "1") -> _Beside:
        wanted = ", ".join([text("run_uuid"), *columns])
        known = f"run_uuid IS NOT NULL AND key IS NOT NULL AND {where}"
        return _Beside(self._tables.ask(f"SELECT {wanted} FROM {table} WHERE {known} ORDER BY 1, rowid"))  # noqa: S608


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


def _fields(rows: list[tuple[Any, ...]], about: dict[str, Any], values: list[Any]) -> dict[str, Any]:
    """Return a run's fields: its metrics as they were last, their history, and what else MLflow keeps of it."""
    points = [(key, _number(value, is_nan), time or 0, step or 0) for key, value, time, step, is_nan in rows]
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
    about |= {"name": name, "user": user, "artifact_uri": artifacts}
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


def _param(written: str | None) -> Any:
    """Return a param as what it was before MLflow made a text of it, where that text says so to the letter."""
    if written is None:
        return None
    for constant in (None, True, False):
        if written == str(constant):
            return constant
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            if str(kind(written)) == written:
                return kind(written)
    return written


def _hash(commit: str | None) -> str | None:
    """Return a commit, if it is one: anybody can set the tag."""
    return commit if commit and _COMMIT_HASH.fullmatch(commit) else None


def _moment(milliseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(milliseconds=max(milliseconds, 0))
