"""`compare` and `history`: metrics of stored sessions, judged and over time."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from pytest_mltraq.cli.database import on_database
from pytest_mltraq.cli.names import COMMIT_DIGITS, SESSION_DIGITS, complete, experiment_names, session_ids
from pytest_mltraq.cli.output import printed
from pytest_mltraq.cli.table import Report, Table, rounded
from pytest_mltraq.errors import NotFoundError, near

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from pytest_mltraq.judged import Judged
    from pytest_mltraq.past import Group
    from pytest_mltraq.storage import Database
    from pytest_mltraq.storage.history import Version

DIGITS: Final = 4
AT_ONCE: Final = 100

_HISTORY: Final = ("session", "started", "branch", "commit", "n", "mean", "sd", "level changed")

_COLUMNS: Final = (
    ("verdict", "verdict"),
    ("experiment", "experiment"),
    ("metric", "metric"),
    ("group", None),
    ("baseline", "baseline_mean"),
    ("now", "mean"),
    ("n", "n"),
    ("change", "change"),
    ("low", "low"),
    ("high", "high"),
    ("q", "q_value"),
    ("sees", "minimum_detectable_change"),
    ("method", "method"),
    ("reason", "reason"),
)


@click.command()
@click.argument("baseline", metavar="A", shell_complete=complete(session_ids))
@click.argument("candidate", metavar="B", shell_complete=complete(session_ids))
@printed
@on_database()
def compare(database: Database, baseline: str, candidate: str) -> Report:
    """Compare the metrics of session B with those of session A; the exit status is 1 where one regressed.

    A and B are `last`, a tag, or the beginning of a session's id or of a commit. The metrics are judged as B declared them.
    """
    from pytest_mltraq.baseline import Baseline, Here
    from pytest_mltraq.gate import Gate
    from pytest_mltraq.report.document import verdict_document
    from pytest_mltraq.report.verdicts import worst_first
    from pytest_mltraq.storage.lookup import find_named_session

    with database.reading() as connection:
        assert connection is not None  # noqa: S101 - on_database saw to it
        before, after = find_named_session(connection, baseline), find_named_session(connection, candidate)
        judged = worst_first(Gate(Baseline("session", before), Here(), None).judge(connection, after, connection))
    if not judged:
        message = f"no experiment of session {after[:SESSION_DIGITS]} declares metrics: mark it with @pytest.mark.metric(NAME)"
        raise NotFoundError(message)
    table = _verdicts(judged, f"{after[:SESSION_DIGITS]} compared with {before[:SESSION_DIGITS]}")
    fails = any(one.verdict.fails for one in judged)
    document = [verdict_document(one) for one in judged]
    return Report([table], document, table._replace(title=None), exit_status=int(fails))


def _verdicts(judged: Sequence[Judged], title: str) -> Table:
    from pytest_mltraq.groups import label_params

    rows = []
    for one in judged:
        row = [rounded(getattr(one.verdict, name)) if name else None for _, name in _COLUMNS]
        row[3] = label_params(one.verdict.params)
        row[-1] = "; ".join([one.verdict.reason, *one.notes])
        rows.append(row)
    return Table([name for name, _ in _COLUMNS], rows, title)


@click.command()
@click.argument("experiment", shell_complete=complete(experiment_names))
@click.argument("metric")
@click.option("--branch", metavar="NAME", help="Only sessions of this branch.")
@click.option("--group", metavar="PARAMS", help="Only the group with these params, such as model:tree.")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True, help="Sessions, the newest.")
@printed
@on_database()
def history(
    database: Database, experiment: str, metric: str, branch: str | None, group: str | None, limit: int
) -> Report:
    """Print what a metric was in each finished session, and where its level changed.

    The level changed where the mean of what came before differs from that of what came after by more than chance (E-divisive,
    a permutation test at 1 %).
    """
    from pytest_mltraq.storage.history import list_finished
    from pytest_mltraq.storage.lookup import number_names

    with database.reading() as connection:
        assert connection is not None  # noqa: S101 - on_database saw to it
        versions = [one for one in list_finished(connection, experiment) if branch in (None, one.earlier.branch)]
        if not versions:
            known = experiment_names(connection)
            of_branch = "" if branch is None else f" of branch {branch!r}"
            message = f"no finished session{of_branch} has an experiment {experiment!r}; {near(experiment, known)}"
            raise NotFoundError(message)
        found = dict(_series(connection, versions[-limit:], metric))
        numbers = number_names(connection, experiment)
    wanted = {label: series for label, series in found.items() if group in (None, label)}
    if not wanted:
        message = (
            f"no run of {experiment!r} has a number {metric!r}; {near(metric, numbers)}"
            if not found
            else f"there is no group {group!r}; {near(str(group), found)}"
        )
        raise NotFoundError(message)
    found_changes = {label: _history_of(series) for label, series in wanted.items()}
    tables = [_history_table(f"{metric} {label}".strip(), one) for label, one in found_changes.items()]
    document = [
        {"group": label, "sessions": [dict(zip(_HISTORY, row, strict=True)) for row in one.rows]}
        for label, one in found_changes.items()
    ]
    flat = Table(["group", *_HISTORY], [[label, *row] for label, one in found_changes.items() for row in one.rows])
    return Report(tables, document, flat)


def _series(
    connection: Connection, versions: Sequence[Version], metric: str
) -> Iterator[tuple[str, list[tuple[Version, Group]]]]:
    """Yield the groups of an experiment, each with the sessions in which it has the metric."""
    from pytest_mltraq.groups import label_params
    from pytest_mltraq.metric import Metric, from_plain
    from pytest_mltraq.past import group_runs
    from pytest_mltraq.storage.history import read_measured

    plains = [plain for version in versions for plain in version.metrics if plain["name"] == metric]
    spec = Metric(metric)
    if plains:
        spec = from_plain(plains[-1])
    series: dict[str, list[tuple[Version, Group]]] = {}
    for at in range(0, len(versions), AT_ONCE):
        page = versions[at : at + AT_ONCE]
        measured = read_measured(connection, [version.earlier.id_experiment for version in page], [metric])
        for version in page:
            own = [one for one in measured if one.id_experiment == version.earlier.id_experiment]
            for group in group_runs(own, spec):
                if any(map(math.isfinite, group.values().values())):
                    series.setdefault(label_params(group.params), []).append((version, group))
    yield from series.items()


class _History(NamedTuple):
    """What a metric of a group was over sessions.

    Attributes:
        rows: a row for each session, with the columns `_HISTORY`.
        changes: how much the level changed in a session, and what part of the level before that is; by place.
        autocorrelation: of neighbouring sessions, where it makes changes doubtful; else None.
    """

    rows: list[tuple[Any, ...]]
    changes: dict[int, tuple[float, float | None]]
    autocorrelation: float | None


def _history_of(series: Sequence[tuple[Version, Group]]) -> _History:
    from pytest_mltraq.change_points import autocorrelation, find_change_points, is_autocorrelated

    values = [[value for value in group.values().values() if math.isfinite(value)] for _, group in series]
    means = [statistics.fmean(of_session) for of_session in values]
    found = find_change_points(means)
    bounds = [0, *found, len(means)]
    levels = [statistics.fmean(means[begin:end]) for begin, end in itertools.pairwise(bounds)]
    changes: dict[int, tuple[float, float | None]] = {}
    for at, (before, after) in zip(found, itertools.pairwise(levels), strict=True):
        changes[at] = after - before, (after - before) / abs(before) if before else None
    rows = []
    for at, ((version, _), of_session) in enumerate(zip(series, values, strict=True)):
        earlier = version.earlier
        sd = statistics.stdev(of_session) if len(of_session) > 1 else None
        where = (earlier.id_session, earlier.started_at, earlier.branch, earlier.commit)
        rows.append((*where, len(of_session), means[at], sd, changes[at][0] if at in changes else None))
    return _History(rows, changes, autocorrelation(means, found) if is_autocorrelated(means, found) else None)


def _history_table(title: str, history: _History) -> Table:
    """Return it as people read it: ids and numbers with as many digits as say something."""
    rows = []
    for at, (session, started, branch, commit, n, mean, sd, _) in enumerate(history.rows):
        change: str | None = None
        if at in history.changes:
            absolute, relative = history.changes[at]
            change = f"{absolute:+.{DIGITS}g}" + ("" if relative is None else f" ({relative:+.1%})")
        where = (session[:SESSION_DIGITS], started, branch, None if commit is None else commit[:COMMIT_DIGITS])
        rows.append((*where, n, rounded(mean), rounded(sd), change))
    note = None
    if history.autocorrelation is not None:
        note = (
            f"{title}: neighbouring sessions resemble each other (autocorrelation {history.autocorrelation:.2f}): "
            f"some of the changes may be none"
        )
    return Table(_HISTORY, rows, title, note)
