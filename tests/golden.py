# ruff: noqa: S608 - what is asked is the tests' own
"""Golden databases: one of each schema version, made by the code of that version, and what is in them.

`python -m tests.golden URL [SQL]` fills a database with the code as it is, and writes one of PostgreSQL as SQL text. It is made once for each schema version, kept under
`tests/data` and never made again: later versions must read it as it is.
"""

from __future__ import annotations

import contextlib
import datetime
import decimal
import math
import os
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import psycopg.sql
import psycopg.types.string
import pyarrow as pa
from sqlalchemy.engine import make_url

import pytest_mltraq as mltraq
from pytest_mltraq.storage import tables

DATA = Path(__file__).parent / "data"

VALUES: dict[str, Any] = {
    "none": None,
    "int": 2**64,
    "float": -0.0,
    "nan": math.nan,
    "inf": -math.inf,
    "text": "größe\n日本 😀 \0 \ud800",
    "bytes": b"\0\xff",
    "complex": 1 - 2j,
    "decimal": decimal.Decimal("1.10"),
    "uuid": uuid.UUID(int=7),
    "datetime": datetime.datetime(2026, 11, 24, 1, 2, 3, 4, tzinfo=datetime.UTC),
    "path": Path("data/iris.csv"),
    "nested": {"tuple": (1, (2, [3])), "set": {1, "a"}, "keys": {1: "a", None: "b"}},
    "bunch": mltraq.Bunch(items=1),
    "scalars": [np.float32(0.1), np.int8(1), np.datetime64("2026-11-24T00:00:00.000000001")],
    "long bytes": bytes(range(256)) * 100,
    "array": np.arange(6, dtype=">i2").reshape(2, 3),
    "frame": pd.DataFrame(
        {1: [1.5, math.nan]}, index=pd.Index([10, 20], name="key")
    ),  # no text: its dtype is that of a pandas
    "arrow": pa.table({"x": [1, None]}),
}
"""What the experiment `values` has as fields, as config, and as the fields and params of its one run."""

SUITE = """
import pytest

def step_train(run, model, seed):
    run.fields.loss = 1 / (1 + seed)

def step_check(run, model, seed):
    assert model != "worse"

@pytest.mark.runs(model=["better", "worse"], seed=range(2))
@pytest.mark.experiment(config={"epochs": 3}, dataset="iris")
def experiment_suite(run):
    run.fields.done = True

def test_plain(run):
    run.fields.size = 7
"""
"""A suite that is stored too: the experiments `suite`, of which two runs of four fail, and `test_suite.test_plain`."""


def fill(url: str) -> None:
    """Store both in a database, with the code as it is, and take out what says where it was made."""
    session = mltraq.create_session(url)
    for name in ("values", "values"):  # two versions, which share their objects
        experiment = session.create_experiment(name, **VALUES).add_run(**VALUES)
        experiment.execute(lambda run: run.fields.update(VALUES), config=VALUES).persist(if_exists="append")
    session.close()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_suite.py").write_text(SUITE, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "test_suite.py"]
        environment = {**os.environ, "PYTEST_ADDOPTS": "", "MLTRAQ_DB": url, "PYTHONPATH": str(DATA.parents[1])}
        subprocess.run(command, cwd=folder, env=environment, check=False)
    anonymous = """UPDATE sessions SET host = 'example', packages = '{"pytest-mltraq": "0.1.0"}', command = 'pytest',
        platform = 'Linux', python = '3.11.0', branch = 'main', tags = '["golden"]', dirty = NULL, ci = NULL,
        "commit" = '0123456789012345678901234567890123456789'"""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(str(make_url(url).database), isolation_level=None)) as connection:
            connection.execute(anonymous)
            connection.execute("VACUUM")
    else:
        with psycopg.connect(url, options="-csearch_path=mltraq") as server:
            server.execute(anonymous)


def dump(url: str) -> str:
    """Write a PostgreSQL database as SQL text, which any connection can run."""
    statements = ["CREATE SCHEMA mltraq", "SET search_path = mltraq", *tables.creation("postgresql")]
    with psycopg.connect(url, options="-csearch_path=mltraq -ctimezone=UTC") as server:
        server.adapters.register_loader("json", psycopg.types.string.TextLoader)
        for table in tables.TABLES:
            names = ", ".join(f'"{name}"' for name, _ in tables.columns_of(table))
            for row in server.execute(f"SELECT {names} FROM {table}"):
                values = ", ".join(psycopg.sql.Literal(value).as_string(server) for value in row)
                statements.append(f"INSERT INTO {table} ({names}) VALUES ({values})")
        for name, query in server.execute("SELECT viewname, definition FROM pg_views WHERE schemaname = 'mltraq'"):
            statements.append(f'CREATE VIEW "{name}" AS {query.strip().removesuffix(";")}')
    return "".join(f"{statement};\n" for statement in statements)


if __name__ == "__main__":
    fill(sys.argv[1])
    if not sys.argv[1].startswith("sqlite"):
        Path(sys.argv[2]).write_text(dump(sys.argv[1]), encoding="utf-8")
