"""What the sleeping plugin costs every pytest session of an environment in which it is installed.

An empty `pytest --collect-only`, the heavy modules that it has imported when it ends, and 10,000 plain tests; with the
plugin as it is installed, and with `-p no:mltraq`. Other plugins of the environment are left out on both sides.
"""

from __future__ import annotations

import importlib.metadata
import sys
from functools import partial
from pathlib import Path

from measuring import (
    Cost,
    Row,
    cpu_pairs,
    difference_row,
    make_parser,
    measure_in_turn,
    print_table,
    ratio_row,
    run_child,
    verdict,
    workspace,
)

FILES, TESTS_PER_FILE = 100, 100
HEAVY = ("pandas", "pyarrow", "numpy", "sqlalchemy", "joblib")
BOUND_MS = 10
BOUND_RATIO = 1.02
NO_TESTS = 5
"""Exit status of pytest where it collects nothing."""

EMPTY_SESSIONS = 10
"""Empty sessions for each session of 10,000 tests: they are short, their bound is a difference of 5 %, and a machine may vary by 20 %."""

REPORTER = f"""\
import atexit, pathlib, sys

@atexit.register
def report():
    ours = [name for name in sys.modules if name.partition(".")[0] == "pytest_mltraq"]
    heavy = [name for name in {HEAVY!r} if name in sys.modules]
    pathlib.Path("modules.txt").write_text(f"{{len(ours)}}\\n{{' '.join(heavy)}}")
"""


def main() -> None:
    """Measure and print."""
    rounds: int = make_parser(__doc__).parse_args().rounds
    with workspace() as folder:
        rows = [
            measure_empty(make_folder(folder / "empty"), rounds * EMPTY_SESSIONS),
            find_heavy(make_folder(folder / "reporting")),
            measure_plain(make_folder(folder / "plain"), rounds),
        ]
    print_table("startup", rows, rounds)


def make_folder(folder: Path) -> Path:
    """Make a folder that pytest takes for the root of a project."""
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def measure_empty(folder: Path, rounds: int) -> Row:
    """Compare sessions that collect nothing."""
    sides = [partial(run_pytest, folder, "--collect-only", plugin=plugin) for plugin in (True, False)]
    return difference_row(
        f"empty --collect-only ({rounds} rounds)", cpu_pairs(*measure_in_turn(sides, rounds)), BOUND_MS
    )


def find_heavy(folder: Path) -> Row:
    """List the heavy modules that are imported when an empty session ends."""
    (folder / "conftest.py").write_text(REPORTER)
    run_pytest(folder, "--collect-only", plugin=True)
    count, heavy = (folder / "modules.txt").read_text().split("\n")
    if count == "0":
        message = "the plugin is not installed in this environment: pip install -e ."
        raise RuntimeError(message)
    run_pytest(folder, "--collect-only", plugin=False)
    others = (folder / "modules.txt").read_text().split("\n")[1]
    return Row(
        "heavy modules at its end", heavy or "none", others or "none", "", "", "", "none", verdict(is_ok=not heavy)
    )


def measure_plain(folder: Path, rounds: int) -> Row:
    """Compare sessions that run plain tests."""
    tests = "".join(f"def test_{number}():\n    assert True\n\n" for number in range(TESTS_PER_FILE))
    for number in range(FILES):
        (folder / f"test_{number}.py").write_text(tests)
    sides = [partial(run_pytest, folder, plugin=plugin) for plugin in (True, False)]
    pairs = cpu_pairs(*measure_in_turn(sides, rounds))
    return ratio_row(f"{FILES * TESTS_PER_FILE:,} plain tests, asleep", pairs, BOUND_RATIO)


def run_pytest(folder: Path, *arguments: str, plugin: bool) -> Cost:
    """Run pytest in a folder, with our plugin or without, and without all others."""
    others = {point.name for point in importlib.metadata.entry_points(group="pytest11")} - {"mltraq"}
    blocked = sorted(others if plugin else others | {"mltraq"})
    without = [argument for name in blocked for argument in ("-p", f"no:{name}")]
    empty = "--collect-only" in arguments
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *without, *arguments]
    return run_child(command, folder, expected=NO_TESTS if empty else 0)


if __name__ == "__main__":
    main()
