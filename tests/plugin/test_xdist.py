"""Under pytest-xdist the same is stored as without it, whatever happens to the workers."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

import pytest_mltraq as mltraq
from tests.conftest import Rows

pytest.importorskip("xdist")

SUITE = {
    "experiment_a": '''
        import datetime
        import random
        import numpy as np
        import pytest

        def step_train(run, lr):
            run.fields.loss = np.float64(lr) / 3
            run.fields.weights = np.arange(5000.0) * lr
            run.fields.when = datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.timezone.utc)
            run.fields.shape = (1, b"2", {3})
            run.fields.drawn = random.random()

        def step_evaluate(run, seed):
            if seed == 1:
                pytest.skip("no GPU")
            if seed == 2:
                run.fields.bad = object()

        @pytest.mark.experiment(config={"epochs": (1, 2)}, dataset="iris")
        @pytest.mark.runs(lr=[0.1, np.float32(0.2)], seed=range(4))
        def experiment_a(run):
            """What it is about."""
            assert run.params.seed < 3
    ''',
    "experiment_b": """
        import pytest

        @pytest.fixture
        def data(model):
            if model is dict:
                raise ValueError("no data")
            yield
            assert model != "late"

        class ExperimentB:
            def step_one(self, run, data):
                run.fields.x = 1

            @pytest.mark.runs([{"model": ["tree", dict]}, {"model": ["late"], "depth": [1, None]}])
            def experiment_b(self, run): ...
    """,
    "test_c": """
        import pytest

        @pytest.mark.parametrize("size", [1, 2])
        def test_c(run, size):
            run.fields.size = size

        def test_d(): ...
    """,
}


def content(rows: Rows) -> dict[str, list[tuple[object, ...]]]:
    """Return what a session stored, but for ids, times and workers; a long message has an id of a run further on."""
    return {
        "experiments": rows("SELECT name, nodeid, doc, fields, config, types, code FROM experiments ORDER BY name"),
        "runs": rows(
            "SELECT e.name, r.position, r.nodeid, r.outcome, r.seed, r.params, r.fields, r.types, r.attempts,"
            " (SELECT group_concat(value ->> 'name', ' > ') FROM json_each(r.steps)),"
            " r.error ->> 'step', r.error ->> 'type', substr(r.error ->> 'message', 1, 40)"
            " FROM runs r JOIN experiments e USING (id_experiment) ORDER BY e.name, r.position"
        ),
        "objects": rows("SELECT digest, kind, size, data FROM objects ORDER BY digest"),
        "views": rows(
            "SELECT v.name, c.name FROM sqlite_master v, pragma_table_info(v.name) c WHERE v.type = 'view' ORDER BY 1, 2"
        ),
        "sessions": rows("SELECT origin, tags, exit_status, finished_at IS NOT NULL FROM sessions"),
    }


def test_workers_store_what_one_process_stores(pytester: pytest.Pytester, rows: Rows) -> None:
    """Runs, params, fields, types, seeds, outcomes, errors and positions are the same with `-n 2` and without."""
    pytester.makepyfile(**SUITE)
    parallel_rows = Rows(pytester.path / "parallel.db")

    serial = pytester.runpytest_subprocess("--mltraq-db=results.db")
    parallel = pytester.runpytest_subprocess("--mltraq-db=parallel.db", "-n", "2")

    assert serial.parseoutcomes() == parallel.parseoutcomes()
    assert content(rows) == content(parallel_rows)
    assert len(content(rows)["runs"]) == 14
    assert rows("SELECT DISTINCT worker FROM runs") == [(None,)]
    assert set(parallel_rows("SELECT DISTINCT worker FROM runs")) <= {("gw0",), ("gw1",)}


def test_values_cross_the_wire_with_their_type(pytester: pytest.Pytester) -> None:
    """Arrays, NumPy scalars, datetimes and tuples that a worker set come back exactly."""
    pytester.makepyfile(experiment_a=SUITE["experiment_a"])

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "-n", "2", "-k", "seed:0")

    result.assert_outcomes(passed=2)
    session = mltraq.create_session("results.db")
    first, second = session.load_experiment("a").runs.values()
    session.close()
    np.testing.assert_array_equal(first.fields.weights, np.arange(5000.0) * 0.1)
    assert type(first.fields.loss) is np.float64
    assert type(second.fields.loss) is np.float64
    assert first.fields.loss == np.float64(0.1) / 3
    assert first.fields.when == datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC)
    assert first.fields.shape == (1, b"2", {3})


@pytest.mark.parametrize("place", ["step", "body", "teardown"])
def test_a_run_that_dies_with_its_worker_is_stored_as_crashed(
    pytester: pytest.Pytester, rows: Rows, place: str
) -> None:
    """A worker that is killed leaves its run as `crashed`, with its params; the others are all there."""
    pytester.makepyfile(
        experiment_a=f"""
            import os
            import pytest

            def die(place, lr):
                if place == "{place}" and lr == 3:
                    os._exit(1)

            @pytest.fixture
            def data(lr):
                die("fixture", lr)
                yield
                die("teardown", lr)

            def step_train(run, lr, data):
                die("step", lr)
                run.fields.loss = lr

            @pytest.mark.runs(lr=range(6))
            def experiment_a(run, lr):
                die("body", lr)
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "-n", "2")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["a: 6 runs, 1 crashed*"])
    found = rows("SELECT position, params, outcome, fields FROM runs WHERE position <> 3 ORDER BY position")
    assert found == [(lr, f'{{"lr":{lr}}}', "passed", f'{{"loss":{lr}}}') for lr in (0, 1, 2, 4, 5)]
    assert rows("SELECT position, params, outcome FROM runs WHERE position = 3") == [(3, '{"lr":3}', "crashed")]


@pytest.mark.parametrize("option", ["--mltraq-db=results.db", "--mltraq"])
def test_the_controller_alone_speaks(pytester: pytest.Pytester, option: str) -> None:
    """Header, table and the place of the results are printed once, and asserts are explained."""
    pytester.makepyfile(
        experiment_a="""
            import pytest

            def step_train(run, lr):
                run.fields.loss = lr

            @pytest.mark.runs(lr=[1, 2, 3])
            def experiment_a(run):
                assert run.fields.loss < 3
        """
    )

    result = pytester.runpytest_subprocess(option, "-n", "2")

    result.assert_outcomes(passed=2, failed=1)
    starts = [line.split(":")[0].split(" in ")[0] for line in result.outlines]
    assert starts.count("mltraq") == 1
    assert starts.count("a") == 1
    assert starts.count("stored") + starts.count("nothing was stored") == 1
    result.stdout.fnmatch_lines(["E       assert 3 < 3", "a: 3 runs, 1 failed*"])


def test_retries_in_workers_are_one_run(pytester: pytest.Pytester, rows: Rows) -> None:
    """With rerunfailures in a worker, the last attempt is the run, with its number of attempts."""
    pytest.importorskip("pytest_rerunfailures")
    pytester.makepyfile(
        experiment_a="""
            import pytest

            tried = []

            def step_train(run, lr):
                tried.append(lr)
                run.fields.trail = [*run.fields.get("trail", []), tried.count(lr)]
                assert lr == 1 or tried.count(lr) == 2

            @pytest.mark.runs(lr=[1, 2, 3])
            def experiment_a(run): ...
        """
    )

    result = pytester.runpytest_subprocess("--mltraq-db=results.db", "-n", "2", "--reruns=1")

    result.assert_outcomes(passed=3)
    assert rows("SELECT params ->> 'lr', outcome, attempts, fields ->> 'trail' FROM runs ORDER BY position") == [
        (1, "passed", 1, "[1]"),
        (2, "passed", 2, "[2]"),
        (3, "passed", 2, "[2]"),
    ]
