"""The tests of `cancer.py`; those that request `run` store what they measured."""

from __future__ import annotations

import numpy as np
import pytest
from cancer import Rule, fit_rule
from data import Dataset
from sklearn.metrics import precision_score, recall_score
from sklearn.model_selection import StratifiedKFold

from pytest_mltraq import Run


def test_a_rule_includes_its_threshold() -> None:
    """A sample at the threshold is positive."""
    rule = Rule(feature=1, threshold=2.0)

    assert rule.predict(np.array([[9.0, 1.9], [0.0, 2.0], [0.0, 2.1]])).tolist() == [0, 1, 1]


def test_the_best_feature_is_found() -> None:
    """The feature that tells the classes apart is chosen, not the one that doesn't."""
    x = np.array([[0.3, 1.0], [0.1, 2.0], [0.2, 3.0], [0.1, 4.0]])

    assert fit_rule(x, np.array([0, 0, 1, 1])) == Rule(feature=1, threshold=3.0)


@pytest.mark.parametrize("recall", [0.0, 1.5])
def test_an_impossible_recall_is_refused(recall: float, cancer: Dataset) -> None:
    """A recall that no rule can have is an error."""
    with pytest.raises(ValueError, match="expected a recall above 0 and up to 1"):
        fit_rule(cancer.x_train, cancer.y_train, recall=recall)


@pytest.mark.metric("recall", min=0.85)
@pytest.mark.parametrize("fold", range(5))
def test_cross_validation(run: Run, cancer: Dataset, fold: int) -> None:
    """Whatever part of the training samples it has not seen, the rule misses few malignant tumours there."""
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
    train, valid = list(folds.split(cancer.x_train, cancer.y_train))[fold]

    rule = fit_rule(cancer.x_train[train], cancer.y_train[train])

    predicted = rule.predict(cancer.x_train[valid])
    run.fields.rule = rule._asdict()
    run.fields.precision = precision_score(cancer.y_train[valid], predicted)
    run.fields.recall = recall_score(cancer.y_train[valid], predicted)
    assert run.fields.recall > 0.8


@pytest.mark.parametrize("recall", [0.8, 0.9, 0.95, 0.99])
def test_recall_costs_precision(run: Run, cancer: Dataset, recall: float) -> None:
    """On new tumours, the rule finds about the share of malignant ones that was asked for."""
    rule = fit_rule(cancer.x_train, cancer.y_train, recall=recall)

    predicted = rule.predict(cancer.x_test)
    run.fields.found = recall_score(cancer.y_test, predicted)
    run.fields.precision = precision_score(cancer.y_test, predicted)
    assert run.fields.found == pytest.approx(recall, abs=0.08)
