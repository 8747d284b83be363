# ruff: noqa: S608 - what is asked is the tests' own
"""Many processes and one database: nothing is lost, nobody is told that it is locked, and readers read meanwhile."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

import pytest_mltraq as mltraq

AT_ONCE = """
import os
import sys
import traceback

import pytest
import pytest_mltraq as mltraq

url, processes = sys.argv[1], int(sys.argv[2])

def as_program(n):
    experiment = mltraq.create_session(url).create_experiment("example").add_run(process=n)
    experiment.execute(lambda run: run.fields.update({"n": n, f"only_{n}": n, "data": b"x" * 10_000})).persist("append")

def as_pytest(n):
    status = pytest.main(["-q", "-p", "mltraq", "-p", "no:cacheprovider", f"--mltraq-db={url}", "test_it.py"])
    assert status == 0, status

as_program.__globals__["url"], real = "sqlite://", url  # so that all that is needed is imported once
as_program(0)
url = real
start, go = os.pipe()
children = []
for n in range(processes):
    child = os.fork()
    if not child:
        os.close(go)
        os.environ["PROCESS"] = str(n)
        os.read(start, 1)  # until all of them are there
        try:
            (as_pytest if n % 2 else as_program)(n)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    children.append(child)
os.close(go)
sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
"""
"""Processes that store a run each in one database that is not there yet, programs and pytest's by turns."""

TEST = """
import os

def test_it(run):
    n = int(os.environ["PROCESS"])
    run.fields.update({"n": n, f"only_{n}": n, "data": b"x" * 10_000})
"""

ALONE = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""An environment in which pytest loads no other plugins."""

EXPERIMENT = """
import os
import pytest

PROCESS = int(os.environ["PROCESS"])

@pytest.mark.runs(n=range(int(os.environ["RUNS"])))
def experiment_many(run, n):
    run.fields.process = PROCESS
    run.fields[f"only_{PROCESS}"] = n
    run.fields.data = b"%d" % (n % 10) * 5000
"""


def sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement with the driver alone."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(str(make_url(url).database))) as connection:
            return connection.execute(statement).fetchall()
    with psycopg.connect(url, options="-csearch_path=mltraq") as server:
        cursor = server.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def create_at_once(folder: Path, url: str, processes: int) -> None:
    """Have processes create one database at the same moment, and check that nothing of any is lost."""
    (folder / "test_it.py").write_text(TEST)
    command = [sys.executable, "-c", AT_ONCE, url, str(processes)]
    result = subprocess.run(command, cwd=folder, env=ALONE, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    assert "lock" not in result.stdout
    programs, sessions = range(0, processes, 2), range(1, processes, 2)
    for view, ids in (("experiment_example", programs), ("experiment_test_it_test_it", sessions)):
        assert sql(url, f"SELECT n FROM {view} ORDER BY n") == [(n,) for n in ids]
        columns = ", ".join(f"sum(only_{n})" for n in ids)
        assert sql(url, f"SELECT {columns} FROM {view}") == [tuple(ids)]
    assert sql(url, "SELECT count(*) FROM sessions WHERE finished_at IS NOT NULL") == [(processes,)]
    assert sql(url, "SELECT count(*) FROM objects") == [(1,)]


def write_at_once(folder: Path, url: str, processes: int, runs: int) -> int:
    """Run pytest processes at the same time, read meanwhile, and check that nothing is lost; returns how often it was read."""
    (folder / "experiment_many.py").write_text(EXPERIMENT)
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "mltraq", "-p", "no:cacheprovider", f"--mltraq-db={url}"],
            cwd=folder,
            env={**ALONE, "PROCESS": str(process), "RUNS": str(runs)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for process in range(processes)
    ]
    reads = 0
    while any(writer.poll() is None for writer in writers):
        session = mltraq.create_session(url)
        stored = session.ls()
        for id_experiment, runs_then in zip(
            stored["id_experiment"].astype(str), stored["runs"].astype(int), strict=True
        ):
            found = session.load_experiment(id_experiment=id_experiment)
            assert len(found.runs) >= runs_then
            assert len({run.fields.process for run in found.runs.values()}) == min(1, len(found.runs))
            reads += 1
        session.close()
    outputs = [writer.communicate()[0] for writer in writers]
    assert [output for output in outputs if f"{runs} passed" not in output or "stored" not in output] == []
    assert [output for output in outputs if "lock" in output] == []
    assert sql(url, "SELECT process, count(*), sum(n) FROM experiment_many GROUP BY process ORDER BY process") == [
        (process, runs, runs * (runs - 1) // 2) for process in range(processes)
    ]
    assert sql(url, "SELECT count(*) FROM sessions WHERE exit_status = 0") == [(processes,)]
    assert sql(url, "SELECT count(*) FROM objects") == [(min(10, runs),)]
    return reads


def test_many_processes_create_one_database_at_the_same_moment(database_url: str, tmp_path: Path) -> None:
    """The worst moment is the first one."""
    create_at_once(tmp_path, database_url, 6)


def test_many_sessions_write_to_one_database(database_url: str, tmp_path: Path) -> None:
    """All runs of all of them are there, and who reads meanwhile always can."""
    assert write_at_once(tmp_path, database_url, 4, 100) > 0
    assert [path.name for path in tmp_path.glob("results.db*")] in ([], ["results.db"])


@pytest.mark.slow
@pytest.mark.parametrize("again", range(20))
def test_many_processes_create_one_database_twenty_times(database_url: str, tmp_path: Path, again: int) -> None:
    """The long version of the first, with sixteen of them."""
    create_at_once(tmp_path, database_url, 16)


@pytest.mark.slow
def test_eight_sessions_write_five_hundred_runs_each(database_url: str, tmp_path: Path) -> None:
    """The long version of the second."""
    assert write_at_once(tmp_path, database_url, 8, 500) > 0
