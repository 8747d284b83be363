"""What large values cost: arrays stored and loaded, and the same bytes by raw `sqlite3`; a sequence that grows by a million rows.

Each measurement of arrays is a new process, of which the operation alone counts: values are made before, and something small was
stored and loaded, so that what is imported and kept for the first time belongs to no array.
Memory is the peak of the process over what it had when the operation began.
"""

from __future__ import annotations

import contextlib
import sqlite3
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from measuring import (
    Pairs,
    Row,
    call_in_new_process,
    cpu_of,
    make_parser,
    measure_in_turn,
    print_table,
    ratio_row,
    verdict,
    workspace,
)

import pytest_mltraq as mltraq

LARGE = 1_000_000
"""Floats of the one large array."""

RUNS, ARRAYS, SMALL = 1_000, 10, 1_000
"""Runs, their arrays, and the floats of each."""

ROWS = 1_000_000
COLUMNS = ("step", "loss", "accuracy")
BOUND_LARGE, BOUND_SMALL = 2, 3
BOUND_MEMORY = 2
"""Of the array's size, itself included."""

BOUND_APPEND_US = 1

Made = dict[str, list[np.ndarray]]


def main() -> None:
    """Measure and print."""
    rounds: int = make_parser(__doc__).parse_args().rounds
    with workspace() as folder:
        rows = [
            *compare(folder, f"1 array of {LARGE:,} floats", make_large, BOUND_LARGE, rounds),
            *compare(folder, f"{RUNS * ARRAYS:,} arrays of {SMALL:,} floats", make_small, BOUND_SMALL, rounds),
            *memory_rows(folder),
            *append_rows(rounds),
        ]
    print_table("values", rows, rounds)


# -- arrays ------------------------------------------------------------------------------------------------------------


def compare(folder: Path, what: str, make: Callable[[], Made], bound: float, rounds: int) -> list[Row]:
    """Compare storing and loading arrays with raw `sqlite3`."""
    stores = [partial(store, folder, make, write) for write in (write_ours, write_raw)]
    ours, raw = measure_in_turn(stores, rounds)
    files = [folder / "ours.db", folder / "raw.db"]
    for file, write in zip(files, (write_ours, write_raw), strict=True):
        call_in_new_process(write, file, make)
    loads = [partial(call_in_new_process, read, file) for read, file in zip((read_ours, read_raw), files, strict=True)]
    read, raw_read = measure_in_turn(loads, rounds)
    for file in files:
        file.unlink()
    return [
        ratio_row(f"store {what}", Pairs(ours, raw), bound),
        ratio_row(f"load {what}", Pairs(read, raw_read), bound),
    ]


def store(folder: Path, make: Callable[[], Made], write: Callable[[Path, Callable[[], Made]], float]) -> float:
    """Write to a new file, in a new process."""
    file = folder / "new.db"
    seconds = call_in_new_process(write, file, make)
    file.unlink()
    return seconds


def make_large() -> Made:
    """Make one run with one array."""
    return {"0": [np.random.default_rng(0).random(LARGE)]}


def make_small() -> Made:
    """Make many runs with some arrays each, all of them different."""
    numbers = np.random.default_rng(1)
    return {str(run): list(numbers.random((ARRAYS, SMALL))) for run in range(RUNS)}


def make_experiment(session: mltraq.Session, made: Made) -> mltraq.Experiment:
    """Make an experiment whose runs have the arrays, not stored yet."""
    experiment = session.create_experiment("arrays")
    for arrays in made.values():
        with experiment.run() as run:
            run.fields.update((f"array_{at}", array) for at, array in enumerate(arrays))
    return experiment


def write_ours(file: Path, make: Callable[[], Made]) -> float:
    """Store the arrays as an experiment and return the CPU time [s]."""
    warm_up(file.with_name("warm.db"))
    return cpu_of(make_experiment(mltraq.create_session(file), make()).persist)


def write_raw(file: Path, make: Callable[[], Made]) -> float:
    """Store the bytes of the arrays by sqlite3 and return the CPU time [s]."""
    made = make()

    def insert() -> None:
        with contextlib.closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("CREATE TABLE arrays (run TEXT, number INTEGER, data BLOB)")
            rows = ((run, at, array.data) for run, arrays in made.items() for at, array in enumerate(arrays))
            connection.executemany("INSERT INTO arrays VALUES (?, ?, ?)", rows)

    return cpu_of(insert)


def read_ours(file: Path) -> float:
    """Load the experiment in a new session, with all arrays, and return the CPU time [s]."""
    warm_up(file.with_name("warm.db"))
    total = 0.0

    def read() -> None:
        nonlocal total
        for run in mltraq.create_session(file).load_experiment("arrays").runs.values():
            total += sum(float(array[0]) for array in run.fields.values())

    seconds = cpu_of(read)
    assert total > 0
    return seconds


def read_raw(file: Path) -> float:
    """Load the arrays by sqlite3, so that they can be changed, and return the CPU time [s]."""
    total = 0.0

    def read() -> None:
        nonlocal total
        with contextlib.closing(sqlite3.connect(file)) as connection:
            for (data,) in connection.execute("SELECT data FROM arrays ORDER BY run, number"):
                total += float(np.frombuffer(data).copy()[0])

    seconds = cpu_of(read)
    assert total > 0
    return seconds


# -- memory ------------------------------------------------------------------------------------------------------------


def memory_rows(folder: Path) -> list[Row]:
    """Measure how much memory storing and loading the large array takes, itself included."""
    file = folder / "memory.db"
    stored = 1 + call_in_new_process(peak_of_storing, file)
    loaded = call_in_new_process(peak_of_loading, file)
    return [
        _figure(f"memory, {what} 1 array of {LARGE:,} floats", size, "x", BOUND_MEMORY)
        for what, size in (("store", stored), ("load", loaded))
    ]


def peak_of_storing(file: Path) -> float:
    """Store the array and return how much more memory than before was taken at once [sizes of the array]."""
    warm_up(file.with_name("warm.db"))
    experiment = make_experiment(mltraq.create_session(file), make_large())
    return _peak_of(experiment.persist)


def peak_of_loading(file: Path) -> float:
    """Load the array and return how much more memory than before was taken at once [sizes of the array]."""
    warm_up(file.with_name("warm.db"))
    session = mltraq.create_session(file)
    return _peak_of(lambda: session.load_experiment("arrays").runs.first().fields["array_0"])


def warm_up(file: Path) -> None:
    """Store and load something small."""
    session = mltraq.create_session(file)
    make_experiment(session, {"0": [np.arange(9.0)]}).persist("replace")
    session.load_experiment("arrays").runs.first().fields["array_0"].sum()


def _peak_of(operation: Callable[[], object]) -> float:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak so far is forgotten
    before = _kilobytes("VmRSS")
    operation()
    return (_kilobytes("VmHWM") - before) * 1024 / (LARGE * 8)


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


# -- sequences ---------------------------------------------------------------------------------------------------------


class Nothing:
    """What building the keyword call costs, and nothing else."""

    __slots__ = ()

    def append(self, /, **values: object) -> None:
        """Do nothing."""


def append_rows(rounds: int) -> list[Row]:
    """Measure what appending costs beyond the call, and how the rows are stored."""
    found = [call_in_new_process(append_cost) for _ in range(rounds)]
    beyond = statistics.median(found)
    size = call_in_new_process(stored_size)
    columns = ROWS * 8 * (len(COLUMNS) + 1)  # with the times
    return [
        Row(
            f"append {ROWS:,} rows of {len(COLUMNS)}, a row beyond the call",
            f"{beyond:.3f} us",
            "",
            f"{min(found):.3f} us",
            f"{beyond:.3f} us",
            f"{max(found):.3f} us",
            f"< {BOUND_APPEND_US} us",
            verdict(is_ok=beyond < BOUND_APPEND_US),
        ),
        _figure(f"stored size of {ROWS:,} rows, to that of its columns", size / columns, "x", 1.01),
    ]


def append_cost() -> float:
    """Return the CPU time of a row, less that of a call which does nothing [us]."""
    sequence, nothing = mltraq.Sequence(), Nothing()
    costs = [cpu_of(partial(append, target)) for target in (nothing, sequence)]
    assert len(sequence) == ROWS
    return (costs[1] - costs[0]) / ROWS * 1e6


def append(target: Nothing | mltraq.Sequence) -> None:
    """Append rows of an integer and two floats."""
    for step in range(ROWS):
        target.append(step=step, loss=0.5, accuracy=0.25)


def stored_size() -> int:
    """Store a sequence and return how many bytes it has in the database."""
    sequence = mltraq.Sequence()
    append(sequence)
    session = mltraq.create_session(Path("sequence.db"))
    experiment = session.create_experiment("sequence")
    with experiment.run() as run:
        run.fields.curve = sequence
    experiment.persist()
    return int(session.db.query("SELECT sum(size) AS size FROM objects")["size"].iloc[0])


def _figure(what: str, value: float, unit: str, bound: float) -> Row:
    """Make the row of a figure that is at most a bound."""
    return Row(what, f"{value:.2f} {unit}", "", "", "", "", f"<= {bound:g} {unit}", verdict(is_ok=value <= bound))


if __name__ == "__main__":
    main()
