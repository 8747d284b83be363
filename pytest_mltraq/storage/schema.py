"""The tables, for queries by SQLAlchemy; they are created as `tables` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine, UserDefinedType

from pytest_mltraq.errors import CorruptDataError
from pytest_mltraq.storage import tables


class _Plain(UserDefinedType[str]):
    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **options: object) -> str:
        return self.name


def _plain(name: str) -> TypeEngine[str]:
    return _Plain(tables.TYPES["postgresql"][name])


class _Checked(UserDefinedType[Any]):
    """A type of SQLite's, which takes any value in any column: one of another type is damage, and said to be."""

    cache_ok = True

    def __init__(self, column: str, *expected: type) -> None:
        self.column = column
        self.expected = expected

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        def check(value: Any) -> Any:
            if value is not None and type(value) not in self.expected:
                message = f"expected {self.expected[0].__name__}, found {repr(value)[:40]}"
                raise CorruptDataError(self.column, message)
            return value

        return check


_TYPES: Final[dict[str, TypeEngine[Any]]] = {
    "TEXT": Text(),
    "INTEGER": Integer(),
    "BIGINT": BigInteger(),
    "BOOLEAN": Boolean(),
    "DOUBLE": Double(),
    "BYTES": LargeBinary(),
    "JSON": _plain("JSON").with_variant(Text(), "sqlite"),
    "TIME": _plain("TIME"),
}

_EXPECTED: Final[dict[str, tuple[type, ...]]] = {
    "TEXT": (str,),
    "TIME": (str,),
    "INTEGER": (int,),
    "BIGINT": (int,),
    "DOUBLE": (float, int),
}
"""What SQLite should have in a column; what is in a document or an object is checked where it is decoded."""

metadata = MetaData()


def _table(name: str) -> Table:
    columns = ((column, rest.partition(" ")[0]) for column, rest in tables.columns_of(name))
    return Table(name, metadata, *(Column(column, _type(f"{name}.{column}", kind)) for column, kind in columns))


def _type(column: str, kind: str) -> TypeEngine[Any]:
    expected = _EXPECTED.get(kind)
    return _TYPES[kind] if expected is None else _TYPES[kind].with_variant(_Checked(column, *expected), "sqlite")


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
