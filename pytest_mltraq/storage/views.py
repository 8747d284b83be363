"""A view for each experiment: one row per run of all its versions, one column per param and scalar field.

A view is defined anew only when a run has a param or field that its experiment never had, or one of another kind. What a
view has is kept in the table `views`.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import re
from collections.abc import Iterable
from typing import Final

from pytest_mltraq.codec import dump_json, load_list
from pytest_mltraq.codec.forms import Columns
from pytest_mltraq.storage.rows import Connection, execute, literal, lock_writers, quoted

MAX_NAME: Final = 63
"""PostgreSQL cuts longer names without a word."""

MAX_COLUMNS: Final = 1500
"""PostgreSQL allows 1,600 columns, SQLite 2,000. The documents have the others."""

_OWN: Final = {
    "id_run": "r.id_run",
    "id_experiment": "r.id_experiment",
    "id_session": "e.id_session",
    "started_at": "r.started_at",
    "commit": 's."commit"',
    "branch": "s.branch",
    "outcome": "r.outcome",
}
_CASTS: Final = {
    "integer": ("number", "bigint"),
    "number": ("number", "double precision"),
    "boolean": ("boolean", "boolean"),
}
ODD_KEY: Final = re.compile(r"[\"\\\x00-\x1f\x7f]")
"""Characters in a key that SQLite's paths can't have."""


class View:
    """The view of an experiment, as far as this process knows it.

    Args:
        experiment: the experiment's name.
    """

    def __init__(self, experiment: str) -> None:
        self.experiment = experiment
        self._name: str | None = None
        self._kinds: dict[tuple[str, str], str] = {}
        self._known: set[tuple[Columns, Columns]] = set()

    def extend(self, connection: Connection, columns: Iterable[tuple[Columns, Columns]]) -> None:
        """Define the view anew where runs have params or fields that it hasn't.

        Args:
            connection: in a transaction that writes.
            columns: the scalar params and fields of runs.
        """
        missing = set(columns) - self._known
        if self._name is not None and not missing:
            return
        lock_writers(connection)
        if self._read(connection) | self._note(missing):
            self._define(connection)
        self._known |= missing

    def define_anew(self, connection: Connection, columns: Iterable[tuple[Columns, Columns]]) -> None:
        """Define the view by these columns alone, whatever became of it."""
        row = execute(connection, "SELECT view FROM views WHERE experiment = ?", self.experiment).first()
        self._name = None if row is None else row[0]
        self._kinds = {}
        self._note(columns)
        self._define(connection)

    def expected_columns(self, connection: Connection, columns: Iterable[tuple[Columns, Columns]]) -> list[str]:
        """Return the columns that the view should have: those that are noted, and these.

        Raises:
            CorruptDataError: what is noted of it can't be read.
        """
        self._read(connection)
        self._note(columns)
        return [*_OWN, *self._names()]

    def _read(self, connection: Connection) -> bool:
        """Read what the view has; another process may have defined it anew. Returns whether there is none yet."""
        row = execute(connection, "SELECT view, columns FROM views WHERE experiment = ?", self.experiment).first()
        self._name, columns = (None, "[]") if row is None else row
        self._kinds = {(source, key): kind for source, key, kind in load_list(columns, "views.columns")}
        return row is None

    def _note(self, columns: Iterable[tuple[Columns, Columns]]) -> bool:
        """Add columns; returns whether that changes the view."""
        before = dict(self._kinds)
        for both in columns:
            for source, groups in zip(("params", "fields"), both, strict=True):
                for kind, names in groups:
                    for name in names:
                        self._kinds[source, name] = _merge(self._kinds.get((source, name), "null"), kind)
        return self._kinds != before

    def _define(self, connection: Connection) -> None:
        stored = dump_json([[source, key, kind] for (source, key), kind in self._kinds.items()])
        if self._name is None:
            self._name = _free_name(connection, self.experiment)
            insert = "INSERT INTO views (experiment, view, columns) VALUES (?, ?, ?)"
            execute(connection, insert, self.experiment, self._name, stored)
        else:
            execute(connection, "UPDATE views SET columns = ? WHERE experiment = ?", stored, self.experiment)
        _replace_view(connection, quoted(self._name), self._query(connection))

    def _query(self, connection: Connection) -> str:
        reads = [f"{expression} AS {quoted(column)}" for column, expression in _OWN.items()]
        reads += [f"{_value(connection, *key)} AS {quoted(column)}" for column, key in self._names().items()]
        return (
            f"SELECT {', '.join(reads)} FROM runs r "  # noqa: S608 - quoted above
            f"JOIN experiments e ON e.id_experiment = r.id_experiment JOIN sessions s ON s.id = e.id_session "
            f"WHERE e.name = {literal(self.experiment)}"
        )

    def is_altered(self, connection: Connection) -> bool:
        """Whether its definition is another one than what `expected_columns` read of it says."""
        name, query = str(self._name), self._query(connection)
        if connection.dialect.name == "sqlite":
            found = execute(connection, "SELECT sql FROM sqlite_master WHERE name = ?", name).first()
            return found is None or found[0] != _creation(quoted(name), query)
        # PostgreSQL keeps no text, but what it understood: so it has to understand ours too.
        with connection.begin_nested() as attempt:
            execute(connection, f"CREATE TEMPORARY VIEW mltraq_expected AS {query}")
            definition = "SELECT pg_get_viewdef('mltraq_expected'::regclass) = pg_get_viewdef(?::regclass)"
            (is_same,) = execute(connection, definition, quoted(name)).first()
            attempt.rollback()
        return not is_same

    def _names(self) -> dict[str, tuple[str, str, str]]:
        """Name the columns: a field wins over a param of the same name; databases don't tell `Acc` from `acc`."""
        taken = set(_OWN)
        named: dict[tuple[str, str], str] = {}
        fields_first = sorted(self._kinds, key=lambda column: column[0])
        for column in fields_first[: MAX_COLUMNS - len(_OWN)]:
            name = cut_name(column[1])
            lower = name.lower()
            if not name or lower in taken:
                name, lower = next((name, name.lower()) for name in _candidates(*column) if name.lower() not in taken)
            taken.add(lower)
            named[column] = name
        return {named[column]: (*column, kind) for column, kind in self._kinds.items() if column in named}


def _candidates(source: str, key: str) -> Iterable[str]:
    """Yield what a column is called whose own name is taken."""
    prefixed = f"{source.removesuffix('s')}_{key}"
    yield cut_name(prefixed)
    number = 2
    while True:
        yield cut_name(f"{prefixed}_{number}")
        number += 1


def _merge(known: str, kind: str) -> str:
    """Return the kind of a column that has values of both."""
    if kind in (known, "null"):
        return known
    if known == "null":
        return kind
    return "number" if {known, kind} == {"integer", "number"} else "text"


def _value(connection: Connection, source: str, key: str, kind: str) -> str:
    """Read a value in SQL; where a run has a value of another kind there, such as a list, it is NULL."""
    if connection.dialect.name == "sqlite":
        if ODD_KEY.search(key):
            return f"(SELECT atom FROM json_each(r.{source}) WHERE key = {literal(key)})"  # noqa: S608
        path = literal(f'$."{key}"')
        return f"json_extract(r.{source}, {path})"
    value, of_kind = f"r.{source} ->> {literal(key)}", f"json_typeof(r.{source} -> {literal(key)})"
    if kind in _CASTS:
        json_type, cast = _CASTS[kind]
        return f"CASE {of_kind} WHEN '{json_type}' THEN ({value})::{cast} END"
    return f"CASE WHEN {of_kind} IN ('object', 'array') THEN NULL ELSE {value} END"


def _free_name(connection: Connection, experiment: str) -> str:
    """Find a name for a new view; experiments whose names differ never share one."""
    plain = "experiment_" + re.sub(r"\W+", "_", experiment).strip("_").lower()
    digests = (f"{plain}_{_digest(experiment + '!' * again)}" for again in itertools.count())
    for name in map(cut_name, itertools.chain([plain], digests)):
        if execute(connection, "SELECT 1 FROM views WHERE view = ?", name).first() is None:
            return name
    raise AssertionError  # the digests never end


def _replace_view(connection: Connection, name: str, query: str) -> None:
    """Define a view, in the place of an earlier one.

    On PostgreSQL another view may depend on the earlier one. It can then be replaced as long as its columns stay and new ones come
    last; where they changed their types it stays as it was, because runs are stored whatever becomes of the view.
    """
    drop, create = f"DROP VIEW IF EXISTS {name}", _creation(name, query)
    if connection.dialect.name == "sqlite":
        execute(connection, drop)
        execute(connection, create)
        return
    from sqlalchemy.exc import DBAPIError

    for statements in ([create.replace("CREATE", "CREATE OR REPLACE", 1)], [drop, create]):
        with contextlib.suppress(DBAPIError), connection.begin_nested():
            for statement in statements:
                execute(connection, statement)
            return


def _creation(name: str, query: str) -> str:
    return f"CREATE VIEW {name} AS {query}"


def cut_name(name: str) -> str:
    """Cut a name to what every database takes, keeping it unique by a digest of the whole."""
    if len(name.encode()) <= MAX_NAME:
        return name
    digest = _digest(name)
    return name.encode()[: MAX_NAME - len(digest) - 1].decode("utf-8", "ignore") + "_" + digest


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def drop_view(connection: Connection, experiment: str) -> None:
    """Remove the view of an experiment of which nothing is stored any more."""
    row = execute(connection, "SELECT view FROM views WHERE experiment = ?", experiment).first()
    if row is not None:
        execute(connection, f"DROP VIEW IF EXISTS {quoted(row[0])}")
        execute(connection, "DELETE FROM views WHERE experiment = ?", experiment)
