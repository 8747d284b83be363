"""Records into rows.

What is stored under its id already is left as it is, so that a transaction of which it isn't known whether it was committed
can be made again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pytest_mltraq.codec import dump_json
from pytest_mltraq.codec.forms import Columns
from pytest_mltraq.judged import Judged
from pytest_mltraq.metric import to_plain
from pytest_mltraq.record import ExperimentRecord, RunRecord, SessionRecord
from pytest_mltraq.storage.objects import add_objects
from pytest_mltraq.storage.rows import Connection, execute, insert_rows
from pytest_mltraq.storage.tables import columns_of
from pytest_mltraq.storage.views import View, drop_view


def add_session(connection: Connection, record: SessionRecord) -> None:
    """Store a session that begins."""
    insert_rows(connection, "sessions", SessionRecord._fields, [record])


def finish_session(connection: Connection, id_session: str, finished_at: str, exit_status: int | None) -> None:
    """Store that a session ended."""
    update = "UPDATE sessions SET finished_at = ?, exit_status = ? WHERE id = ?"
    execute(connection, update, finished_at, exit_status, id_session)


def add_experiment(connection: Connection, record: ExperimentRecord, id_session: str) -> None:
    """Store an experiment, as a new version where others of its name are stored."""
    *values, stored = record
    add_objects(connection, [stored])
    insert_rows(connection, "experiments", ("id_session", *ExperimentRecord._fields[:-1]), [(id_session, *values)])


def add_runs(connection: Connection, records: Iterable[tuple[Any, ...]], id_experiment: str, view: View) -> None:
    """Store runs of an experiment, and extend its view by what they have first.

    Args:
        connection: in a transaction that writes.
        records: the runs, each a `RunRecord` or the tuple of its values.
        id_experiment: their experiment's id.
        view: the view of their experiment.
    """
    columns: list[tuple[Columns, Columns]] = []
    found_objects = []

    def rows() -> Iterator[tuple[Any, ...]]:
        for record in records:
            found, stored = record[-2:]
            if stored:
                found_objects.append(stored)
            if not columns or found != columns[-1]:  # runs of an experiment mostly have the same
                columns.append(found)
            yield (id_experiment, *record[:-2])

    insert_rows(connection, "runs", ("id_experiment", *RunRecord._fields[:-2]), rows())
    add_objects(connection, found_objects)
    view.extend(connection, columns)


def delete_experiment(connection: Connection, id_experiment: str) -> None:
    """Remove a version of an experiment with its runs and verdicts, and the view with the last version."""
    select = "SELECT name FROM experiments WHERE id_experiment = ?"
    name = execute(connection, select, id_experiment).scalar_one()
    for table in ("verdicts", "runs", "experiments"):
        execute(connection, f"DELETE FROM {table} WHERE id_experiment = ?", id_experiment)  # noqa: S608
    if execute(connection, "SELECT 1 FROM experiments WHERE name = ? LIMIT 1", name).first() is None:
        drop_view(connection, name)


def replace_verdicts(connection: Connection, id_session: str, judged: Iterable[Judged]) -> None:
    """Store what was said of the metrics of a session, in the place of what was said before."""
    execute(connection, "DELETE FROM verdicts WHERE id_session = ?", id_session)
    positions: Counter[str] = Counter()
    rows = []
    for one in judged:
        rows.append(_verdict_row(one, id_session, positions[one.id_experiment]))
        positions[one.id_experiment] += 1
    insert_rows(connection, "verdicts", [name for name, _ in columns_of("verdicts")], rows)


def _verdict_row(judged: Judged, id_session: str, position: int) -> tuple[Any, ...]:
    verdict = judged.verdict
    known = {
        **verdict._asdict(),
        "id_experiment": judged.id_experiment,
        "position": position,
        "id_session": id_session,
        "params": dump_json(verdict.params),
        "baseline": judged.said,
        "accepted": judged.accepted,
        "details": dump_json(
            {
                "metric": to_plain(judged.metric),
                "values": judged.values,
                "notes": judged.notes,
                "sessions": judged.sessions,
                "distance": judged.distance,
                "nearest": _nearest(judged),
                "needed_replicates": verdict.needed_replicates,
                "tolerance": verdict.tolerance,
                "limit": verdict.limit,
            }
        ),
    }
    # NaN would be NULL on SQLite, and a number larger than any other on PostgreSQL.
    values = [known[name] for name, _ in columns_of("verdicts")]
    return tuple(None if isinstance(value, float) and math.isnan(value) else value for value in values)


def _nearest(judged: Judged) -> dict[str, Any] | None:
    """Return the session that a metric was compared with, as JSON takes it; it may be in another database."""
    earlier = judged.baseline
    return None if earlier is None else earlier._asdict() | {"started_at": earlier.started_at.isoformat()}
