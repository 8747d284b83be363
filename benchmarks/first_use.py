"""What a first use costs: a new process that imports the package, tracks one float and stores it in a new file.

Compared with MLtraq, of an interpreter that has it: `--mltraq PYTHON`.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from measuring import (
    Cost,
    Row,
    cpu_pairs,
    make_parser,
    measure_in_turn,
    print_table,
    ratio_row,
    run_child,
    wall_pairs,
    workspace,
)

BOUND = 0.5

PROGRAM = """\
import sys
import {package} as mltraq

experiment = mltraq.create_experiment("first", url="sqlite:///" + sys.argv[1])
with experiment.run() as run:
    run.fields.value = 1.5
experiment.persist()
"""


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__)
    parser.add_argument("--mltraq", metavar="PYTHON", help="an interpreter of an environment that has mltraq")
    arguments = parser.parse_args()
    ours = (sys.executable, "pytest_mltraq")
    sides = [ours] if arguments.mltraq is None else [ours, (arguments.mltraq, "mltraq")]
    with workspace() as folder:
        costs = measure_in_turn([partial(first_use, folder, *side) for side in sides], arguments.rounds)
    if arguments.mltraq is None:
        costs.append(costs[0])
    rows = [
        ratio_row("first use, CPU", cpu_pairs(*costs), BOUND, below=True),
        ratio_row("first use, wall", wall_pairs(*costs), BOUND, below=True),
    ]
    if arguments.mltraq is None:
        rows = [without_reference(row) for row in rows]
    print_table("first use", rows, arguments.rounds)


def first_use(folder: Path, python: str, package: str) -> Cost:
    """Run the program in a new process, with a new file."""
    file = folder / "results.db"
    cost = run_child([python, "-c", PROGRAM.format(package=package), str(file)], folder)
    assert file.stat().st_size
    file.unlink()
    return cost


def without_reference(row: Row) -> Row:
    """Say of a row that it has nothing to be compared with."""
    return row._replace(reference="not measured", low="", median="", high="", verdict="not measured")


if __name__ == "__main__":
    main()
