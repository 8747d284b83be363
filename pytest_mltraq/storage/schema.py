"""The tables, for queries by SQLAlchemy; they are created as `tables` says."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.types import TypeEngine, UserDefinedType

from pytest_mltraq.storage import tables


class _Plain(UserDefinedType[str]):
    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **options: object) -> str:
        return self.name


def _plain(name: str) -> TypeEngine[str]:
    return _Plain(tables.TYPES["postgresql"][name]).with_variant(Text(), "sqlite")


_TYPES: Final[dict[str, TypeEngine[Any]]] = {
    "TEXT": Text(),
    "INTEGER": Integer(),
    "BIGINT": BigInteger(),
    "BOOLEAN": Boolean(),
    "DOUBLE": Double(),
    "BYTES": LargeBinary(),
    "JSON": _plain("JSON"),
    "TIME": _plain("TIME"),
}

metadata = MetaData()


def _table(name: str) -> Table:
    columns = ((column, rest.partition(" ")[0]) for column, rest in tables.columns_of(name))
    return Table(name, metadata, *(Column(column, _TYPES[kind]) for column, kind in columns))


versions = _table("mltraq_schema")
sessions = _table("sessions")
experiments = _table("experiments")
runs = _table("runs")
verdicts = _table("verdicts")
objects = _table("objects")
views = _table("views")


def is_document(column: Column[Any]) -> bool:
    """Whether a column holds JSON."""
    return isinstance(column.type, _Plain) and column.type.name == "json"
