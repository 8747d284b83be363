"""Which versions of experiments are stored; asked without SQLAlchemy, which takes longer to import than most programs track."""

from __future__ import annotations

from typing import Any, NamedTuple

from pytest_mltraq.errors import NotFoundError, near
from pytest_mltraq.storage.rows import Connection, execute


class Version(NamedTuple):
    """A version of an experiment.

    Attributes:
        created_at: when it was stored, as the driver gives it.
        runs: how many it has.
    """

    id_experiment: str
    name: str
    id_session: str
    created_at: Any
    runs: int
    branch: str | None
    commit: str | None


def list_experiments(connection: Connection) -> list[Version]:
    """Return all versions of all experiments, in the order in which they were stored."""
    query = """
        SELECT e.id_experiment, e.name, e.id_session, e.created_at,
            (SELECT count(*) FROM runs r WHERE r.id_experiment = e.id_experiment), s.branch, s."commit"
        FROM experiments e JOIN sessions s ON s.id = e.id_session ORDER BY e.created_at, e.id_experiment
    """
    return [Version(*row) for row in execute(connection, query)]


def list_names(connection: Connection) -> list[str]:
    """Return the names of the stored experiments, in the order of their first versions."""
    query = "SELECT name FROM experiments GROUP BY name ORDER BY min(created_at), name"
    return [str(name) for (name,) in execute(connection, query)]  # in a damaged SQLite file it may be bytes


def find_experiment(
    connection: Connection, *, name: str | None = None, id_experiment: str | None = None, session: str | None = None
) -> str | None:
    """Return the id of the newest version of an experiment, or None.

    Args:
        connection: in a transaction.
        name: its name.
        id_experiment: its id.
        session: the session that stored it.
    """
    asked = {"name": name, "id_experiment": id_experiment, "id_session": session}
    known = {column: value for column, value in asked.items() if value is not None}
    where = " AND ".join(f"{column} = ?" for column in known) or "TRUE"
    newest = f"SELECT id_experiment FROM experiments WHERE {where} ORDER BY created_at DESC, id_experiment DESC LIMIT 1"  # noqa: S608
    found = execute(connection, newest, *known.values()).first()
    return None if found is None else found[0]


def not_found(connection: Connection | None, what: str, name: str) -> NotFoundError:
    """Make the error for an experiment that is not stored."""
    known = list_names(connection) if connection is not None else []
    message = f"{what} is not stored; {near(name, known)}"
    return NotFoundError(message)
