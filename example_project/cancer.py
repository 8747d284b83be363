"""A rule that a doctor can check with a ruler: a tumour is malignant where one of its measures is above a threshold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from data import Features, Labels
from sklearn.metrics import roc_auc_score, roc_curve


class Rule(NamedTuple):
    """Calls a sample positive where one feature reaches a threshold.

    Attributes:
        feature: index of the feature.
        threshold: the smallest value that is positive.
    """

    feature: int
    threshold: float

    def predict(self, x: Features) -> Labels:
        """Return 1 for each positive sample and 0 for the others, shape (n,)."""
        return (x[:, self.feature] >= self.threshold).astype(np.int64)


def fit_rule(x: Features, y: Labels, *, recall: float = 0.95) -> Rule:
    """Find the feature that tells the classes apart best, and the highest threshold that misses few positives.

    Args:
        x: features, shape (n, n_features).
        y: classes, 1 is positive, shape (n,).
        recall: share of the positive samples that must be found [fraction].

    Raises:
        ValueError: recall is not in (0, 1].
    """
    if not 0 < recall <= 1:
        message = f"expected a recall above 0 and up to 1, found {recall}"
        raise ValueError(message)
    feature = int(np.argmax([roc_auc_score(y, column) for column in x.T]))
    _, found, thresholds = roc_curve(y, x[:, feature])
    return Rule(feature, float(thresholds[np.argmax(found >= recall)]))
