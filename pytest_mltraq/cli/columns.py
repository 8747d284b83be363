"""Values as columns: what kind of column holds those of all runs, and what it is called.

====================  =====================================================================================
kind                  values
====================  =====================================================================================
``null``              none
``boolean``           truth values
``integer``           integers up to 64 bits
``number``            floats, and integers among them
``text``              texts; numbers and dates where there are texts among them
``timestamp``         times with a zone, as UTC
``datetime``          times without one
``date``              dates
``bytes``             bytes
``numbers``           flat lists and arrays of numbers
``json``              everything else: dicts, lists, tables and sequences by column, artifacts by name and digest
====================  =====================================================================================
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from pytest_mltraq.artifact import Artifact
from pytest_mltraq.cli.table import plain
from pytest_mltraq.describing import describe
from pytest_mltraq.sequence import Sequence

OWN: Final = {
    "id_run": "text",
    "id_experiment": "text",
    "id_session": "text",
    "started_at": "timestamp",
    "duration_s": "number",
    "commit": "text",
    "branch": "text",
    "outcome": "text",
    "seed": "integer",
}
"""Columns that each run has."""

MANY_ITEMS: Final = 10_000_000
"""Arrays and tables of more items are written as what they are: some say that they have any number, and take no memory."""

_MAX_BIGINT: Final = 2**63
_KINDS: Final = {type(None): "null", bool: "boolean", float: "number", str: "text", bytes: "bytes"}
_NESTED: Final = ("numbers", "json")


class Column(NamedTuple):
    """A column.

    Attributes:
        name: what it is called.
        source: `own`, `params` or `fields`.
        key: its name there.
        kind: see the module.
    """

    name: str
    source: str
    key: str
    kind: str


class Columns:
    """Finds out which columns hold the values of many runs."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], str] = {}

    def add(self, source: str, values: Mapping[str, Any]) -> None:
        """Take the values of a run in."""
        for key, value in dict(values).items():
            kind, _ = portable(value)
            known = self._kinds.get((source, key), "null")
            self._kinds[source, key] = kind if kind == known else _merge(known, kind)

    def columns(self) -> list[Column]:
        """Return the columns: the runs' own, then params, then fields; no two have the same name."""
        found = {("own", key): Column(key, "own", key, kind) for key, kind in OWN.items()}
        taken = set(OWN)
        for source in ("fields", "params"):  # a field wins over a param of the same name
            for key in (key for of, key in self._kinds if of == source):
                name = next(name for name in _candidates(source, key) if name not in taken)
                taken.add(name)
                found[source, key] = Column(name, source, key, self._kinds[source, key])
        return [found[at] for source in ("own", "params", "fields") for at in found if at[0] == source]


def portable(value: Any) -> tuple[str, Any]:
    """Return the kind of column that holds a value, and the value in it."""
    kind = _KINDS.get(type(value))
    if kind is not None:
        return kind, value
    if type(value) is int:
        return ("integer", value) if -_MAX_BIGINT <= value < _MAX_BIGINT else ("text", hex(value))
    if isinstance(value, datetime.datetime):
        return _of_time(value)
    if isinstance(value, datetime.date):
        return "date", value
    if isinstance(value, Artifact):
        return "json", {"name": value.name, "size": value.size, "sha256": value.sha256}
    if isinstance(value, dict | list | tuple | set | frozenset | Sequence):
        return _nested(value)
    return _of_library(value)


def fitting(value: Any, kind: str) -> Any:
    """Return a value as a column of a kind holds it."""
    own_kind, found = portable(value)
    if found is None or own_kind == kind:
        return found
    if kind == "number":
        return float(found)
    if kind == "json":
        return plain(found)
    return str(found)


def as_json(value: Any) -> str:
    """Write a value of the kinds `numbers` and `json`."""
    return json.dumps(plain(value), ensure_ascii=False)


def _of_time(value: datetime.datetime) -> tuple[str, Any]:
    if value != value:  # noqa: PLR0124 - what pandas has for no time at all
        return "null", None
    # A subclass, such as pandas', may have nanoseconds, which no column of times has.
    time = datetime.datetime.combine(value.date(), value.timetz()) if type(value) is not datetime.datetime else value
    return ("datetime", time) if time.tzinfo is None else ("timestamp", time.astimezone(datetime.UTC))


def _of_library(value: Any) -> tuple[str, Any]:
    """Return values of NumPy, pandas, polars and PyArrow; others as their text.

    Their methods are called by name, not by type: whoever has such a value has the library, and nobody else needs it.
    """
    shape = getattr(value, "shape", None)
    if (math.prod(shape) if shape else len(value) if hasattr(value, "__len__") else 0) > MANY_ITEMS:
        return "text", describe(value)
    if getattr(getattr(value, "dtype", None), "kind", None) == "M" and hasattr(value, "astype"):
        value = value.astype("datetime64[us]")  # of nanoseconds NumPy would make integers
    # PyArrow's and polars' tables, then pandas', then arrays, then scalars.
    for method, arguments in (
        ("to_pydict", {}),
        ("to_dict", {"as_series": False}),
        ("to_dict", {"orient": "list"}),
        ("to_pylist", {}),
        ("to_list", {}),
        ("toarray", {}),
        ("tolist", {}),
        ("as_py", {}),
    ):
        if not hasattr(value, method):
            continue
        try:
            converted = getattr(value, method)(**arguments)
        except TypeError:  # a method of that name of another library
            continue
        if type(converted) is type(value):
            break
        return portable(converted)
    return "text", str(value)


def _nested(value: Any) -> tuple[str, Any]:
    if isinstance(value, Sequence):
        times, columns = value.columns()
        return "json", {"idx": list(range(len(times))), "timestamp": times, **columns}
    if isinstance(value, dict):
        return "json", value
    values = list(value)
    kinds = set(map(type, values))
    if (
        kinds
        and kinds <= {int, float}
        and all(-_MAX_BIGINT <= item < _MAX_BIGINT for item in values if type(item) is int)
    ):
        return "numbers", values
    return "json", [portable(item)[1] for item in values]


def _merge(known: str, kind: str) -> str:
    """Return the kind of column that holds values of both."""
    if "null" in (known, kind):
        return kind if known == "null" else known
    if {known, kind} == {"integer", "number"}:
        return "number"
    return "json" if known in _NESTED or kind in _NESTED else "text"


def _candidates(source: str, key: str) -> Iterable[str]:
    yield key
    prefixed = f"{source.removesuffix('s')}_{key}"
    yield prefixed
    number = 2
    while True:
        yield f"{prefixed}_{number}"
        number += 1
