"""Databases with a history: sessions of given days, commits and outcomes, stored as a session stores them."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_mltraq.environment import Environment, Revision
from pytest_mltraq.experiment import Experiment
from pytest_mltraq.record import encode_params, record_experiment, record_run, record_session, to_text
from pytest_mltraq.run import Run, RunError, StepTime, new_id
from pytest_mltraq.session import Session
from pytest_mltraq.storage import Database, writer
from pytest_mltraq.storage.views import View


def a_run(
    params: Mapping[str, Any] | None = None,
    fields: Mapping[str, Any] | None = None,
    *,
    outcome: str | None = "passed",
    error: RunError | None = None,
    started_at: datetime.datetime | None = None,
) -> Run:
    """Make a run as if it had been executed."""
    run = Run(params, fields=fields)
    run.outcome, run.error = outcome, error
    run.steps = [StepTime("step_train", 0.25), StepTime("step_evaluate", 0.5)]
    run.started_at = started_at or datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
    run.duration_s = 0.75
    return run


def store_session(
    url: str | Path,
    experiments: Mapping[str, Sequence[Run]],
    *,
    at: str = "2026-11-20T12:00:00+00:00",
    branch: str | None = "main",
    commit: str | None = "ab" * 20,
    tags: Iterable[str] = (),
    exit_status: int | None = 0,
    is_finished: bool = True,
    process: str | None = None,
    origin: str = "pytest",
    id_session: uuid.UUID | None = None,
) -> str:
    """Store a session with its experiments; returns its id."""
    database = Database(url)
    began = datetime.datetime.fromisoformat(at)
    environment = Environment(
        Revision(commit, branch, dirty=False),
        None,
        "3.11.9",
        "Linux",
        "machine",
        {"pytest": "9.0"},
        "pytest",
        process,
    )
    record = record_session(environment, id_session=id_session or new_id(), origin=origin, tags=tags, started_at=began)
    ended = to_text(began + datetime.timedelta(minutes=5))
    with database.writing() as connection:
        writer.add_session(connection, record)
        for name, runs in experiments.items():
            experiment = Experiment(Session(), name)
            described = record_experiment(
                name=name,
                id_experiment=experiment.id_experiment,
                fields={},
                config={},
                code=[],
                doc=None,
                nodeid=None,
                root=Path(),
            )._replace(created_at=to_text(began + datetime.timedelta(seconds=1)))
            writer.add_experiment(connection, described, record.id)
            records = []
            for position, run in enumerate(runs):
                params, objects = encode_params(run)
                encoded, refused = record_run(run, position=position, params=params, objects=objects)
                assert not refused
                records.append(encoded)
            writer.add_runs(connection, records, described.id_experiment, View(name))
        if is_finished:
            writer.finish_session(connection, record.id, ended, exit_status)
    database.close()
    return record.id
