"""The version of the tables: created as they are now, upgraded from what they were, refused where they are newer.

A database is upgraded by the first transaction that writes to it, as a part of that transaction: it is there as it was, or
as it should be. Reading never changes one, so that looking at a shared database takes it from nobody who has an older
pytest-mltraq.
"""

from __future__ import annotations

from typing import Final

from pytest_mltraq.errors import SchemaVersionError
from pytest_mltraq.storage import tables
from pytest_mltraq.storage.rows import Connection, execute, lock_writers
from pytest_mltraq.storage.tables import APPLICATION_ID, SCHEMA_NAME, SCHEMA_VERSION

UPGRADES: Final[dict[int, tuple[str, ...]]] = {
    1: (
        "ALTER TABLE experiments ADD COLUMN metrics {json}",
        "ALTER TABLE sessions ADD COLUMN process TEXT",
        """
        CREATE TABLE verdicts (
            id_experiment TEXT NOT NULL REFERENCES experiments (id_experiment),
            position INTEGER NOT NULL,
            id_session TEXT NOT NULL REFERENCES sessions (id),
            experiment TEXT NOT NULL,
            metric TEXT NOT NULL,
            params {json} NOT NULL,
            verdict TEXT NOT NULL,
            fails BOOLEAN NOT NULL,
            reason TEXT,
            method TEXT,
            n INTEGER,
            mean {double},
            sd {double},
            baseline TEXT,
            baseline_session TEXT,
            baseline_n INTEGER,
            baseline_mean {double},
            baseline_sd {double},
            change {double},
            low {double},
            high {double},
            p_value {double},
            q_value {double},
            minimum_detectable_change {double},
            accepted TEXT,
            details {json},
            PRIMARY KEY (id_experiment, position)
        )
        """,
        "CREATE INDEX ix_verdicts_id_session ON verdicts (id_session)",
    ),
}
"""What turns the tables of each version into those of the next, as they were then: `schema` goes on, these statements stay."""

_TYPES: Final = {
    "sqlite": {"json": "TEXT", "double": "DOUBLE"},
    "postgresql": {"json": "json", "double": "DOUBLE PRECISION"},
}
_IS_THERE: Final = {
    "sqlite": "SELECT 1 FROM sqlite_master WHERE name = 'mltraq_schema'",
    # Not `to_regclass`, which may not know yet what another transaction committed a moment ago.
    "postgresql": "SELECT 1 FROM pg_tables WHERE tablename = 'mltraq_schema' AND schemaname = 'mltraq'",
}


def read_version(connection: Connection, where: str) -> int | None:
    """Return the schema version of the database; None where it has no tables of ours.

    Args:
        connection: in a transaction.
        where: the database's URL, for the error.

    Raises:
        SchemaVersionError: the tables are those of a newer version.
    """
    if execute(connection, _IS_THERE[connection.dialect.name]).first() is None:
        return None
    version: int = execute(connection, "SELECT version FROM mltraq_schema").scalar_one()
    if version > SCHEMA_VERSION:
        raise SchemaVersionError(where, version, SCHEMA_VERSION)
    return version


def prepare(connection: Connection, where: str) -> None:
    """Create the tables where they are missing, and upgrade older ones, in the transaction of the connection.

    Processes that do so with one database at the same moment wait for each other.

    Raises:
        SchemaVersionError: the tables are those of a newer version, which may have upgraded them a moment ago.
    """
    if read_version(connection, where) == SCHEMA_VERSION:
        return
    lock_writers(connection)
    found = read_version(connection, where)  # another one may have had the lock
    if found is not None:
        _upgrade(connection, found)
        return
    dialect = connection.dialect.name
    if dialect == "postgresql":
        execute(connection, f"CREATE SCHEMA IF NOT EXISTS {SCHEMA_NAME}")
    for statement in tables.creation(dialect):
        execute(connection, statement)
    execute(connection, "INSERT INTO mltraq_schema (version) VALUES (?)", SCHEMA_VERSION)
    if dialect == "sqlite":
        execute(connection, f"PRAGMA application_id = {APPLICATION_ID}")


def _upgrade(connection: Connection, found: int) -> None:
    types = _TYPES[connection.dialect.name]
    for version in range(found, SCHEMA_VERSION):
        for statement in UPGRADES[version]:
            execute(connection, statement.format_map(types))
        execute(connection, "UPDATE mltraq_schema SET version = ?", version + 1)


def refuse_older(version: int, where: str) -> None:
    """Refuse to read tables of an older version.

    Raises:
        SchemaVersionError: they are.
    """
    if version < SCHEMA_VERSION:
        raise SchemaVersionError(where, version, SCHEMA_VERSION)
