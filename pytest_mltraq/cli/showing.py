"""`show`: all of a session, an experiment or a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from pytest_mltraq.cli.database import on_database
from pytest_mltraq.cli.grouping import Group, Grouped, group_runs
from pytest_mltraq.cli.names import COMMIT_DIGITS, RUN_DIGITS, SESSION_DIGITS, all_names, complete
from pytest_mltraq.cli.output import printed
from pytest_mltraq.cli.table import Report, Table, Text, facts, rounded
from pytest_mltraq.counting import counted
from pytest_mltraq.errors import ConfigurationError, near

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from pytest_mltraq.storage import Database

MAX_METRICS: Final = 8
"""Metrics that are columns of the table of groups; the others are counted."""

DIGITS: Final = 4


@click.command()
@click.argument("what", metavar="NAME or ID", shell_complete=complete(all_names))
@click.option(
    "--over",
    metavar="PARAMS",
    help="Params over which runs are replicates of each other, with commas between; by default seed,fold,repeat.",
)
@printed
@on_database()
def show(database: Database, what: str, over: str | None) -> Report:
    """Show all that is stored of a session, an experiment or a run.

    NAME or ID is the name of an experiment (its newest version is meant), the beginning of an id, or `last` for the newest session.
    """
    from pytest_mltraq.storage.lookup import find

    replicates = None if over is None else [name.strip() for name in over.split(",")]
    with database.reading() as connection:
        assert connection is not None  # noqa: S101 - on_database saw to it
        found = find(connection, what)
        if found.kind == "experiment":
            return _show_experiment(connection, found.id, replicates)
        if replicates is not None:
            message = f"--over is for experiments; {what!r} is a {found.kind}"
            raise click.UsageError(message)
        return _show_run(connection, found.id) if found.kind == "run" else _show_session(connection, found.id)


def _show_run(connection: Connection, id_run: str) -> Report:
    from pytest_mltraq.storage.details import read_run

    run = read_run(connection, id_run)
    stored = run.stored
    own = {
        "experiment": f"{run.experiment} ({stored['id_experiment'][:RUN_DIGITS]})",
        "session": run.id_session[:SESSION_DIGITS],
        "outcome": stored["outcome"],
        "started": _time(stored["started_at"]),
        "seconds": _short(stored["duration_s"]),
        "seed": stored["seed"],
        "nodeid": stored["nodeid"],
        "worker": stored["worker"],
        "attempts": stored["attempts"] if stored["attempts"] != 1 else None,
        "versions": f"in {run.versions}, this is the newest" if run.versions > 1 else None,
    }
    steps = [(step["name"], _short(step["duration_s"])) for step in stored["steps"]]
    parts: list[Table | Text] = [
        facts(f"run {id_run}", _known(own)),
        *_values("params", run.params),
        *_values("fields", run.fields),
        *([Table(("step", "seconds"), steps, "steps")] if steps else []),
    ]
    if error := stored["error"]:
        place = f" in {error['step']}" if error["step"] else ""
        parts.append(Text(f"{error['type']}{place}", _lines(error["traceback"] or error["message"])))
    document = {"kind": "run", "experiment": run.experiment, "id_session": run.id_session, **stored}
    return Report(parts, document, _flat(document))


def _show_experiment(connection: Connection, id_experiment: str, over: list[str] | None) -> Report:
    from pytest_mltraq.metric import REPLICATE_PARAMS
    from pytest_mltraq.storage.details import read_experiment, read_outcomes, read_verdicts

    experiment = read_experiment(connection, id_experiment)
    with contextlib.closing(read_outcomes(connection, id_experiment)) as outcomes:
        grouped = group_runs(outcomes, REPLICATE_PARAMS if over is None else over)
    _check_params(over or (), grouped)
    judged = read_verdicts(connection, id_experiment=id_experiment)
    stored, session = experiment.stored, experiment.session
    own = {
        "experiment": id_experiment,
        "session": session["id"][:SESSION_DIGITS],
        "stored": _time(stored["created_at"]),
        **_revision(session),
        "runs": _counted(grouped.outcomes),
        "about": (stored["doc"] or "").strip() or None,
        "nodeid": stored["nodeid"],
    }
    steps = [(code["name"], _place(code)) for code in stored["code"]]
    failures = [
        (run.id_run[:RUN_DIGITS], run.outcome, _label(run.params, run.types), _message(run.error))
        for run in grouped.failures
    ]
    others = sum(n for outcome, n in grouped.outcomes.items() if outcome != "passed")
    parts: list[Table | Text] = [
        facts(stored["name"], _known(own)),
        *_values("config", experiment.config),
        *_values("fields", experiment.fields),
        *([Table(("step", "place"), steps, "steps")] if steps else []),
        *([_table_of_groups(grouped)] if grouped.groups else []),
        *([_table_of_failures(failures, others)] if failures else []),
        *([_table_of_verdicts(judged)] if judged else []),
    ]
    groups = [_document(group) for group in grouped.groups]
    document = {
        "kind": "experiment",
        **stored,
        "session": session,
        "outcomes": grouped.outcomes,
        "over": grouped.over,
        "groups": groups,
        "verdicts": judged,
    }
    return Report(parts, document, _table_of_metrics(groups))


def _check_params(names: Iterable[str], grouped: Grouped) -> None:
    known = {name for group in grouped.groups for name in group.params}.union(grouped.over)
    for name in names:
        if name not in known:
            message = f"--over: no run has a param {name!r}; {near(name, known)}"
            raise ConfigurationError(message)


def _show_session(connection: Connection, id_session: str) -> Report:
    from pytest_mltraq.storage.details import read_session, read_verdicts
    from pytest_mltraq.storage.listing import list_stored_by, session_outcome

    stored = read_session(connection, id_session)
    versions = list_stored_by(connection, id_session)
    judged = read_verdicts(connection, id_session=id_session)
    outcome = session_outcome(stored["finished_at"], stored["exit_status"], stored["process"])
    own = {
        "started": _time(stored["started_at"]),
        "finished": _time(stored["finished_at"]),
        "outcome": outcome,
        "exit status": stored["exit_status"],
        **_revision(stored),
        "tags": ", ".join(stored["tags"]) or None,
        "by": f"{stored['origin']}: {stored['command']}",
        "ci": ", ".join((stored["ci"] or {}).values()) or None,
        "machine": f"{stored['host']}, Python {stored['python']}, {stored['platform']}",
        "packages": f"{len(stored['packages'])}; --format json lists them",
    }
    rows = [(row.name, _counted(row.outcomes), row.id_experiment[:RUN_DIGITS]) for row in versions]
    parts: list[Table | Text] = [
        facts(f"session {id_session}", _known(own)),
        *([Table(("experiment", "runs", "id"), rows, "experiments")] if rows else []),
        *([_table_of_verdicts(judged)] if judged else []),
    ]
    listed = [{**row._asdict(), "outcomes": row.outcomes} for row in versions]
    document = {"kind": "session", **stored, "outcome": outcome, "experiments": listed, "verdicts": judged}
    return Report(parts, document, _flat(document))


# -- parts -------------------------------------------------------------------------------------------------------------


def _values(title: str, values: Mapping[str, Any]) -> list[Table]:
    from pytest_mltraq.describing import describe

    return [facts(title, {name: describe(value) for name, value in values.items()})] if values else []


def _table_of_groups(grouped: Grouped) -> Table:
    params = list(dict.fromkeys(name for group in grouped.groups for name in group.params))
    metrics = list(dict.fromkeys(name for group in grouped.groups for name in group.means))
    shown = metrics[:MAX_METRICS]
    rows = [
        (
            *(rounded(group.params.get(name)) for name in params),
            sum(group.outcomes.values()),
            *(str(group.means.get(name, "")) for name in shown),
        )
        for group in grouped.groups
    ]
    over = f", mean ± sd over {', '.join(grouped.over)}" if grouped.over and metrics else ""
    left_out = (
        f"{counted(len(metrics) - len(shown), 'more metric')}; --format json has all" if metrics[len(shown) :] else None
    )
    return Table((*params, "runs", *shown), rows, f"groups{over}", left_out)


def _table_of_failures(rows: list[tuple[Any, ...]], total: int) -> Table:
    title = "not passed" if total == len(rows) else f"not passed: the first {len(rows)} of {total}"
    return Table(("run", "outcome", "params", "error"), rows, title)


def _table_of_verdicts(judged: list[dict[str, Any]]) -> Table:
    rows = [
        (
            row["experiment"],
            row["metric"],
            ", ".join(f"{name}:{value}" for name, value in row["params"].items()),
            row["verdict"],
            _short(row["mean"]),
            _short(row["baseline_mean"]),
            row["reason"],
        )
        for row in judged
    ]
    return Table(("experiment", "metric", "params", "verdict", "mean", "baseline", "reason"), rows, "verdicts")


def _table_of_metrics(groups: list[dict[str, Any]]) -> Table:
    """Return a row for each metric of each group."""
    columns = ("params", "runs", "metric", "n", "mean", "sd", "min", "max")
    rows = [
        (group["params"], group["runs"], name, *(metric[key] for key in columns[3:]))
        for group in groups
        for name, metric in group["metrics"].items()
    ]
    return Table(columns, rows)


def _document(group: Group) -> dict[str, Any]:
    metrics = {
        name: {"n": mean.n, "mean": mean.mean, "sd": mean.sd, "min": lowest, "max": highest}
        for (name, mean), (lowest, highest) in zip(group.means.items(), group.extremes.values(), strict=True)
    }
    return {
        "params": group.params,
        "runs": sum(group.outcomes.values()),
        "outcomes": group.outcomes,
        "metrics": metrics,
    }


def _flat(document: Mapping[str, Any]) -> Table:
    """Return a row for each value, and for each value of an object in it."""
    rows: list[tuple[Any, ...]] = []
    for name, value in document.items():
        if isinstance(value, dict):
            rows += [(name, key, item) for key, item in value.items()]
        else:
            rows.append((document["kind"], name, value))
    return Table(("part", "name", "value"), rows)


# -- values ------------------------------------------------------------------------------------------------------------


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _time(stored: Any) -> Any:
    from pytest_mltraq.storage.reader import to_time

    return None if stored is None else to_time(stored)


def _revision(session: Mapping[str, Any]) -> dict[str, Any]:
    commit = session["commit"]
    changed = ", with changes" if session["dirty"] else ""
    return {"branch": session["branch"], "commit": None if commit is None else f"{commit[:COMMIT_DIGITS]}{changed}"}


def _place(code: Mapping[str, Any]) -> str | None:
    return None if code["file"] is None else f"{code['file']}:{code['line']}"


def _counted(outcomes: Mapping[str, int]) -> str:
    total = sum(outcomes.values())
    by_outcome = ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items()))
    return f"{total}: {by_outcome}" if total else "0"


def _label(params: str, types: str | None) -> str:
    from pytest_mltraq.groups import label_params, readable_params

    return label_params(readable_params(params, types))


def _message(error: str | None) -> str | None:
    """Return the first line of an error."""
    from pytest_mltraq.codec import load_object

    if error is None:
        return None
    found = load_object(error, "error")
    return f"{found['type']}: {next(iter(_lines(found['message'])), '')}"


def _lines(text: str) -> list[str]:
    return [line.expandtabs() for line in text.rstrip("\n").split("\n")]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")
