"""Data sets, loaded once per session."""

from __future__ import annotations

import pytest
from data import Dataset, split
from sklearn.datasets import load_breast_cancer, load_digits


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """Handwritten digits: 64 pixels from 0 to 1, classes 0 to 9."""
    x, y = load_digits(return_X_y=True)
    return split(x / 16, y, seed=0)


@pytest.fixture(scope="session")
def cancer() -> Dataset:
    """Breast tumours: 30 measurements, class 1 is malignant."""
    x, y = load_breast_cancer(return_X_y=True)
    return split(x, 1 - y, seed=0)
