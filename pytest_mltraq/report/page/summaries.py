"""Runs of many sessions, summed up: mean and standard deviation of each metric by group and version."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, NoReturn

from pytest_mltraq.change_points import find_change_points
from pytest_mltraq.codec import Decoder, dump_json
from pytest_mltraq.errors import CorruptDataError
from pytest_mltraq.report.page.columns import Cell, Column, encode_column, encode_rows, rounded

DIGITS: Final = 10
"""Of means: what can be told from rounding in single precision, and more than a chart shows."""

SHORTEST: Final = 6
"""A history in which a change can be found: of fewer means no order is rare enough."""

NUMBERS_WITHOUT_JSON: Final = (["float"], ["int"], ["numpy.scalar"])
"""Types of numbers that are null in a document: NaN, infinities, integers beyond 64 bits."""

Key = tuple[int, int, str]
"""Group, version, metric."""


class Groups:
    """Numbers the groups of an experiment in the order in which they come.

    Args:
        over: the params of replicates.
    """

    def __init__(self, over: Iterable[str]) -> None:
        self._over = frozenset(over)
        self._places: dict[str, int] = {}
        self._params: list[dict[str, Cell]] = []

    def place(
        self, params: Mapping[str, Any], types: Mapping[str, Any], cells: Callable[[], Mapping[str, Cell]]
    ) -> int:
        """Return the number of the group that a run belongs to.

        Args:
            params: of the run, as plain values.
            types: what JSON lost of them.
            cells: returns what is shown of them.
        """
        names = sorted(name for name in params if name not in self._over)
        key = dump_json([[name, params[name], types.get(name)] for name in names])
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = len(self._params)
            self._params.append({name: cell for name, cell in cells().items() if name not in self._over})
        return found

    def __len__(self) -> int:
        return len(self._params)

    def encode(self) -> dict[str, Any]:
        """Encode the params of the groups, a column for each."""
        names = dict.fromkeys(name for params in self._params for name in params)
        columns = {name: encode_column([params.get(name) for params in self._params]) for name in names}
        return {"n": len(self._params), "params": columns}


class History:
    """Gathers the numbers of metrics.

    Args:
        groups: how many groups are kept apart; beyond, only the mean over all runs of a version is kept.
    """

    ALL = -1
    """The group of all runs."""

    def __init__(self, groups: int) -> None:
        self._most = groups
        self._values: dict[Key, list[float]] = {}

    def add(self, group: int, version: int, fields: Mapping[str, Any], types: Mapping[str, Any]) -> None:
        """Take the fields of a run in; `types` is what JSON lost of them."""
        for name, plain in fields.items():
            value = _number(plain, types.get(name))
            if value is None:
                continue
            self._values.setdefault((self.ALL, version, name), []).append(value)
            if group < self._most:
                self._values.setdefault((group, version, name), []).append(value)

    def metrics(self) -> dict[str, int]:
        """Return the names of the metrics, and how many values each has."""
        counts: dict[str, int] = {}
        for (group, _, name), values in self._values.items():
            if group == self.ALL:
                counts[name] = counts.get(name, 0) + len(values)
        return counts

    def count(self, metrics: Collection[str], groups: int) -> int:
        """Return how many rows the history of some metrics has, of the first groups."""
        return sum(group < groups and name in metrics for group, _, name in self._values)

    def encode(self, metric: str, groups: int) -> dict[str, Column]:
        """Encode the history of a metric, of the first groups: rows of group, version, n, mean and sd; the group -1 is all runs."""
        rows = [
            {"group": group, "version": version, **_summary(values)}
            for (group, version, name), values in sorted(self._values.items(), key=lambda item: item[0][:2])
            if name == metric and group < groups
        ]
        return encode_rows(rows)

    def changes(self, metric: str, room: int) -> tuple[list[dict[str, int]], int, int]:
        """Find where the mean of a metric changed, for all runs and for each group.

        Args:
            metric: its name.
            room: how much may be searched, see `Limits.searches`.

        Returns:
            Rows of group and version, the first one of the new level; what is left of the room; how many histories were not searched.
        """
        series: dict[int, list[tuple[int, float]]] = {}
        for (group, version, name), values in sorted(self._values.items(), key=lambda item: item[0][:2]):
            if name == metric:
                series.setdefault(group, []).append((version, _mean(values)))
        rows, passed_over = [], 0
        for group, points in series.items():
            if len(points) < SHORTEST:
                continue
            if len(points) ** 2 > room:
                passed_over += 1
                continue
            room -= len(points) ** 2
            found = find_change_points([mean for _, mean in points])
            rows += [{"group": group, "version": points[at][0]} for at in found]
        return rows, room, passed_over


def _number(plain: Any, entry: Any) -> float | None:
    """Return a field as a number; None where it is none."""
    kind = type(plain)
    try:
        if kind is float or kind is int:
            return float(plain)
        if plain is None and isinstance(entry, list) and entry[:1] in NUMBERS_WITHOUT_JSON:
            return float(Decoder(_no_object).decode(plain, entry, "fields"))
    except (CorruptDataError, OverflowError, TypeError):
        pass
    return None


def _no_object(reference: Any) -> NoReturn:
    raise KeyError(reference)


def _mean(values: list[float]) -> float:
    if len(values) == 1:
        return values[0]
    try:
        return math.fsum(values) / len(values)
    except (OverflowError, ValueError):  # beyond floats; inf and -inf
        return math.nan


def _summary(values: list[float]) -> dict[str, Cell]:
    mean = _mean(values)
    sd = None
    if len(values) > 1 and math.isfinite(mean):
        try:
            sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
        except OverflowError:
            sd = math.inf
    return {"n": len(values), "mean": rounded(mean, DIGITS), "sd": rounded(sd, DIGITS)}
