"""Fields as pandas DataFrames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas


def frame_of(rows: Sequence[Mapping[str, Any]], first: list[str], max_level: int = 0) -> pandas.DataFrame:
    """Make a DataFrame with one row for each mapping, columns in the order in which they first occur.

    Args:
        rows: the values by column.
        first: the columns that are there even without rows.
        max_level: how many levels of dicts become columns of their own, named `outer.inner`.
    """
    import pandas as pd

    if not rows:
        return pd.DataFrame(columns=first)
    return pd.DataFrame.from_records([dict(_flat(row, max_level)) for row in rows])


def some_of(values: Mapping[str, Any], names: Iterable[str] | None) -> dict[str, Any]:
    """Return the values of some names, in their order; None is all."""
    return dict(values) if names is None else {name: values[name] for name in names if name in values}


def _flat(row: Mapping[str, Any], levels: int, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the items of a row, those of the dicts in it in their place."""
    for name, value in dict(row).items():
        if levels and isinstance(value, dict):
            yield from _flat(value, levels - 1, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
