"""Hypothesis strategies for arrays with more to them, and for tables: masked, sparse, pandas, PyArrow, polars, sequences."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytz
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from pytest_mltraq import PluginValue, Sequence
from tests.strategies import any_float, any_text, arrays, keys, lookalikes, names, scalars

DAYS = 20_000
"""Days around 1970 in which every resolution has its datetimes."""

SIZE = st.integers(0, 4)
contiguous = arrays().map(lambda array: array if array.flags.forc else np.ascontiguousarray(array))
"""Arrays in C's or Fortran's order, as they come back."""


@st.composite
def masked_arrays(draw: st.DrawFn) -> np.ma.MaskedArray[Any, Any]:
    """Masked arrays, also of records, with or without a mask, with any fill value."""
    data = draw(contiguous.filter(lambda array: array.dtype.itemsize > 0))
    mask: Any = np.ma.nomask
    if draw(st.booleans()):
        mask = draw(hnp.arrays(bool, data.shape))
    masked = np.ma.MaskedArray(data, mask=mask, hard_mask=draw(st.booleans()))
    if data.dtype.kind in "biufc" and draw(st.booleans()):
        masked.fill_value = draw(hnp.from_dtype(data.dtype))
    return masked


@st.composite
def text_arrays(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    """Arrays of NumPy's own texts of any length, where NumPy has them."""
    dtypes: Any = np.dtypes
    if not hasattr(dtypes, "StringDType"):
        return draw(contiguous)
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    texts = st.text(max_size=3)
    values = draw(st.lists(texts, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    missing: dict[str, Any] = draw(
        st.sampled_from([{}, {"na_object": None}, {"na_object": np.nan}, {"na_object": "no"}])
    )
    dtype = dtypes.StringDType(coerce=draw(st.booleans()), **missing)
    return np.array(values, dtype=dtype).reshape(shape, order=draw(st.sampled_from(["C", "F"])))


@st.composite
def sparse_arrays(draw: st.DrawFn) -> Any:
    """SciPy's sparse arrays and matrices of every form, with stored zeros and duplicates."""
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    dtype = draw(st.sampled_from(["i1", "i4", "i8", "u2", "f4", "f8", "c8", "c16", "?"]))
    places = draw(st.lists(st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1)), max_size=6))
    data = draw(hnp.arrays(dtype, len(places)))
    row, column = (np.array([place[at] for place in places], dtype="i4") for at in (0, 1))
    kind: Any = draw(st.sampled_from([sparse.coo_array, sparse.coo_matrix]))
    form = draw(st.sampled_from(["bsr", "coo", "csc", "csr", "dia", "dok", "lil"]))
    return kind((data, (row, column)), shape=(rows, columns)).asformat(form)


# -- pandas ------------------------------------------------------------------------------------------------------------


def _listed(values: st.SearchStrategy[Any], dtype: Any) -> Callable[[int], st.SearchStrategy[Any]]:
    """Make a strategy of pandas arrays of a length, of these values or None."""

    def of_size(size: int) -> st.SearchStrategy[Any]:
        lists = st.lists(st.none() | values, min_size=size, max_size=size)
        return lists.map(lambda items: pd.array(items, dtype=dtype))

    return of_size


def _numpy(size: int) -> st.SearchStrategy[Any]:
    dtypes = st.sampled_from([*"?bBhHiIlL", "f2", "f4", "f8", "c8", "c16"])
    return dtypes.flatmap(lambda dtype: hnp.arrays(dtype, size)).map(pd.arrays.NumpyExtensionArray)


def _stamps(kind: str) -> Callable[[int], st.SearchStrategy[Any]]:
    def of_size(size: int) -> st.SearchStrategy[Any]:
        units = st.sampled_from(["s", "ms", "us", "ns"])
        numbers = hnp.arrays("i8", size, elements=st.integers(-DAYS, DAYS) | st.just(np.iinfo("i8").min))
        return st.builds(lambda unit, values: pd.array(values.view(f"{kind}8[{unit}]")), units, numbers)

    return of_size


def _zoned(size: int) -> st.SearchStrategy[Any]:
    zones = st.sampled_from(
        ["UTC", "Europe/Berlin", datetime.timezone(datetime.timedelta(hours=1)), pytz.timezone("Asia/Tokyo"), pytz.utc]
    )
    return st.builds(
        lambda array, zone: pd.DatetimeIndex(array).tz_localize("UTC").tz_convert(zone).array, _stamps("M")(size), zones
    )


def _categories(size: int) -> st.SearchStrategy[Any]:
    """Categories of numbers, texts or days, with unused ones, ordered or not."""
    kinds = st.sampled_from([[3, 1, 2], ["b", "a", "unused"], pd.date_range("2026", periods=3), [0.5, -0.0], []])

    def of_categories(categories: Any) -> st.SearchStrategy[Any]:
        codes = hnp.arrays("i1", size, elements=st.integers(-1, len(categories) - 1))
        return st.builds(
            lambda codes, ordered: pd.Categorical.from_codes(codes, categories=categories, ordered=ordered),
            codes,
            st.booleans(),
        )

    return kinds.flatmap(of_categories)


def _periods(size: int) -> st.SearchStrategy[Any]:
    freqs = st.sampled_from(["D", "M", "Q-MAR", "2h", "W-WED"])
    ordinals = hnp.arrays("i8", size, elements=st.integers(0, DAYS))
    return st.builds(lambda values, freq: pd.arrays.PeriodArray(values, dtype=pd.PeriodDtype(freq)), ordinals, freqs)


def _intervals(size: int) -> st.SearchStrategy[Any]:
    lefts = hnp.arrays("i4", size, elements=st.integers(-9, 9))
    return st.builds(
        lambda left, closed, kind: pd.arrays.IntervalArray.from_arrays(
            left.astype(kind), (left + 1).astype(kind), closed
        ),
        lefts,
        st.sampled_from(["left", "right", "both", "neither"]),
        st.sampled_from(["i8", "f8"]),
    )


def _sparse(size: int) -> st.SearchStrategy[Any]:
    values = hnp.arrays("f8", size, elements=st.sampled_from([0.0, 1.5, np.nan]))
    return st.builds(
        lambda array, fill, kind: pd.arrays.SparseArray(array, fill_value=fill, kind=kind),
        values,
        st.sampled_from([0.0, np.nan, 1.5]),
        st.sampled_from(["integer", "block"]),
    )


def _objects(size: int) -> st.SearchStrategy[Any]:
    def of_values(values: list[Any]) -> Any:
        array = np.empty(len(values), dtype=object)
        for at, value in enumerate(values):
            array[at] = value
        return pd.arrays.NumpyExtensionArray(array)

    return st.lists(scalars.filter(_is_comparable), min_size=size, max_size=size).map(of_values)


def _is_comparable(value: Any) -> bool:
    """Whether pandas can ask whether a value is missing: older ones compare it, which a signaling NaN refuses."""
    return not (isinstance(value, decimal.Decimal) and value.is_snan())


_utf8 = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
_COLUMNS: list[Callable[[int], st.SearchStrategy[Any]]] = [
    _numpy,
    _stamps("M"),
    _stamps("m"),
    _zoned,
    _categories,
    _periods,
    _intervals,
    _sparse,
    _objects,
    *(_listed(st.integers(0, 100), dtype) for dtype in ("Int8", "UInt64", "Float32", "Int64")),
    _listed(st.booleans(), "boolean"),
    *(_listed(_utf8, dtype) for dtype in ("string[python]", "string[pyarrow]")),
    _listed(st.lists(st.integers(0, 9), max_size=2), pd.ArrowDtype(pa.list_(pa.int8()))),
    _listed(st.decimals(-99, 99, places=2), pd.ArrowDtype(pa.decimal128(5, 2))),
]


def columns(size: int) -> st.SearchStrategy[Any]:
    """Make a strategy of arrays of pandas of a length."""
    return st.sampled_from(_COLUMNS).flatmap(lambda column: column(size))


@st.composite
def indexes(draw: st.DrawFn, size: int) -> pd.Index:
    """Indexes of every kind, with names of any kind."""
    names = st.one_of(st.none(), any_text, st.integers(), st.tuples(any_text, st.integers()))
    kind = draw(st.sampled_from(["range", "array", "several"]))
    if kind == "range":
        start, step = draw(st.integers(-5, 5)), draw(st.sampled_from([-2, 1, 3]))
        return pd.RangeIndex(start, start + size * step, step, name=draw(names))
    if kind == "array":
        index: pd.Index = pd.Index(draw(columns(size).filter(_is_indexable)), name=draw(names), tupleize_cols=False)
        return index
    levels = [pd.Index(draw(columns(3).filter(_is_level)), tupleize_cols=False) for _ in range(draw(st.integers(1, 3)))]
    codes: Any = [draw(hnp.arrays("i1", size, elements=st.integers(-1, 2))) for _ in levels]
    try:
        return pd.MultiIndex(levels, codes, names=[draw(names) for _ in levels])
    except (TypeError, ValueError):  # pandas has no such index
        return pd.RangeIndex(size)


def _is_indexable(array: Any) -> bool:
    """Whether pandas has an index of such values."""
    try:
        pd.Index(array, tupleize_cols=False)
    except (NotImplementedError, OverflowError, TypeError, ValueError):
        return False
    return True


def _is_level(array: Any) -> bool:
    """Whether an array can be a level: each value once, none missing."""
    if not _is_indexable(array):
        return False
    index = pd.Index(array, tupleize_cols=False)
    try:
        return bool(index.is_unique and not index.hasnans)
    except (OverflowError, TypeError):  # what pandas can't hash or compare
        return False


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """DataFrames of any columns, with any index on both axes: labels may be there twice."""
    height, width = draw(SIZE), draw(SIZE)
    data = {
        at: pd.Series(array, dtype=array.dtype)
        for at, array in enumerate([draw(columns(height)) for _ in range(width)])
    }
    frame = pd.DataFrame(data) if data else pd.DataFrame(index=range(height))
    frame.index, frame.columns = draw(indexes(height)), draw(indexes(width))
    frame.attrs = draw(st.dictionaries(any_text, scalars, max_size=2))
    return frame


@st.composite
def series(draw: st.DrawFn) -> pd.Series:
    """Series of any values, with any index and name."""
    size = draw(SIZE)
    array = draw(columns(size))
    made: pd.Series = pd.Series(array, index=draw(indexes(size)), dtype=array.dtype)
    name = draw(st.none() | keys)
    made.name = name if name is None or pd.api.types.is_hashable(name) else None
    made.attrs = draw(st.dictionaries(any_text, scalars, max_size=2))
    return made


pandas_values = st.one_of(frames(), series(), SIZE.flatmap(indexes), SIZE.flatmap(columns))

# -- PyArrow -----------------------------------------------------------------------------------------------------------

_ARROW: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.null(), st.none()),
    (pa.bool_(), st.booleans()),
    *((kind, st.integers(0, 100)) for kind in (pa.int8(), pa.uint8(), pa.int32(), pa.int64(), pa.uint64())),
    (pa.float16(), st.floats(width=16).map(np.float16)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), any_float),
    *((kind, _utf8) for kind in (pa.string(), pa.large_string())),
    *((kind, st.binary(max_size=3)) for kind in (pa.binary(), pa.large_binary())),
    (pa.binary(2), st.binary(min_size=2, max_size=2)),
    (pa.decimal128(5, 2), st.decimals(-99, 99, places=2)),
    (pa.decimal256(50, 2), st.decimals(-99, 99, places=2)),
    (pa.date32(), st.dates()),
    (pa.time64("us"), st.times()),
    *((pa.timestamp(unit), st.integers(-DAYS, DAYS)) for unit in ("s", "ms", "us", "ns")),
    (pa.timestamp("us", "Europe/Berlin"), st.integers(-DAYS, DAYS)),
    (pa.duration("ns"), st.integers(-DAYS, DAYS)),
    (pa.dictionary(pa.int8(), pa.string()), _utf8),
    (pa.month_day_nano_interval(), st.tuples(*[st.integers(0, 9)] * 3)),
]


def _nested(inner: tuple[pa.DataType, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    kind, values = inner
    items = st.none() | values
    return st.sampled_from(
        [
            (pa.list_(kind), st.lists(items, max_size=2)),
            (pa.large_list(kind), st.lists(items, max_size=2)),
            (pa.list_(kind, 2), st.lists(items, min_size=2, max_size=2)),
            (
                pa.struct([pa.field("a", kind), pa.field("", pa.int8())]),
                st.fixed_dictionaries({"a": items, "": st.none()}),
            ),
            (pa.map_(pa.string(), kind), st.lists(st.tuples(_utf8, items), max_size=2)),
        ]
    )


arrow_types: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(_ARROW), lambda inner: inner.flatmap(_nested), max_leaves=2
)


@st.composite
def arrow_arrays(draw: st.DrawFn, size: int | None = None) -> pa.Array:
    """PyArrow's arrays of any type, also as slices of longer ones."""
    kind, values = draw(arrow_types)
    length = draw(SIZE) if size is None else size
    skipped = draw(st.integers(0, 2))
    items = draw(st.lists(st.none() | values, min_size=length + skipped, max_size=length + skipped))
    return pa.array(items, type=kind).slice(skipped)


_metadata = st.none() | st.dictionaries(st.binary(max_size=3), st.binary(max_size=3), min_size=1, max_size=2)


@st.composite
def arrow_tables(draw: st.DrawFn) -> pa.Table:
    """PyArrow's tables: columns of one name, metadata of table and fields, in chunks."""
    length, width = draw(SIZE), draw(SIZE)
    data = [draw(arrow_arrays(length)) for _ in range(width)]
    names = [draw(_utf8) for _ in data]
    fields = [pa.field(name, array.type, metadata=draw(_metadata)) for name, array in zip(names, data, strict=True)]
    table = pa.Table.from_arrays(data, schema=pa.schema(fields, metadata=draw(_metadata)))
    return pa.concat_tables([table, table]) if width and draw(st.booleans()) else table


@st.composite
def arrow_batches(draw: st.DrawFn) -> pa.RecordBatch:
    """PyArrow's batches."""
    length = draw(SIZE)
    data = [draw(arrow_arrays(length)) for _ in range(draw(SIZE))]
    fields = [pa.field(draw(_utf8), array.type, metadata=draw(_metadata)) for array in data]
    return pa.RecordBatch.from_arrays(data, schema=pa.schema(fields, metadata=draw(_metadata)))


arrow_values = st.one_of(
    arrow_tables(),
    arrow_batches(),
    arrow_tables().map(lambda table: table.schema),
    arrow_arrays(),
    st.builds(
        lambda array, times: pa.chunked_array([array] * times, type=array.type), arrow_arrays(), st.integers(0, 2)
    ),
    arrow_arrays().filter(len).map(lambda array: array[0]),
)

# -- polars ------------------------------------------------------------------------------------------------------------

_instants = st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2100, 1, 1))  # noqa: DTZ001 - naive on purpose
_POLARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (pl.Null(), st.none()),
    (pl.Boolean(), st.booleans()),
    *((kind(), st.integers(0, 100)) for kind in (pl.Int8, pl.Int64, pl.UInt8, pl.UInt64)),
    *((getattr(pl, name)(), st.integers(0, 2**100)) for name in ("Int128", "UInt128") if hasattr(pl, name)),
    (pl.Float32(), st.floats(width=32)),
    (pl.Float64(), st.floats()),
    (pl.String(), _utf8),
    (pl.Binary(), st.binary(max_size=3)),
    (pl.Decimal(10, 2), st.decimals(-99, 99, places=2)),
    (pl.Date(), st.dates()),
    (pl.Time(), st.times()),
    *((pl.Datetime(unit), _instants) for unit in ("ms", "us", "ns")),
    (pl.Duration("us"), st.timedeltas(datetime.timedelta(-9), datetime.timedelta(9))),
    (pl.Categorical(), _utf8),
    (pl.Enum(["b", "a", "unused"]), st.sampled_from(["a", "b"])),
]


def _nested_polars(inner: tuple[Any, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    dtype, values = inner
    items = st.none() | values
    return st.sampled_from(
        [
            (pl.List(dtype), st.lists(items, max_size=2)),
            (pl.Array(dtype, 2), st.lists(items, min_size=2, max_size=2)),
            (pl.Struct({"a": dtype, "b": pl.Int8()}), st.fixed_dictionaries({"a": items, "b": st.none()})),
        ]
    )


polars_types: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(_POLARS), lambda inner: inner.flatmap(_nested_polars), max_leaves=2
)


@st.composite
def polars_series(draw: st.DrawFn, size: int | None = None, name: str = "") -> pl.Series:
    """polars' series of any dtype."""
    dtype, values = draw(polars_types)
    length = draw(SIZE) if size is None else size
    return pl.Series(name, draw(st.lists(st.none() | values, min_size=length, max_size=length)), dtype=dtype)


@st.composite
def polars_frames(draw: st.DrawFn) -> pl.DataFrame:
    """polars' frames."""
    length = draw(SIZE)
    return pl.DataFrame([draw(polars_series(length, name)) for name in draw(st.sets(_utf8, max_size=3))])


polars_values = st.one_of(polars_frames(), polars_series(name="values"))

# -- all ---------------------------------------------------------------------------------------------------------------


@st.composite
def sequences(draw: st.DrawFn) -> Sequence:
    """Sequences, whose columns may be of any type and missing in some rows."""
    names = any_text.filter(lambda name: name not in ("idx", "timestamp"))
    values = draw(st.sampled_from([any_float, st.integers(), scalars, any_float.map(np.float64), contiguous]))
    sequence = Sequence()
    for row in draw(st.lists(st.dictionaries(names, values, max_size=3), max_size=4)):
        sequence.append(**row)
    return sequence


collections = st.one_of(
    contiguous, masked_arrays(), text_arrays(), sparse_arrays(), pandas_values, arrow_values, polars_values, sequences()
)
"""What becomes an object: arrays, tables and sequences."""


def _wrap(value: Any, kinds: list[str]) -> Any:
    """Put a value into containers, one in another."""
    for kind in kinds:
        value = {"list": [value], "tuple": (value,), "dict": {"k": value}, "other": {(1, None): value}}[kind]
    return value


deep = st.builds(
    _wrap,
    st.one_of(scalars, contiguous),
    st.lists(st.sampled_from(["list", "tuple", "dict", "other"]), min_size=100, max_size=110),
)
"""A value in a hundred containers."""

everything: st.SearchStrategy[Any] = st.recursive(
    scalars | lookalikes | collections,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.sets(keys, max_size=3),
        st.dictionaries(any_text, inner, max_size=3),
        st.dictionaries(keys, inner, max_size=3),
        st.builds(PluginValue, names.filter(bool), inner),
    ),
    max_leaves=6,
)
"""The whole table of values, nested."""
