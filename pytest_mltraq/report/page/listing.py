"""The runs of an experiment that a page lists one by one: a column for each param and field, and for what else is known of a run."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any, Final

from pytest_mltraq.report.page.cells import EXACT, Cells
from pytest_mltraq.report.page.columns import Cell, encode_column, encode_ids, rounded
from pytest_mltraq.report.page.documents import Documents, mapping_of
from pytest_mltraq.report.page.summaries import Groups, History
from pytest_mltraq.storage.contents import RunRow

DIGITS: Final = 5
"""Of durations."""

PLAIN: Final = ("outcome", "worker", "attempts", "position")


class Listing:
    """Gathers runs by column.

    Args:
        groups: numbers their groups.
        history: takes their numbers.
        documents: reads what is stored of them.
    """

    def __init__(self, groups: Groups, history: History, documents: Documents) -> None:
        self._groups, self._history, self._documents = groups, history, documents
        self._n = 0
        self._own: dict[str, list[Cell]] = {}
        self._values: dict[tuple[str, str], list[Cell]] = {}
        self._times: list[list[Cell]] = []

    def take(
        self, run: RunRow, version: int, cells: Cells, error: Callable[[str | None], int | None], *, listed: bool
    ) -> None:
        """Take a run in.

        Args:
            run: as it is stored.
            version: place of its version.
            cells: makes cells of its values.
            error: returns the place of an error.
            listed: whether it is listed, or only counts in means.
        """
        types, params, fields = map(self._documents.mapping, (run.types, run.params, run.fields))
        of_params, of_fields = mapping_of(types, "params"), mapping_of(types, "fields")
        group = self._groups.place(params, of_params, lambda: cells.named(params, of_params, "params"))
        self._history.add(group, version, fields, of_fields)
        if not listed:
            return
        self._add_values("params", cells.named(params, of_params, "params"))
        self._add_values("fields", cells.named(fields, of_fields, "fields"))
        steps = _steps(self._documents.rows(run.steps))
        self._times.append([rounded(seconds, DIGITS) for _, seconds in steps])
        own = {name: getattr(run, name) for name in PLAIN} | {
            "id": run.id_run,
            "version": version,
            "group": group,
            "nodeid": run.nodeid,
            "seed": run.seed if -EXACT < run.seed < EXACT else str(run.seed),
            "started": _milliseconds(run.started_at),
            "duration": rounded(run.duration_s, DIGITS),
            "chain": "\n".join(name for name, _ in steps),
            "error": error(run.error),
        }
        for name, cell in own.items():
            self._own.setdefault(name, []).append(cell)
        self._n += 1

    def _add_values(self, source: str, cells: Mapping[str, Cell]) -> None:
        for name, cell in cells.items():
            column = self._values.get((source, name))
            if column is None:
                column = self._values[source, name] = []
            column.extend([None] * (self._n - len(column)))
            column.append(cell)

    def encode(self) -> dict[str, Any]:
        """Encode the runs."""
        for column in self._values.values():
            column.extend([None] * (self._n - len(column)))
        begin = min((value for value in self._own.get("started", ()) if value is not None), default=0)
        own = {
            **self._own,
            "started": [None if value is None else value - begin for value in self._own.get("started", ())],
        }
        own.pop("id", None)
        return {
            "runs": {
                "n": self._n,
                "begin": begin,
                "own": {name: encode_column(column) for name, column in own.items()},
                "id": encode_ids(self._own.get("id", [])),
                "times": self._times,
            },
            "columns": [
                {"source": source, "name": name, **encode_column(column)}
                for (source, name), column in self._values.items()
            ],
        }


def _steps(rows: list[dict[str, Any]]) -> list[tuple[str, float | None]]:
    """Return names and durations of steps."""
    found = []
    for row in rows:
        seconds = row.get("duration_s")
        found.append((str(row.get("name")), float(seconds) if isinstance(seconds, int | float) else None))
    return found


def _milliseconds(time: str | None) -> int | None:
    """Return a time as JavaScript has it: milliseconds since 1970, UTC."""
    if time is None:
        return None
    try:
        return round(datetime.datetime.fromisoformat(time).timestamp() * 1000)
    except ValueError:
        return None
