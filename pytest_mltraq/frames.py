"""Fields as pandas DataFrames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    if max_level:
        return pd.json_normalize([dict(row) for row in rows], max_level=max_level)
    return pd.DataFrame.from_records([dict(row) for row in rows])
