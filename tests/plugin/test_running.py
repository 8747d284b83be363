"""Runs, as pytest runs them: steps, seeds, fixtures, failures, retries, debugging, and other plugins beside us."""

from __future__ import annotations

import json
import sys
from xml.etree import ElementTree as ET

import pytest

from tests.conftest import Rows

SWEEP = """
    import pytest

    def step_train(run, lr):
        run.fields.loss = lr * run.params.seed

    def step_evaluate(run):
        run.fields.accuracy = 1 - run.fields.loss

    @pytest.mark.runs(lr=[0.1, 0.2], seed=range(2))
    def experiment_sweep(run):
        assert run.fields.accuracy > 0.85
"""


def fields(rows: Rows) -> list[dict[str, object]]:
    """Return the fields of all runs, in the order of their positions."""
    return [json.loads(str(found)) for (found,) in rows("SELECT fields FROM runs ORDER BY position")]


# -------------------------------------------------------------------------------------------------------- what is kept


def test_a_failed_run_is_stored_with_what_it_had_set(pytester: pytest.Pytester, rows: Rows) -> None:
    """A run that fails keeps its fields, the step it failed in, and the error's text."""
    pytester.makepyfile(experiment_sweep=SWEEP)

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=3, failed=1)
    assert rows("SELECT lr, seed, accuracy, outcome FROM experiment_sweep WHERE outcome <> 'passed'") == [
        (0.2, 1, 0.8, "failed")
    ]
    assert rows("SELECT error ->> 'step', error ->> 'type' FROM runs WHERE error IS NOT NULL") == [
        ("experiment_sweep", "AssertionError")
    ]


def test_the_steps_are_stored_in_the_order_in_which_they_ran(pytester: pytest.Pytester, rows: Rows) -> None:
    """Each run has the names and durations of its steps, the body last, as far as it came."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            def step_second(run): ...

            def step_first(run, fail):
                if fail:
                    raise ValueError("no data")

            def step_last(run): ...

            @pytest.mark.runs(fail=[False, True])
            def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=1, failed=1)
    step = "SELECT position, s.value ->> 'name', s.value ->> 'duration_s' >= 0 FROM runs, json_each(steps) s"
    assert rows(f"{step} ORDER BY position, s.key") == [
        (0, "step_second", 1),
        (0, "step_first", 1),
        (0, "step_last", 1),
        (0, "experiment_a", 1),
        (1, "step_second", 1),
        (1, "step_first", 1),
    ]
    assert rows("SELECT count(*) FROM runs WHERE duration_s >= 0 AND started_at IS NOT NULL") == [(2,)]
    assert rows("SELECT error ->> 'step', error ->> 'type', error ->> 'message' FROM runs WHERE position = 1") == [
        ("step_first", "ValueError", "no data")
    ]


def test_the_code_of_the_steps_is_stored(pytester: pytest.Pytester, rows: Rows) -> None:
    """An experiment has the name, file, line and source of each step, also of one from another module."""
    pytester.makepyfile(
        helpers="def step_load(run): ...",
        experiment_a="from helpers import step_load\n\ndef experiment_a(run):\n    run.fields.x = 1",
    )

    pytester.runpytest_subprocess("--mltraq-db=results.db")

    assert rows(
        "SELECT value ->> 'name', value ->> 'file', value ->> 'line', value ->> 'source'"
        " FROM experiments, json_each(code) ORDER BY key"
    ) == [
        ("step_load", "helpers.py", 1, "def step_load(run): ...\n"),
        ("experiment_a", "experiment_a.py", 3, "def experiment_a(run):\n    run.fields.x = 1\n"),
    ]


def test_vars_are_dropped_and_state_is_not_stored(pytester: pytest.Pytester, rows: Rows) -> None:
    """Anything goes into `vars` and `state`, what is in `fields` is stored; `items` and `loss` are names like others."""
    pytester.makepyfile(
        experiment_a="""
            def step_train(run):
                run.vars.model = run.state.model = object()
                run.fields["loss"] = 0.5
                run.fields.items = 3

            def experiment_a(run):
                assert run.vars.model is run.state.model
                assert (run.fields.loss, run.fields["items"]) == (0.5, 3)
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=1)
    assert fields(rows) == [{"loss": 0.5, "items": 3}]


# ------------------------------------------------------------------------------------------------- seed, params, config


def test_a_run_has_the_same_seed_and_random_numbers_in_every_session(
    pytester: pytest.Pytester, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seed is of experiment name and params alone, whatever the order of axes, the other runs and the hash seed."""
    module = """
        import random
        import pytest

        def step_draw(run):
            run.fields.seed = run.seed
            run.fields.drawn = random.random()

        @pytest.mark.runs({})
        def experiment_{}(run): ...
    """
    tags, lr = "tags=[frozenset('abcdef'), frozenset('ghijkl')]", "lr=[0.1, 0.2]"
    pytester.makepyfile(experiment_a=module.format(f"{lr}, {tags}", "a"), experiment_b=module.format(lr, "b"))
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    pytester.runpytest_subprocess("--mltraq-db=results.db")
    pytester.makepyfile(experiment_a=module.format(f"{tags}, {lr}", "a"))
    monkeypatch.setenv("PYTHONHASHSEED", "2")

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "-k", "lr:0.2", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=3, deselected=3)
    found = rows(
        "SELECT e.name, params ->> 'tags', r.seed, r.fields FROM runs r JOIN experiments e USING (id_experiment)"
        " JOIN sessions s ON s.id = e.id_session WHERE params ->> 'lr' = 0.2 ORDER BY s.started_at, 1, 2"
    )
    assert found[:3] == found[3:]
    assert rows("SELECT count(DISTINCT seed), count(DISTINCT fields ->> 'drawn') FROM runs") == [(6, 6)]
    assert rows("SELECT min(seed) >= 0, max(seed) < 4294967296 FROM runs") == [(1, 1)]
    assert rows("SELECT count(*) FROM runs WHERE seed <> fields ->> 'seed'") == [(0,)]


def test_numpy_is_seeded_where_it_is_imported(pytester: pytest.Pytester, rows: Rows) -> None:
    """Where the module imports NumPy, its global numbers are those of the seed, from the first run of a process on."""
    pytester.makepyfile(
        experiment_a="""
            import numpy as np
            import pytest

            def step_draw(run):
                run.fields.drawn = float(np.random.rand())

            @pytest.mark.runs(lr=[1, 2])
            def experiment_a(run):
                np.random.seed(run.seed)
                run.fields.expected = float(np.random.rand())
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=2)
    assert rows("SELECT position, fields ->> 'drawn' = fields ->> 'expected' FROM runs ORDER BY 1") == [(0, 1), (1, 1)]


def test_params_and_config_are_read_only(pytester: pytest.Pytester) -> None:
    """Writing to params, config or the experiment's fields is an `AttributeError` that says where things belong."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.mark.experiment(config={"epochs": 1}, dataset="iris")
            @pytest.mark.runs(lr=[0.1])
            def experiment_a(run, experiment):
                for frozen in (run.params, run.config, experiment.config, experiment.fields):
                    with pytest.raises(AttributeError, match="read-only.*run.fields"):
                        frozen.lr = 2
                    with pytest.raises(AttributeError):
                        frozen["epochs"] = 2
                    with pytest.raises(AttributeError):
                        frozen.update(lr=3)
                with pytest.raises(AttributeError):
                    del run.params.lr
                assert (run.params, run.config) == ({"lr": 0.1}, {"epochs": 1})
        """
    )

    result = pytester.runpytest_subprocess("--mltraq")

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "marker",
    [
        '@pytest.mark.experiment(config={"layers": [1]})\n@pytest.mark.runs(seed=[0, 1])',
        "@pytest.mark.runs(layers=[[1]], seed=[0, 1])",
    ],
    ids=["config", "params"],
)
def test_what_a_run_does_to_a_list_reaches_no_other_run(pytester: pytest.Pytester, rows: Rows, marker: str) -> None:
    """Runs don't share the lists in params and config, so that a run is the same after others and alone."""
    pytester.makepyfile(
        experiment_a=f"""
import pytest

def step_change(run):
    layers = run.config.get("layers") or run.params.layers
    run.fields.before = list(layers)
    layers.append(99)

{marker}
def experiment_a(run): ...
"""
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=2)
    assert fields(rows) == [{"before": [1]}, {"before": [1]}]
    assert rows("SELECT DISTINCT params ->> 'layers' FROM runs WHERE params ->> 'layers' <> '[1]'") == []


def test_config_comes_from_the_marker_the_ini_file_and_the_command_line(pytester: pytest.Pytester, rows: Rows) -> None:
    """The command line wins over the ini file, and that over the marker; values are literals, else text."""
    pytester.makeini(
        """
        [pytest]
        mltraq_config =
            epochs=2
            optimizer=adam
        """
    )
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.mark.experiment(config={"depth": 1, "epochs": 1})
            def experiment_a(run):
                assert run.config == {
                    "depth": 1, "epochs": 3, "optimizer": "adam", "layers": [1, (2, None)], "url": "a=b", "empty": "",
                    "call": "print(1)",
                }
        """,
        test_b="""
            def test_b(run):
                assert (run.config.epochs, run.config.optimizer) == (3, "adam")
        """,
    )
    given = ["epochs=3", "layers=[1, (2, None)]", "url=a=b", "empty=", "call=print(1)"]

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", *(f"--mltraq-config={entry}" for entry in given))

    result.assert_outcomes(passed=2)
    assert rows("SELECT config ->> 'epochs', config ->> 'layers' FROM experiments WHERE name = 'a'") == [
        (3, "[1,[2,null]]")
    ]


# ------------------------------------------------------------------------------------------------------------ fixtures


def test_steps_request_fixtures_of_any_scope(pytester: pytest.Pytester, rows: Rows) -> None:
    """A fixture that only a step requests is set up once for its scope, torn down after it, and may request `run`."""
    pytester.makeconftest(
        """
        import pytest

        events = []

        def made(scope):
            events.append(f"+{scope}")
            yield scope
            events.append(f"-{scope}")

        @pytest.fixture(scope="session")
        def of_session():
            yield from made("session")

        @pytest.fixture(scope="module")
        def of_module():
            yield from made("module")

        @pytest.fixture
        def of_function(run):
            run.fields.early = True
            yield from made("function")

        def pytest_unconfigure():
            print("events:", *events)
        """
    )
    pytester.makepyfile(
        experiment_a="""
            import pytest

            class ExperimentA:
                @pytest.fixture(scope="class")
                def of_class(self):
                    yield "class"

                def step_one(self, run, of_session, of_module, of_class, of_function, tmp_path, request):
                    run.fields.got = [of_session, of_module, of_class, of_function, tmp_path.is_dir()]
                    assert request.node.originalname == "experiment_a"

                @pytest.mark.runs(seed=range(2))
                def experiment_a(self, run):
                    assert run.fields.early
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "-s")

    result.assert_outcomes(passed=2)
    assert fields(rows) == [{"early": True, "got": ["session", "module", "class", "function", True]}] * 2
    result.stdout.fnmatch_lines(["events: +session +module +function -function +function -function -module -session"])


def test_a_step_takes_params_by_name_and_a_default_where_the_axis_is_missing(
    pytester: pytest.Pytester, rows: Rows
) -> None:
    """A parameter with a default is given the param of its name, and keeps its default where there is none."""
    pytester.makepyfile(
        experiment_a="""
            import functools
            import pytest

            def step_one(run, lr, momentum=0.9, *, seed=7, nothing=None):
                run.fields.one = [lr, momentum, seed, nothing]

            def two(scale, run, lr):
                run.fields.two = scale * lr

            step_two = functools.partial(two, 10)

            def step_three(run, *args, **kwargs):
                run.fields.three = [len(args), len(kwargs)]

            def step_without_run(): ...

            @pytest.mark.runs(lr=[1], seed=[2])
            def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=1)
    assert fields(rows) == [{"one": [1, 0.9, 2, None], "two": 10, "three": [0, 0]}]


@pytest.mark.parametrize("where", ["step_train", "experiment_a"])
def test_a_param_that_a_run_of_a_union_lacks_is_a_failure_that_names_it(pytester: pytest.Pytester, where: str) -> None:
    """A step, or the body, that requests an axis which this run's grid doesn't have fails, and never gets a stand-in."""
    pytester.makepyfile(
        experiment_a=f"""
            import pytest

            def step_train(run, {"gamma" if where == "step_train" else "kernel"}): ...

            @pytest.mark.runs([{{"kernel": ["linear"]}}, {{"kernel": ["rbf"], "gamma": [1]}}])
            def experiment_a(run, {"gamma" if where == "experiment_a" else "kernel"}): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([f"*{where} requests the param 'gamma', which this run doesn't have*"])


def test_the_fixture_experiment_is_the_current_experiment(pytester: pytest.Pytester) -> None:
    """Steps, fixtures and plain tests, with `run` or without, can ask for the experiment's name, config and fields."""
    pytester.makepyfile(
        test_a="""
            import pytest

            @pytest.fixture
            def dataset(experiment):
                return experiment.fields.dataset

            def step_one(run, experiment, dataset):
                assert (experiment.name, dataset) == ("first", "iris")

            @pytest.mark.experiment(name="first", dataset="iris")
            def experiment_one(run): ...

            def test_two(run, experiment):
                assert (experiment.name, experiment.fields, experiment.config) == ("test_a.test_two", {}, {})

            def test_three(experiment):
                assert experiment.name == "test_a.test_three"
        """
    )

    result = pytester.runpytest_subprocess("--mltraq")

    result.assert_outcomes(passed=3)


def test_the_fixture_mltraq_session_reads_and_writes_the_database(pytester: pytest.Pytester, rows: Rows) -> None:
    """A test or step can load experiments of earlier sessions, and create new ones, beside the runs being stored."""
    pytester.makepyfile(experiment_sweep=SWEEP)
    pytester.runpytest_subprocess("--mltraq-db=results.db")
    pytester.makepyfile(
        test_later="""
            def step_compare(run, mltraq_session):
                earlier = mltraq_session.load_experiment("sweep")
                run.fields.losses = [each.fields.loss for each in earlier.runs.values()]
                run.fields.types = sorted({type(each.fields.loss).__name__ for each in earlier.runs.values()})

            def experiment_compare(run, mltraq_session):
                created = mltraq_session.create_experiment("created").add_run(x=1)
                created.execute(lambda run: run.fields.update(y=run.params.x)).persist()
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "test_later.py")

    result.assert_outcomes(passed=1)
    assert rows("SELECT r.fields FROM runs r JOIN experiments USING (id_experiment) WHERE name = 'compare'") == [
        ('{"losses":[0.0,0.1,0.0,0.2],"types":["float"]}',)
    ]
    assert rows("SELECT y FROM experiment_created") == [(1,)]


@pytest.mark.parametrize("options", [(), ("--mltraq",)], ids=["asleep", "awake"])
def test_run_can_be_requested_while_a_test_runs(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    """A test or fixture that asks for `run` by `getfixturevalue` gets a run, one for the whole test, awake or not."""
    pytester.makepyfile(
        test_a="""
            import pytest

            @pytest.fixture
            def late(request):
                return request.getfixturevalue("run")

            @pytest.mark.parametrize("lr", [1, 2])
            def test_a(request, late, lr):
                request.getfixturevalue("run").fields.loss = 0.5

                assert (late.fields.loss, late.params) == (0.5, {"lr": lr})
        """
    )

    result = pytester.runpytest_subprocess(*options)

    result.assert_outcomes(passed=2)


def test_fixtures_of_an_experiment_get_its_run_and_params(pytester: pytest.Pytester, rows: Rows) -> None:
    """A fixture that requests `run` or a param gets the same run and value; by `request`, in its teardown too.

    A param that is meant for a fixture (`indirect`) is the fixture's value, also of one that doesn't look at it.
    """
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.fixture
            def model(run, lr):
                run.fields.trail = ["model"]
                return (run, lr)

            @pytest.fixture
            def late(request):
                yield
                run = request.getfixturevalue("run")
                run.fields.trail.append(request.getfixturevalue("lr"))

            @pytest.fixture
            def scale():
                return 2

            @pytest.mark.parametrize("scale", [7], indirect=True)
            def experiment_indirect(run, scale):
                run.fields.trail = [scale]

            @pytest.mark.runs(lr=[0.5])
            def experiment_late(run, lr, late):
                run.fields.trail = ["late"]

            @pytest.mark.runs(lr=[0.25])
            def experiment_model(run, model, lr):
                assert model == (run, lr)
                assert model[0] is run
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "-Werror")

    result.assert_outcomes(passed=3)
    assert [json.loads(str(found)) for (found,) in rows("SELECT fields FROM runs ORDER BY nodeid")] == [
        {"trail": [2]},
        {"trail": ["late", 0.5]},
        {"trail": ["model"]},
    ]


def test_a_param_whose_marker_another_plugin_took_away_is_a_fixture(pytester: pytest.Pytester, rows: Rows) -> None:
    """Plugins may take markers off before pytest looks at them."""
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_generate_tests(metafunc):
            metafunc.definition.own_markers[:] = []
        """
    )
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.fixture
            def lr():
                return 0.25

            @pytest.mark.parametrize("lr", [0.5])
            def experiment_a(run, lr):
                run.fields.used = lr
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=1)
    assert fields(rows) == [{"used": 0.25}]


def test_setup_show_shows_the_run_and_its_params(pytester: pytest.Pytester) -> None:
    """With `--setup-show` pytest shows `run` and the params among the fixtures, although runs get them without."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.mark.runs(lr=[0.5])
            def experiment_a(run, lr): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq", "--setup-show")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*SETUP    F lr[[]0.5[]]", "*SETUP    F run"])


@pytest.mark.parametrize("scope", ["function", "module", "session"])
def test_a_suite_keeps_its_own_fixture_called_run(pytester: pytest.Pytester, rows: Rows, scope: str) -> None:
    """Tests get the suite's `run`, before and after experiments, which get the run; such tests are not stored."""
    pytester.makeconftest(
        f"""
        import pytest

        made = []

        @pytest.fixture(scope="{scope}")
        def run():
            made.append(1)
            yield "theirs"
            made.append(-1)

        def pytest_unconfigure():
            print("balance:", sum(made))
        """
    )
    pytester.makepyfile(
        test_a="""
            import pytest

            def step_one(run):
                run.fields.trail = [type(run).__name__]

            def test_before(run):
                assert run == "theirs"

            @pytest.mark.runs(seed=range(2))
            def experiment_a(run):
                run.fields.trail += [type(run).__name__]

            def test_after(run, experiment):
                assert run == "theirs"
        """,
        test_b="""
            def experiment_b(run):
                run.fields.trail = [type(run).__name__]

            def test_last(run):
                assert run == "theirs"
        """,
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "-s")
    experiments_first = pytester.runpytest_subprocess("--mltraq", "test_b.py", "test_a.py")

    result.assert_outcomes(passed=6)
    experiments_first.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["balance: 0"])
    assert rows("SELECT name, r.fields FROM runs r JOIN experiments USING (id_experiment) ORDER BY 1, 2") == [
        ("a", '{"trail":["Run","Run"]}'),
        ("a", '{"trail":["Run","Run"]}'),
        ("b", '{"trail":["Run"]}'),
    ]


# ------------------------------------------------------------------------------------------------------------ failures


@pytest.mark.parametrize("where", ["step", "body"])
def test_a_failing_assert_shows_its_values_at_its_line(pytester: pytest.Pytester, where: str) -> None:
    """In `experiment_*.py`, asserts of steps and bodies are explained as in tests, without a line of ours around them."""
    pytester.makepyfile(
        experiment_a=f"""
            def step_train(run):
                run.fields.loss = 0.25
                assert {"run.fields.loss < 0.1" if where == "step" else "True"}

            def experiment_a(run):
                assert {"run.fields.loss < 0.1" if where == "body" else "True"}
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(failed=1)
    line = 3 if where == "step" else 6
    result.stdout.fnmatch_lines(
        [">       assert run.fields.loss < 0.1", "E       assert 0.25 < 0.1", f"experiment_a.py:{line}: AssertionError"]
    )
    result.stdout.no_fnmatch_line("*pytest_mltraq*")


def test_x_lf_and_ff_work_on_runs(pytester: pytest.Pytester, rows: Rows) -> None:
    """`-x` stops after the first failed run, `--lf` runs only those that failed, `--ff` runs them first."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.mark.runs(lr=range(4))
            def experiment_a(run, lr):
                assert lr not in (1, 3)
        """
    )

    stopped = pytester.runpytest_subprocess("--mltraq-db=results.db", "-x")
    whole = pytester.runpytest_subprocess("--mltraq")
    last_failed = pytester.runpytest_subprocess("--mltraq", "--lf")
    failed_first = pytester.runpytest_subprocess("--mltraq", "--ff", "-v")

    stopped.assert_outcomes(passed=1, failed=1)
    assert rows("SELECT params ->> 'lr', outcome FROM runs ORDER BY 1") == [(0, "passed"), (1, "failed")]
    whole.assert_outcomes(passed=2, failed=2)
    last_failed.assert_outcomes(failed=2)
    failed_first.stdout.fnmatch_lines(
        [f"*experiment_a[[]lr:{lr}] {word}*" for lr, word in ((1, "FAILED"), (3, "FAILED"), (0, "PASSED"))]
    )


def test_skipped_runs_are_stored_as_skipped(pytester: pytest.Pytester, rows: Rows) -> None:
    """`pytest.skip` in a step, a fixture or by a mark: the run is skipped, with what it had set and the reason."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.fixture
            def data(how):
                if how == "fixture":
                    pytest.skip("no data")

            def step_one(run, how, data):
                run.fields.before = 1
                if how == "step":
                    pytest.skip("no GPU")

            def step_two(run):
                run.fields.after = 1

            @pytest.mark.runs(how=["step", "fixture", pytest.param("mark", marks=pytest.mark.skip("not today")), "no"])
            def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=1, skipped=3)
    assert rows(
        "SELECT params ->> 'how', outcome, fields, error ->> 'message', error ->> 'step' FROM runs ORDER BY position"
    ) == [
        ("step", "skipped", '{"before":1}', "no GPU", "step_one"),
        ("fixture", "skipped", "{}", "no data", None),
        ("mark", "skipped", "{}", "not today", None),
        ("no", "passed", '{"before":1,"after":1}', None, None),
    ]
    result.stdout.fnmatch_lines(["a: 4 runs, 3 skipped*"])


def test_an_expected_failure_is_reported_as_expected_and_stored_with_its_fields(
    pytester: pytest.Pytester, rows: Rows
) -> None:
    """`xfail` by mark or in a step: not a failure of the session; a strict one that passes is a failed run."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            def step_one(run, how):
                run.fields.loss = 1
                if how == "in a step":
                    pytest.xfail("known")
                assert how != "mark"

            MARK, STRICT = pytest.mark.xfail(reason="known"), pytest.mark.xfail(strict=True, reason="known")

            @pytest.mark.runs(
                how=[pytest.param("mark", marks=MARK), "in a step", pytest.param("passes", marks=MARK),
                     pytest.param("passes strictly", marks=STRICT)]
            )
            def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(xfailed=2, xpassed=1, failed=1)
    assert rows("SELECT params ->> 'how', outcome, fields ->> 'loss' FROM runs WHERE position > 1") == [
        ("passes", "passed", 1),
        ("passes strictly", "failed", 1),
    ]
    assert rows("SELECT outcome <> 'passed', fields ->> 'loss', error ->> 'step' FROM runs WHERE position < 2") == [
        (1, 1, "step_one"),
        (1, 1, "step_one"),
    ]


def test_an_error_in_a_fixture_is_the_outcome_error(pytester: pytest.Pytester, rows: Rows) -> None:
    """A fixture that raises before or after the steps makes the run an `error`; a run that failed before stays failed."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.fixture
            def data(how):
                if how == "setup":
                    raise ValueError("in the setup")
                yield
                if how != "nothing":
                    raise ValueError("in the teardown")

            def step_one(run, data, how):
                run.fields.loss = 1
                assert how != "both", "in the step"

            @pytest.mark.runs(how=["setup", "teardown", "both", "nothing"])
            def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=2, failed=1, errors=3)
    found = rows(
        "SELECT params ->> 'how', outcome, fields ->> 'loss', error ->> 'step', error ->> 'type' FROM runs"
        " ORDER BY position"
    )
    assert [row[:3] for row in found] == [
        ("setup", "error", None),
        ("teardown", "error", 1),
        ("both", "failed", 1),
        ("nothing", "passed", 1),
    ]
    assert found[2][3:] == ("step_one", "AssertionError")
    result.stdout.fnmatch_lines(["a: 4 runs, 2 error, 1 failed*"])


def test_what_a_fixture_sets_in_its_teardown_is_stored(pytester: pytest.Pytester, rows: Rows) -> None:
    """The fields are taken when the fixtures are torn down, of a run that failed too."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.fixture(autouse=True)
            def peak(run):
                yield
                run.fields.peak = 3

            @pytest.mark.runs(fail=[False, True])
            def experiment_a(run, fail):
                run.fields.peak = 1
                assert not fail
        """
    )

    pytester.runpytest_subprocess("--mltraq-db=results.db")

    assert rows("SELECT outcome, peak FROM experiment_a ORDER BY outcome") == [("failed", 3), ("passed", 3)]


def test_a_field_that_cannot_be_stored_fails_its_run_and_keeps_the_others(
    pytester: pytest.Pytester, rows: Rows
) -> None:
    """The message names each such field; the run's other fields are stored, and other runs are untouched."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            class Model: ...

            def step_train(run, bad):
                run.fields.good = [1, 2]
                if bad:
                    run.fields.model = Model()
                if bad == 2:
                    run.fields.another = {"parts": [Model()]}

            @pytest.mark.runs(bad=[0, 1, 2])
            def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*fields.model*Model*", "*fields.model*Model*", "*fields.another*Model*"])
    assert rows("SELECT fields, outcome, error LIKE '%fields.model%' FROM runs ORDER BY position") == [
        ('{"good":[1,2]}', "passed", None),
        ('{"good":[1,2]}', "failed", 1),
        ('{"good":[1,2]}', "failed", 1),
    ]


@pytest.mark.parametrize(("kind", "path"), [("Bunch", "fields.model.layers[3]"), ("dict", "fields.model['layers'][3]")])
def test_the_path_of_a_value_that_cannot_be_stored_reads_like_the_code_that_reaches_it(
    pytester: pytest.Pytester, rows: Rows, kind: str, path: str
) -> None:
    """Deep in a field, the value that is refused is named as its user would write it."""
    pytester.makepyfile(
        experiment_a=f"""
            from pytest_mltraq import Bunch

            def experiment_a(run):
                run.fields.model = {kind}({{"layers": [0, 1, 2, object()]}})
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(failed=1)
    assert f"{path}: " in result.stdout.str()
    [(message,)] = rows("SELECT error ->> 'message' FROM runs")
    assert path in str(message)


def test_a_field_of_a_teardown_that_cannot_be_stored_is_an_error(pytester: pytest.Pytester, rows: Rows) -> None:
    """Set by a fixture's teardown, it can't fail the test any more: the run is an `error`, its other fields are kept."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            @pytest.fixture(autouse=True)
            def late(run):
                yield
                run.fields.late = object()

            def experiment_a(run):
                run.fields.good = 1
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*fields.late*object*"])
    assert rows("SELECT outcome, fields, error ->> 'message' LIKE '%fields.late%' FROM runs") == [
        ("error", '{"good":1}', 1)
    ]


def test_a_param_that_cannot_be_stored_is_an_error_of_its_run(pytester: pytest.Pytester, rows: Rows) -> None:
    """The run is not executed, the message has the path of the value; the other runs are."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            def step_train(run):
                run.fields.ran = True

            @pytest.mark.runs(model=[1, object()])
            def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*params.model*object*"])
    assert rows("SELECT outcome, fields FROM runs ORDER BY position") == [("passed", '{"ran":true}'), ("error", "{}")]


@pytest.mark.parametrize(
    "stop", ["raise KeyboardInterrupt", "pytest.exit('enough')"], ids=["keyboard-interrupt", "pytest-exit"]
)
def test_a_run_that_is_interrupted_is_stored_as_interrupted(pytester: pytest.Pytester, rows: Rows, stop: str) -> None:
    """A session that is stopped within a run keeps the runs before it, and that run with its params and outcome."""
    pytester.makepyfile(
        experiment_a=f"""
            import pytest

            def step_train(run, lr):
                run.fields.loss = lr
                if lr == 2:
                    {stop}

            @pytest.mark.runs(lr=[1, 2, 3])
            def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    assert result.ret != pytest.ExitCode.OK
    assert rows("SELECT params, outcome FROM runs ORDER BY position") == [
        ('{"lr":1}', "passed"),
        ('{"lr":2}', "interrupted"),
    ]
    assert rows("SELECT exit_status, finished_at IS NOT NULL FROM sessions") == [(result.ret, 1)]


# ------------------------------------------------------------------------------------------------- retries and debugging


def test_each_retry_starts_from_an_empty_run_and_the_last_one_is_stored(pytester: pytest.Pytester, rows: Rows) -> None:
    """With rerunfailures there is one row for a run, with its number of attempts and what the last one set."""
    pytest.importorskip("pytest_rerunfailures")
    pytester.makepyfile(
        experiment_a="""
            import pytest

            tried = {}

            @pytest.fixture
            def unstable(how):
                tried[how] = tried.get(how, 0) + 1
                if how == "setup" and tried[how] < 2:
                    raise ValueError("not yet")

            def step_train(run, unstable, how):
                run.fields.trail = [*run.fields.get("trail", []), tried[how]]
                run.fields[f"attempt_{tried[how]}"] = True
                assert how != "step" or tried[how] == 3, "not yet"
                assert how != "always"

            @pytest.mark.runs(how=["never", "step", "setup", "always"])
            def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "--reruns=2")

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["a: 4 runs, 1 failed*"])
    assert rows("SELECT params ->> 'how', outcome, attempts, fields FROM runs ORDER BY position") == [
        ("never", "passed", 1, '{"trail":[1],"attempt_1":true}'),
        ("step", "passed", 3, '{"trail":[3],"attempt_3":true}'),
        ("setup", "passed", 2, '{"trail":[2],"attempt_2":true}'),
        ("always", "failed", 3, '{"trail":[3],"attempt_3":true}'),
    ]
    assert rows("SELECT count(*) FROM runs WHERE outcome = 'passed' AND error IS NOT NULL") == [(0,)]


def test_pdb_stops_in_the_step_that_failed(pytester: pytest.Pytester, rows: Rows) -> None:
    """`--pdb` opens at the step's line, where its variables can be seen; the run is stored as failed afterwards."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            def step_train(run, lr):
                run.fields.loss = lr * 10
                assert run.fields.loss < 15

            @pytest.mark.runs(lr=[1, 2, 3])
            def experiment_a(run): ...
        """
    )
    command = [sys.executable, "-m", "pytest", "--mltraq-db=results.db", "--pdb", "-k", "not lr:3"]

    result = pytester.run(*command, stdin=b"p 'loss', run.fields.loss, run.params\nc\n")

    result.stdout.fnmatch_lines(
        ["> *experiment_a.py(5)step_train()", "-> assert run.fields.loss < 15", "*('loss', 20, {'lr': 2})*"]
    )
    result.assert_outcomes(passed=1, failed=1, deselected=1)
    assert rows("SELECT lr, loss, outcome FROM experiment_a ORDER BY 1") == [(1, 10, "passed"), (2, 20, "failed")]


# -------------------------------------------------------------------------------------------------- beside other plugins

ASYNC = """
    import asyncio
    import pytest

    def note(run, what):
        run.fields.trail = [*run.fields.get("trail", []), what]

    def step_plain(run):
        note(run, "plain")

    async def step_async(run, data):
        await asyncio.sleep(0)
        note(run, f"async with {{data}}")
        assert asyncio.get_running_loop().is_running()

    def step_last(run):
        note(run, "last")

    @pytest.fixture
    def data():
        return "data"

    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    {marker}
    @pytest.mark.runs(fail=[False, True])
    {kind} experiment_a(run, fail):
        note(run, "body")
        assert not fail

    {marker}
    @pytest.mark.steps(step_plain, step_last)
    async def experiment_b(run):
        await asyncio.sleep(0)
        note(run, "body")

    {marker}
    class ExperimentC:
        async def step_method(self, run, data):
            await asyncio.sleep(0)
            note(run, "method")

        {kind} experiment_c(self, run):
            note(run, "body")
"""


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    ("plugin", "options", "marker"),
    [
        pytest.param("pytest_asyncio", ["-p", "no:anyio"], "@pytest.mark.asyncio", id="asyncio-strict"),
        pytest.param("pytest_asyncio", ["-p", "no:anyio", "-o", "asyncio_mode=auto"], "", id="asyncio-auto"),
        pytest.param("anyio", ["-p", "no:asyncio"], "@pytest.mark.anyio", id="anyio"),
    ],
)
def test_async_steps_and_experiments_run_where_the_plugin_runs_async_tests(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    rows: Rows,
    plugin: str,
    options: list[str],
    marker: str,
    kind: str,
) -> None:
    """Async and plain steps run in their order, in the loop of the suite's async plugin, and the body after them."""
    pytest.importorskip(plugin)
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly -p no:hypothesispytest")
    pytester.makepyfile(experiment_a=ASYNC.format(marker=marker, kind=kind))

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", *options)

    result.assert_outcomes(passed=3, failed=1)
    found = rows(
        "SELECT name, outcome, r.fields ->> 'trail', error ->> 'step', json_array_length(steps) FROM runs r"
        " JOIN experiments e USING (id_experiment) ORDER BY name, position"
    )
    whole = '["plain","async with data","last","body"]'
    assert found == [
        ("a", "passed", whole, None, 4),
        ("a", "failed", whole, "experiment_a", 4),
        ("b", "passed", '["plain","last","body"]', None, 3),
        ("c", "passed", '["method","body"]', None, 2),
    ]


def test_an_async_step_that_fails_is_named_and_shown(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, rows: Rows
) -> None:
    """The assert of an async step is explained at its line, and the run has the step it failed in."""
    pytest.importorskip("pytest_asyncio")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly -p no:hypothesispytest")
    pytester.makepyfile(
        experiment_a="""
            import random
            import pytest

            async def step_train(run):
                run.fields.loss = 0.25
                run.fields.drawn = random.random()
                assert run.fields.loss < 0.1

            @pytest.mark.asyncio
            async def experiment_a(run):
                raise SystemExit
        """
    )

    first, _ = (pytester.runpytest_subprocess("--mltraq-db=results.db") for _ in range(2))

    first.assert_outcomes(failed=1)
    first.stdout.fnmatch_lines(["E       assert 0.25 < 0.1", "experiment_a.py:7: AssertionError"])
    first.stdout.no_fnmatch_line("*pytest_mltraq/*")
    assert rows("SELECT outcome, error ->> 'step', fields ->> 'loss' FROM runs LIMIT 1") == [
        ("failed", "step_train", 0.25)
    ]
    assert rows("SELECT count(*), count(DISTINCT fields ->> 'drawn') FROM runs") == [(2, 1)]


@pytest.mark.parametrize("kind", ["step", "body"])
def test_without_an_async_plugin_async_code_never_passes(pytester: pytest.Pytester, rows: Rows, kind: str) -> None:
    """An async step or body that nobody awaits is a failure that says so, as it is for async tests."""
    pytester.makepyfile(
        experiment_a=f"""
            {"async " if kind == "step" else ""}def step_train(run):
                run.fields.ran = True

            {"async " if kind == "body" else ""}def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*async def functions are not natively supported*"])
    assert rows("SELECT outcome FROM runs") == [("failed",)]


def test_random_order_changes_nothing_of_the_runs(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, rows: Rows
) -> None:
    """With pytest-randomly, which shuffles items and seeds of its own, seeds, drawn numbers and positions stay."""
    pytest.importorskip("pytest_randomly")
    pytester.makepyfile(
        experiment_a="""
            import random
            import pytest

            def step_draw(run):
                run.fields.drawn = random.random()

            @pytest.mark.runs(lr=range(6))
            def experiment_a(run): ...
        """
    )

    pytester.runpytest_subprocess("--mltraq-db=results.db")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest")
    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "-p", "randomly", "-p", "no:cov")

    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*randomly*seed*"])
    assert rows(
        "SELECT position, params ->> 'lr', count(*), count(DISTINCT seed || fields) FROM runs GROUP BY 1, 2 ORDER BY 1"
    ) == [(at, at, 2, 1) for at in range(6)]


def test_junit_has_a_test_case_for_each_run(pytester: pytest.Pytester) -> None:
    """Runs are test cases in a JUnit file, by their ids, with the message of the assert that failed."""
    pytester.makepyfile(experiment_sweep=SWEEP)

    pytester.runpytest_subprocess("--mltraq-db=results.db", "--junitxml=junit.xml")

    cases = list(ET.parse(pytester.path / "junit.xml").iter("testcase"))  # noqa: S314 - written by the line above
    assert [case.get("name") for case in cases][::3] == [
        "experiment_sweep[lr:0.1-seed:0]",
        "experiment_sweep[lr:0.2-seed:1]",
    ]
    assert [len(case.findall("failure")) for case in cases] == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("options", "written"),
    [
        pytest.param(["--report-log=log.jsonl"], "log.jsonl", id="reportlog"),
        pytest.param(["--html=report.html", "--self-contained-html"], "report.html", id="html"),
        pytest.param(["--cov=experiment_sweep", "--cov-report=xml:cov.xml"], "cov.xml", id="cov"),
        pytest.param(["--timeout=60"], "results.db", id="timeout"),
    ],
)
def test_other_plugins_do_their_work_beside_us(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    rows: Rows,
    options: list[str],
    written: str,
) -> None:
    """Plugins that take reports apart get reports as of tests: they write their file, and the runs are stored."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly -p no:hypothesispytest -p no:asyncio")
    for name in ("COVERAGE_FILE", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):  # of who measures these tests
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(
        experiment_sweep=SWEEP.replace("run.fields.loss =", "run.fields.weights = b'1' * 5000; run.fields.loss =")
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", *options)

    result.assert_outcomes(passed=3, failed=1)
    assert (pytester.path / written).stat().st_size
    assert rows("SELECT count(*) FROM runs") == [(4,)]
