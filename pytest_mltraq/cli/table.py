"""What a command answers with, before it is written in one form or another."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

MANY_DIGITS: Final = 300
"""Decimals of more digits before the point are written as text; no float is as large."""


class Table(NamedTuple):
    """Rows of values as they are stored; each form writes them in its own way.

    Attributes:
        columns: names of the columns.
        rows: a value for each column; text, numbers, times (with their zone), bytes, None, and lists and dicts of them.
        title: what is written above it where there are several.
        note: what is said of it on standard error, such as how many rows were left out.
        has_header: whether the names of the columns are shown to people.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    title: str | None = None
    note: str | None = None
    has_header: bool = True


class Text(NamedTuple):
    """Lines that are shown as they are, such as a traceback.

    Attributes:
        title: what is written above it.
        lines: without their ends.
    """

    title: str
    lines: Sequence[str]


class Report(NamedTuple):
    """Several tables that are one answer.

    Attributes:
        parts: what is shown on a terminal and in Markdown.
        document: the same as JSON: dicts, lists, and values as in a `Table`.
        flat: the same as one table, for CSV.
        exit_status: of the command, where it judges.
    """

    parts: Sequence[Table | Text]
    document: Any
    flat: Table
    exit_status: int = 0


def plain(value: Any) -> Any:
    """Return a value as JSON has it: times as ISO 8601, bytes in base64, what is no number as null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, decimal.Decimal):
        return _plain_decimal(value)
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def _plain_decimal(value: decimal.Decimal) -> int | float | str | None:
    if not value.is_finite():
        return None
    if value.adjusted() > MANY_DIGITS:  # as an integer it would have as many digits as its exponent says
        return str(value)
    return int(value) if value == value.to_integral_value() else float(value)


def compact(value: Any) -> str:
    """Return a value as a cell shows it, in one line or several; nothing for what is missing."""
    if isinstance(value, bytes | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
    if isinstance(value, bool | dict | list | tuple):
        return json.dumps(plain(value), ensure_ascii=False)
    return "" if value is None else str(value)


def facts(title: str | None, values: Mapping[str, Any]) -> Table:
    """Return a table of names and values."""
    return Table(("name", "value"), list(values.items()), title, has_header=False)


def rounded(value: Any) -> Any:
    """Return a number with as many digits as people read: six."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def is_numeric(values: Iterable[Any]) -> bool:
    """Whether a column has numbers and nothing else, so that it is aligned to the right."""
    kinds = set(map(type, values)) - {type(None)}
    return bool(kinds) and kinds <= {int, float, decimal.Decimal}
