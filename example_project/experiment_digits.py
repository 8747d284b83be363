"""Which model reads handwritten digits best, and how many examples does it need?"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from data import Dataset, split
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from pytest_mltraq import Run, Sequence

MODELS = [
    GaussianNB,
    RandomForestClassifier,
    RidgeClassifier,
    partial(KNeighborsClassifier, 1),
    partial(KNeighborsClassifier, 10),
    SVC,
    partial(SVC, C=10),
]
SIZES = (25, 50, 100, 200, 400, 800)


def step_split(run: Run, digits: Dataset, seed: int) -> None:
    """Set a quarter of the training samples aside: the same ones for every model, others for every seed."""
    run.vars.data = split(digits.x_train, digits.y_train, seed=seed)


def step_train(run: Run, model: Callable[[], Any]) -> None:
    """Fit the model; its random numbers begin at `run.seed`."""
    begin = time.perf_counter()
    run.vars.model = model().fit(run.vars.data.x_train, run.vars.data.y_train)
    run.fields.fit_s = time.perf_counter() - begin


def step_evaluate(run: Run) -> None:
    """Judge the model by the samples that were set aside."""
    actual, predicted = run.vars.data.y_test, run.vars.model.predict(run.vars.data.x_test)
    run.fields.accuracy = accuracy_score(actual, predicted)
    run.fields.f1 = f1_score(actual, predicted, average="macro")
    run.fields.confusion = confusion_matrix(actual, predicted)


@pytest.mark.runs(model=MODELS, seed=range(5))
@pytest.mark.metric("accuracy", min=0.75, rtol=0.01)
def experiment_digits(run: Run) -> None:
    """Every model is far better than chance, which is 0.1, knows every digit, and gets no worse."""
    assert run.fields.confusion.diagonal().all()


def learn_from_more_and_more(run: Run, digits: Dataset) -> None:
    """Fit one of the best models to growing parts of the training samples.

    Its name doesn't begin with `step_`: it is a step only of the experiment that names it.
    """
    run.fields.curve = Sequence()
    for size in SIZES:
        model = SVC().fit(run.vars.data.x_train[:size], run.vars.data.y_train[:size])
        run.fields.curve.append(size=size, accuracy=model.score(digits.x_test, digits.y_test))


@pytest.mark.steps(step_split, learn_from_more_and_more)
@pytest.mark.runs(seed=range(3))
def experiment_digits_curve(run: Run) -> None:
    """More samples make a better model."""
    accuracy = run.fields.curve.df()["accuracy"]
    assert accuracy.is_monotonic_increasing
    assert accuracy.iloc[-1] > 0.95
