"""Runs that passed in earlier sessions, and need not be executed again."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from pytest_mltraq.codec import Encoded, load_list, load_object
from pytest_mltraq.codec.document import columns_of
from pytest_mltraq.record import ExperimentRecord, RunRecord, to_text
from pytest_mltraq.storage.database import Database
from pytest_mltraq.storage.rows import execute

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
            "SELECT id_experiment, config, types, code FROM experiments WHERE name = ? AND created_at < ? "
            "ORDER BY created_at DESC, id_experiment DESC"
        )
        wanted = _made_of(experiment.config, experiment.types, experiment.code)
        with self._database.fetching() as connection:
            if connection is None or wanted is None:
                return []
            found = execute(connection, query, experiment.name, self._before)
            return [id_experiment for id_experiment, *row in found if _made_of(*row) == wanted]

    def _read(self, version: str, found: dict[Key, tuple[str, str]]) -> None:
        """Read which runs of a version passed."""
        query = "SELECT id_run, params, types FROM runs WHERE id_experiment = ? AND outcome = 'passed'"
        with self._database.fetching() as connection:
            for id_run, params, types in () if connection is None else execute(connection, query, version):
                entries = None if types is None else load_object(types, "types").get("params")
                found.setdefault(_key(params, entries), (version, id_run))

    def _load(self, id_experiment: str, id_run: str) -> RunRecord | None:
        columns = ", ".join(RunRecord._fields[:-2])
        query = f"SELECT {columns} FROM runs WHERE id_experiment = ? AND id_run = ?"  # noqa: S608 - none of it is data
        with self._database.fetching() as connection:
            row = None if connection is None else execute(connection, query, id_experiment, id_run).first()
        return None if row is None else _record(row)


def _record(row: Iterable[Any]) -> RunRecord:
    """Make a record of a row; the objects that it refers to are in the database."""
    record = RunRecord._make([*row, ((), ()), {}])
    types = {} if record.types is None else load_object(record.types, "types")
    started_at: Any = record.started_at  # PostgreSQL's driver gives an object
    return record._replace(
        started_at=to_text(started_at) if isinstance(started_at, datetime.datetime) else started_at,
        columns=(columns_of(record.params, types.get("params")), columns_of(record.fields, types.get("fields"))),
    )


def _made_of(config: str, types: str | None, code: str) -> Key | None:
    """Return what must be the same for a run to be the same: config and code; None where some code isn't known."""
    steps = [(step["name"], step["digest"]) for step in load_list(code, "code")]
    if any(digest is None for _, digest in steps):
        return None
    entries = {} if types is None else load_object(types, "types")
    return _key(config, entries.get("config")), tuple(steps)


def _key(document: str, types: Any) -> Key:
    """Return values in a form in which equal ones are equal, whatever the order of their names."""
    plain = orjson.dumps(load_object(document, "params"), option=orjson.OPT_SORT_KEYS)
    return plain, None if types is None else orjson.dumps(types, option=orjson.OPT_SORT_KEYS)
