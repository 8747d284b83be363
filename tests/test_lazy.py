"""What was loaded is read from the database when it is used: objects of fields, params and config."""

from __future__ import annotations

import copy
import operator
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.engine import Engine

import pytest_mltraq as mltraq
from pytest_mltraq.bunch import Bunch, FrozenBunch, Later, frozen, lazy
from pytest_mltraq.errors import ReadOnlyError, StorageError
from tests.exact import same
from tests.strategies import names

WEIGHTS = np.arange(1_000.0)
LARGE = np.arange(50_000.0)
FRAME = pd.DataFrame({"x": [1, 2]})


class Reads(list[str]):
    """The statements that read objects."""


@pytest.fixture
def reads() -> Iterator[Reads]:
    """Note each statement that reads the content of objects."""
    found = Reads()

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if "FROM objects" in statement and ("data" in statement or "rowid" in statement):
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def stored(url: str, *, runs: int = 1, **fields: Any) -> mltraq.Session:
    """Store an experiment with arrays everywhere; a session of its own to load it."""
    session = mltraq.create_session(url)
    experiment = session.create_experiment("example", shared=WEIGHTS + 1)
    for _ in range(runs):
        experiment.add_run(given=WEIGHTS + 2)
    values = {"loss": 0.5, "weights": WEIGHTS, "large": LARGE, "frame": FRAME, "step": np.float64(0.25), **fields}
    experiment.execute(lambda run: run.fields.update(copy.deepcopy(values)), config={"prior": WEIGHTS + 3}).persist()
    return mltraq.create_session(url)


def test_loading_reads_no_object(database_url: str, reads: Reads) -> None:
    """What is in the documents is there; arrays and tables stay in the database until they are used."""
    experiment = stored(database_url).load_experiment("example")
    run = experiment.runs.first()

    assert (run.fields.loss, run.fields["step"], len(run.fields), "weights" in run.fields) == (0.5, 0.25, 5, True)
    assert list(run.fields) == ["loss", "weights", "large", "frame", "step"]
    assert run.df(fields=["loss", "step"]).loc[0, "step"] == 0.25
    assert experiment.runs.df(fields=iter(["loss", "missing"])).columns.tolist() == ["id_run", "loss"]
    assert experiment.df(fields=[]).columns.tolist() == ["id_experiment", "name"]
    run.fields.more = 7
    run.fields |= {"other": 8}
    del run.fields.frame
    assert reads == []


@pytest.mark.parametrize(
    "read",
    [
        lambda experiment: experiment.runs.first().fields.weights,
        lambda experiment: experiment.runs.first().fields["weights"],
        lambda experiment: experiment.runs.first().fields.get("weights"),
        lambda experiment: experiment.runs.first().fields.pop("weights"),
        lambda experiment: dict(experiment.runs.first().fields)["weights"],
        lambda experiment: list(experiment.runs.first().fields.values())[1],
        lambda experiment: {**experiment.runs.first().fields}["weights"],
        lambda experiment: experiment.runs.df()["weights"][0],
        lambda experiment: experiment.fields.shared - 1,
        lambda experiment: experiment.runs.first().given_params.given - 2,
        lambda experiment: experiment.config.prior - 3,
        lambda experiment: experiment.runs.first().config["prior"] - 3,
    ],
)
def test_an_object_is_read_when_it_is_used(database_url: str, reads: Reads, read: Callable[[Any], Any]) -> None:
    """However a value is asked for, it is there."""
    experiment = stored(database_url).load_experiment("example")

    value = read(experiment)

    assert np.array_equal(value, WEIGHTS)
    assert reads


def test_a_value_is_read_once(database_url: str, reads: Reads) -> None:
    """A value is the same object each time."""
    fields = stored(database_url).load_experiment("example").runs.first().fields

    assert fields.large is fields.large is fields["large"] is dict(fields)["large"]
    assert len([statement for statement in reads if "rowid" in statement]) <= 1


def test_small_objects_are_read_together(database_url: str, reads: Reads) -> None:
    """A thousand arrays, used one after another, are not a thousand queries."""
    session = mltraq.create_session(database_url)
    experiment = session.create_experiment("many").add_runs(n=range(1_000))
    experiment.execute(lambda run: run.fields.update(w=np.full(10, run.params.n))).persist()
    loaded = mltraq.create_session(database_url).load_experiment("many")
    reads.clear()

    total = sum(int(run.fields.w[0]) for run in loaded.runs.values())

    assert total == sum(range(1_000))
    assert len(reads) < 20


def test_a_value_that_was_changed_is_stored_as_changed(database_url: str) -> None:
    """What a loaded run's values became is what is stored again; the others stay as they are."""
    session = stored(database_url)
    experiment = session.load_experiment("example")
    experiment.runs.first().fields.weights[:] = 7
    experiment.runs.first().fields.more = FRAME
    experiment.persist("replace")

    fields = mltraq.create_session(database_url).load_experiment("example").runs.first().fields

    assert set(fields.weights) == {7.0}
    assert same([fields.large, fields.frame, fields.more, fields.step], [LARGE, FRAME, FRAME, np.float64(0.25)])


def test_what_nobody_used_is_stored_again_without_reading_it(database_url: str, reads: Reads) -> None:
    """In the same database, the objects are there."""
    experiment = stored(database_url).load_experiment("example")
    experiment.config.clear()  # config is looked through for secrets
    experiment.runs.first().fields.loss = 0.25

    experiment.persist("append")

    assert reads == []
    loaded = mltraq.create_session(database_url).load_experiment("example").runs.first()
    assert same([loaded.fields.loss, loaded.fields.large, loaded.fields.frame], [0.25, LARGE, FRAME])


def test_what_nobody_used_goes_to_another_database(database_url: str, tmp_path: Path) -> None:
    """A copy of a loaded experiment is whole, and the first one is not changed by it."""
    session = stored(database_url)
    experiment = session.load_experiment("example")
    target = mltraq.create_session(tmp_path / "other.db")

    target.persist_experiment(experiment, "copied")
    session.close()

    fields = target.load_experiment("copied").runs.first().fields
    assert same([fields.weights, fields.large, fields.frame], [WEIGHTS, LARGE, FRAME])
    assert same(target.load_experiment("copied").fields.shared, WEIGHTS + 1)


def test_a_copy_shares_nothing_with_what_it_was_made_of(database_url: str) -> None:
    """A deep copy of fields that were not read yet has values of its own."""
    fields = stored(database_url, nested={"a": [1, (2,)]}).load_experiment("example").runs.first().fields

    duplicate = copy.deepcopy(fields)
    duplicate.nested["a"].append(3)
    duplicate.weights[0] = -1

    assert fields.nested == {"a": [1, (2,)]}
    assert fields.weights[0] == 0.0


@pytest.mark.parametrize("make", [dict, lambda fields: pickle.loads(pickle.dumps(fields)), copy.copy, Bunch.copy])
def test_a_copy_is_whole(database_url: str, make: Callable[[Any], Any]) -> None:
    """Dicts, pickles and copies have all values, and need no database."""
    session = stored(database_url)
    fields = session.load_experiment("example").runs.first().fields

    duplicate = make(fields)
    session.close()

    assert same(duplicate["large"], LARGE)
    assert list(duplicate) == list(fields)


def test_a_run_goes_to_another_process_whole(tmp_path: Path) -> None:
    """Steps that joblib spreads find all fields of a loaded run."""
    experiment = stored(str(tmp_path / "results.db"), runs=2).load_experiment("example")

    experiment.execute(lambda run: run.fields.update(total=float(run.fields.large.sum())), n_jobs=2)

    assert [run.fields.total for run in experiment.runs.values()] == [LARGE.sum()] * 2


def test_a_value_can_be_used_after_its_session_was_closed(database_url: str) -> None:
    """The database is opened again; what was used before is the same object."""
    session = stored(database_url)
    fields = session.load_experiment("example").runs.first().fields
    before = fields.weights
    session.close()

    assert fields.weights is before
    assert fields.large.sum() == LARGE.sum()


def test_a_database_in_memory_that_was_closed_says_so() -> None:
    """What was in it and not used before is gone."""
    session = mltraq.create_session()
    experiment = session.create_experiment("example")
    experiment.execute(lambda run: run.fields.update(large=LARGE)).persist()
    fields = session.load_experiment("example").runs.first().fields
    session.close()

    with pytest.raises(StorageError, match=r"was closed: what was in memory is gone"):
        fields.large.sum()


def test_damage_is_said_where_it_is_used(database_url: str) -> None:
    """A damaged object is corrupt data with its run and field; the other fields are there."""
    session = stored(database_url)
    experiment = session.load_experiment("example")
    run = experiment.runs.first()
    with session.db.writing() as connection:
        connection.exec_driver_sql("DELETE FROM objects")

    with pytest.raises(mltraq.CorruptDataError, match="missing") as caught:
        run.fields.weights.sum()

    assert caught.value.path == f"run {run.id_run}: fields.weights"
    assert run.fields.loss == 0.5
    with pytest.raises(mltraq.CorruptDataError, match="weights"):
        dict(run.fields)


def test_an_experiment_whose_objects_were_removed_is_not_stored_without_them(database_url: str) -> None:
    """Objects that were removed between loading and storing are an error, and nothing is stored."""
    session = stored(database_url)
    experiment = session.load_experiment("example")
    experiment.config.clear()
    experiment.delete()
    with session.db.writing() as connection:
        connection.exec_driver_sql("DELETE FROM objects")

    with pytest.raises(StorageError, match="removed since it was loaded"):
        experiment.persist()

    assert len(session.ls()) == 0


def test_a_text_that_looks_like_a_digest_is_no_object(database_url: str) -> None:
    """A user's own digests as keys don't hinder an experiment from being stored again."""
    session = stored(database_url, files={"0" * 64: np.float64(1.5), "f" * 64: (1,)})
    session.load_experiment("example").persist("append")

    fields = session.load_experiment("example").runs.first().fields
    assert same(fields.files, {"0" * 64: np.float64(1.5), "f" * 64: (1,)})


def test_threads_use_values_at_once(tmp_path: Path) -> None:
    """Several threads may use the fields of loaded runs."""
    experiment = stored(str(tmp_path / "results.db"), runs=20).load_experiment("example")
    errors = []

    def use() -> None:
        try:
            for run in experiment.runs.values():
                assert run.fields.large[-1] == LARGE[-1]
                assert run.fields.weights[-1] == WEIGHTS[-1]
        except Exception as error:  # noqa: BLE001 - it is said below
            errors.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []


class Made(Later):
    """Makes a value, once for each that asks."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def make(self) -> Any:
        return self.value

    def copied(self) -> Made:
        return Made(copy.deepcopy(self.value))


OPERATIONS: list[Callable[[Any], Any]] = [
    dict,
    list,
    len,
    repr,
    sorted,
    copy.copy,
    copy.deepcopy,
    lambda bunch: pickle.loads(pickle.dumps(bunch)),
    lambda bunch: {**bunch},
    lambda bunch: list(dict(bunch).values()),
    lambda bunch: bunch["a"],
    lambda bunch: bunch.a,
    lambda bunch: type(bunch).get(bunch, "a"),
    lambda bunch: bunch == {"a": 1},
    lambda bunch: bunch != Bunch(a=1),
    lambda bunch: FrozenBunch(dict(bunch)) == bunch,
    lambda bunch: bunch | {"z": 1},
    lambda bunch: {"z": 1} | bunch,
    lambda bunch: "a" in bunch,
    lambda bunch: "a" in dir(bunch),
    frozen,
    lambda bunch: operator.setitem(bunch, "a", 5),
    lambda bunch: operator.delitem(bunch, "a"),
    lambda bunch: delattr(bunch, "a"),
    lambda bunch: setattr(bunch, "b", 5),
    lambda bunch: setattr(bunch, "keys", 5),
    lambda bunch: type(bunch).update(bunch, keys=5),
    lambda bunch: type(bunch).pop(bunch, "a", None),
    lambda bunch: type(bunch).pop(bunch, "a"),
    lambda bunch: type(bunch).popitem(bunch),
    lambda bunch: type(bunch).setdefault(bunch, "a", 3),
    lambda bunch: type(bunch).update(bunch, {"a": 4}, q=5),
    lambda bunch: type(bunch).clear(bunch),
    lambda bunch: bunch.__ior__({"n": 4}),
]


def outcome(operation: Callable[[Any], Any], bunch: Any) -> Any:
    """What an operation returns or raises."""
    try:
        return operation(bunch)
    except (KeyError, AttributeError, ReadOnlyError, TypeError) as error:
        return type(error)


@given(
    st.dictionaries(
        st.one_of(st.sampled_from(["a", "b", "items", "_make", "copy", "keys"]), names), st.integers(), max_size=4
    ),
    st.sets(st.integers(0, 3)),
    st.sampled_from([Bunch, FrozenBunch]),
    st.lists(st.sampled_from(OPERATIONS), max_size=4),
)
def test_a_lazy_bunch_behaves_as_any_other(
    items: dict[str, int], later: set[int], kind: type[Bunch], operations: list[Callable[[Any], Any]]
) -> None:
    """Whatever is done with a bunch, it doesn't show which of its values are made later."""
    plain = kind(items)
    half_made = lazy(
        {key: Made(value) if at in later else value for at, (key, value) in enumerate(items.items())}, kind
    )

    for operation in operations:
        assert same(outcome(operation, half_made), outcome(operation, plain))
    assert same(half_made, plain)
