"""Runs, as pytest runs them: steps, seeds, failures, and the same database with and without pytest-xdist."""

from __future__ import annotations

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
