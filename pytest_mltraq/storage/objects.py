"""Objects in the database: written once by their digest, read by it, and which of them nothing refers to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from sqlalchemy import select
from sqlalchemy.engine import Connection

from pytest_mltraq.codec import Stored, digest_object
from pytest_mltraq.storage.rows import insert_rows
from pytest_mltraq.storage.schema import experiments, objects, runs

_REFERENCE: Final = re.compile(r'"([0-9a-f]{64})"')
"""What the name of an object looks like in the JSON of `types`, whatever the entry says around it."""


def add_objects(connection: Connection, records: Iterable[dict[str, tuple[str, bytes]]]) -> None:
    """Store the objects of records; of those that are there already nothing is written."""
    stored = {digest: content for objects_of_record in records for digest, content in objects_of_record.items()}
    # In one order everywhere: two that write the same ones wait for each other, and not both.
    rows = [(digest, kind, len(data), data) for digest, (kind, data) in sorted(stored.items())]
    insert_rows(connection, objects, rows, together=1)  # they may be large


def object_loader(connection: Connection) -> Callable[[str], Stored]:
    """Return what reads an object by its digest."""

    def load(digest: str) -> Stored:
        row = connection.execute(select(objects.c.kind, objects.c.data).where(objects.c.digest == digest)).first()
        if row is None:
            message = f"object {digest} is missing in the database"
            raise LookupError(message)
        stored = Stored(row.kind, bytes(row.data))
        if digest_object(stored) != digest:
            message = f"object {digest} is damaged: its content has another digest"
            raise ValueError(message)
        return stored

    return load


def references(types: str) -> Iterator[str]:
    """Yield the digests that the JSON of a row's `types` refers to.

    Whatever looks like a digest counts, also in entries that a newer version or another plugin wrote. A text of the
    user's that looks like one keeps an object at most; a reference is never overlooked.
    """
    yield from _REFERENCE.findall(types)


def referenced_digests(connection: Connection) -> set[str]:
    """Return the digests of the objects that the stored runs and experiments refer to."""
    found: set[str] = set()
    for table in (experiments, runs):
        query = select(table.c.types).where(table.c.types.is_not(None))
        for types in connection.execute(query.execution_options(yield_per=1000)).scalars():
            found.update(references(types))
    return found


def unreferenced_objects(connection: Connection) -> dict[str, int]:
    """Return the objects that nothing refers to any more: their digests and sizes [bytes].

    Ask and delete in one transaction that writes, so that no run that refers to one of them is stored between.
    """
    kept = referenced_digests(connection)
    rows = connection.execute(select(objects.c.digest, objects.c.size))
    return {row.digest: row.size for row in rows if row.digest not in kept}
