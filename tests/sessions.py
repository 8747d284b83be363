"""Sessions in a database without running anything: what tests of judging compare."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_mltraq.bunch import FrozenBunch
from pytest_mltraq.environment import Environment, Revision
from pytest_mltraq.record import encode_params, record_experiment, record_run, record_session, to_text
from pytest_mltraq.run import Run, new_id
from pytest_mltraq.steps import StepCode
from pytest_mltraq.storage import Database, writer
from pytest_mltraq.storage.views import View

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Sessions:
    """Stores sessions, a day apart.

    Args:
        database: where.
        experiment: the experiment that they store.
    """

    def __init__(self, database: Database, experiment: str = "iris") -> None:
        self.database = database
        self.experiment = experiment
        self.ids: list[str] = []

    def add(
        self,
        values: Iterable[Any],
        *,
        params: Sequence[Mapping[str, Any]] | None = None,
        metric: str = "accuracy",
        metrics: Sequence[Mapping[str, Any]] | None = None,
        commit: str | None = None,
        branch: str | None = None,
        tags: Sequence[str] = (),
        fields: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        outcome: str = "passed",
        exit_status: int | None = 0,
        is_finished: bool = True,
        experiment: str | None = None,
        day: int | None = None,
    ) -> str:
        """Store a session; returns its id.

        Args:
            values: the metric of each run; `...` for one that doesn't set it.
            params: of each run; else their seeds.
            metric: the field that the values are.
            metrics: what is said of the experiment's metrics.
            commit: the session's commit.
            branch: its branch.
            tags: its names.
            fields: of the experiment.
            config: of the experiment.
            outcome: of the runs.
            exit_status: of the session.
            is_finished: whether it ended.
            experiment: the experiment, where it is another.
            day: when it began.
        """
        started_at = BEGIN + datetime.timedelta(days=len(self.ids) if day is None else day)
        found = Environment(Revision(commit, branch, False), None, "3.11", "linux", "host", {}, "pytest", None)
        session = record_session(
            found, id_session=new_id(), origin="pytest", tags=tags, started_at=started_at
        )._replace(exit_status=exit_status, finished_at=to_text(started_at) if is_finished else None)
        described = record_experiment(
            name=experiment or self.experiment,
            id_experiment=new_id(),
            fields=fields or {},
            config=config or {},
            code=[StepCode("experiment_iris", "experiment_iris.py", 7, "", "")],
            doc=None,
            nodeid="experiment_iris.py::experiment_iris",
            root=Path(),
            metrics=metrics,
        )
        records = []
        for at, value in enumerate(values):
            given = params[at] if params is not None else {"seed": at}
            run = Run(FrozenBunch(given), fields={} if value is ... else {metric: value})
            run.outcome = outcome
            encoded, objects = encode_params(run)
            records.append(record_run(run, position=at, params=encoded, objects=objects)[0])
        with self.database.writing() as connection:
            writer.add_session(connection, session)
            writer.add_experiment(connection, described, session.id)
            writer.add_runs(connection, records, described.id_experiment, View(described.name))
        self.ids.append(session.id)
        return session.id
