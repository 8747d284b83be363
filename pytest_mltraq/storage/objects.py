"""Objects in the database: written once by their digest, read by it, and which of them nothing refers to."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Final

from pytest_mltraq.codec import Home, Stored, digest_object
from pytest_mltraq.codec.forms import references
from pytest_mltraq.errors import StorageError
from pytest_mltraq.record import StoredObjects
from pytest_mltraq.storage.rows import TOGETHER, Connection, execute, insert_rows
from pytest_mltraq.storage.sqlite import driver_of

if TYPE_CHECKING:
    import sqlalchemy.engine

    from pytest_mltraq.storage.database import Database

LARGE: Final = 2**16
"""Objects of this size [bytes] and above are written and read in pieces, so that no copy of them is made."""

PIECE: Final = 2**18
"""How much of a large object is read at once [bytes]."""

MANY: Final = 500
"""Digests that a statement takes as parameters."""

AHEAD: Final = 64
"""How many small objects are read at once, at most 4 MiB."""


def add_objects(connection: Connection, records: Iterable[StoredObjects]) -> None:
    """Store the objects of records; of those that are there already nothing is written.

    Raises:
        StorageError: one that the database had (`IN_PLACE`) was removed since.
    """
    wanted = {digest: content for objects_of_record in records for digest, content in objects_of_record.items()}
    present = _present(connection, wanted)
    small: list[tuple[Any, ...]] = []
    large: list[tuple[Any, ...]] = []
    # In one order everywhere: two that write the same ones wait for each other, and not both.
    for digest, (kind, buffers) in sorted(wanted.items()):
        size = sum(map(len, buffers))
        if digest in present:
            continue
        if not kind:
            message = f"object {digest} was removed since it was loaded: nothing was stored"
            raise StorageError(message)
        (small if size < LARGE else large).append((digest, kind, size, buffers))
    for at in range(0, len(small), TOGETHER):  # joined when they are written: their copies are never there all at once
        _insert(connection, [(*row, b"".join(buffers)) for *row, buffers in small[at : at + TOGETHER]])
    for *row, buffers in large:
        if (driver := driver_of(connection)) is not None:
            _write_large(connection, driver, row, buffers)
        else:
            _insert(connection, [(*row, b"".join(buffers))])


def _insert(connection: Connection, rows: list[tuple[Any, ...]]) -> None:
    insert_rows(connection, "objects", ("digest", "kind", "size", "data"), rows)


def _present(connection: Connection, digests: Iterable[str]) -> set[str]:
    """Return those of the digests whose objects are in the database."""
    found: set[str] = set()
    names = list(digests)
    for at in range(0, len(names), MANY):
        some = names[at : at + MANY]
        query = f"SELECT digest FROM objects WHERE digest IN ({_marks(some)})"  # noqa: S608
        found.update(digest for (digest,) in execute(connection, query, *some))
    return found


def _marks(values: list[str]) -> str:
    return ", ".join("?" * len(values))


def _write_large(connection: Connection, driver: sqlite3.Connection, row: list[Any], buffers: Iterable[Any]) -> None:
    statement = "INSERT INTO objects (digest, kind, size, data) VALUES (?, ?, ?, zeroblob(?))"
    result = connection.exec_driver_sql(statement, (*row, row[-1]))
    with driver.blobopen("objects", "data", result.lastrowid) as blob:
        for buffer in buffers:
            blob.write(buffer)


def object_loader(connection: sqlalchemy.engine.Connection) -> Callable[[str], Stored]:
    """Return what reads an object by its digest.

    Args:
        connection: SQLAlchemy's, in a transaction.
    """
    from pytest_mltraq.storage.engine import translated  # it knows SQLAlchemy, which who only writes doesn't need

    def load(digest: str) -> Stored:
        with translated(connection.engine.url):  # a lost connection is no damage
            found = read_objects(connection, [digest])
            if digest not in found:
                message = f"object {digest} is missing in the database"
                raise LookupError(message)
            stored = found[digest] or _read_large(connection, digest)
        return check_object(digest, stored)

    return load


def read_objects(connection: Connection, digests: list[str]) -> dict[str, Stored | None]:
    """Read small objects; those that are large are None, and those that are not there are missing."""
    query = (
        f"SELECT digest, kind, CASE WHEN length(data) < {LARGE} THEN data END "  # noqa: S608
        f"FROM objects WHERE digest IN ({_marks(digests)})"
    )
    rows = execute(connection, query, *digests)
    return {digest: None if data is None else Stored(kind, _as_bytes(data)) for digest, kind, data in rows}


def _as_bytes(data: Any) -> bytes:
    """Return what a column of bytes has; SQLite has anything there, and what is no bytes has another digest."""
    return bytes(data) if isinstance(data, bytes | memoryview) else str(data).encode("utf-8", "surrogatepass")


def _read_large(connection: Connection, digest: str) -> Stored:
    driver = driver_of(connection)
    if driver is None:
        kind, data = execute(connection, "SELECT kind, data FROM objects WHERE digest = ?", digest).first()
        return Stored(kind, _as_bytes(data))
    rowid, kind = execute(connection, "SELECT rowid, kind FROM objects WHERE digest = ?", digest).first()
    data = bytearray()  # it grows by what is read: the size that a damaged file declares may be any
    try:
        with driver.blobopen("objects", "data", rowid, readonly=True) as blob:
            while piece := blob.read(PIECE):
                data += piece
    except sqlite3.Error as error:  # such as no bytes but NULL
        message = f"object {digest} can't be read: {error}"
        raise ValueError(message) from error
    return Stored(kind, data)


def check_object(digest: str, stored: Stored) -> Stored:
    """Return an object whose content has its digest.

    Raises:
        ValueError: it has another one.
    """
    if digest_object(stored) != digest:
        message = f"object {digest} is damaged: its content has another digest"
        raise ValueError(message)
    return stored


class ObjectSource:
    """Reads the objects of a database when they are asked for, small ones together with those that are likely next.

    Args:
        database: where they are.
        home: what restores their values.
    """

    def __init__(self, database: Database, home: Home) -> None:
        self.home = home
        self._database = database
        self._order: list[str] = []
        self._places: dict[str, int] = {}
        self._ahead: dict[str, Stored] = {}
        self._known: set[str] = set()
        self._lock = threading.RLock()

    def expect(self, types: str | None) -> None:
        """Take note of the digests in a row's `types`, in the order in which they are likely to be asked for."""
        for digest in () if types is None else references(types):
            if digest not in self._places:
                self._places[digest] = len(self._order)
                self._order.append(digest)

    def look(self, connection: Connection) -> None:
        """Find out which of the expected digests are objects of the database, and not texts that look like it."""
        self._known = _present(connection, self._order)

    def known(self, digests: Iterable[str]) -> set[str]:
        """Return those of the digests whose objects were in the database when it was looked at."""
        return self._known.intersection(digests)

    def load(self, digest: str) -> Stored:
        """Return an object.

        Raises:
            LookupError: it is not in the database.
            ValueError: its content has another digest.
            StorageError: the database can't be read, or was in memory and is closed.
        """
        with self._lock:
            stored = self._ahead.pop(digest, None)
            if stored is None:
                stored = self._read(digest)
        return check_object(digest, stored)

    def _read(self, digest: str) -> Stored:
        place = self._places.get(digest, -1)
        wanted = [digest] if place < 0 else self._order[place : place + AHEAD]
        with self._database.reading() as connection:
            found = {} if connection is None else read_objects(connection, wanted)
            if connection is None or digest not in found:
                message = f"object {digest} is missing in {self._database}: it was removed, or the database is damaged"
                raise LookupError(message)
            stored = found.pop(digest) or _read_large(connection, digest)
        # What was read ahead earlier and not asked for since is dropped, so that no more than this is held.
        self._ahead = {name: content for name, content in found.items() if content is not None}
        return stored


def referenced_digests(connection: sqlalchemy.engine.Connection, without: Collection[str] = ()) -> set[str]:
    """Return the digests of the objects that the stored runs and experiments refer to.

    Args:
        connection: in a transaction.
        without: ids of versions of experiments that don't count, nor do their runs.
    """
    found: set[str] = set()
    for table in ("experiments", "runs"):
        query = f"SELECT id_experiment, types FROM {table} WHERE types IS NOT NULL"  # noqa: S608
        for id_experiment, types in connection.exec_driver_sql(query, None, {"yield_per": 1000}):
            if id_experiment not in without:
                found.update(references(str(types)))  # in SQLite it may be bytes
    return found


def unreferenced_objects(connection: sqlalchemy.engine.Connection, without: Collection[str] = ()) -> dict[str, int]:
    """Return the objects that nothing refers to any more, but for those of `without`: their digests and sizes [bytes].

    Ask and delete in one transaction that writes, so that no run that refers to one of them is stored between.
    """
    kept = referenced_digests(connection, without)
    rows = execute(connection, "SELECT digest, size FROM objects")
    return {digest: size for digest, size in rows if digest not in kept}
