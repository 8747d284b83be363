"""What a run costs: 10,000 trivial runs, stored in SQLite, and as many trivial tests.

The tests are parametrized alike and request one trivial fixture; the plugin sleeps beside them.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from functools import partial
from pathlib import Path

from measuring import Cost, cpu_pairs, make_parser, measure_in_turn, print_table, ratio_row, run_child, workspace

RUNS = 10_000
BOUND = 1.25

EXPERIMENT = f"""\
import pytest


@pytest.mark.runs(n=range({RUNS}))
def experiment_trivial(run, n):
    run.fields.value = n
"""

TESTS = f"""\
import pytest


@pytest.fixture
def trivial():
    return {{}}


@pytest.mark.parametrize("n", range({RUNS}))
def test_trivial(trivial, n):
    trivial["value"] = n
"""

COMMAND = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_mltraq.plugin")


def main() -> None:
    """Measure and print."""
    rounds: int = make_parser(__doc__).parse_args().rounds
    with workspace() as folder:
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "experiment_trivial.py").write_text(EXPERIMENT)
        (folder / "test_trivial.py").write_text(TESTS)
        sides = [partial(run_experiment, folder), partial(run_tests, folder)]
        pairs = cpu_pairs(*measure_in_turn(sides, rounds))
    row = ratio_row(f"{RUNS:,} runs, stored, to {RUNS:,} tests", pairs, BOUND)
    print_table("runs", [row], rounds)


def run_experiment(folder: Path) -> Cost:
    """Run the experiment with a new database, and look that all is in it."""
    cost = run_child([*COMMAND, "--mltraq-db=results.db", "experiment_trivial.py"], folder)
    file = folder / "results.db"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        found = connection.execute("SELECT count(*), sum(value), min(outcome) FROM experiment_trivial").fetchone()
    assert found == (RUNS, sum(range(RUNS)), "passed"), found
    file.unlink()
    return cost


def run_tests(folder: Path) -> Cost:
    """Run the tests."""
    return run_child([*COMMAND, "test_trivial.py"], folder)


if __name__ == "__main__":
    main()
