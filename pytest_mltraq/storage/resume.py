"""Runs that passed in earlier sessions, and need not be executed again."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import orjson
from sqlalchemy import Row, select

from pytest_mltraq.codec import Encoded, load_list, load_object
from pytest_mltraq.codec.document import columns_of
from pytest_mltraq.record import ExperimentRecord, RunRecord, to_text
from pytest_mltraq.storage.database import Database
from pytest_mltraq.storage.schema import experiments, runs

Key = tuple[Any, ...]


class PassedRuns:
    """Finds runs by what they were made of: their experiment's name, config and code, and their params.

    The versions of an experiment are read when one of its runs is looked for, the newest first, and each only until a run is
    found in it.

    Args:
        database: where they are stored.
        before: experiments that were stored later are not looked at, such as those of the session that looks.
    """

    def __init__(self, database: Database, before: str) -> None:
        self._database = database
        self._before = before
        self._found: dict[str, dict[Key, tuple[str, str]]] = {}
        self._unread: dict[str, Iterator[str]] = {}

    def find(self, experiment: ExperimentRecord, params: Encoded) -> RunRecord | None:
        """Return the newest passed run with these params, config and code; None where there is none."""
        if experiment.name not in self._found:
            self._found[experiment.name] = {}
            self._unread[experiment.name] = iter(self._versions(experiment))
        found = self._found[experiment.name]
        key = _key(params.document, params.types)
        while key not in found:
            version = next(self._unread[experiment.name], None)
            if version is None:
                return None
            self._read(version, found)
        return self._load(*found[key])

    def _versions(self, experiment: ExperimentRecord) -> list[str]:
        """Return the versions of an experiment with the same config and code, the newest first."""
        query = (
            select(experiments)
            .where(experiments.c.name == experiment.name, experiments.c.created_at < self._before)
            .order_by(experiments.c.created_at.desc(), experiments.c.id_experiment.desc())
        )
        wanted = _made_of(experiment)
        with self._database.reading() as connection:
            if connection is None or wanted is None:
                return []
            return [row.id_experiment for row in connection.execute(query) if _made_of(row) == wanted]

    def _read(self, version: str, found: dict[Key, tuple[str, str]]) -> None:
        """Read which runs of a version passed."""
        query = select(runs.c.id_run, runs.c.params, runs.c.types)
        query = query.where(runs.c.id_experiment == version, runs.c.outcome == "passed")
        with self._database.reading() as connection:
            for row in () if connection is None else connection.execute(query):
                types = None if row.types is None else load_object(row.types, "types").get("params")
                found.setdefault(_key(row.params, types), (version, row.id_run))

    def _load(self, id_experiment: str, id_run: str) -> RunRecord | None:
        query = select(runs).where(runs.c.id_experiment == id_experiment, runs.c.id_run == id_run)
        with self._database.reading() as connection:
            row = None if connection is None else connection.execute(query).first()
        return None if row is None else _record(row)


def _record(row: Row[Any]) -> RunRecord:
    """Make a record of a row; the objects that it refers to are in the database."""
    values: dict[str, Any] = row._asdict()
    del values["id_experiment"]
    if isinstance(row.started_at, datetime.datetime):
        values["started_at"] = to_text(row.started_at)
    types = {} if row.types is None else load_object(row.types, "types")
    columns = columns_of(row.params, types.get("params")), columns_of(row.fields, types.get("fields"))
    return RunRecord(**values, columns=columns, objects={})


def _made_of(experiment: ExperimentRecord | Row[Any]) -> Key | None:
    """Return what must be the same for a run to be the same: config and code; None where some code isn't known."""
    code = [(step["name"], step["digest"]) for step in load_list(experiment.code, "code")]
    if any(digest is None for _, digest in code):
        return None
    types = {} if experiment.types is None else load_object(experiment.types, "types")
    return _key(experiment.config, types.get("config")), tuple(code)


def _key(document: str, types: Any) -> Key:
    """Return values in a form in which equal ones are equal, whatever the order of their names."""
    plain = orjson.dumps(load_object(document, "params"), option=orjson.OPT_SORT_KEYS)
    return plain, None if types is None else orjson.dumps(types, option=orjson.OPT_SORT_KEYS)
