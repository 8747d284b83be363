"""Sessions that are killed or cut off: what was reported is there, whole, and the next reader knows what became of them."""

from __future__ import annotations

import contextlib
import os
import random
import select
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

import pytest_mltraq as mltraq
from pytest_mltraq import environment

PROMISED_S = 1.0
"""How long after its report a run is durable, at the latest."""

LONGEST_S = 1.8
"""How long after the first report a session is killed, at most."""

SUITES = {
    "quick runs": "-p no:xdist",
    "runs that compute": "-p no:xdist",
    "runs with arrays": "-p no:xdist",
    "workers": "-n2",
}
"""What is killed, and pytest's options."""

SUITE = """
import hashlib
import os
import pytest

PIPE = int(os.environ["REPORTED_TO"])
NUMBER = {"quick runs": 6000, "runs that compute": 1500, "runs with arrays": 2000, "workers": 3000}

def compute(kind, n):
    if kind == "runs that compute":
        sum(range(300_000))
    if kind == "runs with arrays":
        return hashlib.shake_128(b"%d" % n).digest(20_000)
    return b"%d" % n

KIND = os.environ["KIND"]

@pytest.mark.runs(n=range(NUMBER[KIND]))
def experiment_killed(run, n):
    run.fields.square = n * n
    run.fields.data = compute(KIND, n)
"""

CONFTEST = """
import os
import time
import pytest

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reported())

class Reported:
    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report):
        if report.when == "teardown":
            os.write(int(os.environ["REPORTED_TO"]), f"{time.monotonic()} {report.nodeid}\\n".encode())
"""


class Killed(NamedTuple):
    """A session that was killed: where it is stored, and what was reported of it before, with the time [s]."""

    database: Path
    at: float
    reported: dict[str, float]


def kill(folder: Path, kind: str, delay_s: float) -> Killed:
    """Start a session, and kill it some time after its first run was reported."""
    folder.mkdir()
    (folder / "experiment_killed.py").write_text(SUITE)
    (folder / "conftest.py").write_text(CONFTEST)
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "--mltraq-db=results.db", *SUITES[kind].split()],
        cwd=folder,
        env={**os.environ, "REPORTED_TO": str(writing), "KIND": kind},
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
    )
    os.close(writing)
    found = os.read(reading, 65536)
    kill_at = time.monotonic() + delay_s
    while select.select([reading], [], [], max(0, kill_at - time.monotonic()))[0]:
        part = os.read(reading, 65536)
        assert part, "the session ended before it was killed"
        found += part
    process.kill()
    killed_at = time.monotonic()
    process.wait()
    with os.fdopen(reading, "rb") as rest:
        found += rest.read()  # until the last of its workers is gone
    lines = [line.split(" ", 1) for line in found.decode().splitlines()]
    return Killed(folder / "results.db", killed_at, {nodeid: float(moment) for moment, nodeid in lines})


def check(killed: Killed, kind: str) -> int:
    """Check what is stored of a session that was killed; returns how many of the runs that must be there there are."""
    with contextlib.closing(sqlite3.connect(killed.database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            assert not [at for at in killed.reported.values() if at <= killed.at - PROMISED_S]
            return 0  # it was killed in its first transaction
        stored = {nodeid for (nodeid,) in connection.execute("SELECT nodeid FROM runs")}
        ((finished_at, process),) = connection.execute("SELECT finished_at, process FROM sessions")
    must_be_there = {nodeid for nodeid, at in killed.reported.items() if at <= killed.at - PROMISED_S}
    assert must_be_there - stored == set()
    assert finished_at is None
    assert environment.is_running(process) is False
    experiment = mltraq.create_session(killed.database).load_experiment("killed")
    for run in experiment.runs.values():
        n = run.given_params.n
        assert run.outcome == "passed"
        assert run.fields.square == n * n
        assert kind == "runs with arrays" or run.fields.data == b"%d" % n
    return len(must_be_there)


def kill_and_check(folder: Path, number: int, seed: int) -> int:
    """Kill sessions at random moments, early and late ones, a few at a time, and check what is left of each."""
    moments = random.Random(seed)
    kinds = [list(SUITES)[at % len(SUITES)] for at in range(number)]
    folders = [folder / str(at) for at in range(number)]
    delays = [moments.uniform(at, at + 1) * LONGEST_S / number for at in range(number)]
    moments.shuffle(delays)
    with ThreadPoolExecutor(4) as pool:
        sessions = list(pool.map(kill, folders, kinds, delays))
    return sum(map(check, sessions, kinds))


def test_a_killed_session_keeps_what_was_reported_a_second_earlier(tmp_path: Path) -> None:
    """At ten random moments: the file is sound, the runs are there with all their values."""
    assert kill_and_check(tmp_path, 10, seed=random.randrange(2**32)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_a_killed_session_keeps_what_was_reported_at_200_moments(tmp_path: Path, seed: int) -> None:
    """The long version of it."""
    assert kill_and_check(tmp_path, 10, seed=seed) > 0
