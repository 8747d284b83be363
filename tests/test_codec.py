"""What goes in comes out with the same type and value, or is refused with its path; nothing stored is ever run."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import functools
import importlib
import io
import json
import math
import os
import pkgutil
import struct
import subprocess
import sys
import uuid
import warnings
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import pytz
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_mltraq import Bunch, CorruptDataError, Sequence, UnsupportedTypeError, codec
from pytest_mltraq.bunch import FrozenBunch
from pytest_mltraq.codec import (
    Encoded,
    Objects,
    Stored,
    decode_document,
    decoder,
    dump_json,
    encode_document,
    find_refused,
    load_json,
)
from pytest_mltraq.codec.bundle import pack
from pytest_mltraq.codec.document import columns_of
from pytest_mltraq.codec.families import find_family
from tests.exact import same
from tests.strategies import any_float, any_text, arrays, names, scalars, values

DEEP = 150

USUAL = {"loss": 0.5, "steps": 3, "model": "tree", "done": True, "note": None}
"""Fields such as a run of an experiment has, and the next one too."""


def no_objects(digest: str) -> Stored:
    """Load an object where there is none."""
    raise LookupError(digest)


def encode(value: Any) -> tuple[Encoded, Objects]:
    """Encode a value as the field `value`."""
    objects: Objects = {}
    encoded = encode_document({"value": value}, "fields", objects)
    if encoded.refused:
        raise encoded.refused[0]
    return encoded, objects


def decode(encoded: Encoded, objects: Mapping[str, Stored]) -> Any:
    """Restore the field `value`, after what a database does to documents."""
    types = None if encoded.types is None else load_json(dump_json(encoded.types), "types")
    return decode_document(encoded.document, types, objects.__getitem__, "fields")["value"]


def there_and_back(value: Any) -> Any:
    """Encode and restore a value."""
    return decode(*encode(value))


def comes_back_or_is_refused(value: Any) -> bool:
    """Whether a value comes back the same, or is refused when it is encoded."""
    try:
        encoded, objects = encode(value)
    except UnsupportedTypeError:
        return True
    return same(decode(encoded, objects), value)


def refusal(values: Mapping[Any, Any]) -> UnsupportedTypeError:
    """Encode fields of which one can't be stored; return why."""
    (error,) = encode_document(values, "fields", {}).refused
    return error


def strictly(text: str) -> Any:
    """Read JSON as a strict reader does: without NaN and infinities, without a key that is there twice."""

    def refuse(constant: str) -> None:
        message = f"{constant} is no JSON"
        raise ValueError(message)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    return json.loads(text, parse_constant=refuse, object_pairs_hook=once)


def nested(container: Callable[[Any], Any], depth: int, leaf: Any) -> Any:
    """Put a value into so many containers."""
    return functools.reduce(lambda inner, _: container(inner), range(depth), leaf)


def corrupt(plain: Any, entry: Any, objects: Mapping[str, Stored] | None = None) -> CorruptDataError:
    """Restore a field that is damaged; return what was raised."""
    load = (objects or {}).__getitem__
    with pytest.raises(CorruptDataError) as caught:
        dict(decode_document(dump_json({"value": plain}), {"value": entry}, load, "fields"))
    return caught.value


# -- values come back --------------------------------------------------------------------------------------------------


@given(scalars)
@example(2**64)
@example(-0.0)
@example(struct.unpack("<d", bytes.fromhex("010000000000f07f"))[0])  # a signaling NaN
@example("\0")
@example("\ud800")
@example("\udc00\ud800\U0010ffff")
@example(decimal.Decimal("-sNaN123"))
@example(datetime.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")))
@example(datetime.datetime(1, 1, 1))  # noqa: DTZ001 - naive on purpose
@example(datetime.time(tzinfo=datetime.timezone(datetime.timedelta(0), "UTC")))
@example(datetime.time(tzinfo=datetime.timezone(datetime.timedelta(0), "\ud800")))
@example(datetime.time(tzinfo=datetime.timezone(datetime.timedelta(0), "\ud800\udc00")))
def test_a_scalar_comes_back(value: Any) -> None:
    """Each supported scalar comes back with the same type and value, to the bit, or is refused."""
    assert comes_back_or_is_refused(value)


@given(scalars)
def test_no_supported_scalar_is_refused(value: Any) -> None:
    """The scalars of the contract's table are never refused."""
    encoded = encode_document({"value": value}, "fields", {})

    assert encoded.refused == ()


HUGE = 10**5000
"""More digits than Python turns into text."""


@pytest.mark.parametrize(
    "value",
    [HUGE, -HUGE, fractions.Fraction(HUGE, 7), {HUGE: 1}, (HUGE, {HUGE}), decimal.Decimal(HUGE)],
    ids=["int", "negative int", "Fraction", "key of a dict", "in a set", "Decimal"],
)
def test_a_number_of_any_size_comes_back(value: Any) -> None:
    """Numbers may have more digits than Python turns into text."""
    back = there_and_back(value)

    equal = same(back, value)  # not in the assert: pytest would write the number
    assert equal


@given(values)
def test_a_container_comes_back(value: Any) -> None:
    """Lists, tuples, sets, dicts with any hashable key and bunches come back, with all that is in them, in its order."""
    assert same(there_and_back(value), value)


@pytest.mark.parametrize("name", USUAL)
@pytest.mark.parametrize(
    "value",
    [math.nan, -math.inf, 1.7e308, 7, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, True, None, "", "\0", "\ud800", "\\",
     np.float64(1), (1,)],
    ids=repr,
)  # fmt: skip
def test_a_run_is_checked_as_if_it_were_the_first(name: str, value: Any) -> None:
    """What is remembered of a run's fields hides nothing in those of the next, which mostly are of the same types."""
    fields = {**USUAL, name: value}
    objects: Objects = {}

    encode_document(USUAL, "fields", {})
    encoded = encode_document(fields, "fields", objects)

    types = None if encoded.types is None else load_json(dump_json(encoded.types), "types")
    assert same(dict(decode_document(encoded.document, types, objects.__getitem__, "fields")), fields)
    assert sorted(encoded.columns) == sorted(columns_of(encoded.document, types))
    assert "\\u0000" not in encoded.document


def test_a_name_is_checked_as_if_it_were_the_first() -> None:
    """A name that only equals one of the run before is refused; other names are other columns."""

    class Text(str):
        __slots__ = ()

    encode_document(USUAL, "fields", {})
    errors = [refusal({Text(name): value for name, value in USUAL.items() if name == "loss"})]
    encode_document({"loss": 0.5}, "fields", {})
    errors += [refusal({Text("loss"): 0.5}), *find_refused({Text("loss"): 0.5}, "fields")]

    assert [str(error).partition(":")[0] for error in errors] == ["fields"] * 3
    assert encode_document({"loss": 0.5, "a": 1.5}, "fields", {}).columns == (("number", ("loss", "a")),)
    assert encode_document({"loss": 0.5, "b": 1.5}, "fields", {}).columns == (("number", ("loss", "b")),)


@given(st.dictionaries(names, values, max_size=5))
def test_a_document_comes_back(fields: dict[str, Any]) -> None:
    """All fields come back, in the order in which they were set, whatever they are called."""
    objects: Objects = {}

    encoded = encode_document(fields, "fields", objects)

    types = None if encoded.types is None else load_json(dump_json(encoded.types), "types")
    assert same(dict(decode_document(encoded.document, types, objects.__getitem__, "fields")), fields)


@given(arrays())
def test_an_array_comes_back(array: np.ndarray[Any, Any]) -> None:
    """Arrays come back with dtype, shape, memory order and every bit."""
    back = there_and_back(array)

    expected = array if array.flags.forc else np.ascontiguousarray(array)
    assert same(back, expected)


@given(arrays())
def test_an_array_that_came_back_can_be_changed(array: np.ndarray[Any, Any]) -> None:
    """An array that comes back is not read-only."""
    assert there_and_back(array).flags.writeable


@given(arrays())
def test_an_array_in_a_container_comes_back(array: np.ndarray[Any, Any]) -> None:
    """Arrays may be anywhere in lists and dicts."""
    array = np.ascontiguousarray(array).reshape(array.shape)

    assert same(there_and_back([{"weights": (array, [array])}]), [{"weights": (array, [array])}])


@pytest.mark.parametrize("name", ["Ā", "日本", "é", "a b", "", "\0", "'", "\\"], ids=ascii)
def test_records_may_have_members_of_any_name(name: str) -> None:
    """The names of a record's members come back as they are."""
    array = np.zeros(2, dtype=[("first", "i4"), (name, "f8")])

    assert same(there_and_back(array), array)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(np.longdouble("1.1"), id="longdouble"),
        pytest.param(np.clongdouble(1.1 + 2j), id="clongdouble"),
        pytest.param(np.array(["1.1", "-0.0", "nan"], dtype=np.longdouble), id="longdouble array"),
        pytest.param(np.float16(0.1), id="float16"),
        pytest.param(np.bool_(True), id="bool"),
        pytest.param(np.uint64(2**64 - 1), id="uint64"),
        pytest.param(np.str_("a\0b"), id="str with NUL"),
        pytest.param(np.str_(""), id="empty str"),
        pytest.param(np.bytes_(b"\xff"), id="bytes"),
        pytest.param(np.datetime64("2026-11-24T00:00:00.000000001"), id="datetime64[ns]"),
        pytest.param(np.datetime64("NaT"), id="NaT"),
        pytest.param(np.timedelta64(3, "D"), id="timedelta64[D]"),
        pytest.param(np.datetime64("2026-11", ("M", 3)), id="datetime64[3M]"),
        pytest.param(np.void(b"\0\1"), id="void"),
        pytest.param(np.array([(1, 2.5)], dtype=[("a", "<i4"), ("b", ">f8")])[0], id="record"),
        pytest.param(np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)), id="aligned records"),
        pytest.param(np.longlong(3), id="longlong"),
        pytest.param(np.zeros((0, 3)), id="empty"),
        pytest.param(np.zeros((2, 3), "S0"), id="texts without length"),
        pytest.param(np.ma.masked, id="masked"),
        pytest.param(np.ma.masked_array([1, 2], mask=[True, False], fill_value=7, hard_mask=True), id="masked array"),
        pytest.param(np.ma.masked_array([1, 2], dtype="i1"), id="masked array without mask"),
        pytest.param(np.ma.masked_array([1.0], dtype="f2", fill_value=np.inf), id="masked array filled with infinity"),
        pytest.param(np.ma.masked_array([(1, 2.5)], mask=[(True, False)], dtype="i4,f8"), id="masked records"),
        pytest.param(np.array(5), id="0-d"),
        pytest.param(np.array(["a", "longer"]), id="text array"),
        pytest.param(np.ones((2, 3), order="F"), id="fortran"),
        pytest.param(np.array([[1]], dtype=">i2"), id="big-endian"),
    ],
)
def test_a_value_of_numpy_comes_back(value: Any) -> None:
    """NumPy's scalars and arrays keep their dtype."""
    assert same(there_and_back(value), value)


ZONES = {
    "Berlin": zoneinfo.ZoneInfo("Europe/Berlin"),
    "utc": datetime.UTC,
    "fixed": datetime.timezone(datetime.timedelta(hours=5, minutes=30)),
    "named": datetime.timezone(datetime.timedelta(hours=-1), "x"),
    "pytz": pytz.timezone("America/New_York"),
}


@pytest.mark.parametrize(
    "zone",
    [pytz.utc, pytz.timezone("Europe/Berlin"), pytz.timezone("Etc/GMT+5"), pytz.FixedOffset(-90), pytz.FixedOffset(0)],
    ids=str,
)
@pytest.mark.parametrize("month", [1, 7])
def test_a_zone_of_pytz_comes_back(zone: Any, month: int) -> None:
    """Datetimes have the very zone objects of pytz, also of the other half of the year."""
    moment = datetime.datetime(2026, month, 1, 12, 30)  # noqa: DTZ001 - pytz gives the zone
    localized = zone.localize(moment)

    back = there_and_back([localized, moment.replace(tzinfo=zone), moment.time().replace(tzinfo=zone)])

    assert same(back, [localized, moment.replace(tzinfo=zone), moment.time().replace(tzinfo=zone)])
    assert back[0].tzinfo is localized.tzinfo


DAYS = pd.date_range("2026-03-28", periods=3, freq="D")
CATEGORIES = pd.CategoricalDtype(["low", "high", "unused"], ordered=True)

FRAMES: dict[str, Any] = {
    "plain": pd.DataFrame({"loss": [0.5, math.nan, -0.0], "epoch": [1, 2, 3], "ok": [True, False, True]}),
    "text": pd.DataFrame({"name": ["a", None, "\0"]}),
    "text as objects": pd.DataFrame({"name": pd.Series(["a", "b"], dtype=object)}),
    "text of python": pd.DataFrame({"name": pd.Series(["a", None], dtype="string[python]")}),
    "text of arrow": pd.DataFrame({"name": pd.Series(["a", None], dtype="string[pyarrow]")}),
    "mixed objects": pd.DataFrame(
        {"any": pd.Series([1, "a", None, math.nan, (1, 2), [3], {"b": 1}, pd.NA], dtype=object)}
    ),
    "datetimes as objects": pd.DataFrame({"at": pd.Series([datetime.datetime(2026, 1, 1)], dtype=object)}),  # noqa: DTZ001
    "numbers as objects": pd.DataFrame(
        {"n": pd.Series([1, 2], dtype=object), "b": pd.Series([True, None], dtype=object)}
    ),
    "decimals": pd.DataFrame({"price": [decimal.Decimal("1.10"), decimal.Decimal(2)]}),
    "arrays as objects": pd.DataFrame({"embedding": [np.arange(3), np.arange(2.0)]}),
    "no rows": pd.DataFrame({"a": pd.Series([], dtype="int8"), "b": pd.Series([], dtype="str")}),
    "no columns": pd.DataFrame(index=[3, 1, 2]),
    "nothing": pd.DataFrame(),
    "duplicate columns": pd.DataFrame([[1, "a"], [2, "b"]], columns=["x", "x"]),
    "duplicate rows": pd.DataFrame({"x": [1, 2]}, index=["a", "a"]),
    "odd column names": pd.DataFrame(
        [[1, 2, 3, 4]], columns=pd.Index([1, "a", None, (1, "b")], dtype=object, tupleize_cols=False)
    ),
    "columns of times": pd.DataFrame([[1, 2, 3]], columns=DAYS),
    "range with a step": pd.DataFrame({"x": [1, 2]}, index=pd.RangeIndex(10, 6, -2, name="at")),
    "filtered": pd.DataFrame({"x": range(5)}).query("x > 2"),
    "index on both axes": pd.DataFrame(
        np.arange(8.0).reshape(2, 4),
        index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["letter", None]),
        columns=pd.MultiIndex.from_product([["u", "v"], DAYS[:2]], names=["n", "day"]),
    ),
    "categories": pd.DataFrame({"level": pd.Categorical(["low", None, "high"], dtype=CATEGORIES)}),
    "categories of numbers": pd.DataFrame({"level": pd.Categorical([3, 1, 3])}),
    "categories of times": pd.DataFrame({"level": pd.Categorical(DAYS.tz_localize("Europe/Berlin"))}),
    "numbers that may be missing": pd.DataFrame(
        {
            **{kind: pd.array([1, None], dtype=kind) for kind in ("Int8", "Int64", "UInt64", "Float32", "Float64")},
            "boolean": pd.array([True, None], dtype="boolean"),
        }
    ),
    "small numbers": pd.DataFrame(
        {kind: np.array([1, 2], dtype=kind) for kind in ("u1", "i2", "f2", "f4", "c8", "c16")}
    ),
    "times": pd.DataFrame({f"M8[{unit}]": DAYS.as_unit(unit) for unit in ("s", "ms", "us", "ns")}),
    "durations": pd.DataFrame({"took": pd.to_timedelta([1, None, 3], unit="ms")}),
    "missing times": pd.DataFrame({"at": pd.DatetimeIndex(["2026-01-01", pd.NaT]).tz_localize("UTC")}),
    **{f"zone {name}": pd.DataFrame({"at": DAYS.tz_localize(zone)}) for name, zone in ZONES.items()},
    "periods": pd.DataFrame({"when": pd.period_range("2026-01", periods=2, freq="Q-MAR")}),
    "intervals": pd.DataFrame({"bin": pd.interval_range(0.0, 2.0, closed="left")}),
    "arrow lists": pd.DataFrame({"x": pd.Series([[1], None, []], dtype=pd.ArrowDtype(pa.list_(pa.int8())))}),
    "arrow decimals": pd.DataFrame(
        {"x": pd.Series([decimal.Decimal("1.10"), None], dtype=pd.ArrowDtype(pa.decimal128(5, 2)))}
    ),
    "arrow times": pd.DataFrame({"x": pd.Series(DAYS, dtype=pd.ArrowDtype(pa.timestamp("us", "Asia/Tokyo")))}),
}


def _with_attrs() -> pd.DataFrame:
    frame = pd.DataFrame({"x": [1]})
    frame.attrs = {"source": "sensor", "shape": (1, 2), "scale": {1: np.float32(0.5)}}
    return frame.set_flags(allows_duplicate_labels=False)


@pytest.mark.parametrize("name", [*FRAMES, "attrs and flags"])
def test_a_frame_comes_back(name: str) -> None:
    """DataFrames keep dtypes, both indexes, labels, order, attrs and flags."""
    frame = FRAMES[name] if name in FRAMES else _with_attrs()

    assert same(there_and_back(frame), frame)


@pytest.mark.parametrize("name", FRAMES)
def test_a_column_comes_back(name: str) -> None:
    """Series keep their name, dtype and index: each column of each frame."""
    frame = FRAMES[name]
    columns = [frame.iloc[:, at] for at in range(frame.shape[1])]

    assert same([there_and_back(column) for column in columns], columns)


SERIES: dict[str, Any] = {
    "named": pd.Series([1, 2], name="acc"),
    "without a name": pd.Series([1.5]),
    "named by a tuple": pd.Series([1], name=("a", 1)),
    "named by a number": pd.Series([1], name=0),
    "empty": pd.Series([], dtype=object),
    "objects that are all text": pd.Series(["a", "b"], dtype=object),
    "objects that are all times": pd.Series([pd.Timestamp("2026")], dtype=object),
    "sparse": pd.Series(pd.arrays.SparseArray([0, 0, 1])),
}


@pytest.mark.parametrize("name", SERIES)
def test_a_series_comes_back(name: str) -> None:
    """Series keep their name, also one that is no text."""
    assert comes_back_or_is_refused(SERIES[name])


INDEXES: dict[str, Any] = {
    "text": pd.Index(["b", "a"], name="key"),
    "text as objects": pd.Index(["b", "a"], dtype=object),
    "mixed": pd.Index([1, "a", None, (1, 2)], dtype=object, tupleize_cols=False),
    "range": pd.RangeIndex(5, 1, -2, name="r"),
    "floats": pd.Index([0.5, math.nan]),
    "small numbers": pd.Index([1, 2], dtype="int8"),
    "missing numbers": pd.Index([1, None], dtype="Int64"),
    "booleans": pd.Index([True, False]),
    "days": DAYS,
    "days without freq": pd.DatetimeIndex(DAYS.to_numpy()),
    "month ends": pd.date_range("2026-01", periods=3, freq="ME"),
    "every other hour": pd.date_range("2026-01", periods=3, freq="2h"),
    "business days": pd.date_range("2026-01", periods=3, freq="B"),
    "weeks": pd.date_range("2026-01", periods=3, freq="W-WED"),
    "over a change of clocks": pd.date_range("2026-03-28", periods=3, freq="D", tz="Europe/Berlin"),
    "one day": pd.date_range("2026-01", periods=1, freq="D"),
    "no day": pd.date_range("2026-01", periods=0, freq="D"),
    "durations": pd.timedelta_range("1h", periods=3, freq="30min"),
    "periods": pd.period_range("2026-01", periods=3, freq="3M"),
    "intervals": pd.interval_range(0, 3, closed="both", name="bin"),
    "intervals of time": pd.IntervalIndex.from_breaks(DAYS.tz_localize("UTC")),
    "categories": pd.CategoricalIndex(["low", "high"], dtype=CATEGORIES),
    "several": pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", "x"]),
    "several with missing ones": pd.MultiIndex.from_arrays([["a", None], [1.5, math.nan]]),
    "several with unused ones": pd.MultiIndex.from_product([["a", "b"], DAYS])[:2],
    "several and empty": pd.MultiIndex.from_arrays([[], []], names=["a", "b"]),
    "days of a zone": pd.date_range("2026-03-01", periods=3, freq="MS", tz="Asia/Tokyo"),
}


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_comes_back(name: str) -> None:
    """Indexes keep their kind, names, dtype and freq."""
    assert same(there_and_back(INDEXES[name]), INDEXES[name])


@pytest.mark.parametrize("name", INDEXES)
def test_a_frame_with_an_index_comes_back(name: str) -> None:
    """Any index can be that of a frame."""
    frame = pd.DataFrame({"x": range(len(INDEXES[name]))}, index=INDEXES[name])

    assert same(there_and_back(frame), frame)


@pytest.mark.parametrize(
    "freq",
    [
        pd.offsets.CustomBusinessDay(holidays=["2026-01-02"]),
        pd.offsets.CustomBusinessDay(weekmask="Mon Tue"),
        pd.offsets.DateOffset(months=1, days=1),
        pd.offsets.BusinessHour(start="11:00", end="12:00"),
        pd.offsets.Easter(),
    ],
    ids=lambda freq: type(freq).__name__,
)
def test_a_freq_that_its_name_does_not_say_is_never_lost(freq: Any) -> None:
    """An index whose freq has more to it than its name comes back with it, or is refused; it is never stored unreadably."""
    index = pd.date_range("2026-01-01", periods=3, freq=freq)

    assert comes_back_or_is_refused(index)


@pytest.mark.parametrize(
    "value",
    [
        pd.Timestamp("2026-11-24T01:02:03.123456789"),
        pd.Timestamp("2026-11-24", tz="UTC"),
        pd.Timestamp("2026-10-25T02:30:00.5").tz_localize("Europe/Berlin", ambiguous=False),
        pd.Timestamp("2026-10-25T02:30:00.5").tz_localize("Europe/Berlin", ambiguous=True),
        pd.Timestamp("2026-11-24", tz=datetime.timezone(datetime.timedelta(hours=2), "x")),
        pd.Timestamp("2026-11-24", tz=pytz.timezone("America/New_York")),
        pd.Timestamp(np.datetime64("0001-01-01", "s")),
        pd.Timedelta("-1 days 00:00:00.000000001"),
        pd.Timedelta(np.timedelta64(300 * 365, "D").astype("m8[s]")),
        pd.Period("2026Q1", "Q-MAR"),
        pd.Period("2026-01-01", "2D"),
        pd.Interval(0, 1, closed="left"),
        pd.Interval(0.5, math.inf),
        pd.Interval(pd.Timestamp("2026", tz="UTC"), pd.Timestamp("2027", tz="UTC"), closed="neither"),
        pd.NaT,
        pd.NA,
        pd.Categorical(["low"], dtype=CATEGORIES),
        pd.array([1, None], dtype="Int32"),
        pd.array([datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)]),
    ],
    ids=repr,
)
def test_a_value_of_pandas_comes_back(value: Any) -> None:
    """pandas' scalars and arrays keep their unit, zone and kind."""
    assert same(there_and_back([value])[0], value)


TABLES: dict[str, Any] = {
    "plain": pa.table({"x": [1, None], "y": ["a", "\0"], "z": [math.nan, -0.0]}),
    "metadata": pa.table({"x": [1]}).replace_schema_metadata({b"\xff": b"\0", b"pandas": b"{}"}),
    "metadata of a field": pa.table(
        [[1]], schema=pa.schema([pa.field("x", pa.int8(), nullable=False, metadata={"unit": "s"})])
    ),
    "nested": pa.table({"x": [[{"a": 1, "b": [b"\xff"]}], None]}),
    "dictionary": pa.table({"x": pa.array(["a", "b", "a"]).dictionary_encode()}),
    "times": pa.table(
        {"x": pa.array([1, None], pa.timestamp("ns", "Asia/Tokyo")), "y": pa.array([1, 2], pa.duration("us"))}
    ),
    "decimals": pa.table({"x": pa.array([decimal.Decimal("1.10")], pa.decimal256(50, 2))}),
    "chunks": pa.concat_tables([pa.table({"x": [1, 2]}), pa.table({"x": [3]})]),
    "no rows": pa.table({"x": pa.array([], pa.float16())}),
    "no columns": pa.table({}),
    "duplicate columns": pa.Table.from_arrays([pa.array([1]), pa.array(["a"])], names=["x", "x"]),
    "sliced": pa.table({"x": list(range(10))}).slice(3, 2),
    "views": pa.table(
        {
            "x": pa.array(["a", None], getattr(pa, "string_view", pa.large_string)()),
            "y": pa.array([[1], []], pa.large_list(pa.int8())),
        }
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_an_arrow_table_comes_back(name: str) -> None:
    """PyArrow tables keep their schema, with its metadata, and their values."""
    assert same(there_and_back(TABLES[name]), TABLES[name])


def _every_arrow_type() -> Iterator[Any]:
    """Arrays whose types no strategy makes."""
    yield pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
    yield pa.UnionArray.from_dense(
        pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array([1]), pa.array(["b"])]
    )
    yield pc.run_end_encode(pa.array(["a", "a", None]))
    yield pa.array(["b", "a", "b"]).dictionary_encode()
    yield pa.array([86_400_000, None], pa.date64())
    yield pa.array([1, None], pa.time32("s"))
    for view in ("string_view", "binary_view"):
        if hasattr(pa, view):
            yield pa.array([None, "longer than the twelve bytes of a view"], getattr(pa, view)())


@pytest.mark.parametrize("array", list(_every_arrow_type()), ids=lambda array: str(array.type)[:20])
def test_an_arrow_array_comes_back(array: pa.Array) -> None:
    """PyArrow's arrays of any type come back alone, as chunks, and value by value."""
    value = [array, pa.chunked_array([array, array[:1]]), array[0], array[len(array) - 1], pa.schema({"x": array.type})]

    assert same(there_and_back(value), value)


def test_a_slice_of_an_arrow_table_takes_its_own_place_only() -> None:
    """What is stored of a short slice of a long table is short."""
    table = pa.table({"x": np.arange(100_000)}).slice(7, 2)

    _, objects = encode(table)

    assert sum(len(stored.data) for stored in objects.values()) < 2_000


@given(
    st.lists(
        st.dictionaries(any_text.filter(lambda name: name not in ("idx", "timestamp")), values, max_size=3), max_size=4
    )
)
def test_a_sequence_comes_back(rows: list[dict[str, Any]]) -> None:
    """Sequences keep their columns, with values of any type, and the times of their rows."""
    sequence = Sequence()
    for row in rows:
        sequence.append(**row)

    assert same(there_and_back(sequence), sequence)


@given(st.lists(any_float), st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_numbers_of_a_sequence_keep_their_type(floats: list[float], integers: list[int]) -> None:
    """A column of floats comes back to the bit; a column of integers stays one of integers."""
    sequence = Sequence()
    for loss in floats:
        sequence.append(loss=loss)
    for epoch in integers:
        sequence.append(epoch=epoch)

    assert same(there_and_back(sequence), sequence)


def test_a_value_that_is_there_twice_is_no_value_that_holds_itself() -> None:
    """The same list may be in several places."""
    shared = [1, (2,)]

    assert same(there_and_back({"a": shared, "b": [shared, shared]}), {"a": shared, "b": [shared, shared]})


NESTINGS: dict[str, Callable[[Any], Any]] = {
    "list": lambda inner: [inner],
    "tuple": lambda inner: (inner,),
    "dict": lambda inner: {"a": inner},
    "dict with other keys": lambda inner: {1: inner},
    "Bunch": lambda inner: Bunch(a=inner),
    "frozenset": lambda inner: frozenset([inner]),
}


@pytest.mark.parametrize("leaf", [1, 2**70, b"bytes"], ids=["int", "large int", "bytes"])
@pytest.mark.parametrize("container", NESTINGS)
def test_containers_nested_100_deep_come_back(container: str, leaf: Any) -> None:
    """Containers of each kind may be nested 100 deep, whatever is in the last."""
    value = nested(NESTINGS[container], 100, leaf)

    assert same(there_and_back(value), value)


@pytest.mark.parametrize("depth", [DEEP, 200])
@pytest.mark.parametrize("container", NESTINGS)
def test_containers_nested_deeper_come_back_or_are_refused(container: str, depth: int) -> None:
    """From 100 to 200 deep, values come back or are refused as everything else that can't be stored."""
    assert comes_back_or_is_refused(nested(NESTINGS[container], depth, 2**70))


@pytest.mark.parametrize("depth", [201, 500, 5_000])
@pytest.mark.parametrize("container", NESTINGS)
def test_containers_nested_over_200_deep_are_refused(container: str, depth: int) -> None:
    """Deeper values are refused with their path, not by an error of the interpreter."""
    error = refusal({"deep": nested(NESTINGS[container], depth, 1)})

    assert error.path.startswith("fields.deep")


# -- documents ---------------------------------------------------------------------------------------------------------


@given(st.dictionaries(names, values, max_size=4))
def test_documents_are_strict_plain_json(fields: dict[str, Any]) -> None:
    """Documents hold neither NaN nor infinities, no key twice, and nothing that PostgreSQL's JSON refuses."""
    encoded = encode_document(fields, "fields", {})

    document = strictly(encoded.document)
    assert list(document) == list(fields)
    assert "\\u0000" not in encoded.document.replace("\\\\", "")
    encoded.document.encode()


@given(st.dictionaries(names, values, max_size=4))
def test_types_are_strict_plain_json(fields: dict[str, Any]) -> None:
    """What JSON loses is kept as strict JSON too."""
    encoded = encode_document(fields, "fields", {})

    text = dump_json(encoded.types)
    assert same(strictly(text), load_json(text, "types"))


def test_what_json_says_has_no_types() -> None:
    """Plain values are stored as any program would write them, and nothing beside."""
    fields = {"accuracy": 0.9, "trail": ["a", "b"], "n": 1, "ok": True, "none": None, "nested": {"a": {"b": [1.5]}}}

    encoded = encode_document(fields, "fields", {})

    assert json.loads(encoded.document) == fields
    assert encoded.types is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (math.nan, None),
        (math.inf, None),
        (2**70, 2.0**70),
        (10**400, None),
        (1 + 2j, "(1+2j)"),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC), "2026-11-24T00:00:00+00:00"),
        (datetime.timedelta(seconds=1.5), 1.5),
        (Path("/data/iris.csv"), "/data/iris.csv"),
        ((1, 2), [1, 2]),
        ({2, 1}, [1, 2]),
        ({1: "a"}, {"1": "a"}),
        (Bunch(a=1), {"a": 1}),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.float64("nan"), None),
        (np.bool_(True), True),
        (np.arange(3), None),
        (b"bytes", None),
        ("a\0b", "a\ufffdb"),
    ],
    ids=repr,
)
def test_a_reader_of_the_document_finds_the_nearest_that_json_can_say(value: Any, shown: Any) -> None:
    """What JSON can't say is what a reader can use, else null."""
    encoded, _ = encode(value)

    assert same(strictly(encoded.document)["value"], shown)


def test_text_in_a_document_does_not_matter_to_its_types() -> None:
    """A user's value is never taken for a type entry."""
    value = {"value": ["float", "000000000000f87f"], "DATAPAK-0": ["tuple", {}], "types": {"value": ["int", "0x1"]}}

    assert same(there_and_back(value), value)


@given(arrays())
def test_equal_content_is_one_object(array: np.ndarray[Any, Any]) -> None:
    """What is stored beside the document is there once for each distinct content."""
    objects: Objects = {}

    encode_document({"a": array, "b": [array, array.copy(order="K")]}, "fields", objects)

    assert len(objects) == 1


def test_sets_have_one_form_in_every_process() -> None:
    """The document of a set doesn't depend on the interpreter's hash seed."""
    code = (
        "from pytest_mltraq.codec import encode_document\n"
        "print(encode_document({'s': {'b', 'a', ('c', 1), None, frozenset('xyz')}}, 'fields', {})[:2])"
    )

    forms = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }

    assert len(forms) == 1


# -- refusals ----------------------------------------------------------------------------------------------------------


class Point(NamedTuple):
    """A tuple with names."""

    x: int


class Colour(enum.IntEnum):
    """A number with a name."""

    RED = 1


class Text(str):
    """A kind of text."""

    __slots__ = ()


class Zone(datetime.tzinfo):
    """A time zone, as a user may define one."""

    def utcoffset(self, moment: datetime.datetime | None) -> datetime.timedelta:
        return datetime.timedelta(hours=1)

    def dst(self, moment: datetime.datetime | None) -> None:
        return None

    def tzname(self, moment: datetime.datetime | None) -> None:
        return None


class Secret(pa.ExtensionType):  # type: ignore[misc]
    """An Arrow extension type, as a user may define one."""

    def __init__(self) -> None:
        super().__init__(pa.string(), "tests.secret")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> Secret:
        return cls()


UNSTORABLE: dict[str, Any] = {
    "object": object(),
    "lambda": lambda run: run,
    "class": dict,
    "module": math,
    "generator": iter(()),
    "object array": np.array([1, None], dtype=object),
    "records with objects": np.zeros(1, dtype=[("a", "i4"), ("b", "O")]),
    "zone of a user's own": datetime.datetime(2026, 1, 1, tzinfo=Zone()),
    "zone of another moment": datetime.datetime(
        2026,
        1,
        1,
        tzinfo=pytz.timezone("Europe/Berlin").localize(datetime.datetime(2026, 7, 1)).tzinfo,  # noqa: DTZ001
    ),
    "time in a zone of another moment": datetime.time(
        tzinfo=pytz.timezone("Europe/Berlin").localize(datetime.datetime(2026, 7, 1)).tzinfo  # noqa: DTZ001
    ),
    "dtype with metadata": np.zeros(1, np.dtype("f8", metadata={"unit": "m"})),
    "members with metadata": np.zeros(1, [("a", np.dtype("f8", metadata={"unit": "m"}))]),
    "records of their own class": np.zeros(1, np.dtype((np.record, [("a", "i4")]))),
    "masked objects": np.ma.masked_array([None], mask=[True], dtype=object),
    "sparse pandas array of objects": pd.arrays.SparseArray(np.array(["a", None], dtype=object)),
    "frame with an object": pd.DataFrame({"a": [object()]}),
    "arrow extension": pa.table({"x": pa.ExtensionArray.from_storage(Secret(), pa.array(["x"]))}),
    "array of an arrow extension": pa.ExtensionArray.from_storage(Secret(), pa.array(["x"])),
    "scalar of an arrow extension": pa.ExtensionArray.from_storage(Secret(), pa.array(["x"]))[0],
    "nested arrow extension": pa.StructArray.from_arrays(
        [pa.ExtensionArray.from_storage(Secret(), pa.array(["x"]))], names=["x"]
    ),
    "dictionary of an arrow extension": pa.DictionaryArray.from_arrays(
        pa.array([0]), pa.ExtensionArray.from_storage(Secret(), pa.array(["x"]))
    ),
    "schema that asks for an arrow extension": pa.schema(
        [pa.field("x", pa.string(), metadata={"ARROW:extension:name": "tests.secret"})]
    ),
    "arrow data that is not valid": pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")]
    ),
    "polars objects": pl.Series([object()], dtype=pl.Object),
    "nested polars objects": pl.DataFrame({"x": pl.Series([object()], dtype=pl.Object)}),
    "lazy polars frame": pl.LazyFrame({"x": [1]}),
    "name that polars can't give away": pl.Series([{"\0": 1}]),
}


@pytest.mark.parametrize("name", UNSTORABLE)
def test_what_cannot_be_stored_is_refused(name: str) -> None:
    """Values that can't be restored exactly, or only by running code, are refused with their path."""
    error = refusal({"bad": UNSTORABLE[name]})

    assert error.path.startswith("fields.bad")


@pytest.mark.parametrize("name", UNSTORABLE)
def test_what_cannot_be_stored_is_refused_anywhere(name: str) -> None:
    """The path of a value inside of others says where it is."""
    error = refusal({"good": 1, "bad": [0, {"inner": (UNSTORABLE[name],)}]})

    assert error.path.startswith("fields.bad[1]['inner'][0]")


SPECIAL: dict[str, Any] = {
    "masked array": np.ma.masked_array([1.0, 2.0], mask=[True, False]),
    "matrix": np.arange(4).reshape(2, 2).view(np.matrix),
    "recarray": np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "ordered dict": collections.OrderedDict(a=1),
    "defaultdict": collections.defaultdict(list, a=[1]),
    "counter": collections.Counter("aab"),
    "named tuple": Point(1),
    "enum": Colour.RED,
    "text subclass": Text("a"),
    "bytearray": bytearray(b"a"),
    "range": range(3),
    "deque": collections.deque([1]),
    "arrow array": pa.array([1]),
    "array of text of pandas": pd.array(["a", None], dtype="string"),
    "array of text of pandas, in python": pd.array(["a", None], dtype="string[python]"),
    "sparse array": pd.arrays.SparseArray([0, 0, 1]),
    "key of a subclass": {Text("a"): 1, Colour.RED: 2},
    "field of a subclass in a bunch": Bunch({Text("a"): 1}),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("name", SPECIAL)
def test_a_special_kind_never_becomes_a_plain_one(name: str) -> None:
    """A value of a kind that is not in the table comes back as what it was, or is refused: it is never changed."""
    assert comes_back_or_is_refused(SPECIAL[name])


def test_the_path_reads_as_the_user_would_write_it() -> None:
    """The error for a value inside of bunches and lists says `fields.model.layers[3]`."""
    error = refusal({"model": Bunch(layers=[1, 2, 3, object()])})

    assert error.path == "fields.model.layers[3]"


def test_the_error_says_what_was_found_and_what_to_do() -> None:
    """The message names the type and where the value can be kept instead."""
    error = refusal({"model": object()})

    assert "builtins.object" in str(error)
    assert "run.state" in str(error)


@pytest.mark.parametrize("kind", ["list", "dict", "dict with other keys", "Bunch", "Sequence", "objects of a frame"])
def test_a_container_that_holds_itself_is_refused(kind: str) -> None:
    """Self-references are refused with their path."""
    holder: Any = {"list": [], "Bunch": Bunch(), "Sequence": Sequence()}.get(kind, {})
    match kind:
        case "list":
            holder.append(holder)
        case "dict with other keys":
            holder[1] = holder
        case "Sequence":
            holder.append(loss=holder)
        case "objects of a frame":
            inner: list[Any] = []
            inner.append(inner)
            holder = pd.DataFrame({"a": [inner, None]})
        case _:
            holder["me"] = holder

    error = refusal({"own": holder})

    assert error.path.startswith("fields.own")


def test_everything_that_cannot_be_stored_is_said_at_once() -> None:
    """A document has an error for each value that can't be stored, and keeps the others."""
    encoded = encode_document({"a": object(), "b": 1, "c": [object()]}, "fields", {})

    assert [error.path for error in encoded.refused] == ["fields.a", "fields.c[0]"]
    assert json.loads(encoded.document) == {"b": 1}


@pytest.mark.parametrize("name", [5, None, ("a",), "a\0", "\ud800", Text("a")], ids=repr)
def test_a_name_that_is_no_plain_text_is_refused(name: Any) -> None:
    """Fields are called by text that every database takes."""
    error = refusal({name: 1, "good": 2})

    assert error.path == "fields"


def test_a_refused_name_is_noticed_after_an_equal_good_one() -> None:
    """Whether a name is refused doesn't depend on what was encoded before."""
    encode_document({"remembered": 1}, "fields", {})

    assert refusal({Text("remembered"): 1}).path == "fields"


# -- params that are code ----------------------------------------------------------------------------------------------


def described(**params: Any) -> dict[str, Any]:
    """Encode params, and restore them."""
    encoded = encode_document(FrozenBunch(params), "params", {})
    assert encoded.refused == ()
    return dict(decode_document(encoded.document, encoded.types, no_objects, "params"))


@pytest.mark.parametrize(
    ("code", "description"),
    [
        (collections.OrderedDict, "OrderedDict"),
        (math.sqrt, "sqrt"),
        ("".join, "str.join"),
        (json.JSONEncoder.encode, "JSONEncoder.encode"),
        (functools.partial(round, 1.5, ndigits=2), "round(1.5, ndigits=2)"),
        (functools.partial(sorted, key=len), "sorted(key=len)"),
        (functools.partial(functools.partial(round, 1.5), ndigits=2), "round(1.5, ndigits=2)"),
    ],
)
def test_code_in_params_becomes_its_qualified_name(code: Any, description: str) -> None:
    """Classes, functions and partials in params are kept as what they are called, never as code."""
    assert same(described(model=code), {"model": description})


def test_code_inside_of_params_becomes_its_qualified_name() -> None:
    """Code may be anywhere in params."""
    params = described(models=[dict, {"inner": len}])

    assert same(params, {"models": ["dict", {"inner": "len"}]})


def test_other_params_are_refused_like_fields() -> None:
    """What is neither code nor supported can't be a param either."""
    (error,) = encode_document(FrozenBunch(model=object()), "params", {}).refused

    assert error.path == "params.model"


# -- damaged and hostile data ------------------------------------------------------------------------------------------


def _bundle(plain: Any, types: Any = None) -> Stored:
    return Stored("bundle", b"".join(pack(plain, types or {}, [])))


NEWER: dict[str, tuple[list[Any], Stored | None, str]] = {
    "type": (["hologram", 1], None, "fields.value"),
    "type of a family": (["numpy.hologram", 1], None, "fields.value"),
    "type inside": (["list", {"0": ["hologram"]}], None, "fields.value[0]"),
    "kind of object": (["numpy.array", "digest"], Stored("hologram", b""), "fields.value"),
    "kind of pandas array": (["pandas.array", "digest"], _bundle({"kind": "hologram"}), "fields.value"),
    "kind of sparse array": (["scipy.sparse", "digest"], _bundle({"kind": "hologram"}), "fields.value"),
    "kind of path": (["path", "hologram", None], None, "fields.value"),
    "dtype of polars": (["polars.series", "digest"], None, "fields.value"),
}


@pytest.mark.parametrize("what", NEWER)
def test_what_a_newer_version_wrote_says_so(what: str) -> None:
    """A form that this version doesn't know is refused by name, with its path and how the package is upgraded."""
    entry, stored, path = NEWER[what]
    if what == "dtype of polars":
        _, objects = encode(pl.Series("a", [1]))
        (good,) = objects.values()
        stored = Stored("bundle", bytes(good.data).replace(b'"Int64"', b'"hologram"'))

    error = corrupt(["x"], entry, {} if stored is None else {"digest": stored})

    assert error.path == path
    assert f"unknown {what.removesuffix(' of a family').removesuffix(' inside')} '" in error.message
    assert "hologram" in error.message
    assert "a newer version of pytest-mltraq wrote it, which 'pip install --upgrade pytest-mltraq' installs" in str(
        error
    )


def test_a_library_that_is_missing_is_named() -> None:
    """What needs a library that isn't installed says so; other values are read."""
    encoded, objects = encode(pl.Series("a", [1]))
    assert objects
    code = (
        "import sys\n"
        "sys.modules['polars'] = None\n"
        "from pytest_mltraq import CorruptDataError\n"
        "from pytest_mltraq.codec import decode_document\n"
        f"found = decode_document({encoded.document!r}, {encoded.types!r}, lambda _: None, 'fields')\n"
        "try:\n"
        "    found['value']\n"
        "except CorruptDataError as error:\n"
        "    print(error)"
    )

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert answer == "fields.value: reading what is stored as 'polars.series' needs polars, which is not installed\n"


@pytest.mark.parametrize(
    ("plain", "entry"),
    [
        (None, "float"),
        (None, []),
        (None, [1]),
        (None, {"a": 1}),
        (None, 1),
        (None, ["float"]),
        (None, ["float", "zz"]),
        (None, ["float", "00"]),
        (None, ["int", "x"]),
        (None, ["int", None]),
        (None, ["tuple", {}]),
        ([1], ["tuple", {"5": ["uuid"]}]),
        ([1], ["tuple", {"x": ["uuid"]}]),
        ([1], ["tuple"]),
        ([[1]], ["set", {}]),
        ({"a": 1}, ["items", [1, 2], {}, {}]),
        ({"a": 1}, ["items"]),
        ({"a": 1}, ["dict", {"b": ["uuid"]}]),
        (5, ["dict", {}]),
        (5, ["Bunch", None]),
        ("x", ["uuid"]),
        (None, ["uuid"]),
        ("x", ["decimal"]),
        ("1/0", ["fraction"]),
        ("2026-13-01", ["date"]),
        ("2026-01-01", ["datetime", 0, "No/Where"]),
        ("2026-01-01", ["datetime", 0, "../../../etc/passwd"]),
        ("2026-01-01", ["datetime", 7, None]),
        ("2026-01-01", ["datetime", 0, [10**30]]),
        (1.5, ["timedelta", 10**30, 0, 0]),
        ("x", ["path", "object", None]),
        (None, ["bytes", "%"]),
        (None, ["bytes_object", "missing"]),
        (None, ["str", "////"]),
        (None, ["complex", "00"]),
        (1, ["numpy.scalar", "nonsense"]),
        (None, ["numpy.scalar", "<f8", "00"]),
        (None, ["numpy.scalar", "|O", "0000000000000000"]),
        (1, ["numpy.scalar", "|O"]),
        (None, ["numpy.array", "missing"]),
        (None, ["numpy.array", None]),
        (None, ["numpy.nonsense", 1]),
        (None, ["numpy.ndarray", "a"]),
        (None, ["pandas.frame", "missing"]),
        (None, ["pandas.timestamp", 1, "fortnight", None]),
        (None, ["pandas.timestamp", 1, "ns", {"pytz": "No/Where"}]),
        (None, ["pandas.period", 1, "nonsense"]),
        (None, ["pandas.interval", [2, 1], None, "left"]),
        (None, ["pyarrow.table", "missing"]),
        (None, ["pytest_mltraq.sequence", "missing"]),
        (None, ["os.system", "true"]),
        (None, ["__import__", "os"]),
    ],
    ids=str,
)
def test_damaged_types_are_corrupt_data(plain: Any, entry: Any) -> None:
    """Whatever is wrong with what is stored, the error is ours, and has the path."""
    error = corrupt(plain, entry)

    assert error.path.startswith("fields")


JSON_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)
TAGS = st.sampled_from(
    [
        *("float", "int", "list", "tuple", "set", "frozenset", "dict", "items", "Bunch", "FrozenBunch", "str", "bytes"),
        *("complex", "decimal", "fraction", "uuid", "date", "time", "datetime", "timedelta", "path", "bytes_object"),
        *("numpy.scalar", "numpy.void", "numpy.array", "pandas.frame", "pandas.timestamp", "pandas.timedelta"),
        *("pandas.period", "pandas.interval", "pandas.nat", "pyarrow.table", "pytest_mltraq.sequence"),
    ]
)
ENTRIES = st.recursive(
    st.builds(lambda tag, arguments: [tag, *arguments], TAGS, st.lists(JSON_VALUES, max_size=4)),
    lambda inner: st.builds(lambda tag, at, entry: [tag, {at: entry}], TAGS, st.sampled_from(["0", "1", "a"]), inner),
    max_leaves=3,
)


@given(JSON_VALUES, ENTRIES)
def test_arbitrary_types_are_read_or_are_corrupt_data(plain: Any, entry: Any) -> None:
    """No document and no types make the reader fail with another error than ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dict(decode_document(dump_json({"value": plain}), {"value": entry}, no_objects, "fields"))
        except CorruptDataError as error:
            assert error.path.startswith("fields")  # noqa: PT017 - there may be no error


@pytest.mark.parametrize("text", ["", "[1]", "null", "{", '{"a": NaN}', '"a"', "\ud800"], ids=repr)
def test_a_document_that_is_no_json_object_is_corrupt_data(text: str) -> None:
    """Documents are JSON objects."""
    with pytest.raises(CorruptDataError):
        decode_document(text, None, no_objects, "fields")


OBJECTS: dict[str, Any] = {
    "array": np.arange(10),
    "record": np.zeros(1, dtype=[("a", "i4"), ("b", "f8")])[0],
    "frame": pd.DataFrame({"x": [1.5, 2.5], "y": ["a", "b"]}),
    "series": pd.Series([1, 2], name="x"),
    "index": pd.MultiIndex.from_product([["a", "b"], [1, 2]]),
    "arrow table": pa.table({"x": [1, 2, 3]}),
    "frame of arrow": pd.DataFrame({"x": pd.Series([[1]], dtype=pd.ArrowDtype(pa.list_(pa.int8())))}),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_a_truncated_object_is_corrupt_data(name: str) -> None:
    """An object of which the end is missing is never read as a shorter one, wherever it ends."""
    encoded, objects = encode(OBJECTS[name])
    ((digest, stored),) = objects.items()
    read = []

    for size in range(len(stored.data)):
        try:
            read.append((size, decode(encoded, {digest: Stored(stored.kind, stored.data[:size])})))
        except CorruptDataError:
            continue

    # An Arrow stream is whole without its end mark; a shorter one is not.
    assert [size for size, value in read if not same(value, OBJECTS[name])] == []


def read_damaged(name: str, damage: Callable[[bytearray], None]) -> None:
    """Restore what was encoded, after damaging its object; only our error may be raised."""
    encoded, objects = encode(OBJECTS[name])
    ((digest, stored),) = objects.items()
    damaged = bytearray(stored.data)
    damage(damaged)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            decode(encoded, {digest: Stored(stored.kind, bytes(damaged))})
        except CorruptDataError as error:
            assert error.path.startswith("fields")  # noqa: PT017 - there may be no error


@pytest.mark.parametrize("byte", [0, 255, ord("9"), ord("[")])
@pytest.mark.parametrize("name", OBJECTS)
def test_no_byte_makes_reading_fail_with_another_error_than_ours(name: str, byte: int) -> None:
    """An object of which any one byte changed is read, or is corrupt data."""
    _, objects = encode(OBJECTS[name])
    size = len(next(iter(objects.values())).data)

    for at in range(min(size, 1_000)):
        read_damaged(name, lambda damaged, at=at: damaged.__setitem__(at, byte))  # type: ignore[misc]


@given(st.sampled_from(sorted(OBJECTS)), st.data())
def test_a_damaged_object_is_read_or_is_corrupt_data(name: str, data: st.DataObject) -> None:
    """Bytes that changed never make the reader fail with another error than ours."""

    def damage(damaged: bytearray) -> None:
        changes = st.tuples(st.integers(0, len(damaged) - 1), st.integers(0, 255))
        for at, byte in data.draw(st.lists(changes, max_size=3)):
            damaged[at] = byte

    read_damaged(name, damage)


def test_an_object_of_another_kind_is_corrupt_data() -> None:
    """An array is never read from what was stored as a table."""
    _, objects = encode(pa.table({"x": [1]}))

    error = corrupt(None, ["numpy.array", next(iter(objects))], objects)

    assert "npy" in str(error)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


def _pickled_npy(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize("tag", ["numpy.array", "numpy.void"])
@pytest.mark.parametrize("dtype", ["O", [("a", "O")]], ids=["objects", "records with objects"])
def test_a_pickle_in_an_array_is_never_read(tmp_path: Path, tag: str, dtype: Any) -> None:
    """A hand-made `.npy` with objects in it is corrupt data; nothing in it runs."""
    array = np.empty(1, dtype=dtype)
    array[0] = Bomb(tmp_path / "exploded") if dtype == "O" else (Bomb(tmp_path / "exploded"),)
    objects = {"digest": Stored("npy", _pickled_npy(array))}

    corrupt(None, [tag, "digest"], objects)

    assert not (tmp_path / "exploded").exists()


def test_a_pickle_in_a_frame_is_never_read(tmp_path: Path) -> None:
    """Nor does it run as a column of a frame."""
    array = np.empty(1, dtype=object)
    array[0] = Bomb(tmp_path / "exploded")
    pickled = _pickled_npy(array)
    _, objects = encode(pd.Series([1.5]))
    ((digest, stored),) = objects.items()
    header, _, rest = bytes(stored.data).partition(b"\n")
    parts = json.loads(header)
    size = parts["segments"][0][1]
    parts["segments"][0][1] = len(pickled)
    hostile = json.dumps(parts).encode() + b"\n" + pickled + rest[size:]

    corrupt(None, ["pandas.series", digest], {digest: Stored(stored.kind, hostile)})

    assert not (tmp_path / "exploded").exists()


def test_an_array_that_declares_more_than_there_is_takes_no_memory() -> None:
    """A header of some petabytes is corrupt data."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (2**50,)})

    error = corrupt(None, ["numpy.array", "digest"], {"digest": Stored("npy", buffer.getvalue())})

    assert error.path.startswith("fields")


@pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore:pickle-based deserialization:RuntimeWarning"
)  # PyArrow 15 says that it does not
def test_an_arrow_extension_type_is_never_read() -> None:
    """A stream that asks for an extension type, which may run code, is corrupt data."""
    field = pa.field("x", pa.binary(), metadata={"ARROW:extension:name": "arrow.py_extension_type"})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([field])) as writer:
        writer.write_table(pa.table([[b"pickle"]], schema=pa.schema([field])))

    error = corrupt(None, ["pyarrow.table", "digest"], {"digest": Stored("arrow", sink.getvalue().to_pybytes())})

    assert "extension" in str(error)


def test_reading_imports_nothing_that_data_names() -> None:
    """Names in stored data are looked up in a table; a module that only the data names is not imported."""
    code = (
        "import sys\n"
        "from pytest_mltraq import CorruptDataError\n"
        "from pytest_mltraq.codec import decode_document\n"
        "for name in ('antigravity', 'antigravity.fly', 'pytest_mltraq.antigravity', 'numpy.antigravity'):\n"
        "    try:\n"
        "        dict(decode_document('{\"a\": 1}', {'a': [name, 1]}, {}.__getitem__, 'fields'))\n"
        "    except CorruptDataError:\n"
        "        print('refused')\n"
        "print('antigravity' in sys.modules)"
    )

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert answer.split() == ["refused"] * 4 + ["False"]


# -- documentation -----------------------------------------------------------------------------------------------------

FAMILIES = [find_family(name) for name in ("", "numpy", "pandas", "polars", "pyarrow", "pytest_mltraq", "scipy")]


def test_each_form_is_documented() -> None:
    """The page about values names every form of the codec, and so do its modules."""
    page = (Path(__file__).parents[1] / "docs" / "values.md").read_text(encoding="utf-8")
    modules = [
        importlib.import_module(f"pytest_mltraq.codec.{found.name}") for found in pkgutil.iter_modules(codec.__path__)
    ]
    docstrings = "".join(str(module.__doc__) for module in modules)
    forms = {name for family in FAMILIES for name in family.RESTORERS} | decoder._RESTORERS.keys()

    assert [name for name in forms if f"`{name}`" not in page] == []
    assert [name for name in forms if name not in docstrings] == []
