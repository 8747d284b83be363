"""The report of a session that is stored, as it was when the session ended."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from typing import Any

from pytest_mltraq.baseline import Earlier
from pytest_mltraq.codec import load_object
from pytest_mltraq.codec.document import columns_of
from pytest_mltraq.compare import Verdict
from pytest_mltraq.errors import NotFoundError, StorageError, near
from pytest_mltraq.judged import Judged
from pytest_mltraq.metric import from_plain
from pytest_mltraq.record import RunRecord
from pytest_mltraq.report.files import REPORT_WIDTH, SessionReport
from pytest_mltraq.report.terminal import Summary
from pytest_mltraq.storage import Database, history
from pytest_mltraq.storage.contents import Contents, RunRow, Version
from pytest_mltraq.storage.lookup import find_named_session
from pytest_mltraq.storage.reader import to_time


def stored_report(database: Database, word: str, experiments: Collection[str] = ()) -> SessionReport:
    """Return what the report of a session is about.

    Args:
        database: where it is stored.
        word: `last`, a tag, or the beginning of its id or commit.
        experiments: names of the experiments that are meant; all by default.

    Raises:
        NotFoundError: there is no such session, or it has no experiment of a name.
        StorageError: the database can't be read.
    """
    with database.reading() as connection:
        if connection is None:
            message = f"{database} is empty: there is nothing to report"
            raise StorageError(message)
        id_session = find_named_session(connection, word)
        contents = Contents(connection, database.artifacts)
        session = contents.session(id_session)
        versions = _choose(contents.versions([id_session]), id_session, experiments)
        places = {one.earlier.id_experiment: one for one in history.list_versions(connection, id_session)}
        chosen = {version.id_experiment for version in versions}
        rows = [row for row in contents.verdicts([id_session]) if row["id_experiment"] in chosen]
        judged = [_judged(row, places.get(row["id_experiment"])) for row in rows]
        tables = list(_summary(contents, versions).lines(REPORT_WIDTH, everything=True))
    began = to_time(session.started_at)
    return SessionReport(session, began, judged, tables, None, str(database.file or database), database)


def _choose(versions: Collection[Version], id_session: str, experiments: Collection[str]) -> list[Version]:
    known = {version.name for version in versions}
    for name in experiments:
        if name not in known:
            message = f"session {id_session} has no experiment {name!r}; {near(name, known)}"
            raise NotFoundError(message)
    return [version for version in versions if not experiments or version.name in experiments]


def _summary(contents: Contents, versions: Collection[Version]) -> Summary:
    summary = Summary()
    for version in versions:
        for run in contents.runs(version.id_experiment):
            summary.add(version.name, _record(run))
    return summary


def _record(run: RunRow) -> RunRecord:
    types = {} if run.types is None else load_object(run.types, "types")
    columns = columns_of(run.params, types.get("params")), columns_of(run.fields, types.get("fields"))
    return RunRecord(*run, columns=columns, objects={})


def _judged(row: Mapping[str, Any], version: history.Version | None) -> Judged:
    """Return a verdict as it was when it was stored."""
    details: dict[str, Any] = {} if row["details"] is None else load_object(row["details"], "verdicts.details")
    metric = from_plain(details.get("metric") or {"name": row["metric"]})
    known: dict[str, Any] = {name: row[name] for name in Verdict._fields if name in row}
    known |= {
        "params": load_object(row["params"], "verdicts.params"),
        "fails": bool(row["fails"]),
        "alpha": metric.alpha,
        "sign": metric.sign,
    }
    known |= {name: details[name] for name in ("needed_replicates", "tolerance", "limit") if name in details}
    return Judged(
        verdict=Verdict(**known),
        metric=metric,
        id_experiment=row["id_experiment"],
        nodeid=None if version is None else version.nodeid,
        file=None if version is None else version.file,
        line=None if version is None else version.line,
        sessions=details.get("sessions", 0),
        baseline=_earlier(details.get("nearest")),
        distance=details.get("distance"),
        said=row["baseline"] or "",
        notes=tuple(details.get("notes", ())),
        accepted=row["accepted"],
        values=details.get("values", {}),
        runs=(),
    )


def _earlier(stored: Mapping[str, Any] | None) -> Earlier | None:
    if stored is None:
        return None
    started = datetime.datetime.fromisoformat(stored["started_at"])
    return Earlier(**{**stored, "started_at": started, "tags": tuple(stored["tags"])})
