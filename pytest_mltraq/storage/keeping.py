"""What is kept: names of sessions, and which sessions are removed with all that only they refer to."""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from pytest_mltraq.artifact_store import Files
from pytest_mltraq.codec import dump_json, load_list
from pytest_mltraq.storage.artifacts import referenced_files, unreferenced
from pytest_mltraq.storage.database import Database
from pytest_mltraq.storage.listing import Filters, SessionRow, list_sessions
from pytest_mltraq.storage.objects import unreferenced_objects
from pytest_mltraq.storage.rows import lock_writers
from pytest_mltraq.storage.schema import experiments, objects, runs, sessions, verdicts
from pytest_mltraq.storage.sqlite import driver_of
from pytest_mltraq.storage.views import drop_view

MAY_RUN: Final = datetime.timedelta(days=1)
"""A session on another machine that did not end may still run for so long."""

CHUNK: Final = 500
"""Ids that one statement names; databases limit how many."""


class Rule(NamedTuple):
    """Which sessions are kept; one that any of these keeps is kept, and always those with tags and those that run.

    Attributes:
        since: those that began then or later.
        newest: so many of the newest.
        per_branch: whether `newest` counts for each branch.
    """

    since: datetime.datetime | None = None
    newest: int = 0
    per_branch: bool = False


class Pruned(NamedTuple):
    """What is removed.

    Attributes:
        sessions: oldest first.
        experiments: how many versions of experiments.
        runs: how many.
        verdicts: how many.
        objects: how many arrays, tables and other objects that nothing else refers to.
        size: of these objects [bytes].
        views: how many experiments are gone with their last version.
        files: how many files of artifacts that nothing else refers to.
        files_size: of these files [bytes].
        new_files: how many such files stay, because a session that runs may be about to refer to them.
    """

    sessions: list[SessionRow]
    experiments: int
    runs: int
    verdicts: int
    objects: int
    size: int
    views: int
    files: int
    files_size: int
    new_files: int


def change_tags(connection: Connection, id_session: str, add: Iterable[str], remove: Iterable[str]) -> list[str]:
    """Give names to a session, and take others away; returns those that it has then."""
    stored = connection.execute(select(sessions.c.tags).where(sessions.c.id == id_session)).scalar_one()
    known: list[str] = load_list(stored, f"session {id_session}: tags")
    gone = set(remove)
    found = [name for name in dict.fromkeys([*known, *add]) if name not in gone]
    connection.execute(sessions.update().where(sessions.c.id == id_session).values(tags=dump_json(found)))
    return found


def read_tags(connection: Connection, id_session: str) -> list[str]:
    """Return the names of a session."""
    stored = connection.execute(select(sessions.c.tags).where(sessions.c.id == id_session)).scalar_one()
    found: list[str] = load_list(stored, f"session {id_session}: tags")
    return found


def find_prunable(connection: Connection, rule: Rule, kept: Files) -> Pruned:
    """Find what a rule doesn't keep, and what nothing refers to any more when that is gone.

    Args:
        connection: in a transaction.
        rule: what is kept.
        kept: the files of artifacts that are this database's alone. Their store is asked before the transaction, since a remote one
            takes its time.
    """
    doomed = _doomed(list_sessions(connection, Filters(), None)[0], rule)
    versions: dict[str, str] = {}
    for chunk in _chunks([row.id for row in doomed]):
        query = select(experiments.c.id_experiment, experiments.c.name).where(experiments.c.id_session.in_(chunk))
        versions.update((row.id_experiment, row.name) for row in connection.execute(query))
    stored = Counter(connection.execute(select(experiments.c.name)).scalars())
    removed = Counter(versions.values())
    loose = unreferenced_objects(connection, without=versions.keys())
    files = unreferenced(kept, referenced_files(connection, loose.keys()) if kept else set())
    return Pruned(
        doomed[::-1],
        len(versions),
        _count(connection, runs, versions),
        _count(connection, verdicts, versions),
        len(loose),
        sum(loose.values()),
        sum(removed[name] == stored[name] for name in removed),
        len(files.old),
        sum(files.old.values()),
        len(files.new),
    )


def prune(connection: Connection, rule: Rule, kept: Files) -> Pruned:
    """Remove what a rule doesn't keep, in the transaction of a connection that writes; views go with the last version.

    Files of artifacts are left to `remove_files`, when the transaction is over.
    """
    lock_writers(connection)
    found = find_prunable(connection, rule, kept)
    ids = [row.id for row in found.sessions]
    names: set[str] = set()
    for chunk in _chunks(ids):
        of_sessions = experiments.c.id_session.in_(chunk)
        versions = select(experiments.c.id_experiment).where(of_sessions)
        names.update(connection.execute(select(experiments.c.name).where(of_sessions)).scalars())
        for table in (verdicts, runs):
            connection.execute(table.delete().where(table.c.id_experiment.in_(versions)))
        connection.execute(experiments.delete().where(of_sessions))
        connection.execute(sessions.delete().where(sessions.c.id.in_(chunk)))
    left = set(connection.execute(select(experiments.c.name).distinct()).scalars())
    for name in sorted(names - left):
        drop_view(connection, name)
    for chunk in _chunks(list(unreferenced_objects(connection))):
        connection.execute(objects.delete().where(objects.c.digest.in_(chunk)))
    return found


def remove_files(database: Database) -> None:
    """Remove the files of artifacts that nothing refers to now: a session may have stored some since they were looked at.

    Raises:
        StorageError: they can't be removed.
    """
    with database.reading() as connection:
        referenced = set() if connection is None else referenced_files(connection)
    # Asked last: a file that a session kept meanwhile is a new one.
    for sha256 in unreferenced(database.artifacts.files(), referenced).old:
        database.artifacts.remove(sha256)


def shrink(database: Database) -> bool:
    """Give the room of what was removed back to the system; returns whether that was possible.

    SQLite writes the file anew, for which others must not use it; PostgreSQL does so by itself, in its own time.
    """
    if database.file is None:
        return True
    with database.connected() as connection:
        driver = driver_of(connection)
        with contextlib.suppress(sqlite3.OperationalError):
            if driver is not None:
                for setting in driver.settings(writes=False):  # a copy of the database doesn't belong in memory
                    driver.execute(setting)
                driver.execute("VACUUM")
                return True
    return False


def _doomed(found: Sequence[SessionRow], rule: Rule) -> list[SessionRow]:
    """Choose the sessions that a rule doesn't keep, of all sessions, newest first."""
    now = datetime.datetime.now(datetime.UTC)
    seen: Counter[str | None] = Counter()
    doomed = []
    for row in found:
        branch = row.branch if rule.per_branch else None
        seen[branch] += 1
        runs_on = row.outcome == "running" or (row.outcome == "unfinished" and now - row.started_at < MAY_RUN)
        is_new = rule.since is not None and row.started_at >= rule.since
        if not (row.tags or runs_on or is_new or seen[branch] <= rule.newest):
            doomed.append(row)
    return doomed


def _count(connection: Connection, table: Any, versions: Iterable[str]) -> int:
    total = 0
    for chunk in _chunks(list(versions)):
        query = select(func.count()).select_from(table).where(table.c.id_experiment.in_(chunk))
        total += connection.execute(query).scalar_one()
    return total


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[at : at + CHUNK] for at in range(0, len(ids), CHUNK))
