"""A growing table of values: one row per append, with its index and time."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pytest_mltraq.counting import counted
from pytest_mltraq.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas

RESERVED: Final = ("idx", "timestamp")
"""Columns that a sequence fills in itself."""

MISSING: Final = None
"""What a row has in a column that it did not set."""


class Sequence:
    """A table that grows by `append`, such as the loss of each epoch.

    Rows have the columns `idx` (0, 1, 2, ...) and `timestamp` (UTC, nanoseconds) beside those that were given. A
    column that a row did not set is None there.

    Args:
        frame: a DataFrame made by `df()`, to begin with.

    Example:
        >>> losses = Sequence()
        >>> losses.append(epoch=1, loss=0.5)
        >>> losses.append(epoch=2, loss=0.25)
        >>> len(losses), losses.df()["loss"].tolist()
        (2, [0.5, 0.25])
    """

    __slots__ = ("_columns", "_rows", "_times")

    def __init__(self, frame: pandas.DataFrame | None = None) -> None:
        self._times: list[int] = []
        self._columns: dict[str, list[Any]] = {}
        self._rows: list[dict[str, Any]] = []
        if frame is not None:
            times = frame["timestamp"].astype("datetime64[ns]").astype("int64").tolist()
            columns = {name: frame[name].tolist() for name in frame.columns if name not in RESERVED}
            self._times, self._columns = times, columns

    @classmethod
    def from_columns(cls, times: Iterable[int], columns: Mapping[str, list[Any]]) -> Sequence:
        """Make a sequence of its columns: the opposite of `columns`.

        Args:
            times: when each row was appended [ns since 1970, UTC], shape (n,).
            columns: the values by column, each of shape (n,).
        """
        sequence = cls()
        sequence._times, sequence._columns = list(times), dict(columns)
        return sequence

    def append(self, /, **values: Any) -> None:
        """Add a row.

        Raises:
            ConfigurationError: a column is called `idx` or `timestamp`, which each row has by itself.
        """
        if "idx" in values or "timestamp" in values:
            message = "columns 'idx' and 'timestamp' are filled in by the sequence itself: choose other names"
            raise ConfigurationError(message)
        self._rows.append(values)
        self._times.append(time.time_ns())

    def columns(self) -> tuple[list[int], dict[str, list[Any]]]:
        """Return when each row was appended [ns since 1970, UTC] and the values by column, each of shape (n,)."""
        if self._rows:
            self._fold()
        return self._times, self._columns

    def _fold(self) -> None:
        """Move the rows that were appended last into the columns."""
        rows, self._rows = self._rows, []
        known = len(self._times) - len(rows)
        for name in dict.fromkeys(name for row in rows for name in row):
            column = self._columns.setdefault(name, [MISSING] * known)
            column.extend([row.get(name, MISSING) for row in rows])
        for column in self._columns.values():
            column.extend([MISSING] * (len(self._times) - len(column)))

    def size(self) -> int:
        """Return the number of rows."""
        return len(self)

    def clear(self) -> None:
        """Remove every row."""
        self._times, self._columns, self._rows = [], {}, []

    def df(self) -> pandas.DataFrame:
        """Return the rows as a DataFrame: `idx`, `timestamp` (datetime64[ns], UTC without zone), then the columns."""
        import numpy as np
        import pandas as pd

        times, columns = self.columns()
        own = {"idx": np.arange(len(times)), "timestamp": np.array(times, dtype="int64").view("datetime64[ns]")}
        return pd.DataFrame(own | {name: _exact(column) for name, column in columns.items()})

    def __len__(self) -> int:
        return len(self._times)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self.columns() == other.columns()

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> tuple[list[int], dict[str, list[Any]]]:
        return self.columns()

    def __setstate__(self, state: tuple[list[int], dict[str, list[Any]]]) -> None:
        self._times, self._columns = state
        self._rows = []

    def __repr__(self) -> str:
        return f"Sequence({counted(len(self), 'row')}: {', '.join((*RESERVED, *self.columns()[1]))})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from pytest_mltraq.notebook import MAX_ROWS, heading, page, table

        times, columns = self.columns()
        # A curve is known by its end more than by its beginning.
        begin = max(0, len(self) - MAX_ROWS)
        rows = [[at, _utc(times[at]), *(column[at] for column in columns.values())] for at in range(begin, len(self))]
        said = counted(len(self), "row") + (f", the last {MAX_ROWS}" if begin else "")
        return page(heading("Sequence", said), table([*RESERVED, *columns], rows, len(self)) if rows else "")


def _utc(nanoseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(nanoseconds / 1e9, datetime.UTC)


def _exact(column: list[Any]) -> Any:
    """Return a column as pandas keeps it exactly: of integers and None it would make floats."""
    if set(map(type, column)) != {int, type(None)}:
        return column
    import pandas as pd

    return pd.array(column, dtype="Int64")
