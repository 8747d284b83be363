"""What users are told: where results go, how runs went, and what is wrong with an option, a marker or a database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

SWEEP = """
    import pytest

    def step_train(run, lr):
        run.fields.loss = lr * run.params.seed
        run.fields.name = "not a metric"

    def step_evaluate(run):
        run.fields.accuracy = 1 - run.fields.loss

    @pytest.mark.runs(lr=[0.1, 0.2], seed=range(2))
    def experiment_sweep(run):
        assert run.fields.accuracy > 0.85
"""

TRIVIAL = "def experiment_a(run): ..."


def is_refused(result: pytest.RunResult, *expected: str) -> None:
    """Check that pytest refused to begin, with a message that has some texts, and without a traceback."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.no_fnmatch_line("*Traceback*")
    (message,) = [line for line in result.errlines if line.startswith("ERROR: ")]
    for text in expected:
        assert text in message
    assert result.outlines == []


# ------------------------------------------------------------------------------------------------ header and summary


def test_the_header_says_the_database_and_the_summary_how_runs_went(pytester: pytest.Pytester) -> None:
    """One row for each group of params, mean and standard deviation over replicates, failed runs, and where they are."""
    pytester.makepyfile(experiment_sweep=SWEEP)

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.stdout.fnmatch_lines(
        [
            "mltraq: results.db",
            "mltraq: 4 runs of 1 experiment",
            "*= mltraq =*",
            "sweep: 4 runs, 1 failed, mean ± sd over seed",
            "  lr   runs          loss      accuracy",
            "  0.1     2  0.05 ± 0.071  0.95 ± 0.071",
            "  0.2     2    0.1 ± 0.14    0.9 ± 0.14",
            "",
            "stored in results.db",
        ],
        consecutive=False,
    )


def test_each_experiment_has_a_table_of_its_own(pytester: pytest.Pytester) -> None:
    """Experiments, and plain tests that request `run`, are summed up by name; one without params has one row."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            class ExperimentB:
                @pytest.mark.runs([{"model": ["tree"], "depth": [3]}, {"model": ["linear"]}])
                def experiment_b(self, run, model):
                    run.fields.size = len(model)
                    if model == "tree":
                        run.fields.leaves = 8

            def experiment_a(run):
                run.fields.loss = 0.25
        """,
        test_c="""
            def test_c(run):
                run.fields.accuracy = 1

            def test_d(): ...
        """,
    )

    result = pytester.runpytest_subprocess("--mltraq")

    result.stdout.fnmatch_lines(
        [
            "a: 1 run",
            "  runs  loss",
            "     1  0.25",
            "",
            "b: 2 runs",
            "  model   depth  runs  size  leaves",
            "  tree    3         1     4       8",
            "  linear            1     6",
            "",
            "test_c.test_c: 1 run",
            "  runs  accuracy",
            "     1         1",
        ],
        consecutive=True,
    )


def test_a_long_table_is_cut_but_for_v(pytester: pytest.Pytester) -> None:
    """The first groups are shown and the others counted; `-v` shows all."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.mark.runs(lr=range(15))
            def experiment_a(run): ...
        """
    )

    short = pytester.runpytest_subprocess("--mltraq")
    whole = pytester.runpytest_subprocess("--mltraq", "-v")

    short.stdout.fnmatch_lines(["  11     1", "  ... and 3 more groups (-v shows all)"], consecutive=True)
    whole.stdout.fnmatch_lines([f"  {lr:<2}     1" for lr in range(15)], consecutive=True)
    whole.stdout.no_fnmatch_line("*more groups*")


def test_runs_with_different_params_are_different_rows(pytester: pytest.Pytester) -> None:
    """Only runs of the same params are replicates: arrays and numbers that JSON can't say are told apart too."""
    pytester.makepyfile(
        experiment_a="""
            import numpy as np
            import pytest

            @pytest.mark.runs(start=[np.zeros(3), np.ones(3), None, float("nan"), float("inf")])
            def experiment_a(run, request):
                run.fields.loss = float(np.sum(run.params.start)) if isinstance(run.params.start, np.ndarray) else 7.0
        """
    )

    result = pytester.runpytest_subprocess("--mltraq")

    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["a: 5 runs", "  start*runs*loss", *["  * 1 *"] * 5, ""], consecutive=True)


def test_a_wide_table_fits_the_terminal(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns that don't fit are named below the table."""
    monkeypatch.setenv("COLUMNS", "60")
    pytester.makepyfile(
        experiment_a="""
            def experiment_a(run):
                for at in range(5):
                    run.fields[f"a_metric_of_long_name_{at}"] = at
        """
    )

    result = pytester.runpytest_subprocess("--mltraq")

    result.stdout.fnmatch_lines(["  runs  a_metric_of_long_name_0  a_metric_of_long_name_1", "     1 * 0 * 1"])
    result.stdout.fnmatch_lines(["  ... and 3 more columns: a_metric_of_long_name_2, *_3, *_4"])


# ------------------------------------------------------------------------------------------------- steps and markers


@pytest.mark.parametrize(
    ("requested", "meant"),
    [
        pytest.param("modle", "model", id="axis"),
        pytest.param("irsi", "iris", id="fixture"),
        pytest.param("unused_ficture", "unused_fixture", id="fixture-nobody-requests"),
    ],
)
def test_a_misspelt_name_in_a_step_is_named_with_its_step_and_what_is_near(
    pytester: pytest.Pytester, requested: str, meant: str
) -> None:
    """A step that requests what isn't there is an error that says which step, where it is, and what was meant."""
    pytester.makepyfile(
        experiment_a=f"""
            import pytest

            @pytest.fixture
            def iris(): ...

            @pytest.fixture
            def unused_fixture(): ...

            def step_load(run, iris): ...

            def step_train(run, {requested}): ...

            @pytest.mark.runs(model=["tree"])
            def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*step_train*experiment_a.py:11*'{requested}'*did you mean '{meant}'?*"])
    result.stdout.no_fnmatch_line("*pytest_mltraq/*")


MARKERS = [
    ("runs(seed=[])", "axis 'seed' is empty"),
    ("runs(lr=[1], seed=range(0))", "axis 'seed' is empty"),
    ("runs(lr=0.1)", "axis 'lr': expected a list of values, found float 0.1"),
    ("runs(model='tree')", "axis 'model': expected a list of values, found str 'tree'"),
    ("runs(model={'tree': 1})", "axis 'model': expected a list of values, found dict {'tree': 1}"),
    ("runs([])", "expected at least one grid"),
    ("runs([['lr', 1]])", "expected a grid, a dict of axis names and lists of values, found list"),
    ("runs()", "axes, runs(seed=range(5))"),
    ("runs({'lr': [1]}, seed=[1])", "axes, runs(seed=range(5))"),
    ("runs(run=[1])", "an axis can't be called 'run'"),
    ("runs({1: [1]})", "an axis can't be called 1"),
    ("runs(lr=[1])\n@pytest.mark.runs(lr=[2])", "axis 'lr' is given twice"),
    ("steps(1, 2)", "the marker steps expects functions, found int 1"),
    ("experiment(name=3)", "expected the experiment's name as text, found 3"),
    ("experiment(config=3)", "the marker experiment expects config as a dict, found 3"),
    ("experiment(model=object())", "fields.model"),
    ("experiment(config={'model': object()})", "config.model"),
]


def test_a_wrong_marker_is_a_collection_error_that_says_what_was_expected(pytester: pytest.Pytester) -> None:
    """It names the function, where it is, what was expected and what was found, without a traceback of ours."""
    for number, (marker, _) in enumerate(MARKERS):
        pytester.makepyfile(
            **{f"experiment_{number:02}": f"import pytest\n@pytest.mark.{marker}\ndef experiment_{number:02}(run): ..."}
        )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(errors=len(MARKERS))
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        [
            line
            for number, (_, expected) in enumerate(MARKERS)
            for line in (
                f"*ERROR collecting experiment_{number:02}.py*",
                f"*experiment_{number:02}.py:2 experiment_{number:02}: *{expected.replace('[', '[[]')}*",
            )
        ]
    )
    result.stdout.no_fnmatch_line("*pytest_mltraq/*")
    assert not Path("results.db").exists()


@pytest.mark.parametrize(
    ("modules", "places"),
    [
        pytest.param(
            {"experiment_a": TRIVIAL, "experiment_b": TRIVIAL},
            ["experiment_a.py::experiment_a", "experiment_b.py::experiment_a"],
            id="modules",
        ),
        pytest.param(
            {"experiment_a": f"{TRIVIAL}\nclass ExperimentA:\n    def experiment_a(self, run): ..."},
            ["experiment_a.py::experiment_a", "experiment_a.py::ExperimentA::experiment_a"],
            id="class",
        ),
        pytest.param(
            {
                "experiment_a": f"import pytest\n{TRIVIAL}\n"
                "@pytest.mark.experiment(name='a')\ndef experiment_b(run): ..."
            },
            ["experiment_a.py::experiment_a", "experiment_a.py::experiment_b"],
            id="marker",
        ),
    ],
)
def test_two_experiments_of_one_name_are_an_error_that_names_both(
    pytester: pytest.Pytester, modules: dict[str, str], places: list[str]
) -> None:
    """The name is what experiments are stored as: that two have it is said with both places and what to do."""
    pytester.makepyfile(**modules)

    result = pytester.runpytest_subprocess("--mltraq")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    (message,) = [line for line in result.outlines if "two experiments are called 'a'" in line]
    assert all(place in message for place in places)
    assert "@pytest.mark.experiment(name=...)" in message


# ---------------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--mltraq-config=epochs", "expected KEY=VALUE, where KEY is a name, found 'epochs'"),
        ("--mltraq-config=1x=3", "found '1x=3'"),
        ("--mltraq-config==3", "found '=3'"),
        ("--mltraq-db=", "--mltraq-db: expected a path or URL, found nothing"),
    ],
)
def test_a_wrong_option_says_what_was_expected_and_found(pytester: pytest.Pytester, option: str, expected: str) -> None:
    """A bad value of an option is an error of use: nothing is collected."""
    pytester.makepyfile(experiment_a=TRIVIAL)

    result = pytester.runpytest_subprocess("--mltraq", option)

    is_refused(result, expected, option.partition("=")[0])


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        pytest.param("file.txt/results.db", "file.txt", id="under-a-file"),
        pytest.param("folder", "folder", id="folder"),
        pytest.param(
            "read-only/results.db",
            "no permission",
            id="no-permission",
            marks=pytest.mark.skipif("__import__('os').geteuid() == 0", reason="root may write everywhere"),
        ),
        pytest.param("oracle://ann@host/x", "oracle", id="unsupported-url"),
        pytest.param("nonsense://host/x", "nonsense", id="unknown-scheme"),
    ],
)
def test_a_database_that_cannot_be_written_is_refused_before_anything_runs(
    pytester: pytest.Pytester, where: str, expected: str
) -> None:
    """An experiment of hours must not end in a message that there is nowhere to put it."""
    pytester.makepyfile(experiment_a='def experiment_a(run):\n    raise SystemExit("it ran")')
    pytester.maketxtfile(file="notes")
    pytester.mkdir("folder")
    pytester.mkdir("read-only").chmod(0o555)

    result = pytester.runpytest_subprocess(f"--mltraq-db={where}")

    is_refused(result, "--mltraq-db", expected)


def test_runs_that_could_not_be_stored_are_counted_and_the_session_fails(pytester: pytest.Pytester) -> None:
    """Where the database is lost meanwhile, the summary says how many runs are not in it and why."""
    pytester.makepyfile(
        experiment_a="""
            import pathlib
            import pytest

            def step_lose(run):
                pathlib.Path("results.db").mkdir(exist_ok=True)

            @pytest.mark.runs(lr=[1, 2])
            def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=2)
    assert result.ret not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    result.stdout.fnmatch_lines(["2 runs could not be stored: *results.db*"])
    result.stdout.no_fnmatch_line("stored in*")
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def _text(path: Path) -> None:
    path.write_text("loss,accuracy\n0.1,0.9\n", encoding="utf-8")


def _mlflow(path: Path) -> None:
    connection = sqlite3.connect(path)
    for table in ("experiments", "runs", "metrics", "params", "tags", "alembic_version"):
        connection.execute(f"CREATE TABLE {table} (name TEXT)")
    connection.execute("INSERT INTO experiments VALUES ('Default')")
    connection.commit()
    connection.close()


def _mltraq(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE experiments (id_experiment BLOB, name TEXT, fields BLOB, unsafe_pickle BLOB)")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(_text, "no SQLite database", id="text"),
        pytest.param(_mlflow, "an MLflow database", id="mlflow"),
        pytest.param(_mltraq, "an MLtraq database", id="mltraq"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_and_left_as_it_was(
    pytester: pytest.Pytester, make: Callable[[Path], None], expected: str
) -> None:
    """It is named for what it is, not a byte of it changes, and nothing is left beside it."""
    pytester.makepyfile(experiment_a=TRIVIAL)
    path = pytester.path / "results.db"
    make(path)
    before = path.read_bytes(), path.stat().st_mtime_ns

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    is_refused(result, "results.db", expected)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [other.name for other in pytester.path.glob("results.db*")] == ["results.db"]


# -------------------------------------------------------------------------------------------------------- passwords


@pytest.mark.parametrize(
    ("option", "variable"),
    [
        pytest.param("postgresql://ann:s3cret@127.0.0.1:9/x", None, id="no-server"),
        pytest.param(None, "postgresql://ann:s3cret@127.0.0.1:9/x", id="no-server-variable"),
        pytest.param("postgresql+psycopg://ann:s3cret@127.0.0.1:9/x", None, id="no-server-driver"),
        pytest.param("postgresql://ann@127.0.0.1:9/x?password=s3cret", None, id="query"),
        pytest.param("postgresql://ann:one@s3cret@127.0.0.1:9/x", None, id="at-sign"),
        pytest.param("postgresql://ann:s3cret/two@127.0.0.1:9/x", None, id="slash"),
        pytest.param("postgresql://ann:s3cret@127.0.0.1:port/x", None, id="bad-port"),
        pytest.param("postgresql+nodriver://ann:s3cret@127.0.0.1/x", None, id="unknown-driver"),
        pytest.param("mysql://ann:s3cret@127.0.0.1/x", None, id="unsupported"),
        pytest.param(None, "mysql://ann:s3cret@127.0.0.1/x", id="unsupported-variable"),
    ],
)
def test_a_password_is_not_printed_when_a_database_is_refused(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, option: str | None, variable: str | None
) -> None:
    """Whatever is wrong with a URL, its password is not in the message that says so."""
    pytester.makepyfile(experiment_a=TRIVIAL)
    if variable is not None:
        monkeypatch.setenv("MLTRAQ_DB", variable)

    result = pytester.runpytest_subprocess(*([] if option is None else [f"--mltraq-db={option}"]), "-vv", "-l")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "s3cret" not in result.stdout.str() + result.stderr.str()
    result.stderr.no_fnmatch_line("*Traceback*")


def test_a_missing_driver_is_named_with_how_to_install_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without psycopg, a PostgreSQL URL is refused with the command that installs the extra."""
    pytester.makepyfile(experiment_a=TRIVIAL, blocker="import sys\nsys.modules['psycopg'] = None")
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))

    result = pytester.runpytest_subprocess("-p", "blocker", "--mltraq-db=postgresql://ann:s3cret@127.0.0.1:9/x")

    is_refused(result, "--mltraq-db", "pip install 'pytest-mltraq[postgres]'")
    assert "s3cret" not in result.stderr.str()


@pytest.mark.parametrize("place", ["user", "query"])
def test_a_password_is_neither_shown_nor_stored(pytester: pytest.Pytester, postgresql: str, place: str) -> None:
    """A session that stores on a server shows the URL without its password, and keeps none in its command line."""
    pytester.makepyfile(experiment_sweep=SWEEP)
    plain, password = make_url(postgresql), "s3cret"
    url = plain.set(password=password) if place == "user" else plain.update_query_dict({"password": password})
    command = ["--mltraq-db", url.render_as_string(hide_password=False), "-vv", "-l"]

    result = pytester.runpytest_subprocess(*command)

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["mltraq: postgresql*://*", "stored in postgresql*://*"])
    assert "s3cret" not in result.stdout.str() + result.stderr.str()
    with psycopg.connect(postgresql) as connection:
        (stored,) = connection.execute("SELECT command FROM mltraq.sessions").fetchone() or ("",)
    assert "--mltraq-db" in stored
    assert "s3cret" not in stored
