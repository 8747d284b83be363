"""The example project works, stores what its README says, and gives the same results every time."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.readme import readers_environment, run_blocks

EXAMPLE = Path(__file__).parent.parent / "example_project"


def make_copy(folder: Path) -> Path:
    """Copy the project, without what earlier runs left in it."""
    leftovers = shutil.ignore_patterns(".*", "__pycache__", "*.db*")
    return Path(shutil.copytree(EXAMPLE, folder / "example", ignore=leftovers))


def run_pytest(project: Path, *arguments: str, plugins: tuple[str, ...] = ("mltraq",)) -> str:
    """Run pytest as a user does, who must see neither a failure nor a warning; return the last line."""
    result = subprocess.run(
        ["/bin/sh", "-c", 'pytest -W error "$@"', "pytest", *arguments],
        cwd=project,
        env=readers_environment(plugins),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, ""), result.stdout + result.stderr
    return result.stdout.splitlines()[-1]


def select(database: Path, sql: str) -> list[tuple[object, ...]]:
    """Return what a SELECT finds."""
    connection = sqlite3.connect(database)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which all of it ran, with its results in `results.db`."""
    project = make_copy(tmp_path_factory.mktemp("example"))
    assert "51 passed" in run_pytest(project, "--mltraq-db=results.db")
    return project


def test_every_run_is_stored(project: Path) -> None:
    """Each run of each experiment is a row, the tests that request `run` included, the other tests not."""
    runs = select(
        project / "results.db",
        "SELECT e.name, r.outcome, count(*) FROM runs r JOIN experiments e USING (id_experiment) GROUP BY 1, 2 ORDER BY 1",
    )

    assert runs == [
        ("digits", "passed", 35),
        ("digits_curve", "passed", 3),
        ("test_cancer.test_cross_validation", "passed", 5),
        ("test_cancer.test_recall_costs_precision", "passed", 4),
    ]


def test_views_have_params_and_numbers(project: Path) -> None:
    """A view has a param that is code by its description, and the numbers that the steps set."""
    ranges = select(
        project / "results.db",
        "SELECT model, min(seed), max(seed), min(accuracy) > 0.9, min(f1) > 0.9, min(fit_s) > 0 FROM experiment_digits "
        "WHERE model LIKE 'SVC%' GROUP BY model ORDER BY model",
    )

    assert ranges == [("SVC", 0, 4, 1, 1, 1), ("SVC(C=10)", 0, 4, 1, 1, 1)]


def test_steps_are_timed(project: Path) -> None:
    """A run knows its steps, those of the chain that the marker names included."""
    steps = select(
        project / "results.db",
        "SELECT DISTINCT e.name, group_concat(s.value ->> 'name', ' ') FROM runs r JOIN experiments e USING (id_experiment), "
        "json_each(r.steps) s WHERE e.name LIKE 'digits%' GROUP BY r.id_run ORDER BY 1",
    )

    assert steps == [
        ("digits", "step_split step_train step_evaluate experiment_digits"),
        ("digits_curve", "step_split learn_from_more_and_more experiment_digits_curve"),
    ]


def test_results_are_the_same_in_two_processes(project: Path, tmp_path: Path) -> None:
    """Models are trained with the same random numbers in every session, and under pytest-xdist."""
    other = make_copy(tmp_path)
    arguments = ("--mltraq-db=results.db", "-n2", "-k", "seed:0")
    assert "8 passed" in run_pytest(other, *arguments, plugins=("mltraq", "xdist"))

    sql = "SELECT model, accuracy, f1 FROM experiment_digits WHERE seed = 0 ORDER BY model"
    assert select(other / "results.db", sql) == select(project / "results.db", sql)


def test_the_suite_passes_without_a_database(tmp_path: Path) -> None:
    """Asleep, the tests that request `run` pass, experiments are not collected and nothing is written."""
    project = make_copy(tmp_path)

    assert "13 passed" in run_pytest(project)
    assert not list(project.glob("*.db*"))


def test_readme(tmp_path: Path) -> None:
    """Every block of the README happens as it is shown."""
    project = make_copy(tmp_path)

    run_blocks(EXAMPLE / "README.md", project)


@pytest.mark.parametrize(
    ("markdown", "complaint"),
    [
        ("```console\n$ echo 1\n2\n```\n", "README.md:1: echo 1\n--- shown\n"),
        ("```console\n$ exit 3\n```\n", "expected exit status 0, found 3"),
        ("```console\n$ true\n```\n\n```python\nprint(1)\n```\n", "README.md:5: block_at_line_5.py\n--- shown\n"),
        ("```python\nprint(1)\n```\n\n```text\n2\n```\n", r"\+1"),
        ("```sql\nSELECT 1\n```\n", r"README.md:1: this block \(sql\) can't be checked"),
        ("No blocks.\n", "found no fenced block"),
    ],
)
def test_a_readme_that_shows_something_else_fails(markdown: str, complaint: str, tmp_path: Path) -> None:
    """The check of a README notices another output, a failed command, and a block that it can't check."""
    readme = tmp_path / "README.md"
    readme.write_text(markdown, encoding="utf-8")

    with pytest.raises(AssertionError, match=complaint):
        run_blocks(readme, tmp_path)


def test_a_readme_writes_files_and_runs_them(tmp_path: Path) -> None:
    """Named blocks are files that later blocks use; `...`, blanks and the length of rulers don't count."""
    readme = tmp_path / "README.md"
    readme.write_text(
        "<!-- file: one.py -->\n```python\nONE = 1\n```\n\n"
        "```python\nfrom one import ONE\nprint('=' * 9, ONE, 'in 3.2s')\n```\n\n```text\n=====   1 in ...s\n```\n\n"
        "<!-- exit: 1 -->\n```console\n$ echo '\n> a' && false\n\na\n```\n\n"
        "<!-- not run: there is no network -->\n```console\n$ pip install pytest-mltraq\n```\n",
        encoding="utf-8",
    )

    run_blocks(readme, tmp_path)
