"""Objects of a database: each content once, read when it is used, and known to be unused."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import pytest_mltraq as mltraq
from pytest_mltraq.storage.keeping import Rule, prune
from pytest_mltraq.storage.objects import LARGE, PIECE, referenced_digests, unreferenced_objects
from tests.exact import same

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


@pytest.mark.parametrize("size", [1_025, LARGE - 1, LARGE, LARGE + 1, PIECE, 3 * PIECE + 5])
def test_objects_of_any_size_come_back(database_url: str, size: int) -> None:
    """Large objects are written and read in pieces, small ones several at a time: the bytes are the same."""
    content = bytes(range(256)) * (size // 256 + 1)
    values = {"bytes": content[:size], "array": np.frombuffer(content[:size], np.uint8), "other": content[1 : size + 1]}

    persist(database_url, "sized", **values)

    fields = mltraq.create_session(database_url).load_experiment("sized").runs.first().fields
    assert same(dict(fields), values)


def test_an_object_larger_than_databases_take_is_refused() -> None:
    """An array of over 1 GB is refused with its path before anything of it is copied, and the others are stored."""
    with pytest.raises(mltraq.UnsupportedTypeError, match=r"fields\.huge: .*more than a database takes") as caught:
        persist("sqlite://", "huge", huge=np.zeros(126_000_000), good=1)

    assert caught.value.path == "fields.huge"


@pytest.mark.parametrize("data", ["NULL", "'text'", "zeroblob(200000)", "7"])
def test_what_is_no_content_is_corrupt_data(tmp_path: Path, data: str) -> None:
    """Whatever stands in the place of a large object's bytes, the error is ours and names the field."""
    file = tmp_path / "results.db"
    persist(str(file), "example", weights=np.arange(100_000.0))
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'data BLOB NOT NULL', 'data BLOB')")
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"UPDATE objects SET data = {data}")  # noqa: S608 - the test's own

    with pytest.raises(mltraq.CorruptDataError, match="weights"):
        mltraq.create_session(str(file)).load_experiment("example").runs.first().fields.weights.sum()


@pytest.mark.parametrize("statement", ["DELETE FROM objects", "UPDATE objects SET kind = 'nonsense'"])
def test_scalars_do_not_notice_that_objects_are_gone(database_url: str, statement: str) -> None:
    """Loading, `df()` of scalar fields and views read no object: none of them notices what happened to it."""
    persist(database_url, "example", weights=WEIGHTS, large=bytes(LARGE), loss=0.5, step=np.float32(0.25))
    session = mltraq.create_session(database_url)
    with session.db.writing() as connection:
        connection.exec_driver_sql(statement)

    experiment = session.load_experiment("example")

    assert experiment.runs.df(fields=["loss", "step"]).iloc[0, 1:].tolist() == [0.5, np.float32(0.25)]
    assert session.db.query("SELECT loss, step FROM experiment_example").iloc[0].tolist() == [0.5, 0.25]
    with pytest.raises(mltraq.CorruptDataError, match="weights"):
        experiment.runs.df()


def test_pruning_removes_the_object_of_the_last_run_that_had_it(database_url: str) -> None:
    """While another run has it, it stays; when the last one is deleted, the next pruning takes it away."""
    first = persist(database_url, "first", weights=WEIGHTS)
    second = persist(database_url, "second", weights=WEIGHTS)
    database = mltraq.create_session(database_url).db

    counts = []
    for experiment in (first, second):
        experiment.delete()
        with database.writing() as connection:
            prune(connection, Rule(newest=99), {})
        counts.append(int(database.query("SELECT count(*) AS n FROM objects")["n"].iloc[0]))

    assert counts == [1, 0]
