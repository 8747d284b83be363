"""The tables, as they are created. What each column holds is said in `docs/database.md`.

They are plain text, so that what writes rows needs no SQLAlchemy: importing it costs a session a tenth of a second, and more
of the garbage collector's time afterwards. What reads them by SQLAlchemy has them from `schema`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

SCHEMA_VERSION: Final = 2
"""A change of the tables is a new version: with its upgrade in `migrations`, and a golden database under `tests/data`."""

APPLICATION_ID: Final = 0x6D6C7471
"""`mltq`: marks a SQLite file as ours, in its header."""

SCHEMA_NAME: Final = "mltraq"
"""The PostgreSQL schema that the tables are in, so that a database can be shared."""

# Documents are text on SQLite and `json` on PostgreSQL, not `jsonb`, which would lose the order of keys, -0.0 and the
# difference between 1e300 and an integer. Times are text on SQLite (ISO 8601, UTC) and `timestamptz` on PostgreSQL.
# Both are written and read as text: what makes and takes them is the codec.
TYPES: Final = {
    "sqlite": {"JSON": "TEXT", "TIME": "TEXT", "DOUBLE": "DOUBLE", "BYTES": "BLOB"},
    "postgresql": {
        "JSON": "json",
        "TIME": "timestamp with time zone",
        "DOUBLE": "DOUBLE PRECISION",
        "BYTES": "BYTEA",
    },
}
"""What the types of the tables that are not the same everywhere are called."""

TABLES: Final = {
    "mltraq_schema": """
        version INTEGER NOT NULL
    """,
    "sessions": """
        id TEXT NOT NULL PRIMARY KEY
        started_at TIME NOT NULL
        finished_at TIME
        exit_status INTEGER
        origin TEXT NOT NULL
        tags JSON NOT NULL
        "commit" TEXT
        branch TEXT
        dirty BOOLEAN
        ci JSON
        python TEXT NOT NULL
        platform TEXT NOT NULL
        host TEXT NOT NULL
        packages JSON NOT NULL
        command TEXT NOT NULL
        process TEXT
    """,
    "experiments": """
        id_experiment TEXT NOT NULL PRIMARY KEY
        id_session TEXT NOT NULL REFERENCES sessions (id)
        name TEXT NOT NULL
        nodeid TEXT
        doc TEXT
        fields JSON NOT NULL
        config JSON NOT NULL
        types JSON
        code JSON NOT NULL
        created_at TIME NOT NULL
        metrics JSON
    """,
    "runs": """
        id_experiment TEXT NOT NULL REFERENCES experiments (id_experiment)
        id_run TEXT NOT NULL
        position INTEGER NOT NULL
        nodeid TEXT
        outcome TEXT
        seed BIGINT NOT NULL
        params JSON NOT NULL
        fields JSON NOT NULL
        types JSON
        steps JSON NOT NULL
        error JSON
        started_at TIME
        duration_s DOUBLE
        worker TEXT
        attempts INTEGER NOT NULL
    """,
    "verdicts": """
        id_experiment TEXT NOT NULL REFERENCES experiments (id_experiment)
        position INTEGER NOT NULL
        id_session TEXT NOT NULL REFERENCES sessions (id)
        experiment TEXT NOT NULL
        metric TEXT NOT NULL
        params JSON NOT NULL
        verdict TEXT NOT NULL
        fails BOOLEAN NOT NULL
        reason TEXT
        method TEXT
        n INTEGER
        mean DOUBLE
        sd DOUBLE
        baseline TEXT
        baseline_session TEXT
        baseline_n INTEGER
        baseline_mean DOUBLE
        baseline_sd DOUBLE
        change DOUBLE
        low DOUBLE
        high DOUBLE
        p_value DOUBLE
        q_value DOUBLE
        minimum_detectable_change DOUBLE
        accepted TEXT
        details JSON
    """,
    "objects": """
        digest TEXT NOT NULL PRIMARY KEY
        kind TEXT NOT NULL
        size BIGINT NOT NULL
        data BYTES NOT NULL
    """,
    "views": """
        experiment TEXT NOT NULL PRIMARY KEY
        view TEXT NOT NULL UNIQUE
        columns JSON NOT NULL
    """,
}
"""The columns of each table, in an order in which tables come after those that they refer to."""

LISTS: Final = frozenset({"code", "columns", "metrics", "steps", "tags"})
"""Columns whose JSON is a list; in the others it is an object."""

KEYS: Final = {"runs": "id_experiment, id_run", "verdicts": "id_experiment, position"}
"""Primary keys of more than one column."""

INDEXES: Final = (
    "CREATE INDEX ix_sessions_started_at ON sessions (started_at)",
    "CREATE INDEX ix_experiments_id_session ON experiments (id_session)",
    "CREATE INDEX ix_experiments_name ON experiments (name, created_at)",
    "CREATE INDEX ix_verdicts_id_session ON verdicts (id_session)",
)


def columns_of(table: str) -> tuple[tuple[str, str], ...]:
    """Return the columns of a table: their names and types, and what else is said of them."""
    return tuple((name.strip('"'), rest) for name, rest in _lines(table))


def _lines(table: str) -> Iterator[tuple[str, str]]:
    for line in TABLES[table].strip().splitlines():
        name, _, rest = line.strip().partition(" ")
        yield name, rest


def creation(dialect: str) -> Iterator[str]:
    """Yield the statements that create the tables.

    Args:
        dialect: `sqlite` or `postgresql`.
    """
    for table in TABLES:
        lines = [f"{name} {_translated(dialect, rest)}" for name, rest in _lines(table)]
        if table in KEYS:
            lines.append(f"PRIMARY KEY ({KEYS[table]})")
        yield f"CREATE TABLE {table} ({', '.join(lines)})"
    yield from INDEXES


def _translated(dialect: str, rest: str) -> str:
    kind, space, others = rest.partition(" ")
    return TYPES[dialect].get(kind, kind) + space + others
