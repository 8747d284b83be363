"""`--mltraq-confirm`: a second look with fresh seeds, before a metric fails."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Rows

EXPERIMENT = """
import os
import pytest

DROP = float(os.environ.get("DROP", "0"))
LUCK = float(os.environ.get("LUCK", "0"))  # what the first four seeds have less, and no others

@pytest.fixture(scope="session")
def data():
    return object()

@pytest.fixture
def clean():
    yield
    with open("torn_down.txt", "a") as file:
        file.write("x")

def step_train(run, model, seed, data, clean):
    noise = (run.seed % 1000) / 100_000
    run.fields.accuracy = 0.9 + noise - DROP * (model == "tree") - LUCK * (seed < 4)
    assert seed < 4 or "STRICT" not in os.environ

@pytest.mark.metric("accuracy", rtol=0.01)
@pytest.mark.runs(model=["linear", "tree"], seed=range(4))
def experiment_iris(run):
    pass

@pytest.mark.metric("accuracy", rtol=0.01, over="fold")
@pytest.mark.parametrize("fold", [0, 1, 2])
def test_folds(run, fold):
    run.fields.accuracy = 0.9 + (run.seed % 1000) / 100_000 - DROP
"""


@pytest.mark.parametrize("processes", [(), ("-n2",)])
def test_groups_that_would_fail_are_run_again(
    processes: tuple[str, ...], pytester: pytest.Pytester, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only these, with new seeds, or another `run.seed`; they are stored apart, and a failure stands that they confirm."""
    monkeypatch.setenv("COLUMNS", "200")
    pytester.makepyfile(experiment_iris=EXPERIMENT)
    pytester.runpytest_subprocess("--mltraq-db=results.db", *processes)
    (pytester.path / "torn_down.txt").unlink()
    monkeypatch.setenv("DROP", "0.2")

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "--mltraq-confirm=2", *processes)

    result.stdout.fnmatch_lines(
        [
            "*[[]100%[]]",
            "*accuracy[[]model:tree[]]: *; confirmed by 2 fresh runs with a mean of 0.7*",
            "*= 2 failed, 20 passed in *",
        ]
    )
    assert result.ret == 1
    assert (pytester.path / "torn_down.txt").read_text() == 10 * "x"
    stored = rows(
        "SELECT name, r.params, r.seed, r.outcome, r.attempts, r.nodeid FROM runs r JOIN experiments e USING (id_experiment) "
        "WHERE name LIKE '% (confirm)' ORDER BY name, r.params, r.nodeid"
    )
    names = [(row[0], json.loads(str(row[1]))) for row in stored]
    assert names[:6] == [("experiment_iris.test_folds (confirm)", {"fold": fold}) for fold in (0, 0, 1, 1, 2, 2)]
    assert names[6:] == [("iris (confirm)", {"model": "tree", "seed": seed}) for seed in (4, 5)]
    assert len({row[2] for row in stored}) == 8
    assert {row[3:5] for row in stored} == {("passed", 1)}
    assert stored[-1][5] == "experiment_iris.py::experiment_iris[model:tree-seed:5-confirm:2]"
    # The next session compares with the groups as they were: four seeds, and nothing of the second look.
    monkeypatch.delenv("DROP")
    pytester.runpytest_subprocess("--mltraq-db=results.db").stdout.fnmatch_lines(["*= 14 passed in *"])
    assert rows("SELECT DISTINCT baseline_n FROM verdicts WHERE baseline_n > 4") == []


def test_a_failure_that_is_not_confirmed_is_undecided(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was the first seeds' bad luck; the session passes, and says so."""
    monkeypatch.setenv("COLUMNS", "200")
    pytester.makepyfile(experiment_iris=EXPERIMENT)
    pytester.runpytest_subprocess("--mltraq-db=results.db")
    monkeypatch.setenv("LUCK", "0.05")

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "--mltraq-confirm=3", "-k", "tree")

    result.stdout.fnmatch_lines(
        ["*: *; not confirmed by 3 fresh runs *", "*= 7 passed, 7 deselected, 1 undecided in *"]
    )
    assert result.ret == 0


def test_what_does_not_vary_is_not_run_again(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second look would tell nothing of it: the runs would cost, and the verdict stand."""
    pytester.makepyfile(experiment_iris=EXPERIMENT)
    for _ in range(3):
        pytester.runpytest_subprocess("--mltraq-db=results.db")
    monkeypatch.setenv("DROP", "0.2")

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "--mltraq-confirm=3")

    result.stdout.fnmatch_lines(["*and before it was always the same*", "*= 2 failed, 12 passed in *"])
    result.stdout.no_fnmatch_line("*(confirm)*")


def test_fresh_runs_are_not_run_again_by_lf(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails is a failed test, of which there is no item the next time."""
    pytester.makepyfile(experiment_iris=EXPERIMENT)
    pytester.runpytest_subprocess("--mltraq-db=results.db")
    monkeypatch.setenv("DROP", "0.2")
    monkeypatch.setenv("STRICT", "1")

    failed = pytester.runpytest_subprocess("--mltraq-db=results.db", "--mltraq-confirm=1", "-k", "tree")

    failed.stdout.fnmatch_lines(["FAILED *seed:4-confirm:1[]] *", "*= 2 failed, 4 passed, 7 deselected in *"])
    known = json.loads((pytester.path / ".pytest_cache/v/cache/lastfailed").read_text("utf-8"))
    assert sorted(known) == [f"experiment_iris.py::experiment_iris[model:tree-seed:{seed}]" for seed in range(4)]
