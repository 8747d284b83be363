"""The version of the tables: created as they are now, upgraded from what they were, refused where they are newer.

A database is upgraded by the first transaction that writes to it, as a part of that transaction: it is there as it was, or
as it should be. Reading never changes one, so that looking at a shared database takes it from nobody who has an older
pytest-mltraq.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

from pytest_mltraq.environment import without_password
from pytest_mltraq.errors import SchemaVersionError
from pytest_mltraq.storage.schema import (
    APPLICATION_ID,
    SCHEMA_NAME,
    SCHEMA_VERSION,
    lock_writers,
    metadata,
    versions,
)

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


def read_version(connection: Connection) -> int | None:
    """Return the schema version of the database; None where it has no tables of ours.

    Raises:
        SchemaVersionError: the tables are those of a newer version.
    """
    if connection.exec_driver_sql(_IS_THERE[connection.dialect.name]).first() is None:
        return None
    version: int = connection.exec_driver_sql("SELECT version FROM mltraq_schema").scalar_one()
    if version > SCHEMA_VERSION:
        raise SchemaVersionError(_place(connection), version, SCHEMA_VERSION)
    return version


def prepare(connection: Connection) -> None:
    """Create the tables where they are missing, and upgrade older ones, in the transaction of the connection.

    Processes that do so with one database at the same moment wait for each other.

    Raises:
        SchemaVersionError: the tables are those of a newer version, which may have upgraded them a moment ago.
    """
    if read_version(connection) == SCHEMA_VERSION:
        return
    lock_writers(connection)
    found = read_version(connection)  # another one may have had the lock
    if found is not None:
        _upgrade(connection, found)
        return
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA_NAME}"))
    metadata.create_all(connection, checkfirst=False)
    connection.execute(versions.insert().values(version=SCHEMA_VERSION))
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")


def _upgrade(connection: Connection, found: int) -> None:
    types = _TYPES[connection.dialect.name]
    for version in range(found, SCHEMA_VERSION):
        for statement in UPGRADES[version]:
            connection.exec_driver_sql(statement.format_map(types))
        connection.execute(versions.update().values(version=version + 1))


def refuse_older(connection: Connection, version: int) -> None:
    """Refuse to read tables of an older version.

    Raises:
        SchemaVersionError: they are.
    """
    if version < SCHEMA_VERSION:
        raise SchemaVersionError(_place(connection), version, SCHEMA_VERSION)


def _place(connection: Connection) -> str:
    return without_password(connection.engine.url.render_as_string(hide_password=True))
