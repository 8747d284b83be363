"""What the benchmark programs share: costs of child processes, interleaved pairs, and the table.

Time is CPU time, user and system, because other processes share the machine. What is judged is the median of pairs that
are measured in turn (A B A B ...), so that a machine that becomes slower does so for both sides.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import gc
import importlib.metadata
import multiprocessing
import os
import platform
import resource
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

ROUNDS = 7
"""How many pairs are measured, after one that is not counted."""

_HIDDEN_VARIABLES = ("MLTRAQ_DB", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONDONTWRITEBYTECODE")
"""Variables of the developer that would change what is measured."""


class Cost(NamedTuple):
    """What something cost.

    Attributes:
        cpu: user and system time, of child processes too [s].
        wall: wall time [s].
    """

    cpu: float
    wall: float


class Pairs(NamedTuple):
    """Figures of two sides, measured in turn.

    Attributes:
        ours: one for each round.
        reference: one for each round.
    """

    ours: list[float]
    reference: list[float]


class Row(NamedTuple):
    """A row of the table."""

    what: str
    ours: str
    reference: str
    low: str
    median: str
    high: str
    bound: str
    verdict: str


HEAD = Row("measured", "ours", "reference", "min", "median", "max", "bound", "verdict")


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """Make a parser with the option that all programs have."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="pairs that are measured (default: %(default)s)")
    return parser


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """Enter a new folder on the disk, and have child processes start alike, whatever the developer's variables.

    Byte code is kept in the folder: the round that is not counted compiles for the others, on both sides.
    """
    before = Path.cwd()
    for name in _HIDDEN_VARIABLES:
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="mltraq-benchmark-") as name:
        folder = Path(name).resolve()
        os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "pycache")
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(before)


def run_child(command: Sequence[str], folder: Path, *, expected: int = 0) -> Cost:
    """Run a command to its end and return what it cost, with the processes that it started and waited for.

    Raises:
        RuntimeError: its exit status is not the expected one; with what it printed.
    """
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != expected:
            output.seek(0)
            message = f"{command} failed ({process.returncode}):\n{output.read().decode(errors='replace')}"
            raise RuntimeError(message)
    return Cost(usage.ru_utime + usage.ru_stime, wall)


def call_in_new_process(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function of the program's own module in a new process and return what it returns."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(max_workers=1, mp_context=context) as executor:
        return executor.submit(function, *arguments).result()


def cpu_of(operation: Callable[[], object]) -> float:
    """Return the CPU time of a call in this process, with that of the processes that it starts and waits for [s].

    What was made before is looked at by the collector before: it would else be counted for the side that reaches its threshold.
    """
    gc.collect()
    begin, of_children = time.process_time(), _cpu_of_children()
    operation()
    return time.process_time() - begin + _cpu_of_children() - of_children


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure_in_turn(measures: Sequence[Callable[[], T]], rounds: int) -> list[list[T]]:
    """Measure things in turn, `rounds` times after one that is not counted.

    Returns:
        For each of them what it returned, one for each round.
    """
    for measure in measures:
        measure()
    found: list[list[T]] = [[] for _ in measures]
    for _ in range(rounds):
        for results, measure in zip(found, measures, strict=True):
            results.append(measure())
    return found


def cpu_pairs(ours: list[Cost], reference: list[Cost]) -> Pairs:
    """Return the CPU times of two sides."""
    return Pairs([cost.cpu for cost in ours], [cost.cpu for cost in reference])


def wall_pairs(ours: list[Cost], reference: list[Cost]) -> Pairs:
    """Return the wall times of two sides."""
    return Pairs([cost.wall for cost in ours], [cost.wall for cost in reference])


def ratio_row(what: str, pairs: Pairs, bound: float, *, below: bool = False) -> Row:
    """Make the row of a ratio that is at most a bound, or below it."""
    ratios = [mine / other for mine, other in zip(*pairs, strict=True)]
    median = statistics.median(ratios)
    is_ok = median < bound if below else median <= bound
    low, middle, high = (f"{value:.3f}" for value in (min(ratios), median, max(ratios)))
    ours, reference = _medians(pairs)
    return Row(what, ours, reference, low, middle, high, f"{'<' if below else '<='} {bound:g}", verdict(is_ok=is_ok))


def difference_row(what: str, pairs: Pairs, bound_ms: float) -> Row:
    """Make the row of a difference that is at most a bound [ms]."""
    differences = [(mine - other) * 1000 for mine, other in zip(*pairs, strict=True)]
    median = statistics.median(differences)
    low, middle, high = (f"{value:+.1f} ms" for value in (min(differences), median, max(differences)))
    ours, reference = _medians(pairs)
    return Row(what, ours, reference, low, middle, high, f"<= {bound_ms:g} ms", verdict(is_ok=median <= bound_ms))


def verdict(*, is_ok: bool) -> str:
    """Say whether a bound is kept."""
    return "ok" if is_ok else "over"


def print_table(title: str, rows: Sequence[Row], rounds: int) -> None:
    """Print what was measured, and with what."""
    print(f"{title}: {rounds} rounds, medians; min, median and max are those of ours to (or minus) the reference")
    print(_versions())
    table = [HEAD, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *others]))


def _medians(pairs: Pairs) -> tuple[str, str]:
    return _time(statistics.median(pairs.ours)), _time(statistics.median(pairs.reference))


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def _versions() -> str:
    names = ("pytest-mltraq", "pytest", "SQLAlchemy", "orjson")
    packages = [f"{name} {importlib.metadata.version(name)}" for name in names]
    load = f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    return ", ".join([f"Python {platform.python_version()}", *packages, f"SQLite {sqlite3.sqlite_version}", load])
