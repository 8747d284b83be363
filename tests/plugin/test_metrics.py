"""The marker `metric` and the ini key `mltraq_metrics`: what they declare, and what is refused."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Rows

SUITE = """
import pytest

pytestmark = pytest.mark.metric("speed", direction="minimize")

class ExperimentFit:
    pytestmark = [pytest.mark.metric("error", min=1), pytest.mark.metric("size")]

    @pytest.mark.metric("error", direction="minimize")
    @pytest.mark.metric("accuracy", over="seed", rtol=0.01, version=2)
    def experiment_one(self, run):
        run.fields.update(error=1, accuracy=1, size=1, speed=1)

@pytest.mark.metric("latency", max=5)
def test_plain(run):
    run.fields.update(latency=1, speed=1)

def test_none(): ...
"""


def declared(rows: Rows) -> dict[str, list[tuple[str, str, bool]]]:
    """Return name and direction of the stored metrics of each experiment, and whether they are optional."""
    return {
        str(name): [(plain["name"], plain["direction"], plain["optional"]) for plain in json.loads(str(metrics))]
        for name, metrics in rows("SELECT name, metrics FROM experiments ORDER BY name")
        if metrics is not None
    }


def test_markers_of_functions_classes_and_modules_add_up(pytester: pytest.Pytester, rows: Rows) -> None:
    """The nearest marker of a name counts; tests that request `run` have metrics too, and others are left alone."""
    pytester.makepyfile(test_a=SUITE)

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "--strict-markers")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*3 passed, 6 new in *"])
    assert declared(rows) == {
        "one": [
            ("error", "minimize", False),
            ("accuracy", "maximize", False),
            ("size", "maximize", False),
            ("speed", "minimize", False),
        ],
        "test_a.test_plain": [("latency", "maximize", False), ("speed", "minimize", False)],
    }
    (text,) = rows("SELECT metrics -> 1 FROM experiments WHERE name = 'one'")[0]
    assert json.loads(str(text)) == {
        "name": "accuracy",
        "direction": "maximize",
        "min": None,
        "max": None,
        "rtol": 0.01,
        "atol": None,
        "over": ["seed"],
        "alpha": 0.05,
        "power": 0.8,
        "method": "auto",
        "version": "2",
        "optional": False,
        "runs": 1,
    }


def test_the_ini_file_declares_metrics_too(pytester: pytest.Pytester, rows: Rows) -> None:
    """A pattern chooses experiments; a marker of the same name counts more; what an experiment hasn't is not judged."""
    pytester.makepyfile(test_a=SUITE)
    pytester.makeini(
        "[pytest]\nmltraq_metrics =\n    one: error maximize\n    test_*: ram minimize rtol=0.1\n    depth\n"
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.stdout.fnmatch_lines(["*3 passed, 6 new in *"])
    found = declared(rows)
    assert found["one"][0] == ("error", "minimize", False)
    assert found["one"][-1] == ("depth", "maximize", True)
    assert found["test_a.test_plain"][-2:] == [("ram", "minimize", True), ("depth", "maximize", True)]
    result.stdout.fnmatch_lines(["mltraq_metrics: no run set 'ram', 'depth' to a number"])


WRONG = {
    "metric()": "the marker metric(): expected the name of one field, found nothing",
    "metric('a', directoin='minimize')": "there is no option 'directoin'; did you mean 'direction'?",
    "metric('a', direction='up')": "metric('a', direction='up'): expected direction as 'maximize' or 'minimize'",
    "metric('a'), pytest.mark.metric('a')": "the marker metric names 'a' twice: say all of it in one",
}


@pytest.mark.parametrize("function", ["experiment_fit", "test_fit"])
def test_a_wrong_marker_is_a_collection_error(function: str, pytester: pytest.Pytester) -> None:
    """It names the place and the marker; nothing is run."""
    for number, marker in enumerate(WRONG):
        name = f"{function}_{number}"
        code = f"import pytest\ndef {name}(run): ...\n{name}.pytestmark = [pytest.mark.{marker}]\n"
        pytester.makepyfile(**{f"test_{number}": code})

    result = pytester.runpytest_subprocess("--mltraq")

    result.assert_outcomes(errors=len(WRONG))
    result.stdout.fnmatch_lines(
        [f"*test_{number}.py:2 {function}_{number}: *{complaint}*" for number, complaint in enumerate(WRONG.values())]
    )


def test_a_metric_of_a_test_without_run_is_refused(pytester: pytest.Pytester) -> None:
    """It would never be judged; asleep, the marker means nothing."""
    pytester.makepyfile("import pytest\n@pytest.mark.metric('a')\ndef test_a(): ...\n")

    result = pytester.runpytest_subprocess("--mltraq")
    result.stdout.fnmatch_lines(["*the marker metric is for experiments, and tests that request the fixture run"])
    assert result.ret == pytest.ExitCode.INTERRUPTED
    pytester.runpytest_subprocess("--strict-markers").assert_outcomes(passed=1)


def test_a_metric_of_a_param_is_refused(pytester: pytest.Pytester) -> None:
    """Each group of params is judged anyway."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.runs(model=[pytest.param("tree", marks=pytest.mark.metric("a"))])
        @pytest.mark.metric("b")
        def experiment_fit(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*the marker metric is for experiments, not for a param: put it on experiment_fit"])


@pytest.mark.parametrize(
    ("ini", "arguments", "complaint"),
    [
        ("mltraq_metrics = error up", (), "mltraq_metrics: 'error up': expected KEY=VALUE, found 'up'"),
        ("mltraq_baseline = newest", (), "--mltraq-baseline: expected a baseline, auto, *; found 'newest'"),
        ("", ("--mltraq-baseline=last@none.db",), "--mltraq-baseline: last@none.db: there is no file none.db"),
        ("mltraq_gate = no", (), "--mltraq-gate: expected fail or warn, found 'no'"),
        ("", ("--mltraq-confirm=-1",), "--mltraq-confirm: expected a number of seeds, 0 or more, found '-1'"),
        ("", ("--mltraq-report=a.txt",), "--mltraq-report: expected a file that ends with *, found '*a.txt'"),
    ],
)
def test_wrong_options_are_said_before_anything_runs(
    ini: str, arguments: tuple[str, ...], complaint: str, pytester: pytest.Pytester
) -> None:
    """Hours of training end in a judgement, or don't begin."""
    pytester.makepyfile("def test_a(run): ...\n")
    pytester.makeini(f"[pytest]\n{ini}\n")

    result = pytester.runpytest_inprocess("--mltraq", *arguments)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {complaint}"])


def test_a_damaged_file_of_accepted_changes_is_said(pytester: pytest.Pytester) -> None:
    """A merge that left it unreadable doesn't pass as if nothing was accepted."""
    pytester.makepyfile("def test_a(run): ...\n")
    (pytester.path / "mltraq-baseline.toml").write_text("<<<<<<<\n", encoding="utf-8")

    result = pytester.runpytest_inprocess("--mltraq")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *mltraq-baseline.toml: expected TOML as *"])


def test_an_item_that_another_plugin_adds_is_judged(pytester: pytest.Pytester) -> None:
    """How many runs there are is not known then, so that none of them is missed."""
    pytester.makeini("[pytest]\nmltraq_metrics = speed\n")
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_make_collect_report(collector):
            report = yield
            if isinstance(collector, pytest.Module):
                report.result.append(pytest.Function.from_parent(collector, name="test_more", callobj=test_more))
            return report

        def test_more(run):
            run.fields.speed = 1
        """
    )
    pytester.makepyfile(test_a="def test_a(): ...\n")

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.stdout.fnmatch_lines(["*= 2 passed, 1 new in *"])
