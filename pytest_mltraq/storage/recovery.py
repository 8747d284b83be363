"""Recovery files: what of a session could not be stored, as JSON lines, and its way into a database.

The first line says what the file is and how many lines follow; each of them is a record: the session, its experiments,
their objects (base64) and runs, in an order in which what is referred to comes first. A record's documents are JSON text
inside of JSON, so that not a digit of them changes. A file is there whole or not at all, and is taken in whole or not at
all, once however often.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, NoReturn

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from pytest_mltraq.codec import Stored, digest_object
from pytest_mltraq.codec.document import columns_of
from pytest_mltraq.errors import CorruptDataError, StorageError
from pytest_mltraq.progress import progress_bar
from pytest_mltraq.record import ExperimentRecord, RunRecord, SessionRecord, StoredObjects
from pytest_mltraq.storage import checks, writer
from pytest_mltraq.storage.database import Database
from pytest_mltraq.storage.live import Unstored
from pytest_mltraq.storage.objects import add_objects
from pytest_mltraq.storage.schema import runs
from pytest_mltraq.storage.views import View

FORMAT: Final = 1
"""The version of the files; one of a later version is refused."""

TOGETHER: Final = 500
"""Runs that are taken in at once."""


class Imported(NamedTuple):
    """What was in a recovery file.

    Attributes:
        id_session: the session that it is of.
        experiments: how many experiments it has.
        runs: how many runs it has.
        new: how many of them were not in the database.
    """

    id_session: str
    experiments: int
    runs: int
    new: int


def write_recovery(unstored: Unstored, database: Database, others: Iterable[Path]) -> Path:
    """Write a recovery file beside a database's file, for another database into the current folder.

    Args:
        unstored: what is not stored.
        database: where it should be; the file's name begins with its name.
        others: folders that it may be in where the first one takes nothing.

    Returns:
        The file.

    Raises:
        StorageError: none of the folders takes it.
    """
    first, name = database.place()
    failures = []
    for folder in (first, *others):
        file = folder / f"{name}.recovery-{unstored.session.id}.jsonl"
        try:
            _write_whole(file, unstored)
        except OSError as error:
            failures.append(f"{folder} ({error.strerror})")
        else:
            return file
    message = f"expected a folder that takes a recovery file, found none: {', '.join(failures)}"
    raise StorageError(message)


def _write_whole(file: Path, unstored: Unstored) -> None:
    """Write a file beside its place, and put it there when all of it is on disk."""
    handle, part = tempfile.mkstemp(prefix=f"{file.name}.", suffix=".part", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as opened:
            _write_lines(opened, unstored)
            opened.flush()
            os.fsync(opened.fileno())
        Path(part).replace(file)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def _write_lines(opened: IO[str], unstored: Unstored) -> None:
    ids = {record.name: record.id_experiment for record in unstored.experiments}
    objects: StoredObjects = {}
    for found in (*(record.objects for record in unstored.experiments), *(run.objects for _, run in unstored.runs)):
        objects |= found
    lines = 1 + len(unstored.experiments) + len(objects) + len(unstored.runs)
    header = {"pytest-mltraq": "recovery", "format": FORMAT, "lines": lines}
    for line in (header, *_lines(unstored, objects, ids)):
        opened.write(json.dumps(line) + "\n")


def _lines(unstored: Unstored, objects: StoredObjects, ids: dict[str, str]) -> Iterator[dict[str, Any]]:
    yield {"kind": "session", **unstored.session._asdict()}
    for digest, (kind, buffers) in objects.items():
        data = base64.b64encode(b"".join(buffers)).decode("ascii")
        yield {"kind": "object", "digest": digest, "family": kind, "data": data}
    for experiment in unstored.experiments:
        yield {"kind": "experiment", **_without(experiment, "objects")}
    for name, run in unstored.runs:
        yield {"kind": "run", "id_experiment": ids[name], **_without(run, "objects", "columns")}


def _without(record: Any, *names: str) -> dict[str, Any]:
    return {name: value for name, value in record._asdict().items() if name not in names}


def import_recovery(file: Path, database: Database) -> Imported:
    """Store what a recovery file has, in one transaction; what is stored already is left as it is.

    Raises:
        CorruptDataError: the file is no recovery file, or damaged; the message says in which line. Nothing was stored.
        StorageError: the file can't be read, or the database not written.
    """
    try:
        with file.open("rb") as opened:
            for _ in _Lines(file, opened):
                pass  # a database is not even made for a file that is damaged
            opened.seek(0)
            with database.writing() as connection:
                return _store(connection, _Lines(file, opened))
    except OSError as error:
        message = f"{file} can't be read: {error.strerror}"
        raise StorageError(message) from error


class _Lines:
    """The records of a file, each as it is checked; those of one kind stand together.

    Attributes:
        at: number of the line that was read last.
    """

    def __init__(self, file: Path, opened: IO[bytes]) -> None:
        self.file, self.at = file, 0
        self._opened = opened

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        left = self._read_header()
        with progress_bar("importing", left, unit="line") as advance:
            for line in self._opened:
                self.at += 1
                left -= 1
                yield self._check(line)
                advance(1)
        if left:
            self.refuse(f"{abs(left)} lines {'are missing' if left > 0 else 'too many'}")

    def _read_header(self) -> int:
        """Read the first line; returns how many follow."""
        self.at = 1
        header = self._parse(self._opened.readline(1000))
        if header.get("pytest-mltraq") != "recovery":
            self.refuse("this is no recovery file of pytest-mltraq")
        if header.get("format") != FORMAT:
            self.refuse(f"format {header.get('format')!r} is unknown; this pytest-mltraq reads format {FORMAT}")
        lines = header.get("lines")
        if type(lines) is not int or lines < 1:
            self.refuse("the number of lines is missing")
        return lines

    def _parse(self, line: bytes) -> dict[str, Any]:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            self.refuse(f"expected JSON ({error})", error)
        if not isinstance(found, dict):
            self.refuse("expected a JSON object")
        return found

    def _check(self, line: bytes) -> tuple[str, dict[str, Any]]:
        values = self._parse(line)
        kind = values.pop("kind", None)
        expected = checks.KINDS.get(kind) if isinstance(kind, str) else None
        if expected is None:
            self.refuse(f"the kind {kind!r} is unknown")
        try:
            checks.check_values(values, expected)
        except ValueError as error:
            self.refuse(f"{kind}: {error}", error)
        return str(kind), values

    def refuse(self, what: str, cause: Exception | None = None) -> NoReturn:
        """Raise the error that says where the file is damaged."""
        place = f"{self.file}, line {self.at}"
        raise CorruptDataError(place, what) from cause


def _store(connection: Connection, lines: _Lines) -> Imported:
    importing = _Importing(connection, lines)
    for kind, group in groupby(lines, key=lambda line: line[0]):
        importing.take(kind, (values for _, values in group))
    return importing.finish()


class _Importing:
    """Stores the records of a file, in the transaction of a connection."""

    def __init__(self, connection: Connection, lines: _Lines) -> None:
        self._connection = connection
        self._lines = lines
        self._session: SessionRecord | None = None
        self._views: dict[str, View] = {}
        self._runs = self._new = 0

    def take(self, kind: str, records: Iterator[dict[str, Any]]) -> None:
        """Store records of a kind."""
        takers: dict[str, Callable[[Iterator[dict[str, Any]]], None]] = {
            "session": self._take_session,
            "object": self._take_objects,
            "experiment": self._take_experiments,
            "run": self._take_runs,
        }
        if kind != "session" and self._session is None:
            self._lines.refuse("expected the session before everything else")
        takers[kind](records)

    def _take_session(self, records: Iterator[dict[str, Any]]) -> None:
        for values in records:
            if self._session is not None:
                self._lines.refuse("expected one session, found another one")
            self._session = SessionRecord(**values)
            writer.add_session(self._connection, self._session)

    def _take_objects(self, records: Iterator[dict[str, Any]]) -> None:
        for values in records:
            stored = Stored(values["family"], base64.b64decode(values["data"]))
            if digest_object(stored) != values["digest"]:
                self._lines.refuse(f"object {values['digest']}: its content has another digest")
            add_objects(self._connection, [{values["digest"]: (stored.kind, stored.buffers)}])

    def _take_experiments(self, records: Iterator[dict[str, Any]]) -> None:
        for values in records:
            record = ExperimentRecord(**values, objects={})
            writer.add_experiment(self._connection, record, self._id_session)
            self._views[record.id_experiment] = View(record.name)
            self._views[record.id_experiment].extend(self._connection, ())

    def _take_runs(self, records: Iterator[dict[str, Any]]) -> None:
        for id_experiment, group in groupby(records, key=lambda values: str(values.pop("id_experiment"))):
            if id_experiment not in self._views:
                self._lines.refuse(f"experiment {id_experiment} of the run is not in the file")
            before = self._count(id_experiment)
            some: list[RunRecord] = []
            for values in group:
                some.append(self._run(values))
                if len(some) == TOGETHER:
                    writer.add_runs(self._connection, some, id_experiment, self._views[id_experiment])
                    some = []
            writer.add_runs(self._connection, some, id_experiment, self._views[id_experiment])
            self._new += self._count(id_experiment) - before

    def _run(self, values: dict[str, Any]) -> RunRecord:
        self._runs += 1
        types = json.loads(values["types"] or "{}")
        try:
            columns = (
                columns_of(values["params"], types.get("params")),
                columns_of(values["fields"], types.get("fields")),
            )
        except (TypeError, LookupError, AttributeError) as error:
            self._lines.refuse(f"run: types don't fit the values ({error})", error)
        return RunRecord(**values, columns=columns, objects={})

    def _count(self, id_experiment: str) -> int:
        query = select(func.count()).where(runs.c.id_experiment == id_experiment)
        count: int = self._connection.execute(query).scalar_one()
        return count

    @property
    def _id_session(self) -> str:
        return "" if self._session is None else self._session.id

    def finish(self) -> Imported:
        """Store that the session ended."""
        session = self._session
        if session is None:
            self._lines.refuse("expected a session, found none")
        if session.finished_at is not None:
            writer.finish_session(self._connection, session.id, session.finished_at, session.exit_status)
        return Imported(session.id, len(self._views), self._runs, self._new)
