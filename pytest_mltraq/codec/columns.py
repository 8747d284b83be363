"""pandas' arrays, the columns of its tables: taken apart into values that the codec knows.

====================================  ===================================================================
array of                              parts
====================================  ===================================================================
a dtype of NumPy                      the array; of objects, the list of its values
numbers or booleans that may be NA    values and mask
text                                  the list of its texts, the storage, and what a missing one is
categories                            codes, categories (an Index) and their order
datetimes of a zone                   the datetimes in UTC and the zone
periods, intervals                    ordinals and frequency; both sides and what is closed
sparse values                         values, their places, length and fill value
an Arrow dtype                        a PyArrow table of one column
====================================  ===================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from pytest_mltraq.codec.forms import MAX_WITHOUT_BYTES, look_up
from pytest_mltraq.codec.zones import decode_zone, encode_zone
from pytest_mltraq.errors import UnsupportedTypeError

Parts = dict[str, Any]

MAX_SPARSE: Final = 2**31 - 1
"""The longest sparse array that pandas has: places in it are integers of 32 bits."""


def take_apart(array: Any, path: str) -> Parts:
    """Take the array of a column or index apart, into values that the codec knows."""
    dtype = array.dtype
    if isinstance(dtype, np.dtype) or type(array) is pd.arrays.NumpyExtensionArray:
        values = np.asarray(array)
        if values.dtype.hasobject:
            return {"kind": "object", "values": list(values)}
        return {"kind": "numpy", "values": values}
    if type(array) in _MASKED.values():
        values = array.to_numpy(dtype=dtype.numpy_dtype, na_value=0)
        return {"kind": type(array).__name__, "values": values, "mask": np.asarray(array.isna())}
    take = _TAKERS.get(type(dtype))
    if take is None:
        message = f"pandas arrays of dtype {dtype} can't be stored: convert it to a dtype of NumPy, pandas or Arrow"
        raise UnsupportedTypeError(path, message)
    parts: Parts = take(array, path)
    return parts


def put_together(parts: Parts) -> Any:
    """Make the array of what `take_apart` made of it."""
    kind = parts.pop("kind")
    return look_up(_BUILDERS, kind, "kind of pandas array")(**parts)


def _take_zoned(array: Any, path: str) -> Parts:
    values = np.asarray(array, dtype=f"M8[{array.dtype.unit}]")
    return {"kind": "zoned", "values": values, "zone": encode_zone(array.dtype.tz, path)}


def _take_string(array: Any, path: str) -> Parts:
    values = array.to_numpy(dtype=object, na_value=None).tolist()
    # pandas 2 has a storage of its own for texts of which a missing one is NaN.
    storage = array.dtype.storage.removesuffix("_numpy")
    return {"kind": "string", "values": values, "storage": storage, "nan": array.dtype.na_value is not pd.NA}


def _take_category(array: Any, path: str) -> Parts:
    dtype = array.dtype
    codes = np.asarray(array.codes)
    try:
        check_levels([dtype.categories], [codes])
    except ValueError as error:
        message = f"{error}: remove the unused ones, by remove_unused_categories()"
        raise UnsupportedTypeError(path, message) from None
    return {"kind": "category", "codes": codes, "categories": dtype.categories, "ordered": dtype.ordered}


def _take_interval(array: Any, path: str) -> Parts:
    try:
        check_levels([array.left, array.right], [(), ()])
    except ValueError as error:
        message = f"{error}: make intervals of indexes that are no ranges"
        raise UnsupportedTypeError(path, message) from None
    return {"kind": "interval", "left": array.left, "right": array.right, "closed": array.closed}


def check_levels(levels: Iterable[Any], codes: Iterable[Sized]) -> None:
    """Refuse ranges that say that they are much longer than what they are labels of: pandas writes them out to use them.

    Raises:
        ValueError: one is.
    """
    for level, places in zip(levels, codes, strict=True):
        if isinstance(level, pd.RangeIndex) and len(level) > max(MAX_WITHOUT_BYTES, len(places)):
            message = f"a range of {len(level):,} labels is too long for {len(places):,} values"
            raise ValueError(message)


def _take_sparse(array: Any, path: str) -> Parts:
    values = array.sp_values
    if values.dtype.hasobject:
        message = "sparse arrays of objects can't be stored: convert it to a dense one"
        raise UnsupportedTypeError(path, message)
    return {
        "kind": "sparse",
        "values": values,
        "at": array.sp_index.to_int_index().indices,
        "length": len(array),
        "fill": array.fill_value,
        "index": array.kind,
    }


def _build_object(values: list[Any]) -> Any:
    array = np.empty(len(values), dtype=object)
    for at, value in enumerate(values):  # at once, NumPy would make rows of lists among the values
        array[at] = value
    return array


def _build_zoned(values: Any, zone: Any) -> Any:
    return pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(decode_zone(zone)).array


def _build_category(codes: Any, categories: pd.Index, *, ordered: bool) -> Any:
    check_levels([categories], [codes])
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(categories, ordered))


def _build_interval(left: pd.Index, right: pd.Index, closed: Any) -> Any:
    check_levels([left, right], [(), ()])
    return pd.arrays.IntervalArray.from_arrays(left, right, closed=closed)


def _build_string(values: list[Any], storage: Any, *, nan: bool) -> Any:
    missing: Any = {"na_value": np.nan}
    try:
        dtype: Any = pd.StringDtype(storage, **missing) if nan else pd.StringDtype(storage)
    except TypeError:  # pandas 2.2 has no such argument
        storage = "pyarrow_numpy"
        dtype = pd.StringDtype(storage)
    return pd.array(values, dtype=dtype)


def _build_sparse(values: Any, at: Any, length: int, fill: Any, index: Any) -> Any:
    if len(values) != len(at) or length > MAX_SPARSE:
        message = f"{len(values)} sparse values are at {len(at)} places of {length}"
        raise ValueError(message)
    make: Any = pd.arrays.SparseArray
    if hasattr(make, "from_indices"):
        return make.from_indices(values, at, length, fill_value=fill, kind=index)
    place: Any = type(make([0], kind="integer").sp_index)(length, at)
    place = place if index == "integer" else place.to_block_index()
    return make(values, sparse_index=place, dtype=pd.SparseDtype(values.dtype, fill))


_MASKED: Final = {
    kind.__name__: kind for kind in (pd.arrays.IntegerArray, pd.arrays.FloatingArray, pd.arrays.BooleanArray)
}
_TAKERS: Final[dict[type, Callable[[Any, str], Parts]]] = {
    pd.DatetimeTZDtype: _take_zoned,
    pd.CategoricalDtype: _take_category,
    pd.StringDtype: _take_string,
    pd.PeriodDtype: lambda array, path: {"kind": "period", "values": np.asarray(array.asi8), "freq": array.freqstr},
    pd.IntervalDtype: _take_interval,
    pd.SparseDtype: _take_sparse,
    pd.ArrowDtype: lambda array, path: {"kind": "arrow", "values": pa.table({"": array.__arrow_array__()})},
}
_BUILDERS: Final[dict[str, Callable[..., Any]]] = {
    "numpy": lambda values: values,
    "object": _build_object,
    "zoned": _build_zoned,
    "category": _build_category,
    "string": _build_string,
    "period": lambda values, freq: pd.arrays.PeriodArray(values, dtype=pd.PeriodDtype(freq)),
    "interval": _build_interval,
    "sparse": _build_sparse,
    "arrow": lambda values: pd.arrays.ArrowExtensionArray(values.column(0)),
    **_MASKED,
}
ARRAYS: Final = (
    pd.Categorical,
    pd.arrays.DatetimeArray,
    pd.arrays.TimedeltaArray,
    pd.arrays.PeriodArray,
    pd.arrays.IntervalArray,
    pd.arrays.SparseArray,
    pd.arrays.NumpyExtensionArray,
    pd.arrays.ArrowExtensionArray,
    *{type(_build_string([], storage, nan=nan)) for storage in ("python", "pyarrow") for nan in (False, True)},
    *_MASKED.values(),
)
"""The types of arrays that can be stored by themselves."""
