"""`--mltraq-resume`: what passed in an earlier session is not executed again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import pytest_mltraq as mltraq
from tests.conftest import Rows

EXPERIMENT = """
import os
import pytest

RATE = 0.5
UNUSED = 1


def scaled(value):
    return value * RATE


def other():
    return UNUSED


def step_train(run):
    with open("executed.txt", "a", encoding="utf-8") as file:
        file.write(f"{run.params.seed}\\n")
    if os.environ.get("DIE_AT") == str(run.params.seed):
        os._exit(9)
    run.fields.loss = scaled(run.params.seed)


def step_keep(run):
    run.fields.pair = (run.params.seed, float("nan"))
    run.fields.data = b"x" * 10_000


@pytest.mark.runs(seed=[0, 1, 2])
@pytest.mark.experiment(config={"epochs": 10})
def experiment_fit(run):
    assert run.fields.loss < 1 or "PASS_ALL" in os.environ
"""

Execute = Callable[..., list[str]]


@pytest.fixture
def execute(pytester: pytest.Pytester) -> Execute:
    """Runs pytest with `--mltraq-resume`; returns the seeds of the runs that were executed, in their order."""
    pytester.makepyfile(experiment_fit=EXPERIMENT)

    def run(*arguments: str, database: str = "results.db", **outcomes: int) -> list[str]:
        executed = pytester.path / "executed.txt"
        executed.unlink(missing_ok=True)
        result = pytester.runpytest_subprocess(f"--mltraq-db={database}", "--mltraq-resume", "-rs", *arguments)
        if outcomes:
            result.assert_outcomes(**outcomes)
        return sorted(executed.read_text(encoding="utf-8").split()) if executed.exists() else []

    return run


def change(pytester: pytest.Pytester, old: str, new: str) -> None:
    """Change the experiment's file."""
    file = pytester.path / "experiment_fit.py"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    shutil.rmtree(pytester.path / "__pycache__", ignore_errors=True)  # by its size and second it may seem the same


def test_what_passed_is_not_executed_again_and_what_failed_is(execute: Execute, rows: Rows) -> None:
    """The fields of the runs that passed are copied: the new version of the experiment is whole."""
    assert execute(passed=2, failed=1) == ["0", "1", "2"]

    assert execute(skipped=2, failed=1) == ["2"]

    versions = rows("SELECT id_experiment FROM experiments ORDER BY created_at")
    assert len(versions) == 2
    columns = "id_run, position, nodeid, outcome, seed, params, fields, types, steps, started_at, duration_s, attempts"
    first, second = (
        rows(f"SELECT {columns} FROM runs WHERE id_experiment = '{version}' ORDER BY position")  # noqa: S608
        for (version,) in versions
    )
    assert first[:2] == second[:2]
    assert [row[3] for row in second] == ["passed", "passed", "failed"]


def test_a_stored_run_is_reported_as_skipped_where_it_is(execute: Execute, pytester: pytest.Pytester) -> None:
    """The reason is `stored`, the place that of the experiment; the summary counts it."""
    execute()

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "--mltraq-resume", "-rs")

    result.stdout.fnmatch_lines(["fit: 3 runs, 1 failed, 2 stored, *", "SKIPPED [[]2[]] experiment_fit.py:*: stored"])


def test_copied_values_are_exact(execute: Execute, pytester: pytest.Pytester) -> None:
    """Python gets back from the copy what it gets from the first version, objects included."""
    execute()
    execute()
    pytester.path.joinpath("executed.txt").unlink()

    fields = next(iter(mltraq.create_session(pytester.path / "results.db").load_experiment("fit").runs.values())).fields

    assert fields.loss == 0
    assert type(fields.pair) is tuple
    assert fields.pair[1] != fields.pair[1]
    assert fields.data == b"x" * 10_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("run.fields.loss = scaled", "run.fields.loss = 1 * scaled"),
        ("return value * RATE", "return value * RATE / 1"),
        ("RATE = 0.5", "RATE = 0.25"),
        ("import os\n", "import os as os\n"),
        ("assert run.fields.loss < 1", "assert run.fields.loss <= 1"),
        ('{"epochs": 10}', '{"epochs": 11}'),
    ],
    ids=["step", "function that a step calls", "constant of that function", "import", "body", "config"],
)
def test_what_changed_is_executed_again(execute: Execute, pytester: pytest.Pytester, old: str, new: str) -> None:
    """The code of the steps is what is in their module and they reach; config counts as code does."""
    execute()

    change(pytester, old, new)

    assert execute() == ["0", "1", "2"]


def test_what_steps_do_not_reach_may_change(execute: Execute, pytester: pytest.Pytester) -> None:
    """Another function, a constant of its own, and a comment between functions make no run another."""
    execute()

    change(pytester, "UNUSED = 1", "UNUSED = 2  # or 3")
    change(pytester, "def other():\n", "# Another function.\ndef other():\n    print('x')\n")

    assert execute() == ["2"]


def test_config_of_the_command_line_counts(execute: Execute) -> None:
    """The same config again finds the runs again."""
    execute()

    assert execute("--mltraq-config=epochs=20") == ["0", "1", "2"]
    assert execute() == ["2"]
    assert execute("--mltraq-config=epochs=20") == ["2"]


def test_a_new_value_on_an_axis_runs_only_its_runs(execute: Execute, pytester: pytest.Pytester) -> None:
    """The params of a run are what it is known by, not its place or its id."""
    execute()

    change(pytester, "seed=[0, 1, 2]", "seed=[-1, 1, 0]")

    assert execute(passed=1, skipped=2) == ["-1"]


def test_a_selection_resumes_what_it_selects(execute: Execute, rows: Rows) -> None:
    """The session has the selected runs only; the others are found in earlier sessions later."""
    assert execute("-k", "seed:0") == ["0"]
    assert execute("-k", "seed:0 or seed:1") == ["1"]
    assert execute() == ["2"]

    counted = "SELECT count(*) FROM runs GROUP BY id_experiment ORDER BY count(*)"
    assert rows(counted) == [(1,), (2,), (3,)]


def test_workers_resume(execute: Execute, rows: Rows) -> None:
    """Each worker of pytest-xdist knows what passed; the database is the same as without."""
    execute("-n", "2")

    assert execute("-n", "2", skipped=2, failed=1) == ["2"]
    assert rows("SELECT seed, outcome FROM experiment_fit ORDER BY started_at, seed")[-1][1] == "failed"
    assert rows("SELECT count(*) FROM runs") == [(6,)]


def test_a_killed_session_is_resumed(
    execute: Execute, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, rows: Rows
) -> None:
    """What was stored before the process died counts."""
    change(pytester, "seed=[0, 1, 2]", "seed=range(200)")
    change(pytester, "assert run", "import time; time.sleep(0.01)\n    assert run")  # longer than the batches wait
    monkeypatch.setenv("PASS_ALL", "1")
    monkeypatch.setenv("DIE_AT", "199")
    assert len(execute()) == 200
    ((stored,),) = rows("SELECT count(*) FROM runs")
    assert isinstance(stored, int)
    assert stored > 50

    monkeypatch.delenv("DIE_AT")
    executed = execute()

    assert len(executed) == 200 - stored
    assert rows("SELECT outcome, count(*) FROM runs GROUP BY id_experiment ORDER BY 2")[-1] == ("passed", 200)


def test_plain_tests_resume(pytester: pytest.Pytester) -> None:
    """A test that requests `run` is an experiment like another; a test that doesn't runs always."""
    pytester.makepyfile(
        """
        def test_tracked(run):
            run.fields.n = 1

        def test_other():
            pass
        """
    )
    arguments = ("--mltraq-db=results.db", "--mltraq-resume")
    pytester.runpytest_subprocess(*arguments).assert_outcomes(passed=2)

    pytester.runpytest_subprocess(*arguments).assert_outcomes(passed=1, skipped=1)


def test_a_server_resumes(execute: Execute, postgresql: str) -> None:
    """PostgreSQL as well."""
    execute(database=postgresql)

    assert execute(database=postgresql, skipped=2, failed=1) == ["2"]
    runs = mltraq.create_session(postgresql).load_experiment("fit").runs
    assert [run.outcome for run in runs.values()] == ["passed", "passed", "failed"]


def test_a_step_of_another_module_counts(pytester: pytest.Pytester) -> None:
    """An imported step is known with what it reaches in its own module."""
    pytester.makepyfile(
        library="def helper():\n    return 1\n\n\ndef step_count(run):\n    run.fields.n = helper()\n",
        experiment_imported="from library import step_count\n\n\ndef experiment_imported(run):\n    pass\n",
    )
    pytester.syspathinsert()
    arguments = ("--mltraq-db=results.db", "--mltraq-resume", "-p", "no:cacheprovider")
    pytester.runpytest_subprocess(*arguments).assert_outcomes(passed=1)
    pytester.runpytest_subprocess(*arguments).assert_outcomes(skipped=1)

    library = Path(pytester.path / "library.py")
    library.write_text(library.read_text(encoding="utf-8").replace("return 1", "return 10"), encoding="utf-8")

    pytester.runpytest_subprocess(*arguments).assert_outcomes(passed=1)


def test_without_a_database_there_is_nothing_to_resume(pytester: pytest.Pytester) -> None:
    """The option says what it needs."""
    result = pytester.runpytest_subprocess("--mltraq", "--mltraq-resume")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--mltraq-resume: expected a database *, found none: name it with --mltraq-db*"])


def test_the_ini_key_resumes(execute: Execute, pytester: pytest.Pytester) -> None:
    """`mltraq_resume = true` is the option."""
    execute()
    pytester.makeini("[pytest]\nmltraq_resume = true\n")

    pytester.runpytest_subprocess("--mltraq-db=results.db").assert_outcomes(skipped=2, failed=1)


def test_the_steps_of_a_class_count_with_their_class(pytester: pytest.Pytester) -> None:
    """A method that a step calls is its code too."""
    pytester.makepyfile(
        experiment_class="""
        class ExperimentClass:
            def rate(self):
                return 1

            def step_count(self, run):
                run.fields.n = self.rate()

            def experiment_class(self, run):
                pass
        """
    )
    arguments = ("--mltraq-db=results.db", "--mltraq-resume", "-p", "no:cacheprovider")
    pytester.runpytest_subprocess(*arguments).assert_outcomes(passed=1)
    pytester.runpytest_subprocess(*arguments).assert_outcomes(skipped=1)

    file = pytester.path / "experiment_class.py"
    file.write_text(file.read_text(encoding="utf-8").replace("return 1", "return 10"), encoding="utf-8")

    pytester.runpytest_subprocess(*arguments).assert_outcomes(passed=1)
