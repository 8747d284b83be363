"""Asleep, the plugin changes nothing; awake, experiments are collected. What wakes it, and where it then stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Rows

EXPERIMENT = """
    def experiment_a(run):
        run.fields.x = 1
"""

HEAVY = ("joblib", "numpy", "pandas", "pyarrow", "sqlalchemy")


def databases(pytester: pytest.Pytester) -> list[str]:
    """List what was written as a database, from the root folder."""
    return sorted(path.relative_to(pytester.path).as_posix() for path in pytester.path.rglob("*.db*"))


def test_asleep_nothing_is_collected_imported_written_or_printed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Merely installed, the plugin leaves a suite with scripts and classes of our names exactly as it was."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    pytester.makepyfile(
        experiment_script="raise SystemExit('the script was imported')",
        test_suite="""
            class ExperimentRecord:
                def experiment_method(self):
                    raise AssertionError

            def step_in_a_dance(): ...

            def experiment_function(run):
                raise AssertionError

            def test_one(): ...
        """,
    )
    files = _files(pytester)

    with_us = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    without_us = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:mltraq")

    with_us.assert_outcomes(passed=1)
    assert _said(with_us) == _said(without_us)
    assert _files(pytester) == files


def _files(pytester: pytest.Pytester) -> list[str]:
    """List the files in the pytester's folder, but for those that pytester itself writes."""
    own = ("runpytest-", "stdout", "stderr")
    return sorted(path.name for path in pytester.path.rglob("*") if not path.name.startswith(own))


def _said(result: pytest.RunResult) -> list[str]:
    """Return the lines that don't differ from run to run."""
    return [line for line in result.outlines if not line.startswith(("plugins:", "=")) and line]


def test_asleep_the_fixtures_and_markers_are_there(pytester: pytest.Pytester) -> None:
    """A suite that uses `run`, `experiment`, `mltraq_session` and the markers passes without any option."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.runs(lr=[1])
        @pytest.mark.steps()
        @pytest.mark.experiment(name="other")
        def experiment_not_collected(run): ...

        @pytest.mark.parametrize("lr", [0.1, 0.2])
        def test_run(run, lr):
            run.fields.loss = run.params.lr
            run.vars.a = run.state.b = 1

            assert run.fields["loss"] == lr
            assert run.seed in range(2**32)
            assert run.config == {}

        def test_experiment(experiment):
            assert experiment.name == "test_asleep_the_fixtures_and_markers_are_there.test_experiment"

        def test_session(mltraq_session):
            mltraq_session.create_experiment("sweep").persist()

            assert mltraq_session.load_experiment("sweep").name == "sweep"
        """
    )

    result = pytester.runpytest_subprocess("--strict-markers")

    result.assert_outcomes(passed=4)
    assert "mltraq" not in result.stdout.str().replace("mltraq-", "")
    assert databases(pytester) == []


@pytest.mark.parametrize("options", [(), ("--mltraq",)], ids=["asleep", "without-database"])
def test_heavy_libraries_are_imported_when_they_are_needed(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    """A session that stores nothing ends without having imported pandas, PyArrow, NumPy, SQLAlchemy and joblib."""
    pytester.makepyfile(
        test_suite="""
            def test_plain(): ...

            def test_run(run):
                run.fields.loss = 0.1
        """
    )
    script = pytester.makepyfile(
        whole=f"""
            import atexit
            import sys

            import pytest

            atexit.register(lambda: print("heavy:", sorted({HEAVY} & sys.modules.keys())))
            sys.exit(pytest.main(["test_suite.py", *{options}]))
        """.replace(str(HEAVY), str(set(HEAVY)))
    )

    result = pytester.runpython(script)

    result.assert_outcomes(passed=2)
    assert result.outlines[-1] == "heavy: []"


@pytest.mark.parametrize(
    ("arguments", "variable", "ini", "written"),
    [
        pytest.param(["--mltraq"], None, "", [], id="option"),
        pytest.param(["--mltraq-db=results.db"], None, "", ["results.db"], id="database-option"),
        pytest.param([], "results.db", "", ["results.db"], id="variable"),
        pytest.param([], None, "mltraq_db = results.db", ["results.db"], id="database-ini"),
        pytest.param([], None, "mltraq = true", [], id="ini"),
        pytest.param(["experiment_a.py"], None, "", [], id="file"),
        pytest.param(["experiment_a.py::experiment_a"], None, "", [], id="node-id"),
        pytest.param(["test_b.py", "./experiment_a.py::experiment_a"], None, "", [], id="node-id-beside-a-test"),
    ],
)
def test_what_wakes_it(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variable: str | None,
    ini: str,
    written: list[str],
) -> None:
    """A database (option, environment, ini), `--mltraq`, ini `mltraq`, or a named experiment file wake the plugin."""
    pytester.makepyfile(experiment_a=EXPERIMENT, test_b="def test_b(): ...")
    pytester.makeini(f"[pytest]\n{ini}")
    if variable:
        monkeypatch.setenv("MLTRAQ_DB", variable)

    result = pytester.runpytest_subprocess("-v", *arguments)

    result.stdout.fnmatch_lines(["mltraq: *", "experiment_a.py::experiment_a PASSED*"])
    assert databases(pytester) == written


@pytest.mark.parametrize(
    ("arguments", "variable", "ini"),
    [
        pytest.param(["."], None, "", id="folder"),
        pytest.param(["test_b.py"], None, "", id="test-file"),
        pytest.param([], "", "", id="empty-variable"),
        pytest.param(["-k", "experiment_a.py"], None, "mltraq_db =", id="empty-ini"),
    ],
)
def test_what_does_not_wake_it(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variable: str | None,
    ini: str,
) -> None:
    """A folder that holds experiments, and settings that are empty, let it sleep."""
    pytester.makepyfile(experiment_a="raise SystemExit", test_b="def test_b(): ...")
    pytester.makeini(f"[pytest]\n{ini}")
    if variable is not None:
        monkeypatch.setenv("MLTRAQ_DB", variable)

    result = pytester.runpytest_subprocess(*arguments)

    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    result.stdout.no_fnmatch_line("mltraq: *")
    assert databases(pytester) == []


@pytest.mark.parametrize(
    ("arguments", "variable", "expected"),
    [
        pytest.param(["--mltraq-db=option.db"], "variable.db", "option.db", id="option"),
        pytest.param([], "variable.db", "variable.db", id="variable"),
        pytest.param([], None, "ini.db", id="ini"),
    ],
)
def test_the_command_line_wins_over_the_environment_and_that_over_the_ini_file(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variable: str | None,
    expected: str,
) -> None:
    """Of several databases, the one of the command line is used, else that of the environment, else that of the ini."""
    pytester.makepyfile(experiment_a=EXPERIMENT)
    pytester.makeini("[pytest]\nmltraq_db = ini.db")
    if variable:
        monkeypatch.setenv("MLTRAQ_DB", variable)

    result = pytester.runpytest_subprocess(*arguments)

    result.assert_outcomes(passed=1)
    assert databases(pytester) == [expected]


def test_a_path_in_the_ini_file_is_meant_from_its_folder(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path is that of the ini file's folder, wherever pytest is called; an option's is the caller's."""
    pytester.makeini("[pytest]\nmltraq_db = data/ini.db")
    folder = pytester.mkdir("inner")
    (folder / "experiment_a.py").write_text("def experiment_a(run): ...\n", encoding="utf-8")
    monkeypatch.chdir(folder)

    by_ini = pytester.runpytest_subprocess()
    by_option = pytester.runpytest_subprocess("--mltraq-db=option.db")

    by_ini.assert_outcomes(passed=1)
    by_option.assert_outcomes(passed=1)
    assert databases(pytester) == ["data/ini.db", "inner/option.db"]


@pytest.mark.parametrize("where", ["a/b/results.db", "sqlite:///results.db"], ids=["path", "url"])
def test_a_sqlite_database_is_one_file_made_with_its_folders(pytester: pytest.Pytester, where: str) -> None:
    """A missing file is made, with its folders; when the session ended, nothing lies beside it."""
    pytester.makepyfile(experiment_a=EXPERIMENT)

    result = pytester.runpytest_subprocess(f"--mltraq-db={where}")

    result.assert_outcomes(passed=1)
    assert databases(pytester) == [where.removeprefix("sqlite:///")]


def test_without_a_database_it_says_that_nothing_was_stored(pytester: pytest.Pytester) -> None:
    """With `--mltraq` alone, runs are executed and summed up, and the summary says that nothing was stored."""
    pytester.makepyfile(experiment_a=EXPERIMENT)

    result = pytester.runpytest_subprocess("--mltraq")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["mltraq: nothing is stored*", "a: 1 run", "nothing was stored: *--mltraq-db*"])
    assert databases(pytester) == []


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        pytest.param(EXPERIMENT, ["--collect-only"], id="collect-only"),
        pytest.param(EXPERIMENT, ["-k", "nothing"], id="deselected"),
        pytest.param("def test_a(): ...", [], id="no-experiments"),
    ],
)
def test_a_session_without_runs_creates_no_file(pytester: pytest.Pytester, module: str, arguments: list[str]) -> None:
    """A database is created with the first run, not before."""
    pytester.makepyfile(test_a=module)

    result = pytester.runpytest_subprocess("--mltraq-db=folder/results.db", *arguments)

    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    assert not Path("folder").exists()


def test_sessions_are_stored_beside_each_other(pytester: pytest.Pytester, rows: Rows) -> None:
    """Each session appends, with its exit status and tags; the view of an experiment has the runs of all of them."""
    pytester.makeini("[pytest]\nmltraq_tag = always")
    pytester.makepyfile(
        experiment_a="""
            def experiment_a(run, pytestconfig):
                run.fields.given = len(pytestconfig.getoption("mltraq_tag") or ())
                assert run.fields.given
        """
    )

    pytester.runpytest_subprocess("--mltraq-db=results.db")
    pytester.runpytest_subprocess("--mltraq-db=results.db", "--mltraq-tag=v1", "--mltraq-tag=nightly")

    assert rows("SELECT tags, exit_status, origin, finished_at >= started_at FROM sessions ORDER BY started_at") == [
        ('["always"]', 1, "pytest", 1),
        ('["v1","nightly"]', 0, "pytest", 1),
    ]
    assert rows("SELECT given, outcome FROM experiment_a ORDER BY started_at") == [(0, "failed"), (2, "passed")]
