"""What size costs: the memory of a session of 100,000 runs, and the work on a database with 1,000,000 runs.

The database has 2,000 sessions of 500 runs of 20 fields, in five experiments each. It is built by the package's own writer, and
compared with one of a tenth of the sessions: what is done with it may cost as much as its result is large, and no more.
"""

from __future__ import annotations

import argparse
import datetime
import os
import random
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from measuring import workspace

import pytest_mltraq as mltraq
from pytest_mltraq.codec.document import encode_document
from pytest_mltraq.environment import Environment, Revision
from pytest_mltraq.record import ExperimentRecord, RunRecord, SessionRecord, record_experiment, record_session, to_text
from pytest_mltraq.run import new_id
from pytest_mltraq.storage import Database, writer
from pytest_mltraq.storage.listing import Filters, list_sessions
from pytest_mltraq.storage.live import LiveSession
from pytest_mltraq.storage.views import View

SESSIONS, PART = 2000, 10
RUNS, FIELDS = 100, 20
EXPERIMENTS = ("digits", "iris", "latency", "memory", "ranking")
HISTORY = 200
SHOWN = 20
BOUND_S = 1.0
BOUND_GROWTH = 1.5
BOUND_BYTES = 1024
MEASURED_AGAIN = 5
TOGETHER = 20

SUITE = """
import os
import pytest

NUMBERS = range(int(os.environ["NUMBER"]))

@pytest.mark.runs(n=NUMBERS)
def experiment_many(run, n):
    run.fields.loss = 0.5 * n

@pytest.fixture
def values():
    return {}

@pytest.mark.parametrize("n", NUMBERS, ids=[f"n:{n}" for n in NUMBERS])
def test_many(values, n):
    values["loss"] = 0.5 * n
"""
"""Runs, and as many plain tests, which are what the memory of a session is compared with."""

CHILD = """
import resource, sys, pytest
status = pytest.main(sys.argv[1:])
print(status + 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100_000, help="runs of the one session (default: %(default)s)")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="of the database (default: %(default)s)")
    arguments = parser.parse_args()
    with workspace() as folder:
        if arguments.runs:
            measure_memory(folder, arguments.runs)
        if arguments.sessions:
            measure_database(folder, arguments.sessions)


# -- one session of many runs ------------------------------------------------------------------------------------------


def measure_memory(folder: Path, runs: int) -> None:
    """Print how much the memory of a session grows with each run, beside what pytest itself takes for a test."""
    (folder / "test_many.py").write_text(SUITE)
    sizes = runs // 10, runs
    ours, plain = (
        [peak_kib(folder, number, *options) for number in sizes]
        for options in (
            ("-p", "mltraq", "--mltraq-db=many.db", "test_many.py::experiment_many"),
            ("test_many.py::test_many",),
        )
    )
    more = [(mine - other) * 1024 for mine, other in zip(ours, plain, strict=True)]
    growth = (more[1] - more[0]) / (sizes[1] - sizes[0])
    print(f"memory of a session of {sizes[0]:,} and {sizes[1]:,} runs, peak of the process [MiB]")
    print(
        f"  ours {ours[0] / 1024:.0f} and {ours[1] / 1024:.0f}, as many plain tests {plain[0] / 1024:.0f} and {plain[1] / 1024:.0f}"
    )
    print(f"  more for each run: {growth:.0f} bytes  <= {BOUND_BYTES}  {'ok' if growth <= BOUND_BYTES else 'over'}")


def peak_kib(folder: Path, number: int, *options: str) -> int:
    """Return the peak of the resident memory of a pytest session [KiB]."""
    for file in folder.glob("many.db*"):
        file.unlink()
    environment = {**os.environ, "NUMBER": str(number), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-c", CHILD, "-q", "-p", "no:cacheprovider", *options]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    status, peak = map(int, result.stdout.splitlines()[-1].split())
    assert status == 0, result.stdout
    return peak


# -- a database of many sessions ---------------------------------------------------------------------------------------


def measure_database(folder: Path, sessions: int) -> None:
    """Print how long the usual work takes on a database, and on one of a tenth of its size."""
    sizes = max(HISTORY, sessions // PART), sessions
    files = [folder / f"{size}.db" for size in sizes]
    for file, size in zip(files, sizes, strict=True):
        begin = time.perf_counter()
        build(file, size)
        runs = size * RUNS * len(EXPERIMENTS)
        print(
            f"{size:,} sessions, {runs:,} runs: {file.stat().st_size / 2**20:,.0f} MiB, built in {time.perf_counter() - begin:.0f} s"
        )
    print(f"{'[s]':42}{sizes[0]:>10,}{sizes[1]:>10,}   growth")
    for what, operation in OPERATIONS.items():
        small, large = ([measured(partial(operation, file)) for _ in range(MEASURED_AGAIN)] for file in files)
        times = [statistics.median(some) for some in (small, large)]
        growth = times[1] / times[0]
        is_ok = times[1] < BOUND_S and growth <= BOUND_GROWTH
        print(f"{what:42}{times[0]:>10.3f}{times[1]:>10.3f}   {growth:.2f}  {'ok' if is_ok else 'over'}")
    print(f"bounds: {BOUND_S:g} s, and a growth of {BOUND_GROWTH:g} as far as a shared machine can tell")


def measured(operation: Callable[[], object]) -> float:
    """Return the wall time of a call [s]."""
    begin = time.perf_counter()
    operation()
    return time.perf_counter() - begin


def build(file: Path, sessions: int) -> None:
    """Fill a database with sessions."""
    numbers = random.Random(0)  # noqa: S311 - no secrets
    database = Database(file)
    views = {name: View(name) for name in EXPERIMENTS}
    first = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    with database.connected() as connection:
        for at in range(0, sessions, TOGETHER):
            with database.transaction(connection):
                for number in range(at, min(at + TOGETHER, sessions)):
                    began = first + datetime.timedelta(hours=number)
                    session = describe(began)
                    writer.add_session(connection, session._replace(finished_at=to_text(began), exit_status=0))
                    for name in EXPERIMENTS:
                        record = describe_experiment(name)._replace(created_at=to_text(began))
                        writer.add_experiment(connection, record, session.id)
                        writer.add_runs(connection, make_runs(numbers, began), record.id_experiment, views[name])
    database.close()


def describe(began: datetime.datetime) -> SessionRecord:
    """Make the record of a session."""
    found = Environment(Revision("0" * 40, "main", dirty=False), None, "3.11.9", "Linux", "host", {}, "pytest")
    return record_session(found, id_session=new_id(), origin="pytest", tags=(), started_at=began)


def describe_experiment(name: str) -> ExperimentRecord:
    """Make the record of an experiment."""
    return record_experiment(
        name=name, id_experiment=new_id(), fields={}, config={}, code=[], doc=None, nodeid=None, root=Path()
    )


def make_runs(numbers: random.Random, began: datetime.datetime) -> Iterator[RunRecord]:
    """Make the runs of an experiment: ten models, ten seeds, twenty floats."""
    for position in range(RUNS):
        params = encode_document({"model": f"model {position // 10}", "seed": position % 10}, "params", {})
        fields = encode_document({name: numbers.random() for name in NAMES}, "fields", {})
        yield RunRecord(
            id_run=str(uuid.UUID(int=numbers.getrandbits(128), version=4)),
            position=position,
            nodeid=f"experiment_it.py::experiment_it[model:model {position // 10}-seed:{position % 10}]",
            outcome="passed",
            seed=numbers.getrandbits(32),
            params=params.document,
            fields=fields.document,
            types=None,
            steps='[{"name":"step_train","duration_s":0.5},{"name":"step_evaluate","duration_s":0.25}]',
            error=None,
            started_at=to_text(began),
            duration_s=0.75,
            worker=None,
            attempts=1,
            columns=(params.columns, fields.columns),
            objects={},
        )


NAMES = tuple(f"metric_{number:02}" for number in range(FIELDS))


def open_it(file: Path) -> None:
    """Open the database."""
    assert not Database(file).is_empty()


def load_newest(file: Path) -> None:
    """Load the newest version of an experiment."""
    assert len(mltraq.create_session(file).load_experiment("iris").runs) == RUNS


def append_session(file: Path) -> None:
    """Store a session of a hundred runs, one by one as pytest reports them."""
    now = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)  # not the newest, so that it can be done again
    live = LiveSession(Database(file), partial(describe, now))
    live.add_experiment(describe_experiment("iris")._replace(created_at=to_text(now)))
    for record in make_runs(random.Random(1), now):  # noqa: S311
        live.add_run("iris", record)
    live.close(0)


def read_history(file: Path) -> None:
    """Read the mean of a metric in the newest sessions, in plain SQL."""
    found = Database(file).query(
        f"SELECT id_session, avg(metric_07) FROM experiment_iris WHERE id_session IN "
        f"(SELECT id FROM sessions ORDER BY started_at DESC LIMIT {HISTORY}) GROUP BY id_session"
    )
    assert len(found) == HISTORY


def list_newest(file: Path) -> None:
    """List the twenty newest sessions, as `pytest-mltraq ls` does."""
    with Database(file).reading() as connection:
        assert connection is not None
        rows, _ = list_sessions(connection, Filters(), SHOWN)
    assert len(rows) == SHOWN


OPERATIONS: dict[str, Callable[[Path], None]] = {
    "open": open_it,
    "load the newest version of an experiment": load_newest,
    "append a session of 100 runs": append_session,
    "a metric's history of 200 sessions": read_history,
    "list the newest sessions": list_newest,
}

if __name__ == "__main__":
    main()
