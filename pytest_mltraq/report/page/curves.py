"""Sequences as curves: thinned out to what can be seen, as 32-bit floats."""

from __future__ import annotations

import base64
import itertools
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_mltraq.sequence import Sequence

Values = NDArray[np.float64]

FINEST: Final = 256
"""Rows of a curve that are kept at most: on a screen, more can't be told apart."""

COARSEST: Final = 48
"""Rows that a curve needs: with less room, there are fewer curves instead."""


class Curve(NamedTuple):
    """The rows of a sequence that are shown.

    Attributes:
        rows: how many rows the sequence has.
        at: the rows that are kept, shape (n,).
        columns: numbers by name, each of shape (n,); NaN where a row has none.
        weight: how many of the columns take room: those that don't grow evenly with the row, as the number of an epoch does.
    """

    rows: int
    at: NDArray[np.int64]
    columns: dict[str, Values]
    weight: int


class Curves:
    """Takes sequences in, as long as there is room.

    Args:
        room: how many values the page may have.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._least = 0
        self._curves: list[Curve] = []
        self.refused = 0

    def add(self, sequence: Sequence) -> int | None:
        """Take a sequence in; returns its index, or None where there is no room or it has no numbers."""
        columns = _numbers(sequence)
        if not columns:
            return None
        at = np.arange(len(sequence))
        weight = sum(_growth(values, at) is None for values in columns.values())
        needed = min(len(sequence), COARSEST) * weight
        if self.is_full or self._least + needed > self._room:
            self.refused += 1
            return None
        self._least += needed
        self._curves.append(_thin(Curve(len(sequence), at, columns, weight), FINEST))
        return len(self._curves) - 1

    @property
    def is_full(self) -> bool:
        """Whether there was no room for a sequence: then there is none for those that come later."""
        return self.refused > 0

    def encode(self) -> tuple[list[dict[str, Any]], int]:
        """Encode the curves, thinned out to fit; returns also how many are thinner than their sequence."""
        finest = FINEST
        while finest > COARSEST and sum(_values(curve, finest) for curve in self._curves) > self._room:
            finest -= 16
        thinned = [_thin(curve, finest) for curve in self._curves]
        return [_encode(curve) for curve in thinned], sum(len(curve.at) < curve.rows for curve in thinned)


def _values(curve: Curve, finest: int) -> int:
    return min(len(curve.at), finest) * curve.weight


def _numbers(sequence: Sequence) -> dict[str, Values]:
    """Return the columns of numbers, and the time since the first row [s]; none of an empty sequence."""
    times, columns = sequence.columns()
    if not times:
        return {}
    found = {name: values for name, column in columns.items() if (values := _as_floats(column)) is not None}
    if found:
        found["seconds" if "seconds" not in found else "seconds since the first row"] = (
            np.array(times, dtype=np.int64) - times[0]
        ) / 1e9
    return found


def _as_floats(column: list[Any]) -> Values | None:
    """Return a column as floats; None where it has texts or other values, or no number at all."""
    try:
        values = np.array([np.nan if value is None else float(value) for value in column], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if any(isinstance(value, str) for value in column) or all(v is None for v in column) else values


def _thin(curve: Curve, finest: int) -> Curve:
    """Keep the rows that show the shape of all columns, peaks included, with the first and the last one.

    Source: S. Steinarsson, Downsampling Time Series for Visual Representation, University of Iceland 2013, chapter 4.2 (largest
    triangle, three buckets). Of several columns the sum of the areas counts, each in units of its column's range.
    """
    rows = len(curve.at)
    if rows <= finest:
        return curve
    table = np.stack([_scaled(values) for values in curve.columns.values()])
    edges = np.linspace(1, rows - 1, finest - 1).astype(np.int64)
    kept = [0]
    for at, (begin, end) in enumerate(itertools.pairwise(edges.tolist())):
        following = table[:, end : edges[at + 2]] if at + 2 < len(edges) else table[:, -1:]
        kept.append(begin + _largest_triangle(table, kept[-1], begin, end, following.mean(axis=1)))
    kept.append(rows - 1)
    columns = {name: values[kept] for name, values in curve.columns.items()}
    return curve._replace(at=curve.at[kept], columns=columns)


def _largest_triangle(table: Values, last: int, begin: int, end: int, following: Values) -> int:
    """Return which row of a bucket spans the largest triangle with the row kept last and the mean of the next bucket."""
    start = table[:, last : last + 1]
    width = (begin + end) / 2 - last or 1.0
    places = (np.arange(begin, end) - last) / width
    return int(np.argmax(np.abs(table[:, begin:end] - start - (following[:, None] - start) * places).sum(axis=0)))


def _scaled(values: Values) -> Values:
    """Return values in units of their range; what is no finite number counts as the mean."""
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros_like(values)
    low, high = values[finite].min(), values[finite].max()
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (values - low) / (high - low or 1.0)
    return np.where(np.isfinite(scaled), scaled, 0.5)


def _encode(curve: Curve) -> dict[str, Any]:
    columns = {name: _encode_values(values, curve.at) for name, values in curve.columns.items()}
    encoded: dict[str, Any] = {"rows": curve.rows, "columns": columns}
    if len(curve.at) < curve.rows:
        encoded["at"] = np.diff(curve.at, prepend=0).tolist()
    return encoded


def _encode_values(values: Values, at: NDArray[np.int64]) -> Any:
    """Encode a column: one that grows evenly by its first value and its growth, others as base64 of `<f4`."""
    growth = _growth(values, at)
    if growth is not None:
        return {"from": float(values[0]), "by": growth}
    with np.errstate(over="ignore"):
        return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _growth(values: Values, at: NDArray[np.int64]) -> float | None:
    """Return by how much a column grows with each row; None where it doesn't do so evenly."""
    if not np.isfinite(values).all():
        return None
    growth = float((values[-1] - values[0]) / at[-1]) if at[-1] else 0.0
    return growth if np.array_equal(values[0] + growth * at, values) else None
