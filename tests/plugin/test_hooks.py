"""The hooks by which other plugins have types of their own stored."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pytest_mltraq as mltraq

CONFTEST = """
    import dataclasses, json

    @dataclasses.dataclass(frozen=True)
    class Point:
        x: float
        y: object

    def pytest_mltraq_encode(value):
        if isinstance(value, Point):
            return "my.point", {"x": value.x, "y": value.y}

    def pytest_mltraq_decode(name, data):
        if name == "my.point":
            return Point(**data)
"""


def load_conftest(pytester: pytest.Pytester) -> Any:
    """The conftest as a module, as a program has it."""
    module = types.ModuleType("conftest_of_the_suite")
    sys.modules[module.__name__] = module
    exec((pytester.path / "conftest.py").read_text(), vars(module))  # noqa: S102 - the test's own
    return module


TEST = """
    import numpy as np
    import pytest
    import pytest_mltraq as mltraq
    from conftest import Point

    @pytest.mark.experiment(name="points", center=Point(0.0, None))
    @pytest.mark.runs(start=[Point(1.0, 2), Point(3.0, np.arange(3))])
    def test_points(run):
        run.fields.end = Point(run.params.start.x + 1, None)
        run.fields.more = {"a": [Point(0.5, Point(0.25, b"x"))]}
        run.fields.curve = mltraq.Sequence()
        run.fields.curve.append(point=Point(1.0, 1))

    def test_reload(mltraq_session):
        run = mltraq_session.load_experiment("points").runs.first()
        assert run.given_params.start == Point(1.0, 2)
"""


@pytest.mark.parametrize("more", [(), ("-n2", "--dist=loadfile")], ids=["here", "xdist"])
def test_a_type_of_a_conftest_comes_back(pytester: pytest.Pytester, more: tuple[str, ...]) -> None:
    """Wherever it is, in pytest and in a program that names the same functions."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TEST)
    pytester.makeini("[pytest]\npythonpath = .\n")
    pytester.runpytest_subprocess("--mltraq-db=results.db", "-k", "points", *more).assert_outcomes(passed=2)
    pytester.runpytest_subprocess("--mltraq-db=results.db", "-k", "reload").assert_outcomes(passed=1)

    conftest = load_conftest(pytester)
    experiment = mltraq.create_session("results.db", plugins=[conftest]).load_experiment("points")
    point = conftest.Point
    first, second = experiment.runs.values()
    assert experiment.fields.center == point(0.0, None)
    assert first.given_params.start == point(1.0, 2)
    assert np.array_equal(second.given_params.start.y, np.arange(3))
    assert first.fields.end == point(2.0, None)
    assert first.fields.more["a"] == [point(0.5, point(0.25, b"x"))]
    assert first.fields.curve.df()["point"][0] == point(1.0, 1)
    assert len({first.seed, second.seed}) == 2


def test_without_the_plugin_it_comes_back_as_what_is_stored(pytester: pytest.Pytester) -> None:
    """Nothing is lost when it is stored again, read or unread; readers of SQL see what it is made of."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TEST)
    pytester.makeini("[pytest]\npythonpath = .\n")
    pytester.runpytest_subprocess("--mltraq-db=results.db", "-k", "points").assert_outcomes(passed=2)

    session = mltraq.create_session("results.db")
    run = session.load_experiment("points").runs.first()
    assert run.fields.end == mltraq.PluginValue("my.point", {"x": 2.0, "y": None})
    found = session.db.query("SELECT json_extract(fields, '$.end.x') AS x FROM runs ORDER BY position")
    pd.testing.assert_frame_equal(found, pd.DataFrame({"x": [2.0, 4.0]}))

    for is_used in (True, False):
        experiment = session.load_experiment("points")
        if is_used:
            assert isinstance(experiment.runs.first().fields.more["a"][0], mltraq.PluginValue)
        mltraq.create_session(f"{is_used}.db").persist_experiment(experiment)
        conftest = load_conftest(pytester)
        copied = mltraq.create_session(f"{is_used}.db", plugins=[conftest]).load_experiment("points").runs.first()
        assert copied.fields.more["a"] == [conftest.Point(0.5, conftest.Point(0.25, b"x"))]
        assert copied.given_params.start == conftest.Point(1.0, 2)


def test_commands_show_what_is_stored(pytester: pytest.Pytester) -> None:
    """They know no conftest."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TEST)
    pytester.makeini("[pytest]\npythonpath = .\n")
    pytester.runpytest_subprocess("--mltraq-db=results.db", "--mltraq-report=x.html", "-k", "points").assert_outcomes(
        passed=2
    )
    program = [sys.executable, "-c", "from pytest_mltraq.cli import main; main()"]
    run = str(mltraq.create_session("results.db").load_experiment("points").runs.first().id_run)
    for command in (["show", run], ["doctor"], ["export", "points", "-o", "x.csv"], ["report", "-o", "y.html"]):
        result = pytester.run(*program, *command, "--db", "results.db")
        assert result.ret == 0, command
        assert "damaged" not in result.stdout.str()
    assert "my.point" in (pytester.path / "x.html").read_text()


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("'name'", "the hook pytest_mltraq_encode returned 'name': expected a name and a value, as a tuple"),
        ("(1, 2)", "the hook pytest_mltraq_encode returned (1, 2): expected a name and a value, as a tuple"),
        ("('', 2)", "the hook pytest_mltraq_encode returned ('', 2): expected a name and a value, as a tuple"),
        ("('x', object())", "fields.thing: values of type builtins.object can't be stored"),
        ("('x', value)", "fields.thing: a container that holds itself can't be stored"),
        ("1 / 0", "the hook pytest_mltraq_encode failed with ZeroDivisionError: division by zero"),
    ],
)
def test_a_hook_that_is_wrong_fails_the_run(pytester: pytest.Pytester, returned: str, said: str) -> None:
    """With the path of the value; its other fields are stored."""
    pytester.makeconftest(
        f"""
        class Thing:
            pass

        def pytest_mltraq_encode(value):
            return ({returned}) if isinstance(value, Thing) else None
        """
    )
    pytester.makepyfile(
        """
        from conftest import Thing

        def test_thing(run):
            run.fields.before = 1
            run.fields.thing = Thing()
        """
    )
    pytester.makeini("[pytest]\npythonpath = .\n")
    result = pytester.runpytest_subprocess("--mltraq-db=results.db")
    result.assert_outcomes(failed=1)
    assert f"fields.thing: {said.removeprefix('fields.thing: ')}" in result.stdout.str()
    fields = (
        mltraq.create_session("results.db")
        .load_experiment("test_a_hook_that_is_wrong_fails_the_run.test_thing")
        .runs.first()
        .fields
    )
    assert dict(fields) == {"before": 1}


def test_a_hook_that_can_not_read_says_so(pytester: pytest.Pytester) -> None:
    """As damaged data, with the path."""

    class Plugin:
        @staticmethod
        def pytest_mltraq_encode(value: object) -> Any:
            return ("x", 1) if isinstance(value, Plugin) else None

        @staticmethod
        def pytest_mltraq_decode(name: str, data: object) -> Any:
            raise OverflowError(f"{name} {data}")

    session = mltraq.create_session("results.db", plugins=[Plugin()])
    experiment = session.create_experiment("example")
    with experiment.run() as run:
        run.fields.thing = [Plugin()]
    experiment.persist()
    fields = session.load_experiment("example").runs.first().fields
    with pytest.raises(
        mltraq.CorruptDataError,
        match=r"fields\.thing\[0\]: the hook pytest_mltraq_decode failed for 'x' with OverflowError: x 1",
    ):
        _ = fields.thing


def test_the_message_about_a_value_names_the_hook(pytester: pytest.Pytester) -> None:
    """Of a type that nobody knows."""
    experiment = mltraq.create_experiment("example")
    with experiment.run() as run:
        run.fields.thing = object()
    with pytest.raises(mltraq.UnsupportedTypeError, match=r"run\.state.*Artifact.*pytest_mltraq_encode"):
        experiment.persist()


def test_a_suite_that_has_hooks_passes_asleep(pytester: pytest.Pytester) -> None:
    """They are known to pytest whether experiments run or not."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_subprocess("--strict-config").assert_outcomes(passed=1)


@pytest.mark.parametrize("plugin", [object(), types], ids=["object", "module"])
def test_a_plugin_without_hooks_is_refused(plugin: object) -> None:
    """It would do nothing."""
    with pytest.raises(
        mltraq.ConfigurationError, match=r"plugins: expected modules or objects with pytest_mltraq_encode"
    ):
        mltraq.create_session(plugins=[plugin])


def test_a_hook_with_other_arguments_is_refused() -> None:
    """As pytest does."""

    class Plugin:
        @staticmethod
        def pytest_mltraq_encode(thing: object) -> Any:
            return thing

    with pytest.raises(mltraq.ConfigurationError, match=r"(?s)plugins: .*pytest_mltraq_encode.*thing"):
        mltraq.create_session(plugins=[Plugin()])
