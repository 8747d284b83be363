"""Values in a few words: what a cell of a table shows of an array, a table, a long text."""

from __future__ import annotations

import datetime
import reprlib
from typing import Any, Final

from pytest_mltraq.errors import CorruptDataError

LONGEST: Final = 400
"""Characters of a value that are shown."""

_SHAPED: Final = ("numpy", "pandas", "polars", "pyarrow", "scipy")
"""Libraries whose values are described by their shape."""

_MANY_COLUMNS: Final = 8
_MANY_BITS: Final = 10_000


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = 12
        self.maxstring = self.maxother = self.maxlong = 200
        self.maxlevel = 4


_SHORT: Final = _Short()


def describe(value: Any) -> str:
    """Return what a value is, in at most `LONGEST` characters and a little more.

    Example:
        >>> describe("a" * 1000)[-20:], describe([0.5, None]), describe(b"abc")
        ('... 1,000 characters', '[0.5, None]', '3 bytes')
    """
    if isinstance(value, str):
        return value if len(value) <= LONGEST else f"{value[:LONGEST]}... {len(value):,} characters"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, CorruptDataError):
        return f"(damaged) {value.message}"
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return str(value)
    if isinstance(value, int) and value.bit_length() > _MANY_BITS:  # Python refuses to write them
        return f"an integer of {value.bit_length():,} bits"
    if type(value).__module__.partition(".")[0] in _SHAPED:
        shape = getattr(value, "shape", None)
        if shape:
            return _shaped(value, shape)
        if shape == () and hasattr(value, "item"):
            return str(value)
    text = _SHORT.repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _shaped(value: Any, shape: tuple[Any, ...]) -> str:
    said = f"{type(value).__name__} of {' × '.join(map(str, shape))}"
    columns = getattr(value, "columns", None)
    names = list(getattr(value, "column_names", columns if columns is not None else ()))
    if names:
        more = ", ..." if len(names) > _MANY_COLUMNS else ""
        return f"{said}: {', '.join(str(name)[:LONGEST] for name in names[:_MANY_COLUMNS])}{more}"
    kind = getattr(value, "dtype", None)
    return said if kind is None else f"{said}, {str(kind)[:LONGEST]}"
