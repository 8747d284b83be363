"""A session: the one object that joins experiments with their database."""

from __future__ import annotations

import contextlib
import datetime
import os
import sys
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mltraq import environment
from pytest_mltraq.bunch import frozen
from pytest_mltraq.codec import Home, Shape, find_shape
from pytest_mltraq.counting import counted
from pytest_mltraq.errors import AlreadyExistsError, ConfigurationError, UnsupportedTypeError
from pytest_mltraq.experiment import Experiment, IfExists, Runs, shorten
from pytest_mltraq.hook_callers import Hooks, hooks_of
from pytest_mltraq.progress import progress_bar
from pytest_mltraq.record import (
    RunRecord,
    encode_params,
    now,
    raise_refused,
    record_experiment,
    record_run,
    record_session,
)
from pytest_mltraq.run import Run, new_id
from pytest_mltraq.storage import Database, reader, versions, writer
from pytest_mltraq.storage.objects import ObjectSource
from pytest_mltraq.storage.rows import Connection, lock_writers
from pytest_mltraq.storage.views import View

if TYPE_CHECKING:
    import pandas


class Session:
    """Experiments and the database that they are stored in.

    Args:
        url: the path of a SQLite file, an SQLAlchemy URL, or None for a database in memory. Nothing is created before
            the first experiment is stored.
        artifacts: where artifacts are kept: a folder, or a URL that fsspec knows. None takes `$MLTRAQ_ARTIFACTS`, else the folder
            `<file>.artifacts` beside a SQLite file.
        plugins: modules or objects with the hooks `pytest_mltraq_encode` and `pytest_mltraq_decode`, by which values of types
            that this package doesn't know are stored and come back.

    Attributes:
        db: the database; `db.query(sql)` returns what a SELECT finds.
        id_session: the id under which it is stored, with its first experiment.

    Raises:
        ConfigurationError: a URL's scheme is unknown, its driver isn't installed, or a plugin has none of the hooks.
        ForeignDatabaseError: the file belongs to something else.
        SchemaVersionError: the database was written by a newer version.
        StorageError: the database can't be opened.
    """

    def __init__(
        self,
        url: str | os.PathLike[str] | None = None,
        *,
        artifacts: str | os.PathLike[str] | None = None,
        plugins: Iterable[object] | Hooks = (),
    ) -> None:
        self.db = Database(url, artifacts)
        hooks = plugins if isinstance(plugins, Hooks) else hooks_of(plugins)
        self._home = Home(self.db.identity, self.db.artifacts, hooks)
        self.id_session = new_id()
        self._started_at = datetime.datetime.now(datetime.UTC)
        self._stored = False

    def create_experiment(self, /, name: str | None = None, **fields: Any) -> Experiment:
        """Create an experiment; it is not stored before `persist`.

        Args:
            name: what it is stored and loaded as; None makes one of its id.
            **fields: what all its runs share.
        """
        return Experiment(self, name, fields=fields)

    def load_experiment(
        self,
        name: str | None = None,
        id_experiment: uuid.UUID | str | None = None,
        session: uuid.UUID | str | None = None,
    ) -> Experiment:
        """Load the newest version of an experiment, by name or id.

        Args:
            name: its name.
            id_experiment: its id.
            session: id of the session whose version is meant.

        Raises:
            NotFoundError: there is none; the message names one that is near.
            CorruptDataError: what is stored of it can't be read.
        """
        if name is None and id_experiment is None:
            message = "load_experiment expects a name or an id_experiment; ls() lists what is stored"
            raise ConfigurationError(message)
        wanted = None if id_experiment is None else str(id_experiment)
        with self.db.fetching() as connection:
            found = None
            if connection is not None:
                of_session = None if session is None else str(session)
                found = versions.find_experiment(connection, name=name, id_experiment=wanted, session=of_session)
            if connection is None or found is None:
                what = f"experiment {name or wanted!r}" + (f" of session {session}" if session else "")
                raise versions.not_found(connection, what, str(name or wanted))
            experiment = Experiment(self, name)
            _fill(experiment, reader.load_experiment(connection, found, ObjectSource(self.db, self._home)))
        return experiment

    def persist_experiment(
        self, experiment: Experiment, name: str | None = None, if_exists: IfExists = "fail"
    ) -> Experiment:
        """Store a copy of an experiment, which may be bound to another session; see `Experiment.persist`.

        Returns:
            The copy, bound to this session.
        """
        return experiment.copy_to(name, self).persist(if_exists)

    def ls(self) -> pandas.DataFrame:
        """Return what is stored, a row for each version of each experiment, in the order in which they were stored."""
        import pandas as pd

        with self.db.fetching() as connection:
            rows = [] if connection is None else versions.list_experiments(connection)
        return pd.DataFrame(rows, columns=versions.Version._fields)

    def persist(self, experiment: Experiment, if_exists: IfExists) -> None:
        """Store an experiment; see `Experiment.persist`."""
        with (
            _recording_runs(list(experiment.runs.values()), self._home) as runs,
            self.db.connected() as connection,
            self.db.transaction(connection),
        ):
            lock_writers(connection)
            id_experiment = self._make_room(connection, experiment, if_exists)
            self._store_session(connection)
            described = record_experiment(
                name=experiment.name,
                id_experiment=id_experiment,
                fields=experiment.fields,
                config=experiment.config,
                code=experiment.code,
                doc=experiment.doc,
                nodeid=experiment.nodeid,
                root=_folder(),
                home=self._home,
            )
            writer.add_experiment(connection, described, str(self.id_session))
            writer.add_runs(connection, runs, str(id_experiment), View(experiment.name))
        self._stored = True
        experiment.id_experiment = id_experiment

    def reload(self, experiment: Experiment) -> None:
        """Replace what an experiment holds by what is stored of it; see `Experiment.reload`."""
        with self.db.fetching() as connection:
            found = None if connection is None else self._find(connection, experiment)
            if connection is None or found is None:
                raise versions.not_found(connection, f"experiment {experiment.name!r}", experiment.name)
            _fill(experiment, reader.load_experiment(connection, found, ObjectSource(self.db, self._home)))

    def delete(self, experiment: Experiment) -> None:
        """Remove a stored experiment; see `Experiment.delete`."""
        with self.db.connected() as connection, self.db.transaction(connection):
            found = self._find(connection, experiment)
            if found is None:
                raise versions.not_found(connection, f"experiment {experiment.name!r}", experiment.name)
            writer.delete_experiment(connection, found)

    def close(self) -> None:
        """Close the database; a database in memory is gone then."""
        self.db.close()

    def _find(self, connection: Connection, experiment: Experiment) -> str | None:
        """Find what is stored of an experiment: the version with its id, else the newest of its name."""
        return versions.find_experiment(
            connection, id_experiment=str(experiment.id_experiment)
        ) or versions.find_experiment(connection, name=experiment.name)

    def _make_room(self, connection: Connection, experiment: Experiment, if_exists: IfExists) -> uuid.UUID:
        """Make room for an experiment; returns the id under which it is stored."""
        found = self._find(connection, experiment)
        if found is None:
            return experiment.id_experiment
        if if_exists == "fail":
            raise AlreadyExistsError(experiment.name)
        if if_exists == "replace":
            writer.delete_experiment(connection, found)
        elif found == str(experiment.id_experiment):
            return new_id()
        return experiment.id_experiment

    def _store_session(self, connection: Connection) -> None:
        if self._stored:
            writer.finish_session(connection, str(self.id_session), now(), None)
            return
        found = environment.capture(_folder(), sys.argv)
        record = record_session(
            found, id_session=self.id_session, origin="python", tags=(), started_at=self._started_at
        )
        writer.add_session(connection, record._replace(finished_at=now()))

    def __repr__(self) -> str:
        with self.db.fetching() as connection:
            names = [] if connection is None else versions.list_names(connection)
        return f'Session(db="{self.db}", experiments({len(names)})={shorten(names)})'

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the newest versions of the stored experiments."""
        from pytest_mltraq.notebook import MAX_ROWS, heading, page, table
        from pytest_mltraq.storage.listing import Filters, list_versions

        with self.db.reading() as connection:
            found, total = ([], 0) if connection is None else list_versions(connection, Filters(), MAX_ROWS)
        rows = [
            (row.name, sum(row.outcomes.values()), f"{row.created_at:%Y-%m-%d %H:%M:%S}", row.branch, row.id_experiment)
            for row in found
        ]
        stored = table(("experiment", "runs", "stored", "branch", "id_experiment"), rows, total) if rows else ""
        return page(heading("Session", str(self.db), counted(total, "stored experiment")), stored)


def _folder() -> Path:
    """Return the current folder; a program goes on where it was removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path()


def create_session(
    url: str | os.PathLike[str] | None = None,
    *,
    artifacts: str | os.PathLike[str] | None = None,
    plugins: Iterable[object] = (),
) -> Session:
    """Create a session; see `Session`."""
    return Session(url, artifacts=artifacts, plugins=plugins)


def create_experiment(name: str | None = None, url: str | os.PathLike[str] | None = None, **fields: Any) -> Experiment:
    """Create an experiment in a new session; see `Session.create_experiment`."""
    return Session(url).create_experiment(name, **fields)


@contextlib.contextmanager
def _recording_runs(runs: list[Run], home: Home) -> Iterator[Iterator[RunRecord]]:
    """Encode runs for a database; all that can't be stored is said at once, and before anything is stored.

    Runs of which nothing can be refused are encoded when they are asked for: the documents of all would fill the memory.
    """
    with progress_bar("encoding", len(runs), unit="run") as advance:
        shapes = [find_shape(run.fields) if find_shape(run.given_params) else None for run in runs]
        known: dict[int, RunRecord] = {}
        refused: list[UnsupportedTypeError] = []
        for position, (run, shape) in enumerate(zip(runs, shapes, strict=True)):
            if shape is None:
                known[position], errors = _record_run(run, position, home)
                refused += errors
                advance(1)
        raise_refused(refused)

        def records() -> Iterator[RunRecord]:
            for position, (run, shape) in enumerate(zip(runs, shapes, strict=True)):
                if shape is None:
                    yield known[position]
                else:
                    record, errors = _record_run(run, position, home, shape)
                    raise_refused(errors)  # a name that only equals one of the run before
                    yield record
                    advance(1)

        yield records()


def _record_run(
    run: Run, position: int, home: Home, shape: Shape | None = None
) -> tuple[RunRecord, tuple[UnsupportedTypeError, ...]]:
    params, objects = encode_params(run, home)
    return record_run(run, position=position, params=params, objects=objects, home=home, shape=shape)


def _fill(experiment: Experiment, stored: reader.StoredExperiment) -> None:
    experiment.id_experiment, experiment.name = stored.id_experiment, stored.name
    experiment.fields, experiment.config = stored.fields, stored.config
    experiment.code, experiment.doc, experiment.nodeid = stored.code, stored.doc, stored.nodeid
    experiment.runs = Runs(stored.runs)
    config = frozen(stored.config)
    for run in experiment.runs.values():
        run.config = config
