"""Databases of other programs, into ours.

They are only read, and nothing in them is carried out: no unpickling, no import by name. What can't be taken in is left out and
named; the rest is stored in one transaction. Ids are those of the other program, or made of them, so that importing twice
changes nothing, and importing again later adds what is new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from pytest_mltraq.bunch import FrozenBunch
from pytest_mltraq.codec import encode_document
from pytest_mltraq.codec.text import readable
from pytest_mltraq.environment import Environment, Revision
from pytest_mltraq.errors import ForeignDatabaseError, UnsupportedTypeError
from pytest_mltraq.importers.mlflow import MLflowDatabase
from pytest_mltraq.importers.mltraq import MLtraqDatabase
from pytest_mltraq.importers.source import Placed, Source, Tables, Version, open_tables
from pytest_mltraq.progress import progress_bar
from pytest_mltraq.record import RunRecord, encode_params, record_experiment, record_run, record_session, to_text
from pytest_mltraq.storage import Database, writer
from pytest_mltraq.storage.rows import Connection, execute, lock_writers
from pytest_mltraq.storage.views import View

TOGETHER: Final = 500
"""Runs that are stored at once."""

_HEADER: Final = b"SQLite format 3\0"


class Imported(NamedTuple):
    """What was in a database of another program.

    Attributes:
        program: which program that is.
        experiments: how many versions of experiments it has.
        runs: how many runs it has.
        new: how many of them were not in the database.
        left_out: what was not taken in, and how often.
    """

    program: str
    experiments: int
    runs: int
    new: int
    left_out: dict[str, int]


def is_database(file: Path) -> bool:
    """Whether a file is a SQLite database."""
    with file.open("rb") as opened:
        return opened.read(len(_HEADER)) == _HEADER


def import_database(file: Path, database: Database) -> Imported:
    """Store what a database of another program has; what is stored already is left as it is.

    Raises:
        ForeignDatabaseError: the program, or its version, is unknown. Nothing was stored.
        StorageError: the file can't be read, or the database not written.
    """
    with open_tables(file) as tables:
        program, source = _recognize(tables)
        versions = list(source.versions())
        with database.writing() as connection:
            lock_writers(connection)
            runs, new = _Storing(connection, program.lower(), source).store(versions)
        return Imported(program, len(versions), runs, new, dict(source.left_out))


def _recognize(tables: Tables) -> tuple[str, Source]:
    if {"experiments", "metrics", "alembic_version"} <= tables.columns.keys():
        return "MLflow", MLflowDatabase(tables)
    if "unsafe_pickle" in tables.columns.get("experiments", {}):
        return "MLtraq", MLtraqDatabase(tables)
    if "mltraq_schema" in tables.columns:
        message = f"{tables.path} is a database of pytest-mltraq: 'pytest-mltraq merge' joins it with others"
        raise ForeignDatabaseError(message)
    found = ", ".join(sorted(tables.columns)[:5]) or "no tables"
    message = f"{tables.path}: expected a recovery file, or a database of MLtraq or MLflow, found one with {found}"
    raise ForeignDatabaseError(message)


class _Storing:
    """Stores what a source has, in the transaction of a connection."""

    def __init__(self, connection: Connection, origin: str, source: Source) -> None:
        self._connection, self._origin, self._source = connection, origin, source
        self._views: dict[str, View] = {}

    def store(self, versions: Iterable[Version]) -> tuple[int, int]:
        """Store it; returns how many runs there are, and how many of them are new."""
        for version in versions:
            self._store_version(version._replace(name=readable(version.name), doc=readable(version.doc or "") or None))
        before, runs = self._count(), 0
        placed = self._source.runs()
        with progress_bar("importing", self._source.count(), unit="run") as advance:
            while some := list(islice(placed, TOGETHER)):
                self._store_runs(some)
                runs += len(some)
                advance(len(some))
        return runs, self._count() - before

    def _store_version(self, version: Version) -> None:
        where = Environment(Revision(version.commit, version.branch), None, version.python, "", "", {}, version.command)
        session = record_session(
            where, id_session=version.id_session, origin=self._origin, tags=(), started_at=version.started_at
        )
        writer.add_session(self._connection, session._replace(finished_at=to_text(version.finished_at)))
        experiment = record_experiment(
            name=version.name,
            id_experiment=version.id_experiment,
            fields=self._storable(version.name, "fields", version.fields),
            config={},
            code=(),
            doc=version.doc,
            nodeid=None,
            root=Path(),
        )
        created = experiment._replace(created_at=session.started_at)
        writer.add_experiment(self._connection, created, session.id)
        self._views[experiment.id_experiment] = view = View(version.name)
        view.extend(self._connection, ())

    def _storable(self, experiment: str, kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields or params that can be stored; the others are noted."""
        kept = {}
        for name, value in values.items():
            refused = encode_document({name: value}, kind, {}).refused
            for error in refused:
                self._source.left_out[f"experiment {experiment!r}, {error}"] += 1
            if not refused:
                kept[name] = value
        return kept

    def _store_runs(self, some: Iterable[Placed]) -> None:
        records: dict[str, list[RunRecord]] = defaultdict(list)
        for placed in some:
            id_experiment = str(placed.id_experiment)
            records[id_experiment].append(self._record(placed, self._views[id_experiment].experiment))
        for id_experiment, found in records.items():
            self._forget_unfinished(id_experiment, found)
            writer.add_runs(self._connection, found, id_experiment, self._views[id_experiment])

    def _record(self, placed: Placed, experiment: str) -> RunRecord:
        run = placed.run
        try:
            params, objects = encode_params(run)
        except (UnsupportedTypeError, ExceptionGroup):
            run.given_params = FrozenBunch(self._storable(experiment, "params", run.given_params))
            params, objects = encode_params(run)
        record, refused = record_run(run, position=placed.position, params=params, objects=objects)
        for error in refused:
            self._source.left_out[f"experiment {experiment!r}, {error}"] += 1
        return record

    def _forget_unfinished(self, id_experiment: str, records: Iterable[RunRecord]) -> None:
        """Make room for runs that went on when they were imported before, and ended since."""
        forget = "DELETE FROM runs WHERE id_experiment = ? AND id_run = ? AND outcome = 'interrupted'"
        for record in records:
            if record.outcome in {"passed", "failed"}:
                execute(self._connection, forget, id_experiment, record.id_run)

    def _count(self) -> int:
        count: int = execute(self._connection, "SELECT count(*) FROM runs").scalar_one()
        return count
