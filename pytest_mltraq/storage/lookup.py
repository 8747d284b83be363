"""Which session, experiment or run is meant by a name or the beginning of an id."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from sqlalchemy import Column, and_, select
from sqlalchemy.engine import Connection

from pytest_mltraq.codec import load_list
from pytest_mltraq.errors import NotFoundError, near
from pytest_mltraq.storage.schema import experiments, runs, sessions, views
from pytest_mltraq.storage.versions import find_experiment, list_names

Kind = Literal["session", "experiment", "run"]

NEWEST: Final = "last"
"""What stands for the newest session."""

MIN_DIGITS: Final = 4
MANY: Final = 5
"""Ids that a message names."""

_ID: Final = re.compile(rf"[0-9a-f-]{{{MIN_DIGITS},36}}")
_IDS: Final[dict[Kind, Column[str]]] = {
    "session": sessions.c.id,
    "experiment": experiments.c.id_experiment,
    "run": runs.c.id_run,
}


class Found(NamedTuple):
    """What a word stands for.

    Attributes:
        kind: whether it is a session, an experiment or a run.
        id: its id.
    """

    kind: Kind
    id: str


def find(connection: Connection, word: str) -> Found:
    """Find what a word stands for: `last`, the name of an experiment (its newest version), or the beginning of an id.

    Ids are looked for among sessions first, then experiments, then runs.

    Raises:
        NotFoundError: nothing, or several of a kind; the message says what is near.
    """
    if word == NEWEST:
        return Found("session", find_session(connection, word))
    id_experiment = find_experiment(connection, name=word)
    if id_experiment is not None:
        return Found("experiment", id_experiment)
    for kind in _IDS:
        found = _find_ids(connection, kind, word)
        if found:
            return Found(kind, _only(kind, word, found))
    message = f"{word!r} is neither an experiment nor the beginning of an id; {near(word, list_names(connection))}"
    raise NotFoundError(message)


def find_session(connection: Connection, word: str) -> str:
    """Return the id of a session: the newest for `last`, else the one whose id begins so.

    Raises:
        NotFoundError: there is none, or several.
    """
    found = newest_sessions(connection, 1) if word == NEWEST else _find_ids(connection, "session", word)
    if not found:
        known = ", ".join(newest_sessions(connection, MANY))
        message = f"no session has an id that begins with {word!r}; {f'the newest are: {known}' if known else 'there are none'}"
        raise NotFoundError(message)
    return _only("session", word, found)


def newest_sessions(connection: Connection, limit: int = 100) -> list[str]:
    """Return the ids of the newest sessions."""
    query = select(sessions.c.id).order_by(sessions.c.started_at.desc(), sessions.c.id.desc()).limit(limit)
    return list(connection.execute(query).scalars())


def _only(kind: Kind, word: str, found: list[str]) -> str:
    if len(found) > 1:
        more = ", ..." if len(found) > MANY else ""
        message = f"{word!r} is the beginning of several {kind}s' ids: {', '.join(found[:MANY])}{more}"
        raise NotFoundError(message)
    return found[0]


def _find_ids(connection: Connection, kind: Kind, word: str) -> list[str]:
    """Return the ids that begin so, some where there are many."""
    prefix = word.lower()
    if not _ID.fullmatch(prefix):
        return []
    column = _IDS[kind]
    begins = column.startswith(prefix)
    if connection.dialect.name == "sqlite":  # whose LIKE takes no index; `g` comes after the last digit
        begins = and_(column >= prefix, column < f"{prefix}g")
    query = select(column).where(begins).distinct().order_by(column).limit(MANY + 1)
    return list(connection.execute(query).scalars())


def number_names(connection: Connection, experiment: str) -> list[str]:
    """Return the names of the fields of an experiment that have numbers."""
    found = connection.execute(select(views.c.columns).where(views.c.experiment == experiment)).scalar()
    columns = [] if found is None else load_list(found, "views.columns")
    return [key for source, key, kind in columns if source == "fields" and kind in ("integer", "number")]


def find_named_session(connection: Connection, word: str) -> str:
    """Return the id of the newest session that a word names: `last`, a tag, the beginning of an id or of a commit.

    Raises:
        NotFoundError: there is none, or several have an id that begins so.
    """
    if word != NEWEST:
        query = select(sessions.c.id, sessions.c.tags, sessions.c.commit).order_by(sessions.c.started_at.desc())
        known = connection.execute(query).all()
        tagged = next((row.id for row in known if word in load_list(row.tags, "tags")), None)
        if tagged is not None:
            return str(tagged)
        if len(word) >= MIN_DIGITS and not _find_ids(connection, "session", word):
            at_commit = next((row.id for row in known if row.commit and row.commit.startswith(word.lower())), None)
            if at_commit is not None:
                return str(at_commit)
    return find_session(connection, word)
