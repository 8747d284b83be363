"""Sequences: tables that grow by a row at a time."""

from __future__ import annotations

import copy
import datetime
import math
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mltraq import Sequence
from pytest_mltraq.errors import ConfigurationError
from tests.exact import same


def from_other_process(value: Any) -> Any:
    """Do to a value what sending it to another process does."""
    return pickle.loads(pickle.dumps(value))


def losses() -> Sequence:
    """A sequence with two rows."""
    sequence = Sequence()
    sequence.append(epoch=1, loss=0.5)
    sequence.append(epoch=2, loss=0.25)
    return sequence


def test_a_new_sequence_is_empty() -> None:
    """Nothing is in it, and it is false."""
    sequence = Sequence()

    assert (len(sequence), sequence.size(), bool(sequence)) == (0, 0, False)


def test_each_append_is_a_row() -> None:
    """The length is the number of appends, also those without values."""
    sequence = losses()

    sequence.append()

    assert len(sequence) == sequence.size() == 3


def test_a_table_has_index_time_and_values() -> None:
    """`df()` has `idx`, `timestamp` and the columns in the order in which they came."""
    frame = losses().df()

    assert list(frame.columns) == ["idx", "timestamp", "epoch", "loss"]
    assert frame["idx"].tolist() == [0, 1]
    assert frame["loss"].tolist() == [0.5, 0.25]


def test_integers_stay_integers() -> None:
    """A column of integers is one of integers in the table."""
    assert losses().df()["epoch"].dtype == np.int64


def test_times_are_utc_and_never_go_back() -> None:
    """Each row has the time of its append."""
    before = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)

    times = losses().df()["timestamp"]

    assert times.dtype == "datetime64[ns]"
    assert times.is_monotonic_increasing
    assert before <= times.iloc[0] <= datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def test_the_table_of_an_empty_sequence_has_its_own_columns() -> None:
    """An empty sequence has an empty table."""
    frame = Sequence().df()

    assert list(frame.columns) == ["idx", "timestamp"]
    assert len(frame) == 0


def test_a_row_has_none_where_it_set_nothing() -> None:
    """Rows may have different columns, before and after the table was looked at."""
    sequence = Sequence()
    sequence.append(a=1)
    sequence.append(b="x")
    sequence.columns()
    sequence.append(c=2.5)

    _, columns = sequence.columns()

    assert columns == {"a": [1, None, None], "b": [None, "x", None], "c": [None, None, 2.5]}


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers()), max_size=8), st.sets(st.integers(0, 8)))
def test_looking_at_a_sequence_does_not_change_what_is_appended(rows: list[dict[str, int]], looks: set[int]) -> None:
    """Whenever the columns are asked for, they are those of the rows until then."""
    sequence = Sequence()

    for at, row in enumerate(rows):
        if at in looks:
            sequence.columns()
        sequence.append(**row)

    names = dict.fromkeys(name for row in rows for name in row)
    assert sequence.columns()[1] == {name: [row.get(name) for row in rows] for name in names}


def test_a_column_may_be_called_self() -> None:
    """No name but two is taken."""
    sequence = Sequence()

    sequence.append(self=1, values=2)

    assert sequence.columns()[1] == {"self": [1], "values": [2]}


@pytest.mark.parametrize("name", ["idx", "timestamp"])
def test_a_column_that_the_sequence_fills_in_is_refused(name: str) -> None:
    """The error names the two columns; the row is not added."""
    sequence = losses()

    with pytest.raises(ConfigurationError, match="'idx' and 'timestamp'"):
        sequence.append(loss=1, **{name: 1})

    assert len(sequence) == 2


def test_values_of_different_types_may_be_in_one_column() -> None:
    """Values are kept as they are given."""
    sequence = Sequence()
    values: list[Any] = [1, 0.5, "a", None, [1], np.float32(0.5), True]

    for value in values:
        sequence.append(x=value)

    assert same(sequence.columns()[1]["x"], values)


def test_a_sequence_goes_on_from_its_table() -> None:
    """`Sequence(frame)` begins with the rows of a table that `df()` made."""
    first = losses()

    second = Sequence(first.df())

    assert same(second, first)
    second.append(epoch=3, loss=0.125)
    assert second.df()["idx"].tolist() == [0, 1, 2]
    assert len(first) == 2


def test_a_sequence_goes_on_from_a_table_with_other_units_of_time() -> None:
    """The times of a table may have any unit."""
    frame = losses().df()
    frame["timestamp"] = frame["timestamp"].astype("datetime64[us]")

    times, _ = Sequence(frame).columns()

    assert times == [1000 * microseconds for microseconds in frame["timestamp"].astype("int64")]


def test_clearing_removes_every_row() -> None:
    """Rows that were looked at are removed like those that weren't."""
    sequence = losses()
    sequence.df()
    sequence.append(loss=1)

    sequence.clear()

    assert sequence == Sequence()


def test_equal_sequences_have_equal_rows_and_times() -> None:
    """Two sequences with the same values at other times are different."""
    first = losses()

    assert first == copy.deepcopy(first)
    assert first != losses()
    assert first != first.df().to_dict()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, from_other_process])
def test_a_sequence_can_go_to_another_process(duplicate: Any) -> None:
    """A copy has the same rows, and grows by itself."""
    first = losses()

    second = duplicate(first)
    second.append(loss=math.nan)

    assert (len(first), len(second)) == (2, 3)
    assert second.columns()[1]["epoch"] == [1, 2, None]


def test_a_sequence_prints_its_size_and_columns() -> None:
    """What a sequence prints is short, whatever its length."""
    assert repr(losses()) == "Sequence(2 rows: idx, timestamp, epoch, loss)"


def test_a_table_may_have_values_that_are_lists() -> None:
    """A list is a value like any other."""
    sequence = Sequence()
    sequence.append(layers=[1, 2])

    assert sequence.df()["layers"].tolist() == [[1, 2]]


def test_a_table_does_not_share_its_values_with_the_sequence() -> None:
    """Changing the table leaves the sequence as it is."""
    sequence = losses()
    frame = sequence.df()

    frame.loc[0, "loss"] = pd.NA if frame["loss"].dtype == object else 9.0

    assert sequence.columns()[1]["loss"] == [0.5, 0.25]


def test_integers_stay_integers_where_another_row_has_none() -> None:
    """A missing value doesn't turn the integers of a column into floats, which would change large ones."""
    sequence = Sequence()
    sequence.append(step=2**53 + 1)
    sequence.append(loss=0.5)

    assert int(sequence.df()["step"].iloc[0]) == 2**53 + 1
