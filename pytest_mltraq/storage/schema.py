"""The tables. What each column holds is said in `docs/database.md`."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.engine import Connection
from sqlalchemy.types import UserDefinedType

SCHEMA_VERSION: Final = 2
"""A change of the tables is a new version: with its upgrade in `migrations`, and a golden database under `tests/data`."""

APPLICATION_ID: Final = 0x6D6C7471
"""`mltq`: marks a SQLite file as ours, in its header."""

SCHEMA_NAME: Final = "mltraq"
"""The PostgreSQL schema that the tables are in, so that a database can be shared."""

metadata = MetaData()

# Documents are text on SQLite and `json` on PostgreSQL, not `jsonb`, which would lose the order of keys, -0.0 and the
# difference between 1e300 and an integer. Times are text on SQLite (ISO 8601, UTC) and `timestamptz` on PostgreSQL.
# Both are written and read as text: what makes and takes them is the codec.


class _Plain(UserDefinedType[str]):
    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **options: object) -> str:
        return self.name


_Document = _Plain("json").with_variant(Text(), "sqlite")
_Time = _Plain("timestamp with time zone").with_variant(Text(), "sqlite")

versions = Table(
    "mltraq_schema",
    metadata,
    Column("version", Integer, nullable=False),
)
sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("started_at", _Time, nullable=False, index=True),
    Column("finished_at", _Time),
    Column("exit_status", Integer),
    Column("origin", Text, nullable=False),
    Column("tags", _Document, nullable=False),
    Column("commit", Text),
    Column("branch", Text),
    Column("dirty", Boolean),
    Column("ci", _Document),
    Column("python", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("packages", _Document, nullable=False),
    Column("command", Text, nullable=False),
    Column("process", Text),
)
experiments = Table(
    "experiments",
    metadata,
    Column("id_experiment", Text, primary_key=True),
    Column("id_session", Text, ForeignKey("sessions.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("nodeid", Text),
    Column("doc", Text),
    Column("fields", _Document, nullable=False),
    Column("config", _Document, nullable=False),
    Column("types", _Document),
    Column("code", _Document, nullable=False),
    Column("created_at", _Time, nullable=False),
    Column("metrics", _Document),
    Index("ix_experiments_name", "name", "created_at"),
)
runs = Table(
    "runs",
    metadata,
    Column("id_experiment", Text, ForeignKey("experiments.id_experiment"), nullable=False),
    Column("id_run", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("nodeid", Text),
    Column("outcome", Text),
    Column("seed", BigInteger, nullable=False),
    Column("params", _Document, nullable=False),
    Column("fields", _Document, nullable=False),
    Column("types", _Document),
    Column("steps", _Document, nullable=False),
    Column("error", _Document),
    Column("started_at", _Time),
    Column("duration_s", Double),
    Column("worker", Text),
    Column("attempts", Integer, nullable=False),
    PrimaryKeyConstraint("id_experiment", "id_run"),
)
verdicts = Table(
    "verdicts",
    metadata,
    Column("id_experiment", Text, ForeignKey("experiments.id_experiment"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("id_session", Text, ForeignKey("sessions.id"), nullable=False, index=True),
    Column("experiment", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("params", _Document, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("fails", Boolean, nullable=False),
    Column("reason", Text),
    Column("method", Text),
    Column("n", Integer),
    Column("mean", Double),
    Column("sd", Double),
    Column("baseline", Text),
    Column("baseline_session", Text),
    Column("baseline_n", Integer),
    Column("baseline_mean", Double),
    Column("baseline_sd", Double),
    Column("change", Double),
    Column("low", Double),
    Column("high", Double),
    Column("p_value", Double),
    Column("q_value", Double),
    Column("minimum_detectable_change", Double),
    Column("accepted", Text),
    Column("details", _Document),
    PrimaryKeyConstraint("id_experiment", "position"),
)
objects = Table(
    "objects",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
views = Table(
    "views",
    metadata,
    Column("experiment", Text, primary_key=True),
    Column("view", Text, nullable=False, unique=True),
    Column("columns", _Document, nullable=False),
)


def is_document(column: Column[Any]) -> bool:
    """Whether a column holds JSON."""
    return isinstance(column.type, _Plain) and column.type.name == "json"


def lock_writers(connection: Connection) -> None:
    """Have others who replace experiments or views wait until the transaction ends.

    On SQLite they wait since its begin; on PostgreSQL by an advisory lock, one for all so that there is no order to get wrong.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({APPLICATION_ID})"))
