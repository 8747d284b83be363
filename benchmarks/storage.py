"""What storing and loading costs: 1,000 runs of 1,000 floats, and the same floats by raw `sqlite3` in a wide table.

And whether it depends on what else is stored: the same on a database with one other experiment, and with 500. Each
measurement is a new process, of which the operation alone counts: the values are there before.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from measuring import (
    Pairs,
    call_in_new_process,
    cpu_of,
    make_parser,
    measure_in_turn,
    print_table,
    ratio_row,
    workspace,
)

import pytest_mltraq as mltraq

RUNS, FIELDS = 1000, 1000
OTHERS = 500
OTHER_RUNS, OTHER_FIELDS = 10, 10
BOUND_WRITE, BOUND_LOAD = 2, 4
BOUND_GROWTH = 1.05
"""No growth, as far as pairs on a shared machine can tell."""

NAMES = tuple(f"metric_{number:03}" for number in range(FIELDS))


def main() -> None:
    """Measure and print."""
    rounds: int = make_parser(__doc__).parse_args().rounds
    with workspace() as folder:
        one, many = folder / "one.db", folder / "many.db"
        call_in_new_process(store_others, one, 1)
        call_in_new_process(store_others, many, OTHERS)
        writes = [
            partial(write, folder, write_ours),
            partial(write, folder, write_raw),
            partial(write, folder, write_raw_dicts),
            partial(write, folder, write_raw_wal),
            partial(write, folder, write_ours, many),
            partial(write, folder, write_ours, one),
        ]
        write_new, raw_write, raw_write_dicts, raw_write_wal, write_many, write_one = measure_in_turn(writes, rounds)
        loads = [
            partial(load, make_database(folder / "ours.db", write_ours), load_ours),
            partial(load, make_database(folder / "raw.db", write_raw), load_raw),
            partial(load, make_database(many, write_ours), load_ours),
            partial(load, make_database(one, write_ours), load_ours),
        ]
        load_new, raw_load, load_many, load_one = measure_in_turn(loads, rounds)
    what = f"{RUNS:,} runs of {FIELDS:,} floats"
    beside = f"beside {OTHERS} others, to beside one"
    rows = [
        ratio_row(f"write {what}, to raw", Pairs(write_new, raw_write), BOUND_WRITE),
        ratio_row(f"write {what}, to raw from dicts", Pairs(write_new, raw_write_dicts), BOUND_WRITE),
        ratio_row(f"write {what}, to raw from dicts in WAL mode", Pairs(write_new, raw_write_wal), BOUND_WRITE),
        ratio_row(f"load {what}, to raw", Pairs(load_new, raw_load), BOUND_LOAD),
        ratio_row(f"write {beside}", Pairs(write_many, write_one), BOUND_GROWTH),
        ratio_row(f"load {beside}", Pairs(load_many, load_one), BOUND_GROWTH),
    ]
    print_table("storage", rows, rounds)


def write(folder: Path, writer: Callable[[Path], float], others: Path | None = None) -> float:
    """Write to a new file, or to a copy of a database, in a new process."""
    file = folder / "results.db"
    if others is not None:
        shutil.copyfile(others, file)
    seconds = call_in_new_process(writer, file)
    file.unlink()
    return seconds


def load(file: Path, loader: Callable[[Path], float]) -> float:
    """Load from a file, in a new process."""
    return call_in_new_process(loader, file)


def make_database(file: Path, writer: Callable[[Path], float]) -> Path:
    """Write to a file that is kept."""
    call_in_new_process(writer, file)
    return file


def make_values() -> list[tuple[float, ...]]:
    """Make the values, a tuple for each run; the same in every process."""
    numbers = random.Random(0)  # noqa: S311 - no secrets
    return [tuple(numbers.random() for _ in NAMES) for _ in range(RUNS)]


def make_experiment(session: mltraq.Session) -> mltraq.Experiment:
    """Make an experiment whose runs have the values, not stored yet."""
    experiment = session.create_experiment("wide")
    for values in make_values():
        with experiment.run() as run:
            run.fields.update(zip(NAMES, values, strict=True))
    return experiment


def write_ours(file: Path) -> float:
    """Store the values as an experiment and return the CPU time [s]."""
    return cpu_of(make_experiment(mltraq.create_session(file)).persist)


def write_raw(file: Path) -> float:
    """Store the values by sqlite3 in a wide table, as tuples, and return the CPU time [s]."""
    values = make_values()
    return cpu_of(lambda: insert(file, values))


def write_raw_dicts(file: Path, pragmas: Iterable[str] = ()) -> float:
    """Store the values as `write_raw` does, but from dicts, as the fields of runs are."""
    rows = [dict(zip(NAMES, values, strict=True)) for values in make_values()]
    return cpu_of(lambda: insert(file, (tuple(row.values()) for row in rows), pragmas))


def write_raw_wal(file: Path) -> float:
    """Store the values as `write_raw_dicts` does, with the settings of a database that is written often."""
    return write_raw_dicts(file, ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"))


def insert(file: Path, values: Iterable[tuple[float, ...]], pragmas: Iterable[str] = ()) -> None:
    """Insert the values into a new wide table of a new file, in one transaction."""
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        for pragma in pragmas:
            connection.execute(pragma)
        connection.execute("BEGIN")  # Python begins no transaction before CREATE
        connection.execute(f"CREATE TABLE wide ({', '.join(f'{name} REAL' for name in NAMES)})")
        connection.executemany(f"INSERT INTO wide VALUES ({', '.join('?' * len(NAMES))})", values)


def load_ours(file: Path) -> float:
    """Load the experiment in a new session and return the CPU time [s]."""
    create_session = mltraq.create_session  # imports what it needs
    found: list[mltraq.Experiment] = []
    seconds = cpu_of(lambda: found.append(create_session(file).load_experiment("wide")))
    assert [tuple(run.fields.values()) for run in found[0].runs.values()] == make_values()
    return seconds


def load_raw(file: Path) -> float:
    """Load the values by sqlite3 and return the CPU time [s]."""
    found: list[tuple[float, ...]] = []

    def fetch() -> None:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            found.extend(connection.execute("SELECT * FROM wide").fetchall())

    seconds = cpu_of(fetch)
    assert found == make_values()
    return seconds


def store_others(file: Path, count: int) -> None:
    """Store small experiments."""
    session = mltraq.create_session(file)
    numbers = random.Random(1)  # noqa: S311 - no secrets
    for number in range(count):
        experiment = session.create_experiment(f"other_{number}")
        for _ in range(OTHER_RUNS):
            with experiment.run() as run:
                run.fields.update((name, numbers.random()) for name in NAMES[:OTHER_FIELDS])
        experiment.persist()


if __name__ == "__main__":
    main()
