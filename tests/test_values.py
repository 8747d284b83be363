"""The whole table of values, nested, through the codec and through databases: what goes in comes out, or is refused."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pytest_mltraq as mltraq
from pytest_mltraq import UnsupportedTypeError
from pytest_mltraq.codec import Objects, decode_document, dump_json, encode_document, load_json
from tests.exact import same
from tests.strategies import names
from tests.table_strategies import (
    arrow_values,
    collections,
    contiguous,
    everything,
    masked_arrays,
    pandas_values,
    polars_values,
    sequences,
    sparse_arrays,
    text_arrays,
)

LONG = settings(settings.get_profile("long"), suppress_health_check=list(HealthCheck))
ORDINARY = settings(settings.get_profile("ordinary"), max_examples=40, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Values that Hypothesis thinks of make NumPy and pandas warn, such as of an overflow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check_codec(value: Any) -> None:
    """Encode and restore a value: it must come back the same, or be refused by its path."""
    objects: Objects = {}
    encoded = encode_document({"value": value}, "fields", objects)
    if encoded.refused:
        assert encoded.refused[0].path.startswith("fields.value")
        assert "Arrow data is not valid" in str(encoded.refused[0])  # PyArrow itself makes such arrays of nested nulls
        return
    types = None if encoded.types is None else load_json(dump_json(encoded.types), "types")
    back = decode_document(encoded.document, types, objects.__getitem__, "fields")["value"]
    is_same = same(back, value)  # not in the assert: pytest would write both, however long
    assert is_same


FAMILIES: dict[str, st.SearchStrategy[Any]] = {
    "arrays": contiguous,
    "masked arrays": masked_arrays(),
    "arrays of text": text_arrays(),
    "sparse arrays": sparse_arrays(),
    "pandas": pandas_values,
    "PyArrow": arrow_values,
    "polars": polars_values,
    "sequences": sequences(),
    "everything": everything,
}


@pytest.mark.parametrize("family", FAMILIES)
@ORDINARY
@given(st.data())
def test_values_come_back(family: str, data: st.DataObject) -> None:
    """Values of every family come back with type, value, dtype, shape, order, names, index, zone, unit and metadata."""
    check_codec(data.draw(FAMILIES[family]))


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@LONG
@given(st.data())
def test_values_come_back_in_10_000_cases(family: str, data: st.DataObject) -> None:
    """The long version of the test above."""
    check_codec(data.draw(FAMILIES[family]))


documents = st.dictionaries(names, everything, max_size=3)


@st.composite
def sequences_of_everything(draw: st.DrawFn) -> mltraq.Sequence:
    """Sequences that have any value in their columns."""
    sequence = mltraq.Sequence()
    for _ in range(draw(st.integers(0, 2))):
        sequence.append(value=draw(everything), table=draw(collections))
    return sequence


def check_database(session: mltraq.Session, data: st.DataObject) -> None:
    """Store values in every place of an experiment, and load them by another session's eyes."""
    fields, params, config, shared = (data.draw(documents) for _ in range(4))
    fields["sequence"] = data.draw(sequences_of_everything())
    experiment = session.create_experiment("any", **shared).add_run(**params)
    experiment.execute(lambda run: run.fields.update(fields), config=config)
    try:
        experiment.persist("replace")
    except (UnsupportedTypeError, ExceptionGroup) as refused:
        assert "can't be stored" in str(refused) or "not valid" in str(refused)  # noqa: PT017 - there may be no error
        return
    loaded = session.load_experiment("any")
    (run,) = loaded.runs.values()
    places = [(run.fields, fields), (run.given_params, params), (loaded.config, config), (loaded.fields, shared)]
    is_same = [same(dict(found), expected) for found, expected in places]
    assert is_same == [True] * 4


@ORDINARY
@given(data=st.data())
def test_values_come_back_from_a_database(database_url: str, data: st.DataObject) -> None:
    """Values come back from fields of runs and experiments, params, config and columns of sequences."""
    session = mltraq.create_session(database_url)
    try:
        check_database(session, data)
    finally:
        session.close()


@pytest.mark.slow
@LONG
@given(data=st.data())
def test_values_come_back_from_a_database_in_10_000_cases(database_url: str, data: st.DataObject) -> None:
    """The long version of the test above."""
    session = mltraq.create_session(database_url)
    try:
        check_database(session, data)
    finally:
        session.close()
