"""Exact equality: the same type, value, dtype and order; NaN is what has the same bits."""

from __future__ import annotations

import datetime
import decimal
import struct
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from scipy import sparse

from pytest_mltraq.bunch import Bunch, FrozenBunch, made
from pytest_mltraq.sequence import Sequence


def same(left: Any, right: Any) -> bool:
    """Whether two values can't be told apart by what a user sees of them; a lazy bunch is used as a whole."""
    left, right = made(left), made(right)
    if type(left) is not type(right):
        return False
    return _comparison(left)(left, right)


def _comparison(value: Any) -> Callable[[Any, Any], bool]:
    for kinds, comparison in _COMPARISONS:
        if isinstance(value, kinds):
            return comparison
    return bool_equal


def bool_equal(left: Any, right: Any) -> bool:
    return bool(left == right)


def _same_float(left: float, right: float) -> bool:
    return struct.pack("<d", left) == struct.pack("<d", right)


def _same_complex(left: complex, right: complex) -> bool:
    return _same_float(left.real, right.real) and _same_float(left.imag, right.imag)


def _same_decimal(left: decimal.Decimal, right: decimal.Decimal) -> bool:
    return left.as_tuple() == right.as_tuple()


def _same_time(left: Any, right: Any) -> bool:
    return (
        left.replace(tzinfo=None) == right.replace(tzinfo=None)
        and left.fold == right.fold
        and type(left.tzinfo) is type(right.tzinfo)
        and repr(left.tzinfo) == repr(right.tzinfo)
    )


def _same_timestamp(left: pd.Timestamp, right: pd.Timestamp) -> bool:
    return (
        left.unit == right.unit
        and left.to_numpy() == right.to_numpy()
        and left.fold == right.fold
        and type(left.tz) is type(right.tz)
        and str(left.tz) == str(right.tz)
    )


def _same_timedelta(left: pd.Timedelta, right: pd.Timedelta) -> bool:
    return bool(left.unit == right.unit and left == right)


def _same_items(left: Iterable[Any], right: Iterable[Any]) -> bool:
    first, second = list(left), list(right)
    return len(first) == len(second) and all(map(same, first, second))


def _same_dict(left: dict[Any, Any], right: dict[Any, Any]) -> bool:
    return _same_items(dict.keys(left), dict.keys(right)) and _same_items(dict.values(left), dict.values(right))


def _same_bunch(left: Bunch, right: Bunch) -> bool:
    return (
        _same_dict(left, right)
        and vars(right).keys() == dict.keys(right)
        and all(vars(right)[key] is right[key] for key in right)
    )


def _same_set(left: Iterable[Any], right: Iterable[Any]) -> bool:
    rest = list(right)
    for item in left:
        at = next((at for at, other in enumerate(rest) if same(item, other)), None)
        if at is None:
            return False
        del rest[at]
    return not rest


def _same_ndarray(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> bool:
    return (
        _same_dtype(left.dtype, right.dtype)
        and left.shape == right.shape
        and left.flags.c_contiguous == right.flags.c_contiguous
        and left.flags.f_contiguous == right.flags.f_contiguous
        and _same_elements(left, right)
    )


def _same_dtype(left: np.dtype[Any], right: np.dtype[Any]) -> bool:
    return left == right and left.str == right.str and left.descr == right.descr


def _same_elements(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> bool:
    if left.dtype.names:  # what lies between the members of a record is no value
        return all(_same_elements(left[name], right[name]) for name in left.dtype.names)
    if left.dtype.hasobject:  # StringDType has them too
        return left.shape == right.shape and _same_items(left.ravel().tolist(), right.ravel().tolist())
    if left.dtype.char in "gG":  # nor is the padding of a long double
        return np.array_equal(left, right, equal_nan=True) and np.array_equal(
            np.signbit(left.real), np.signbit(right.real)
        )
    return left.tobytes() == right.tobytes()


def _same_masked(left: np.ma.MaskedArray[Any, Any], right: np.ma.MaskedArray[Any, Any]) -> bool:
    masks = np.ma.getmask(left), np.ma.getmask(right)
    return (
        (masks[0] is masks[1] or _same_ndarray(np.asarray(masks[0]), np.asarray(masks[1])))
        and _same_ndarray(np.ma.getdata(left), np.ma.getdata(right))
        and _same_elements(np.asarray(left.fill_value), np.asarray(right.fill_value))
        and left.hardmask == right.hardmask
    )


def _same_scalar(left: np.generic, right: np.generic) -> bool:
    return _same_dtype(left.dtype, right.dtype) and _same_elements(np.asarray(left), np.asarray(right))


def _same_sparse(left: Any, right: Any) -> bool:
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if left.format == "dok":
        return _same_dict(dict(sorted(left.items())), dict(sorted(right.items())))
    if left.format == "lil":
        return left.rows.tolist() == right.rows.tolist() and _same_items(left.data, right.data)
    names = {"coo": ("data", "row", "col"), "dia": ("data", "offsets")}.get(left.format, ("data", "indices", "indptr"))
    return all(_same_ndarray(getattr(left, name), getattr(right, name)) for name in names)


def _same_sequence(left: Sequence, right: Sequence) -> bool:
    return _same_items(left.columns(), right.columns())


def _same_column(left: Any, right: Any) -> bool:
    """Whether two arrays of pandas are the same."""
    if type(left) is not type(right) or left.dtype != right.dtype or repr(left.dtype) != repr(right.dtype):
        return False
    if isinstance(left, pd.Categorical):
        same_codes = _same_ndarray(np.asarray(left.codes), np.asarray(right.codes))
        return same_codes and same(left.categories, right.categories) and left.ordered == right.ordered
    if isinstance(left.dtype, np.dtype):
        return _same_elements(np.asarray(left), np.asarray(right))
    return _same_items(list(left), list(right))


def _same_index(left: Any, right: Any) -> bool:
    if not _same_items(list(left.names), list(right.names)):
        return False
    if isinstance(left, pd.RangeIndex):
        return (left.start, left.stop, left.step) == (right.start, right.stop, right.step)
    if isinstance(left, pd.MultiIndex):
        return _same_items(left.levels, right.levels) and _same_items(
            map(np.asarray, left.codes), map(np.asarray, right.codes)
        )
    return _same_column(left.array, right.array) and getattr(left, "freq", None) == getattr(right, "freq", None)


def _same_series(left: pd.Series, right: pd.Series) -> bool:
    return same(left.name, right.name) and _same_labels(left, right) and _same_column(left.array, right.array)


def _same_frame(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    return (
        left.shape == right.shape
        and same(left.columns, right.columns)
        and _same_labels(left, right)
        and all(_same_column(left.iloc[:, at].array, right.iloc[:, at].array) for at in range(left.shape[1]))
    )


def _same_labels(left: Any, right: Any) -> bool:
    same_flags = left.flags.allows_duplicate_labels == right.flags.allows_duplicate_labels
    return same_flags and same(left.index, right.index) and same(left.attrs, right.attrs)


def _same_table(left: pa.Table, right: pa.Table) -> bool:
    return left.schema.equals(right.schema, check_metadata=True) and all(
        _same_items(first.to_pylist(), second.to_pylist())
        for first, second in zip(left.columns, right.columns, strict=True)
    )


def _same_arrow(left: Any, right: Any) -> bool:
    return bool(left.type == right.type) and _same_items(left.to_pylist(), right.to_pylist())


def _same_polars(left: pl.DataFrame, right: pl.DataFrame) -> bool:
    return left.shape == right.shape and _same_items(left.get_columns(), right.get_columns())


def _same_polars_series(left: pl.Series, right: pl.Series) -> bool:
    return left.name == right.name and left.dtype == right.dtype and _same_items(left.to_list(), right.to_list())


_EXTENSION_ARRAYS = pd.api.extensions.ExtensionArray
_COMPARISONS: list[tuple[Any, Callable[[Any, Any], bool]]] = [
    (type(pd.NaT), lambda left, right: left is right),
    (type(pd.NA), lambda left, right: left is right),
    (type(np.ma.masked), lambda left, right: left is right),
    (np.generic, _same_scalar),
    (float, _same_float),
    (complex, _same_complex),
    (decimal.Decimal, _same_decimal),
    (pd.Timestamp, _same_timestamp),
    (pd.Timedelta, _same_timedelta),
    ((datetime.datetime, datetime.time), _same_time),
    ((Bunch, FrozenBunch), _same_bunch),
    (dict, _same_dict),
    ((list, tuple), _same_items),
    ((set, frozenset), _same_set),
    (np.ma.MaskedArray, _same_masked),
    (np.ndarray, _same_ndarray),
    (sparse.sparray | sparse.spmatrix, _same_sparse),
    (Sequence, _same_sequence),
    (pd.Index, _same_index),
    (pd.Series, _same_series),
    (pd.DataFrame, _same_frame),
    (_EXTENSION_ARRAYS, _same_column),
    ((pa.Table, pa.RecordBatch), _same_table),
    ((pa.Array, pa.ChunkedArray), _same_arrow),
    (pa.Scalar, lambda left, right: left.type == right.type and same(left.as_py(), right.as_py())),
    (pa.Schema, lambda left, right: left.equals(right, check_metadata=True)),
    (pl.DataFrame, _same_polars),
    (pl.Series, _same_polars_series),
]
