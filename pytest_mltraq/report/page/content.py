"""What a page shows of a database, as one JSON document. Its form is what `static/data.js` reads."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from pytest_mltraq.codec import dump_json
from pytest_mltraq.errors import NotFoundError, near
from pytest_mltraq.metric import REPLICATE_PARAMS
from pytest_mltraq.record import SessionRecord
from pytest_mltraq.report.page.cells import Cells
from pytest_mltraq.report.page.columns import Cell, encode_rows, rounded
from pytest_mltraq.report.page.documents import Documents, mapping_of
from pytest_mltraq.report.page.limits import LeftOut, Limits
from pytest_mltraq.report.page.listing import Listing
from pytest_mltraq.report.page.summaries import Groups, History
from pytest_mltraq.storage.contents import Contents, Version

OLD_SESSIONS: Final = "earlier sessions"
OTHER_SESSIONS: Final = "sessions that have none of the chosen experiments"
SUMMED_UP: Final = "runs that are not listed one by one, but are in means, comparisons and histories"
NOT_READ: Final = "runs of earlier versions that are only counted"
FEWER_GROUPS: Final = "groups of params without a history of their own"
NOT_SEARCHED: Final = "histories without change points, because the search would take too long"
FEWER_METRICS: Final = "fields without a history, because they are no declared metrics"


def gather(contents: Contents, limits: Limits, chosen: Collection[str] | None = None) -> dict[str, Any]:
    """Gather what a page shows.

    Args:
        contents: the database's.
        limits: how much of them.
        chosen: names of the experiments that are shown; None: all.

    Raises:
        NotFoundError: one of them is not stored.
    """
    left_out = LeftOut()
    known = contents.sessions()
    versions = contents.versions([session.id for session in known[: limits.sessions]])
    left_out.add(OLD_SESSIONS, len(known) - limits.sessions if len(known) > limits.sessions else 0)
    shown = _chosen(versions, chosen)
    sessions = [session for session in known[: limits.sessions] if chosen is None or _has(session, shown)]
    left_out.add(OTHER_SESSIONS, min(len(known), limits.sessions) - len(sessions))
    ids = [session.id for session in sessions]
    page = _Page(contents, limits, left_out, ids)
    page.read(shown)
    return {
        "sessions": _encode_sessions(sessions, page.documents),
        "experiments": page.encode(),
        "verdicts": encode_rows(list(_verdicts(contents.verdicts(ids), ids, {version.name for version in shown}))),
        "code": page.code,
        "errors": page.errors,
        "more": page.cells.more,
        "images": page.cells.images,
        "curves": page.cells.encode_curves(),
        "left_out": left_out.lines(),
    }


def _chosen(versions: list[Version], chosen: Collection[str] | None) -> list[Version]:
    if chosen is None:
        return versions
    names = {version.name for version in versions}
    for name in chosen:
        if name not in names:
            message = f"experiment {name!r} is not stored; {near(name, names)}"
            raise NotFoundError(message)
    return [version for version in versions if version.name in chosen]


def _has(session: SessionRecord, versions: Iterable[Version]) -> bool:
    return any(version.id_session == session.id for version in versions)


def _encode_sessions(sessions: list[SessionRecord], documents: Documents) -> dict[str, Any]:
    """Encode sessions by column; packages and lists are shared where they are equal."""
    rows = []
    shared: dict[str, int] = {}
    for session in sessions:
        row = session._asdict()
        del row["process"]
        row["packages"] = shared.setdefault(session.packages, len(shared))
        row["tags"] = "\n".join(documents.texts(session.tags))
        row["dirty"] = None if session.dirty is None else bool(session.dirty)
        rows.append(row)
    return {"rows": encode_rows(rows), "packages": [documents.mapping(text) for text in shared]}


def _verdicts(rows: Iterable[Mapping[str, Any]], sessions: list[str], names: set[str]) -> Iterator[dict[str, Cell]]:
    """Yield verdicts as cells: sessions by their place, params and details as JSON."""
    places = {id_session: at for at, id_session in enumerate(sessions)}
    for row in rows:
        if row["experiment"] not in names:
            continue
        cells = {name: rounded(value, 12) if isinstance(value, float) else value for name, value in row.items()}
        del cells["id_session"], cells["position"]
        yield cells | {
            "fails": bool(row["fails"]),
            "session": places[row["id_session"]],
            "baseline_at": places.get(row["baseline_session"]),
        }


class _Page:
    """Reads the versions of experiments: the newest first, so that there is room for what matters most."""

    def __init__(self, contents: Contents, limits: Limits, left_out: LeftOut, sessions: list[str]) -> None:
        self._contents, self._limits, self._left_out = contents, limits, left_out
        self._sessions = {id_session: at for at, id_session in enumerate(sessions)}
        self._outcomes = contents.outcomes(sessions)
        self._unlisted, self._unread, self._searches = limits.runs, limits.read, limits.searches
        self._history = limits.history
        self._experiments: dict[str, _Experiment] = {}
        self._code_at: dict[str, int] = {}
        self._error_at: dict[str, int] = {}
        self.cells = Cells(contents, limits, left_out)
        self.documents = Documents(left_out)
        self.code: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []

    def read(self, versions: list[Version]) -> None:
        """Read versions, given in the order in which they were stored."""
        for name, of_name in itertools.groupby(
            sorted(versions, key=lambda version: version.name), key=lambda version: version.name
        ):
            self._experiments[name] = _Experiment(name, list(of_name), self._limits, self.documents)
        for version in reversed(versions):
            self._read_version(self._experiments[version.name], version)

    def _read_version(self, experiment: _Experiment, version: Version) -> None:
        counts = self._outcomes.get(version.id_experiment, {})
        total = sum(counts.values())
        at = experiment.place(version)
        listed = min(total, self._unlisted)
        read = total if total <= self._unread else 0
        self._unlisted -= listed
        self._unread -= max(read, listed)
        self._left_out.add(SUMMED_UP if read else NOT_READ, total - listed)
        types = self.documents.mapping(version.types)
        config, fields = (self.documents.mapping(document) for document in (version.config, version.fields))
        experiment.versions[at] = {
            "id": version.id_experiment,
            "session": self._sessions[version.id_session],
            "created": version.created_at,
            "outcomes": counts,
            "listed": listed,
            "config": self.cells.named(config, mapping_of(types, "config"), "config"),
            "fields": self.cells.named(fields, mapping_of(types, "fields"), "fields"),
            "code": [self._code(step) for step in self.documents.rows(version.code)],
        }
        if not (listed or read):
            return
        with contextlib.closing(self._contents.runs(version.id_experiment)) as found:
            for number, run in enumerate(itertools.islice(found, max(listed, read))):
                experiment.listing.take(run, at, self.cells, self._error, listed=number < listed)

    def _code(self, step: dict[str, Any]) -> int:
        key = dump_json(step)
        if key not in self._code_at:
            self._code_at[key] = len(self.code)
            source = step.get("source")
            self.code.append({**step, "source": self.cells.text(source) if isinstance(source, str) else None})
        return self._code_at[key]

    def _error(self, document: str | None) -> int | None:
        if document is None:
            return None
        if document not in self._error_at:
            self._error_at[document] = len(self.errors)
            shown = {
                name: self.cells.text(str(value or "")) for name, value in self.documents.mapping(document).items()
            }
            self.errors.append(shown)
        return self._error_at[document]

    def encode(self) -> list[dict[str, Any]]:
        """Encode the experiments."""
        return [self._encode(experiment) for experiment in self._experiments.values()]

    def _encode(self, experiment: _Experiment) -> dict[str, Any]:
        kept, others = experiment.tracked(self._limits.metrics)
        self._left_out.add(FEWER_METRICS, others)
        groups = self._groups_with_history(experiment, kept)
        changes = {}
        for name in kept:
            changes[name], self._searches, passed_over = experiment.history.changes(name, self._searches)
            self._left_out.add(NOT_SEARCHED, passed_over)
        return {**experiment.encode(kept, groups), "changes": {name: rows for name, rows in changes.items() if rows}}

    def _groups_with_history(self, experiment: _Experiment, metrics: list[str]) -> int:
        """Return of how many groups there is a history: none where there is one version, else as many as there is room for."""
        if len(experiment.versions) == 1:
            return 0
        groups = min(self._limits.groups, len(experiment.groups))
        while groups and experiment.history.count(metrics, groups) > self._history:
            groups //= 2
        self._history -= experiment.history.count(metrics, groups)
        self._left_out.add(FEWER_GROUPS, len(experiment.groups) - groups)
        return groups


class _Experiment:
    """The versions of an experiment, in the order in which they were stored."""

    def __init__(self, name: str, versions: list[Version], limits: Limits, documents: Documents) -> None:
        self.name = name
        self._newest = versions[-1]
        self._places = {version.id_experiment: at for at, version in enumerate(versions)}
        self.metrics = documents.rows(self._newest.metrics)
        self.versions: list[dict[str, Any]] = [{} for _ in versions]
        over = dict.fromkeys(
            name for metric in self.metrics for name in metric.get("over", ()) if isinstance(name, str)
        )
        self.over = tuple(over) or REPLICATE_PARAMS
        self.groups, self.history = Groups(self.over), History(limits.groups)
        self.listing = Listing(self.groups, self.history, documents)

    def place(self, version: Version) -> int:
        return self._places[version.id_experiment]

    def tracked(self, most: int) -> tuple[list[str], int]:
        """Return the metrics of which the history is shown, declared ones first, and how many others there are."""
        declared = [metric["name"] for metric in self.metrics if isinstance(metric.get("name"), str)]
        found = self.history.metrics()
        kept = [name for name in declared if name in found]
        kept += [name for name in found if name not in kept][: max(0, most - len(kept))]
        return kept, len(found) - len(kept)

    def encode(self, tracked: list[str], groups: int) -> dict[str, Any]:
        """Encode the experiment with the history of some metrics, of the first groups."""
        return {
            "name": self.name,
            "nodeid": self._newest.nodeid,
            "doc": self._newest.doc,
            "over": list(self.over),
            "metrics": self.metrics,
            "versions": self.versions,
            "groups": self.groups.encode(),
            "history": {name: self.history.encode(name, groups) for name in tracked},
            **self.listing.encode(),
        }
