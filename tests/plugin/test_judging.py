"""Metrics at the end of a session: judged, stored, shown, and reported as tests."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

from tests.conftest import Rows
from tests.repository import commit, git, make_repository

EXPERIMENT = """
import os
import random
import pytest

DROP = float(os.environ.get("DROP", "0"))

def step_train(run, model, seed):
    if os.environ.get("FAIL") == f"{model}{seed}":
        raise ValueError("no memory")
    run.fields.accuracy = 0.9 + random.gauss(0, 0.01) - DROP * (model == "tree")
    if "UNSET" not in os.environ:
        run.fields.loss = 1 - run.fields.accuracy

@pytest.mark.metric("loss", direction="minimize", rtol=0.01)
@pytest.mark.metric("accuracy", min=0.5, rtol=0.01)
@pytest.mark.runs(model=os.environ.get("MODELS", "logreg tree").split(), seed=range(4))
def experiment_iris(run):
    pass
"""

Pytest = Callable[..., pytest.RunResult]


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Pytest:
    """Runs pytest in a folder with an experiment, whose results depend on variables of the environment."""
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "140")
    pytester.makepyfile(experiment_iris=EXPERIMENT)

    def run(*arguments: str, database: str | None = "results.db", **variables: object) -> pytest.RunResult:
        stored = () if database is None else (f"--mltraq-db={database}",)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, str(value))
            return pytester.runpytest_subprocess(*stored, *arguments)

    return run


def test_a_regressed_metric_is_a_failed_test(suite: Pytest, rows: Rows, pytester: pytest.Pytester) -> None:
    """It has a line of its own, a message, an entry in the JUnit file, a row in `verdicts`, and the exit status."""
    first = suite("-v")
    first.stdout.fnmatch_lines(
        [
            "experiment_iris.py::experiment_iris::accuracy[[]model:logreg[]] NEW (there*",
            "metrics of iris, compared with: nothing (no earlier session stored it)",
            "*= 8 passed, 4 new in *",
        ]
    )
    assert first.ret == 0

    second = suite("-v", "--junitxml=junit.xml", DROP=0.2)

    assert second.ret == 1
    second.stdout.fnmatch_lines(
        [
            "experiment_iris.py::experiment_iris[[]model:tree-seed:3] PASSED *[[]100%[]]",
            "experiment_iris.py::experiment_iris::loss[[]model:logreg[]] PASSED *[[] 75%[]]",
            "experiment_iris.py::experiment_iris::loss[[]model:tree[]] FAILED *[[] 83%[]]",
            "experiment_iris.py::experiment_iris::accuracy[[]model:logreg[]] PASSED *[[] 91%[]]",
            "experiment_iris.py::experiment_iris::accuracy[[]model:tree[]] FAILED *[[]100%[]]",
            "*_ experiment_iris::accuracy[[]model:tree[]] _*",
            "accuracy[[]model:tree[]] of iris regressed: worse by 0.2*, more than the tolerance of 0.00* and more than chance (p *)",
            "now      0.*",
            "baseline 0.*session *, less than a minute old",
            "change   -0.2 (-2*%), *",
            "  REGRESSED  accuracy  model:tree *",
            "  unchanged  accuracy  model:logreg *",
            "FAILED *::accuracy[[]model:tree[]] - Failed: accuracy[[]model:tree[]] of *",
            "*= 2 failed, 10 passed in *",
        ]
    )
    assert "110%" not in second.stdout.str()
    cases = {str(case.get("name")): case for case in ET.parse(pytester.path / "junit.xml").iter("testcase")}  # noqa: S314
    failed = cases["accuracy[model:tree]"]
    assert failed.get("classname") == "experiment_iris.experiment_iris"
    assert "of iris regressed" in str(failed.find("failure").get("message"))  # type: ignore[union-attr]
    found = {str(item.get("name")): str(item.get("value")) for item in failed.iter("property")}
    assert float(found["mltraq.change"]) == pytest.approx(-0.2)
    assert found["mltraq.verdict"] == "regressed"
    assert {"mltraq.mean", "mltraq.baseline_mean", "mltraq.q_value", "mltraq.minimum_detectable_change"} <= found.keys()
    assert rows(
        "SELECT metric, params, verdict, fails, n FROM verdicts JOIN sessions ON id = id_session WHERE exit_status = 1"
    ) == [
        ("loss", '{"model":"logreg"}', "unchanged", 0, 4),
        ("loss", '{"model":"tree"}', "regressed", 1, 4),
        ("accuracy", '{"model":"logreg"}', "unchanged", 0, 4),
        ("accuracy", '{"model":"tree"}', "regressed", 1, 4),
    ]
    # The worse session is not what the next one is compared with.
    suite("-q", DROP=0.2).stdout.fnmatch_lines(["*: 1 session in which it failed left out", "2 failed, 10 passed in *"])


def test_a_failed_metric_is_run_again_by_lf(suite: Pytest) -> None:
    """`--lf` runs the runs of the group; when they are good again, nothing is left of it."""
    suite()
    suite(DROP=0.2).assert_outcomes(failed=2, passed=10)

    suite("--lf", DROP=0.2).stdout.fnmatch_lines(["collected 4 items", "*= 2 failed, 4 passed in *"])
    suite("--lf").stdout.fnmatch_lines(["collected 4 items", "*= 6 passed in *"])
    suite("--lf").stdout.fnmatch_lines(["*= 12 passed in *"])


def test_the_gate_may_only_warn(suite: Pytest) -> None:
    """The verdicts are the same, stored as they are, and shown for what they are; the exit status is 0."""
    suite()

    result = suite("--mltraq-gate=warn", "-v", DROP=0.2)

    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*::accuracy[[]model:tree[]] REGRESSED (gate=warn) (*",
            "  REGRESSED  accuracy *",
            "*= 10 passed, 2 regressed in *",
        ]
    )
    assert suite("--mltraq-gate=warn", "-q", DROP=0.2).ret == 0


def test_without_a_database_limits_and_other_databases_count(suite: Pytest, pytester: pytest.Pytester) -> None:
    """There is one way to judge: in a database, which is removed where none was named."""
    temporary = pytester.mkdir("temporary")  # where it would be left behind
    result = suite("--mltraq", database=None, DROP=0.6, TMPDIR=temporary)
    result.stdout.fnmatch_lines(["*accuracy[[]model:tree[]]: the mean 0.* is below min=0.5*", "nothing was stored: *"])
    assert result.ret == 1
    suite(database="main.db")

    compared = suite("--mltraq", "--mltraq-baseline=last@main.db", database=None, DROP=0.2)
    compared.stdout.fnmatch_lines(["mltraq: compared with last@main.db", "*= 2 failed, 10 passed in *"])
    assert {path.name for path in pytester.path.glob("*.db*")} == {"main.db"}
    assert list(temporary.iterdir()) == []


def test_a_failed_run_and_an_unset_metric_are_never_good(suite: Pytest) -> None:
    """One run that failed makes its group undecided, at best; a metric that no run set fails."""
    suite()

    failed = suite(FAIL="tree0")
    failed.stdout.fnmatch_lines(
        ["  undecided  accuracy  model:tree *", "*accuracy[[]model:tree[]]: 1 of 4 runs failed*"]
    )
    unset = suite(UNSET=1)
    unset.stdout.fnmatch_lines(
        ["  MISSING *loss *", "*loss[[]model:logreg], *: no run set 'loss' to a number", "*2 failed, 10 passed*"]
    )
    assert unset.ret == 1


def test_only_what_ran_is_judged(suite: Pytest, rows: Rows) -> None:
    """Deselected groups and experiments are not missing; of a part of a group, that part is compared, and it is said."""
    suite()

    part = suite("-k", "tree and (seed:0 or seed:1 or seed:2)", DROP=0.2)
    part.stdout.fnmatch_lines(
        [
            "metrics of iris, compared with: newest (no git): *",
            "*: compared by the 3 replicates in common, of 3 here and 4 there",
            "*: did not run here: model:logreg",
            "*= 2 failed, 3 passed, 5 deselected in *",
        ]
    )
    stopped = suite("-x", FAIL="tree0")
    stopped.stdout.fnmatch_lines(["*: no run set 'loss' to a number (1 of 1 failed)", "*= 3 failed, 6 passed in *"])
    assert "another exception" not in stopped.stdout.str()
    assert suite("--collect-only").ret == 0
    interrupted = suite("--maxfail=1", "-p", "no:terminal", FAIL="logreg0")
    assert interrupted.ret == 1
    assert len(rows("SELECT DISTINCT id_session FROM verdicts")) == 4


@pytest.mark.parametrize(
    "selection", ["-k seed", "--lf", "-x", "experiment_iris.py::experiment_iris[model:tree-seed:0]"]
)
def test_a_part_of_an_experiment_misses_nothing(selection: str, suite: Pytest) -> None:
    """A group that is gone is missing, where all runs of the experiment ran; of a part it is said that it didn't run."""
    suite(FAIL="tree0")
    part = {"-k seed": "-k seed:0", "--lf": "--lf"}.get(selection, selection)

    partial = suite(*part.split(), MODELS="tree", **({"FAIL": "tree1"} if selection == "-x" else {}))

    partial.stdout.fnmatch_lines(["*: did not run here: model:logreg"])
    partial.stdout.no_fnmatch_line("*MISSING*")


def test_a_group_that_is_gone_is_missing_until_it_is_accepted(suite: Pytest, pytester: pytest.Pytester) -> None:
    """It fails the gate in each session that ran as a whole; once its removal is accepted, nothing is said of it."""
    suite("--mltraq-tag=first")
    for processes in ((), ("-n2",)):
        suite("-k", "seed:1", MODELS="tree")
        gone = suite(*processes, MODELS="tree")
        gone.stdout.fnmatch_lines(
            [
                "  MISSING *accuracy *model:logreg *",
                "*: no run has these params any more; where that is meant, `pytest-mltraq accept` says so",
                "*= 2 failed, 6 passed* in *",
            ]
        )
        assert gone.ret == 1

    compared = pytester.run("pytest-mltraq", "compare", "first", "last", "--db=results.db")
    for metric in ("accuracy", "loss"):
        accepted = pytester.run(
            "pytest-mltraq", "accept", metric, "--experiment=iris", "--reason=linear", "--db=results.db"
        )
        accepted.stdout.fnmatch_lines([f"iris *{metric} *model:logreg * removed *"])
    accepted = suite("-n2", MODELS="tree")

    assert compared.ret == 1
    assert accepted.ret == 0
    accepted.stdout.no_fnmatch_line("*logreg*")
    back = suite()  # compared with what it was before it was removed
    back.stdout.fnmatch_lines(["  unchanged *accuracy *model:logreg *"])
    assert back.ret == 0


def test_an_interrupted_session_is_not_judged(pytester: pytest.Pytester, suite: Pytest, rows: Rows) -> None:
    """It is said, and it is no baseline."""
    pytester.makepyfile(test_z="def test_z():\n    raise KeyboardInterrupt\n")

    result = suite()

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["the metrics were not judged: the session was interrupted"])
    assert rows("SELECT count(*) FROM verdicts") == [(0,)]
    stopped = suite("-n2", "-x", "experiment_iris.py", FAIL="logreg0")  # pytest-xdist interrupts itself
    stopped.stdout.fnmatch_lines(
        ["the metrics were not judged: the session was interrupted (stopping after 1 failures)"]
    )
    suite("experiment_iris.py").stdout.fnmatch_lines(
        ["*nothing (no earlier session stored it)", "*8 passed, 4 new in*"]
    )


def test_it_is_the_same_in_two_processes(suite: Pytest, rows: Rows) -> None:
    """With pytest-xdist the controller judges, once."""
    pytest.importorskip("xdist")
    suite("-n2").stdout.fnmatch_lines(["*= 8 passed, 4 new in *"])

    result = suite("-n2", DROP=0.2)

    result.stdout.fnmatch_lines(["*[[]100%[]]", "  REGRESSED  accuracy  model:tree *", "*= 2 failed, 10 passed in *"])
    assert result.ret == 1
    assert rows("SELECT count(*) FROM verdicts") == [(8,)]


def test_the_default_baseline_is_found_by_git(
    suite: Pytest, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a branch it is an ancestor of HEAD; in CI for a pull request, the nearest ancestor of the merge base."""
    folder = make_repository(pytester.path)
    (folder / ".gitignore").write_text("*.db*\n.pytest_cache\n__pycache__\n", encoding="utf-8")
    first = commit(folder, "first")
    suite("--mltraq-tag=v1")
    commit(folder, "second")
    suite(DROP=0.1)
    git(folder, "checkout", "-f", "-b", "feature", first)
    (folder / "change.txt").touch()
    head = commit(folder, "feature")

    local = suite()
    local.stdout.fnmatch_lines(
        [
            f"metrics of iris, compared with: nearest to HEAD, {head[:7]}: {first[:7]} on main tagged v1, *, 1 commit away"
        ]
    )
    (folder / "change.txt").write_text("not committed", encoding="utf-8")
    suite()
    git(folder, "checkout", "change.txt")
    suite().stdout.fnmatch_lines(
        [f"*compared with: 2 sessions, nearest to HEAD, {head[:7]} (1 with uncommitted changes left out); *"]
    )
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REF", "refs/pull/7/merge")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    request = suite("--mltraq-report=report.json")
    request.stdout.fnmatch_lines(
        [f"metrics of iris, compared with: nearest to the merge base with main, {first[:7]}: {first[:7]} on main *"]
    )
    report = json.loads((pytester.path / "report.json").read_text(encoding="utf-8"))
    assert {(verdict["baseline_commit"], verdict["baseline_distance"]) for verdict in report["verdicts"]} == {
        (first, 0)
    }
    suite("--mltraq-baseline=branch:mian").stdout.fnmatch_lines(["*: nothing (none is of mian; did you mean 'main'?)"])
    unknown = suite("--mltraq-baseline=tag:v2")
    assert unknown.ret == pytest.ExitCode.USAGE_ERROR
    unknown.stderr.fnmatch_lines(["ERROR: --mltraq-baseline: tag:v2: there is no such tag; there are: v1"])


def test_postgresql(suite: Pytest, postgresql: str) -> None:
    """It is the same there."""
    suite(database=postgresql)

    result = suite(database=postgresql, DROP=0.2)

    result.assert_outcomes(failed=2, passed=10)
    result.stdout.fnmatch_lines(["  REGRESSED  accuracy  model:tree *"])


def test_a_database_that_fails_is_no_good_verdict(suite: Pytest, pytester: pytest.Pytester) -> None:
    """Where the metrics can't be judged, the session fails, and says why."""
    suite()
    pytester.makeconftest(
        """
        import sqlite3

        def pytest_runtest_logfinish(nodeid):
            if nodeid.endswith("tree-seed:3]"):
                with sqlite3.connect("results.db", timeout=30) as connection:
                    connection.execute("DROP TABLE verdicts")
        """
    )

    result = suite(DROP=0.2)

    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(["the metrics were not judged: *no such table: verdicts*"])


def test_a_damaged_history_is_no_good_verdict(suite: Pytest, pytester: pytest.Pytester) -> None:
    """What is stored of an earlier session can't be read: the session fails, and says where."""
    suite()
    with contextlib.closing(sqlite3.connect(pytester.path / "results.db")) as connection, connection:
        connection.execute("UPDATE experiments SET metrics = '{'")

    result = suite(DROP=0.2)

    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(["the metrics were not judged: metrics: expected a JSON document, found '{'*"])


def test_names_stay_in_their_line(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a terminal obeys, or a CI job takes for a command, is shown with escapes."""
    monkeypatch.setenv("COLUMNS", "200")
    pytester.makepyfile(
        experiment_odd="""
        import pytest

        NAME = "a\\n::error::b"

        @pytest.mark.metric(NAME, min=1)
        @pytest.mark.runs(odd=["x\\n::error::y", "z"])
        def experiment_odd(run):
            run.fields[NAME] = 0
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.stdout.fnmatch_lines(["FAILED *::a\\n::error::b[[]odd:x\\n::error::y[]] *"])
    result.stdout.no_re_match_line("::error")
