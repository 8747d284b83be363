"""Values in experiments and tests that pytest runs."""

from __future__ import annotations

import pytest

import pytest_mltraq as mltraq


def test_a_record_has_what_the_array_was_when_the_run_ended(pytester: pytest.Pytester) -> None:
    """An array that is changed after the run, or a param that a step changes, is stored as it was: it can be read."""
    pytester.makepyfile(
        """
        import numpy as np, pytest

        SHARED = np.zeros(1_000)

        @pytest.mark.parametrize("n", [1, 2])
        @pytest.mark.parametrize("given", [np.zeros(1_000)])
        def test_shared(run, n, given):
            SHARED[:] = n
            run.fields.shared = SHARED
            given[:] = n
        """
    )
    pytester.runpytest_subprocess("--mltraq-db=results.db").assert_outcomes(passed=2)

    experiment = mltraq.create_session(pytester.path / "results.db")
    name = str(experiment.ls()["name"].iloc[0])
    runs = experiment.load_experiment(name).runs.values()
    assert [float(run.fields.shared.mean()) for run in runs] == [1.0, 2.0]
    assert [float(run.given_params.given.mean()) for run in runs] == [0.0, 1.0]
