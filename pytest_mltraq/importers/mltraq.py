"""MLtraq's SQLite databases.

The table `experiments` has a row for each experiment, whose `meta` says in which table its runs are, and which of that table's
columns are serialized. The others are columns of SQL's own types. Source: MLtraq 0.1.165, `storage/serialization.py`.
"""

from __future__ import annotations

import datetime
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from pytest_mltraq.importers.datapak import SERIALIZER, read_value
from pytest_mltraq.importers.source import Placed, Tables, Version, quoted, read_id, text
from pytest_mltraq.run import Run, derive_seed

_OWN: Final = ("id_experiment", "id_run")
_LEFT_OUT: Final = object()

_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "BOOLEAN": lambda value: bool(int(value)),
    "DATE": datetime.date.fromisoformat,
    "TIME": datetime.time.fromisoformat,
    "DATETIME": datetime.datetime.fromisoformat,
}


class _Described:
    """What `meta` says of an experiment's runs."""

    def __init__(self, meta: Any, tables: Tables) -> None:
        runs = _part(meta, "runs")
        self.table = str(runs.get("table_name", ""))
        self.serialized = {str(name) for name in _part(runs, "columns").get("serialized") or ()}
        self.format = _part(meta, "serialization").get("name")
        self.python = str(_part(meta, "version").get("python", "")).split(" ")[0]
        self.columns = {name: kind for name, kind in tables.columns.get(self.table, {}).items() if name not in _OWN}


def _part(of: Any, name: str) -> Mapping[str, Any]:
    found = of.get(name) if isinstance(of, dict) else None
    return found if isinstance(found, dict) else {}


class MLtraqDatabase:
    """A database of MLtraq; see `Source`.

    Raises:
        ForeignDatabaseError: its tables are those of another version.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.left_out: Counter[str] = Counter()
        self._described: dict[str, tuple[str, _Described]] = {}
        tables.expect("an MLtraq database", experiments="id_experiment name meta fields unsafe_pickle")

    def versions(self) -> Iterable[Version]:
        """Return the experiments, each in a session of its own: MLtraq knows no sessions, and no times."""
        changed = datetime.datetime.fromtimestamp(self._tables.path.stat().st_mtime, datetime.UTC)
        found = []
        columns = f"id_experiment, {text('name')}, meta, fields, unsafe_pickle IS NOT NULL"
        for stored_id, given, meta, fields, has_pickle in self._tables.ask(
            f"SELECT {columns} FROM experiments ORDER BY rowid"  # noqa: S608
        ):
            name = given or f"experiment {stored_id}"
            described = self._read(f"experiment {name!r}", meta, self._describe)
            if described is _LEFT_OUT:
                continue
            self._described[stored_id] = name, described
            if has_pickle:
                self.left_out[f"experiment {name!r}: the pickled copy of all of it, which may run code"] += 1
            kept = self._read(f"the fields of experiment {name!r}", fields, read_value)
            identity = read_id(str(stored_id))
            found.append(
                Version(
                    id_session=read_id(f"mltraq/{identity}"),
                    id_experiment=identity,
                    name=name,
                    fields=kept if isinstance(kept, dict) else {},
                    started_at=changed,
                    finished_at=changed,
                    python=described.python,
                    command="MLtraq",
                )
            )
        return found

    def _describe(self, meta: Any) -> _Described:
        described = _Described(read_value(meta), self._tables)
        if described.format != SERIALIZER:
            message = f"it was stored as {described.format!r}, and only {SERIALIZER!r} can be read without running code"
            raise ValueError(message)
        if described.table not in self._tables.columns:
            message = f"its table {described.table!r} is missing"
            raise ValueError(message)
        return described

    def count(self) -> int:
        """Return how many runs there are."""
        tables = {described.table for _, described in self._described.values()}
        return sum(next(self._tables.ask(f"SELECT count(*) FROM {quoted(table)}"))[0] for table in tables)  # noqa: S608

    def runs(self) -> Iterator[Placed]:
        """Yield the runs, in the order in which they were stored."""
        for stored_id, (name, described) in self._described.items():
            wanted = ", ".join([text("id_run"), *map(quoted, described.columns)])
            sql = f"SELECT {wanted} FROM {quoted(described.table)} WHERE id_experiment = ? ORDER BY rowid"  # noqa: S608
            for position, (id_run, *values) in enumerate(self._tables.ask(sql, stored_id)):
                own_id = read_id(id_run or f"{stored_id}/{position}")
                yield Placed(read_id(str(stored_id)), position, self._run(name, own_id, described, values))

    def _run(self, experiment: str, id_run: uuid.UUID, described: _Described, values: list[Any]) -> Run:
        fields = {}
        for (name, kind), value in zip(described.columns.items(), values, strict=True):
            if value is None:  # there was none, or it was NaN, which SQLite takes for none
                continue
            reader = read_value if name in described.serialized else _READERS.get(kind, _as_it_is)
            found = self._read(f"experiment {experiment!r}, field {name!r}", value, reader)
            if found is not _LEFT_OUT:
                fields[name] = found
        params = next((found for value in fields.values() if (found := _params(value)) is not None), {})
        run = Run(params, fields=fields, seed=derive_seed(experiment, params), id_run=id_run)
        run.outcome = "passed"  # MLtraq's execute raises where a run fails: what a program persists after it passed
        return run

    def _read(self, what: str, value: Any, reader: Callable[[Any], Any]) -> Any:
        """Read a value; what can't be read is noted, and left out."""
        try:
            return reader(value)
        except (ValueError, TypeError, ArithmeticError) as error:
            self.left_out[f"{what}: {error}"] += 1
            return _LEFT_OUT


def _as_it_is(value: Any) -> Any:
    return value


def _params(value: Any) -> dict[str, Any] | None:
    """Return the params, if a field is what MLtraq's `args_field` keeps them in."""
    if not isinstance(value, dict) or set(value) != {"config", "params"}:
        return None
    params = value["params"]
    return params if isinstance(params, dict) and all(isinstance(name, str) for name in params) else None
