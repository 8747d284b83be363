"""Databases that the commands look at."""

from __future__ import annotations

from pathlib import Path

import pytest

import pytest_mltraq as mltraq


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A SQLite file with two versions of an experiment, and another experiment."""
    path = tmp_path / "results.db"
    _fill(str(path))
    return path


@pytest.fixture
def filled_postgresql(postgresql: str) -> str:
    """The URL of a PostgreSQL database with the same."""
    _fill(postgresql)
    return postgresql


def _fill(url: str) -> None:
    session = mltraq.create_session(url)
    for shift in (0.0, 0.125):
        experiment = session.create_experiment("iris").add_runs(model=["logreg", "tree"])
        experiment.execute(
            lambda run, shift=shift: run.fields.update(accuracy=0.5 + shift + (run.params.model == "tree") * 0.25)
        )
        experiment.persist("append")
    session.create_experiment("größe").persist()
    session.close()
