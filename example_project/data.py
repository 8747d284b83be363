"""What the experiments and tests learn from."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

Features = NDArray[np.float64]
Labels = NDArray[np.int64]


class Dataset(NamedTuple):
    """Samples to learn from, and others to judge what was learned.

    Attributes:
        x_train: features, shape (n_train, n_features).
        y_train: classes, shape (n_train,).
        x_test: features, shape (n_test, n_features).
        y_test: classes, shape (n_test,).
    """

    x_train: Features
    y_train: Labels
    x_test: Features
    y_test: Labels


def split(x: Any, y: Any, *, seed: int) -> Dataset:
    """Set a quarter of the samples aside for testing, with the same shares of the classes."""
    x_train, x_test, y_train, y_test = train_test_split(x, y, stratify=y, random_state=seed)
    return Dataset(x_train, y_train, x_test, y_test)
