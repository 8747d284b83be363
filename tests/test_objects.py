"""Objects of a database: each content once, read when it is used, and known to be unused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import pytest_mltraq as mltraq
from pytest_mltraq.storage.objects import referenced_digests, unreferenced_objects

WEIGHTS = np.arange(1_000.0)

HOLDERS: dict[str, Any] = {
    "array": WEIGHTS,
    "in containers": {"layers": [(WEIGHTS,)]},
    "under other keys": {1: {(2, None): WEIGHTS}},
    "in a set": {bytes(5_000)},
    "frame": pd.DataFrame({"x": WEIGHTS}),
    "arrow table": pa.table({"x": WEIGHTS}),
    "long bytes": bytes(2_000),
    "key": {bytes(2_000): 1},
}


def persist(url: str, name: str, *, params: Any = None, config: Any = None, shared: Any = None, **fields: Any) -> Any:
    """Store an experiment of one run."""
    experiment = mltraq.create_session(url).create_experiment(name, **(shared or {}))
    experiment.add_run(**(params or {})).execute(lambda run: run.fields.update(fields), config=config)
    return experiment.persist("append")


def unreferenced(url: str) -> dict[str, int]:
    """The objects of a database to which nothing refers."""
    database = mltraq.create_session(url).db
    with database.reading() as connection:
        assert connection is not None
        return unreferenced_objects(connection)


@pytest.mark.parametrize("holder", HOLDERS)
def test_an_object_that_a_field_has_is_referred_to(database_url: str, holder: str) -> None:
    """Objects anywhere inside of a field count as used."""
    persist(database_url, "example", value=HOLDERS[holder])

    database = mltraq.create_session(database_url).db
    with database.reading() as connection:
        assert connection is not None
        stored = set(database.query("SELECT digest FROM objects")["digest"])
        assert referenced_digests(connection) == stored
    assert len(stored) == 1


@pytest.mark.parametrize("place", ["params", "config", "shared"])
def test_objects_of_params_config_and_experiments_are_referred_to(database_url: str, place: str) -> None:
    """Objects count as used wherever they are."""
    persist(database_url, "example", **{place: {"value": WEIGHTS}})

    assert unreferenced(database_url) == {}


def test_the_last_run_that_goes_leaves_its_object_unreferenced(database_url: str) -> None:
    """An object is in use until the last run that has it is deleted; then its size is known."""
    first = persist(database_url, "first", weights=WEIGHTS, other=np.arange(5))
    second = persist(database_url, "second", weights=WEIGHTS)

    first.delete()
    after_first = unreferenced(database_url)
    second.delete()
    after_second = unreferenced(database_url)

    ((_, size),) = after_first.items()
    assert size < 1_000
    assert len(after_second) == 2
    assert WEIGHTS.nbytes < max(after_second.values()) < WEIGHTS.nbytes + 1_000


def test_a_reference_in_an_entry_of_a_newer_version_counts(database_url: str) -> None:
    """What this version can't read still keeps its objects."""
    persist(database_url, "example", weights=WEIGHTS)
    database = mltraq.create_session(database_url).db
    digest = database.query("SELECT digest FROM objects")["digest"].iloc[0]
    with database.writing() as connection:
        types = f'{{"fields": {{"weights": ["hologram", 7, {{"parts": ["{digest}"]}}]}}}}'
        connection.exec_driver_sql(f"UPDATE runs SET types = '{types}'")  # noqa: S608 - our own digest

    assert unreferenced(database_url) == {}
