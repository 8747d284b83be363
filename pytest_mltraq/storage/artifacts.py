"""The files of artifacts, as the database knows them: where they are kept, and which of them nothing refers to."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from pytest_mltraq.artifact_store import ArtifactStore, ChangedError, Content, Files, measure
from pytest_mltraq.errors import NotFoundError, StorageError
from pytest_mltraq.storage import sqlite
from pytest_mltraq.storage.rows import Connection, execute

VARIABLE: Final = "MLTRAQ_ARTIFACTS"
"""The environment variable that says where artifacts are kept."""

NEW: Final = datetime.timedelta(days=1)
"""Files that were kept so recently may be those of a session that has not stored yet what refers to them."""


class Unreferenced(NamedTuple):
    """Files that nothing in a database refers to: their SHA-256 and sizes [bytes].

    Attributes:
        old: those that can be removed.
        new: those that a session that runs may be about to refer to.
    """

    old: dict[str, int]
    new: dict[str, int]


def store_of(where: str | os.PathLike[str] | None, named: str | os.PathLike[str] | None = None) -> ArtifactStore:
    """Return where the artifacts of a database are kept.

    Args:
        where: the database's file or URL.
        named: the folder or URL that was named for it; None takes the environment variable, else the folder beside the file.

    Raises:
        ConfigurationError: it is no place that fsspec knows.
    """
    place = named or os.environ.get(VARIABLE)
    if not place:
        return store_beside(sqlite.find_path(where))
    text = os.fspath(place)
    store = ArtifactStore(text if "://" in text else str(Path(text).expanduser().absolute()))
    store.check()
    return store


def store_beside(file: Path | None) -> ArtifactStore:
    """Return the store that belongs to a SQLite file alone; of other databases one that keeps nothing."""
    return ArtifactStore(None if file is None else f"{file.absolute()}.artifacts")


def iter_contents(connection: Connection, without: Collection[str] = ()) -> Iterator[Content]:
    """Yield the content of each file of the artifacts in a database.

    Args:
        connection: in a transaction.
        without: digests of objects that don't count.

    Raises:
        CorruptDataError: what an artifact is made of can't be read.
    """
    from pytest_mltraq.codec.artifacts import KIND, read_listing

    for digest, data in execute(connection, "SELECT digest, data FROM objects WHERE kind = ?", KIND):
        if digest not in without:
            yield from read_listing(data, f"object {digest}").files.values()


def referenced_files(connection: Connection, without: Collection[str] = ()) -> set[str]:
    """Return the SHA-256 of the files that the objects of a database refer to, but for those of `without`.

    Args:
        connection: in a transaction.
        without: digests of objects that don't count.

    Raises:
        CorruptDataError: what an artifact is made of can't be read.
    """
    return {content.sha256 for content in iter_contents(connection, without)}


def unreferenced(files: Files, referenced: set[str]) -> Unreferenced:
    """Return those of the files in a store to which nothing refers."""
    now = datetime.datetime.now(datetime.UTC)
    found = Unreferenced({}, {})
    for sha256, (size, since) in files.items():
        if sha256 not in referenced:
            is_old = since is not None and now - since > NEW
            (found.old if is_old else found.new)[sha256] = size
    return found


def check_files(
    connection: Connection, store: ArtifactStore, advance: Callable[[int], None]
) -> Iterator[tuple[str, str]]:
    """Read the files of all artifacts; yields the SHA-256 of each that is missing or damaged, and what is wrong.

    Args:
        connection: in a transaction.
        store: where they are.
        advance: is called with how many files were read.
    """
    for content in dict.fromkeys(iter_contents(connection)):
        try:
            with store.open(content) as stream:
                found: Any = measure(stream)
            if found != content:
                yield content.sha256, f"its content has another SHA-256: {found.sha256}"
        except (ChangedError, StorageError) as error:
            yield content.sha256, str(error)
        advance(1)


def copy_files(connection: Connection, source: ArtifactStore, target: ArtifactStore) -> int:
    """Copy the files of all artifacts in a database from one store to another; returns how many there are.

    Raises:
        NotFoundError: one is missing.
        StorageError: one of the stores can't be used, or a file is damaged.
        CorruptDataError: what an artifact is made of can't be read.
    """
    contents = dict.fromkeys(iter_contents(connection))
    for content in contents:
        try:
            target.copy(content, source)
        except NotFoundError as error:
            message = f"the file of an artifact is missing ('merge --without-artifacts' goes on without them): {error}"
            raise NotFoundError(message) from error
    return len(contents)
