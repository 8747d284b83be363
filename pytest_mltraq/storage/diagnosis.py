"""What is wrong with a database: its file, tables, rows, documents, objects, references and views."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, Table, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from pytest_mltraq.artifact_store import ArtifactStore
from pytest_mltraq.codec import Stored, load_object
from pytest_mltraq.codec.document import columns_of, decode_whole
from pytest_mltraq.codec.forms import Columns
from pytest_mltraq.errors import CorruptDataError, MltraqError
from pytest_mltraq.record import to_text
from pytest_mltraq.storage import checks
from pytest_mltraq.storage.artifacts import check_files
from pytest_mltraq.storage.objects import check_object, object_loader, unreferenced_objects
from pytest_mltraq.storage.reader import read_types, to_time
from pytest_mltraq.storage.rows import execute, lock_writers, quoted
from pytest_mltraq.storage.schema import experiments, metadata, objects, runs, sessions, verdicts, views
from pytest_mltraq.storage.views import View, drop_view

TOGETHER: Final = 200
"""Rows that the driver reads at once."""

_FOREIGN: Final = (
    (experiments, experiments.c.id_session, sessions.c.id),
    (runs, runs.c.id_experiment, experiments.c.id_experiment),
    (verdicts, verdicts.c.id_experiment, experiments.c.id_experiment),
    (verdicts, verdicts.c.id_session, sessions.c.id),
)
"""Tables, their columns that refer to others, and what they refer to."""

Seen = dict[str, dict[tuple[Columns, Columns], None]]
"""The columns that the runs of each experiment have, by its name."""


class Problem(NamedTuple):
    """Something that is wrong.

    Attributes:
        what: `file`, `table`, `session`, `experiment`, `run`, `verdict`, `object`, `artifact` or `view`.
        where: its name or id.
        problem: what is wrong with it.
    """

    what: str
    where: str
    problem: str


class Diagnosis(NamedTuple):
    """What was found.

    Attributes:
        problems: what is wrong.
        unreferenced: objects that nothing refers to, and their sizes [bytes]; they only take room.
    """

    problems: list[Problem]
    unreferenced: dict[str, int]


def count_rows(connection: Connection) -> int:
    """Return how many rows `diagnose` looks at."""
    tables = (sessions, experiments, runs, objects)
    return sum(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)


def diagnose(connection: Connection, artifacts: ArtifactStore, advance: Callable[[int], None]) -> Diagnosis:
    """Check a database whole.

    Args:
        connection: in a transaction.
        artifacts: where artifacts are kept.
        advance: is called with how many rows were looked at.
    """
    problems = [*_check_file(connection), *_check_tables(connection)]
    if problems:  # what is in it can't be trusted to be read
        return Diagnosis(problems, {})
    seen: Seen = {}
    for found in (
        _check_rows(connection, "session", sessions, advance),
        _check_rows(connection, "experiment", experiments, advance),
        _check_rows(connection, "run", runs, advance, seen),
        _check_verdicts(connection),
        _check_objects(connection, advance),
        _check_artifacts(connection, artifacts, advance),
        _check_references(connection),
        _check_views(connection, seen),
    ):
        problems += found
    return Diagnosis(problems, unreferenced_objects(connection))


def repair_views(connection: Connection) -> int:
    """Define all views anew, by what is stored, in the transaction of a connection that writes; returns how many."""
    lock_writers(connection)
    seen: Seen = {}
    for _ in _check_rows(connection, "run", runs, lambda _: None, seen):
        pass  # what can't be read has no columns
    for name in set(connection.execute(select(views.c.experiment)).scalars()) - seen.keys():
        drop_view(connection, name)
    for name, columns in seen.items():
        View(name).define_anew(connection, columns)
    return len(seen)


def _check_file(connection: Connection) -> Iterator[Problem]:
    if connection.dialect.name != "sqlite":
        return
    try:
        for (said,) in connection.exec_driver_sql("PRAGMA integrity_check(100)"):
            if said != "ok":
                yield Problem("file", "", said)
    except DBAPIError as error:
        yield Problem("file", "", str(error.orig))


def _check_tables(connection: Connection) -> Iterator[Problem]:
    for table in metadata.sorted_tables:
        try:
            with connection.begin_nested():
                connection.execute(select(table).limit(0))
        except DBAPIError as error:
            yield Problem("table", table.name, str(error.orig).strip())


def _check_rows(
    connection: Connection, kind: str, table: Table, advance: Callable[[int], None], seen: Seen | None = None
) -> Iterator[Problem]:
    """Check the values and documents of each row; of runs, the columns that they have are noted."""
    load = object_loader(connection)
    query = select(experiments.c.id_experiment, experiments.c.name)
    names: dict[str, str] = {row.id_experiment: row.name for row in connection.execute(query)}
    if seen is not None:
        seen.update({name: {} for name in names.values()})
    key = "id" if table is sessions else f"id_{kind}"
    for row in connection.execute(select(table).execution_options(yield_per=TOGETHER)):
        where = str(getattr(row, key))
        try:
            checks.check_values(_as_record(row, kind), checks.KINDS[kind])
            if table is not sessions:
                _decode(row, kind, load)
            if seen is not None and row.id_experiment in names:
                types = read_types(row, where)
                columns = (columns_of(row.params, types.get("params")), columns_of(row.fields, types.get("fields")))
                seen[names[row.id_experiment]][columns] = None
        except (MltraqError, ValueError, LookupError, TypeError, AttributeError) as error:
            yield Problem(kind, where, str(error))
        advance(1)


def _as_record(row: Row[Any], kind: str) -> dict[str, Any]:
    """Return a row's values as a record has them: times as text."""
    values = row._mapping  # noqa: SLF001 - the public way to a row's values by name
    times = ("started_at", "finished_at", "created_at")
    found = {name: values[name] for name in checks.KINDS[kind]}
    return {
        name: to_text(to_time(value)) if name in times and value is not None else value for name, value in found.items()
    }


def _decode(row: Row[Any], kind: str, load: Callable[[str], Stored]) -> None:
    types = read_types(row, "types")
    for name in ("params", "fields") if kind == "run" else ("fields", "config"):
        decode_whole(getattr(row, name), types.get(name), load, name)


def _check_verdicts(connection: Connection) -> Iterator[Problem]:
    for row in connection.execute(select(verdicts).execution_options(yield_per=TOGETHER)):
        for name in ("params", "details"):
            try:
                document = getattr(row, name)
                if document is not None:
                    load_object(document, name)
            except CorruptDataError as error:
                yield Problem("verdict", f"{row.id_experiment} {row.position}", str(error))


def _check_objects(connection: Connection, advance: Callable[[int], None]) -> Iterator[Problem]:
    load = object_loader(connection)
    sizes = connection.execute(select(objects.c.digest, objects.c.size)).all()
    for digest, size in sizes:
        try:
            stored = check_object(digest, load(digest))
            if len(stored.data) != size:
                yield Problem("object", digest, f"expected {size} bytes, found {len(stored.data)}")
        except (ValueError, LookupError) as error:
            yield Problem("object", digest, str(error))
        advance(1)


def _check_artifacts(connection: Connection, store: ArtifactStore, advance: Callable[[int], None]) -> Iterator[Problem]:
    try:
        for sha256, problem in check_files(connection, store, advance):
            yield Problem("artifact", sha256, problem)
    except MltraqError as error:
        yield Problem("artifact", "", str(error))


def _check_references(connection: Connection) -> Iterator[Problem]:
    for table, column, target in _FOREIGN:
        known = select(target)
        query = select(column).where(column.not_in(known)).distinct()
        for missing in connection.execute(query).scalars():
            yield Problem(
                table.name, str(missing), f"{column.name} refers to a row of {target.table.name} that is missing"
            )


def _check_views(connection: Connection, seen: Mapping[str, Iterable[tuple[Columns, Columns]]]) -> Iterator[Problem]:
    stored = {row.experiment: row for row in connection.execute(select(views))}
    for name in stored.keys() - seen.keys():
        yield Problem("view", stored[name].view, f"nothing is stored of its experiment {name!r}")
    for name, columns in seen.items():
        if name not in stored:
            if columns:
                yield Problem("view", name, "the experiment has no view")
            continue
        try:
            view = View(name)
            expected = view.expected_columns(connection, columns)
            is_altered = view.is_altered(connection)
            with connection.begin_nested():
                found = list(execute(connection, f"SELECT * FROM {quoted(stored[name].view)} LIMIT 0").keys())  # noqa: S608 - quoted
        except (SQLAlchemyError, ValueError, TypeError) as error:
            yield Problem("view", stored[name].view, str(getattr(error, "orig", None) or error).strip())
            continue
        if missing := [column for column in expected if column not in found]:
            yield Problem("view", stored[name].view, f"columns are missing: {', '.join(missing)}")
        elif is_altered:
            yield Problem("view", stored[name].view, "its definition was altered: --repair defines it anew")
