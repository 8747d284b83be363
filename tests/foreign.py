"""Databases of MLtraq and MLflow, made by these programs, that are imported in tests.

`python -m tests.foreign FOLDER`, with `mltraq` 0.1.165, `mlflow-skinny` 3.17.2, `alembic` and `sqlparse` installed, makes
`mltraq.db` and `mlflow.db` there. They are kept under `tests/data`, and never made again for a later version: another one is
made beside them.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import os
import sqlite3
import sys
import uuid
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

KEPT = ("alembic_version", "experiments", "experiment_tags", "runs", "params", "metrics", "latest_metrics", "tags")
"""Of MLflow's 65 tables, those that its tracking store had from the beginning; the others are empty, and dropped."""

START = 1_700_000_000_000
"""When the first run began [ms since 1970]."""


def make_mltraq(path: str) -> None:
    """Make a database with values of each type that MLtraq keeps."""
    import mltraq

    mltraq.options().set("tqdm.disable", True)
    mltraq.options().set("reproducibility.sequential_uuids", True)
    session = mltraq.create_session(f"sqlite:///{path}")
    experiment = session.create_experiment("iris", dataset="iris", sizes=[1, 2], frame=pd.DataFrame({"x": [1.5]}))
    experiment.add_runs(model=["logreg", "tree"], seed=[0, 1]).execute(_set_fields, n_jobs=1, args_field="args")
    experiment.persist(store_unsafe_pickle=True)
    experiment = session.create_experiment("Zwei-Namen")
    for fields in ({"x": 0.0}, {"x": 0.5, "y": 1}, {"x": math.nan}):
        with experiment.run() as run:
            run.fields.update(fields)
    experiment.persist()
    session.create_experiment("nothing").persist()
    with mltraq.options().ctx({"serialization.compression.codec": "zlib"}):
        experiment = session.create_experiment("packed", note="z" * 100)
        with experiment.run() as run:
            run.fields.trail = ["zz"] * 50
        experiment.persist()


def _set_fields(run: Any) -> None:
    from mltraq import Bunch, Sequence
    from mltraq.storage.datastore import DataStore

    fields = run.fields
    fields.accuracy = 0.5 + run.params.seed / 8
    fields.model = run.params.model
    fields.small = np.float32(0.25)
    fields.count = 7
    fields.good = run.params.seed == 1
    fields.when = datetime.datetime(2024, 1, 2, 3, 4, 5, 678)  # noqa: DTZ001 - MLtraq keeps no zone
    fields.day = datetime.date(2024, 1, 2)
    fields.clock = datetime.time(1, 2, 3)
    fields.raw = b"\0\xff"
    fields.none = None
    fields["a b"] = "größe"
    fields.trail = ["a", (1, {2}), {"k": [None, True, 2**40, -1.5]}]
    fields.bunch = Bunch(x=1)
    fields.array = np.arange(6, dtype=">i2").reshape(2, 3)
    fields.fortran = np.asfortranarray(np.arange(4.0).reshape(2, 2))
    fields.table = pd.DataFrame({"x": [1, 2], "y": ["a", None]}, index=pd.Index([3, 4], name="key"))
    fields.series = pd.Series([1.5, 2.5])
    fields.named = pd.Series([1, 2], name="acc")
    fields.arrow = pa.table({"x": [1, None]})
    fields.stamp = {"t": np.datetime64("2024-01-02T03:04:05.678901", "us"), "id": uuid.UUID(int=7)}
    fields.losses = Sequence()
    for at in range(3):
        fields.losses.append(loss=1 / (at + 1), name=f"n{at}")
    fields.empty = Sequence()
    fields.store = DataStore()
    fields.store.a = np.zeros(3)


def make_mlflow(path: str) -> None:
    """Make a tracking store with runs of two commits, and of each status."""
    import mlflow
    from mlflow.tracking import MlflowClient

    mlflow.set_tracking_uri(f"sqlite:///{path}")
    client = MlflowClient()
    iris = client.create_experiment("iris", artifact_location="artifacts", tags={"team": "a"})
    params = {"lr": "0.01", "depth": "3", "model": "tree", "flag": "True", "code": "007"}
    for at, commit in enumerate(("a" * 40, "a" * 40, "b" * 40)):
        begin = START + at * 3_600_000
        losses = [("loss", 1 / (step + 1), begin + step * 10, step) for step in range(3)]
        others = [("val loss", 2 / (step + 1), begin + step * 10 + 1, step) for step in range(3)]
        accuracy = ("accuracy", 0.5 + at / 8, begin + 1000, 0)
        _run(client, iris, f"run-{at}", begin, commit, "FINISHED", params, [accuracy, *losses, *others])
    begin = START + 9_000_000
    odd = [("loss", math.nan, begin, 0), ("up", math.inf, begin, 0), ("down", -math.inf, begin, 0)]
    _run(client, iris, "failed", begin, "b" * 40, "FAILED", {}, odd)
    _run(client, iris, "killed", begin + 1_000_000, None, "KILLED")
    _run(client, iris, "running", begin + 2_000_000, None, None)
    client.delete_run(_run(client, iris, "gone", begin + 3_000_000, None, "FINISHED"))
    other = client.create_experiment("größe/2", artifact_location="artifacts2")
    _run(client, other, "no metrics", begin + 4_000_000, None, "FINISHED")
    deleted = client.create_experiment("deleted", artifact_location="artifacts3")
    _run(client, deleted, "x", begin, None, "FINISHED")
    client.delete_experiment(deleted)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if table not in KEPT:
                connection.execute(f'DROP TABLE "{table}"')
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, '/data')", (os.getcwd(),))  # noqa: S608, PTH109
        connection.execute("VACUUM")


def _run(
    client: Any,
    experiment: str,
    name: str,
    begin: int,
    commit: str | None,
    status: str | None,
    params: dict[str, str] | None = None,
    metrics: list[tuple[str, float, int, int]] | None = None,
) -> str:
    from mlflow.entities import Metric, Param

    tags = {"mlflow.user": "ada", "mlflow.source.name": "train.py", "owner": "ada"}
    if commit:
        tags |= {"mlflow.source.git.commit": commit, "mlflow.source.git.branch": "main"}
    run = client.create_run(experiment, start_time=begin, tags=tags, run_name=name).info.run_id
    given = [Param(*item) for item in (params or {}).items()]
    client.log_batch(run, metrics=[Metric(*item) for item in metrics or ()], params=given)
    if status:
        client.set_terminated(run, status, end_time=begin + 1500)
    return str(run)


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    make_mltraq("mltraq.db")
    make_mlflow("mlflow.db")
