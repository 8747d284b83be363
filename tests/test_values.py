"""The whole table of values, nested, through the codec and through databases: what goes in comes out, or is refused."""

from __future__ import annotations

import math
import random
import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import pytest_mltraq as mltraq
from pytest_mltraq import UnsupportedTypeError
from pytest_mltraq.codec import Objects, decode_document, dump_json, encode_document, load_json
from tests.exact import same
from tests.strategies import TAGS, names, scalars
from tests.table_strategies import (
    arrow_values,
    collections,
    contiguous,
    deep,
    everything,
    frames,
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
    "a hundred containers": deep,
    "everything": everything,
}


def _contains(value: Any, is_it: Callable[[Any], bool]) -> bool:
    """Whether a value, or one in it, is such a one."""
    if is_it(value):
        return True
    if isinstance(value, dict):
        return any(_contains(item, is_it) for pair in value.items() for item in pair)
    return isinstance(value, list | tuple | set | frozenset) and any(_contains(item, is_it) for item in value)


def _bits(value: Any) -> int:
    return int.from_bytes(struct.pack("<d", value), "little") if type(value) is float else 0


def _is_nan(value: Any) -> bool:
    return type(value) is float and math.isnan(value)


def _is_frame(value: Any, is_it: Callable[[pd.DataFrame], bool]) -> bool:
    return isinstance(value, pd.DataFrame) and is_it(value)


def _has_dtype(value: Any, is_it: Callable[[Any], bool]) -> bool:
    return isinstance(value, pd.DataFrame) and any(is_it(value.iloc[:, at].dtype) for at in range(value.shape[1]))


HARD: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], bool]]] = {
    "NaN with a payload": (scalars, lambda value: _is_nan(value) and _bits(value) & (2**51 - 1) != 0),
    "-0.0": (scalars, lambda value: _bits(value) == 2**63),
    "a subnormal": (scalars, lambda value: type(value) is float and 0 < abs(value) < sys.float_info.min),
    "more than 64 bits": (scalars, lambda value: type(value) is int and abs(value) > 2**64),
    "a lone surrogate": (
        scalars,
        lambda value: type(value) is str and any("\ud800" <= char <= "\udfff" for char in value),
    ),
    "NUL": (scalars, lambda value: type(value) is str and "\0" in value),
    "a key like a tag": (everything, lambda value: type(value) is dict and bool(value.keys() & {*TAGS})),
    "a key that is no text": (
        everything,
        lambda value: type(value) is dict and any(type(key) is tuple for key in value),
    ),
    "an entry of types": (
        everything,
        lambda value: type(value) is list and [*map(type, value)] == [str, str] and value[0] == "float",
    ),
    "an empty array": (contiguous, lambda value: value.size == 0),
    "an array of no dimension": (contiguous, lambda value: value.shape == ()),
    "big-endian": (contiguous, lambda value: value.dtype.byteorder == ">" and value.size > 0),
    "Fortran order": (contiguous, lambda value: value.flags.f_contiguous and not value.flags.c_contiguous),
    "a frame without rows": (
        frames(),
        lambda value: _is_frame(value, lambda frame: frame.shape[0] == 0 < frame.shape[1]),
    ),
    "a label that is there twice": (
        frames(),
        lambda value: _is_frame(value, lambda frame: not frame.columns.is_unique),
    ),
    "several levels on both axes": (
        frames(),
        lambda value: _is_frame(
            value, lambda frame: isinstance(frame.index, pd.MultiIndex) and isinstance(frame.columns, pd.MultiIndex)
        ),
    ),
    "an index with a time zone": (
        frames(),
        lambda value: _is_frame(
            value, lambda frame: isinstance(frame.index, pd.DatetimeIndex) and frame.index.tz is not None
        ),
    ),
    "categories that no value has": (
        pandas_values,
        lambda value: isinstance(value, pd.Categorical) and len(value.categories) > len(set(value)) > 0,
    ),
    "an extension dtype": (frames(), lambda value: _has_dtype(value, lambda dtype: isinstance(dtype, pd.Int64Dtype))),
    "an Arrow dtype": (frames(), lambda value: _has_dtype(value, lambda dtype: isinstance(dtype, pd.ArrowDtype))),
}


@pytest.mark.parametrize("what", HARD)
def test_what_is_hard_is_among_the_values(what: str) -> None:
    """The strategies make each kind of value that breaks codecs which were not thought through."""
    strategy, is_it = HARD[what]
    often = settings(LONG, database=None, phases=[Phase.generate])

    find(strategy, lambda value: _contains(value, is_it), settings=often, random=random.Random(0))


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
    first, last = data.draw(documents), data.draw(everything)
    experiment = session.create_experiment("any").add_run(**params)
    experiment.fields.update(shared)  # not as keywords: one may be called "name"

    def step_set(run: mltraq.Run) -> None:
        run.fields.update(first)
        run.fields.update(fields)
        late.append(last)  # what is stored is what a field is when the run ends

    late: list[Any] = []
    fields["late"] = late
    experiment.execute(step_set, config=config)
    fields = {**first, **fields}
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
    changed = {**dict.fromkeys(fields, last), **dict(list(fields.items())[::2])}
    loaded.runs.first().fields.update(changed)  # some of them were never read, some are as they were
    loaded.persist("replace")
    (run,) = session.load_experiment("any").runs.values()
    is_same_again = same(dict(run.fields), changed)
    assert is_same_again


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
