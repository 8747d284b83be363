"""pandas' values. Tables are bundles of their parts, down to arrays, so that nothing of them is left to a converter's guess.

=======================  =======================  ==========================================================
type                     in the document          in types, and the parts of the bundle
=======================  =======================  ==========================================================
DataFrame                null                     ``["pandas.frame", name]``: index, columns, data, attrs, flags
Series                   null                     ``["pandas.series", name]``: index, data, name, attrs, flags
Index and its kinds      null                     ``["pandas.index", name]``: kind, and what makes it
Categorical and other    null                     ``["pandas.array", name]``: kind, and what makes it
extension arrays
Timestamp, Timedelta     ISO text, seconds        ``["pandas.timestamp" or "pandas.timedelta", ns or other unit, ...]``
Period                   its text                 ``["pandas.period", ordinal, freq]``
Interval                 its text                 ``["pandas.interval", both ends, their entry, closed]``
NaT, NA                  null                     ``["pandas.nat"]``, ``["pandas.na"]``
=======================  =======================  ==========================================================

A column of objects is kept as the list of its values, each of which must be a supported one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import pandas as pd

from pytest_mltraq.codec.columns import ARRAYS, Parts, check_levels, put_together, take_apart
from pytest_mltraq.codec.zones import decode_zone, encode_zone
from pytest_mltraq.errors import UnsupportedTypeError

if TYPE_CHECKING:
    from pytest_mltraq.codec.decoder import Decoder, Restorer
    from pytest_mltraq.codec.encoder import Encoder, Writer
    from pytest_mltraq.codec.forms import Pair

Table = TypeVar("Table", pd.DataFrame, pd.Series)


def _encode_frame(encoder: Encoder, value: pd.DataFrame, path: str) -> Pair:
    data = [take_apart(value.iloc[:, at].array, f"{path}.iloc[:, {at}]") for at in range(value.shape[1])]
    parts = {"index": value.index, "columns": value.columns, "data": data, **_labels(value)}
    return encoder.bundle("pandas.frame", parts, path, value)


def _decode_frame(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> pd.DataFrame:
    parts = decoder.bundle(arguments[0], path)
    columns = {at: _column(put_together(array)) for at, array in enumerate(parts["data"])}
    frame = pd.DataFrame(columns, copy=False) if columns else pd.DataFrame(index=parts["index"])
    frame.index, frame.columns = parts["index"], parts["columns"]
    return _relabel(frame, parts)


def _column(data: Any) -> pd.Series:
    """Make a column of exactly this data: pandas would take objects that are texts for its own type of texts."""
    column: pd.Series = pd.Series(data, dtype=data.dtype, copy=False)
    return column


def _encode_series(encoder: Encoder, value: pd.Series, path: str) -> Pair:
    parts = {"index": value.index, "data": take_apart(value.array, path), "name": value.name, **_labels(value)}
    return encoder.bundle("pandas.series", parts, path, value)


def _decode_series(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> pd.Series:
    parts = decoder.bundle(arguments[0], path)
    data = put_together(parts["data"])
    series = pd.Series(data, index=parts["index"], name=parts["name"], dtype=data.dtype, copy=False)
    return _relabel(series, parts)


def _labels(value: pd.DataFrame | pd.Series) -> Parts:
    return {"attrs": value.attrs, "duplicate_labels": value.flags.allows_duplicate_labels}


def _relabel(value: Table, parts: Parts) -> Table:
    value.attrs = parts["attrs"]
    flags: Any = value.flags
    flags.allows_duplicate_labels = parts["duplicate_labels"]
    return value


def _encode_index(encoder: Encoder, value: pd.Index, path: str) -> Pair:
    return encoder.bundle("pandas.index", _index_parts(value, path), path, value)


def _index_parts(value: pd.Index, path: str) -> Parts:
    if isinstance(value, pd.RangeIndex):
        return {"start": value.start, "stop": value.stop, "step": value.step, "name": value.name}
    if isinstance(value, pd.MultiIndex):
        try:
            check_levels(value.levels, value.codes)
        except ValueError as error:
            message = f"{error}: store the index without its unused levels, index.remove_unused_levels()"
            raise UnsupportedTypeError(path, message) from None
        return {
            "levels": list(value.levels),
            "codes": [np.asarray(codes) for codes in value.codes],
            "names": list(value.names),
        }
    return {"data": take_apart(value.array, path), "name": value.name, "freq": _freq(value, path)}


def _freq(index: pd.Index, path: str) -> str | None:
    """Return the name of an index's frequency, where it says all of it."""
    freq = getattr(index, "freq", None)
    if freq is None:
        return None
    try:
        exact = pd.tseries.frequencies.to_offset(freq.freqstr) == freq
    except ValueError:
        exact = False
    if exact:
        return str(freq.freqstr)
    message = f"an index with the frequency {freq!r} can't be stored: set its freq to None"
    raise UnsupportedTypeError(path, message)


def _decode_index(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> pd.Index:
    parts = decoder.bundle(arguments[0], path)
    if "step" in parts:
        index: pd.Index = pd.RangeIndex(**parts)
        len(index)  # an error where no index can be so long
        return index
    if "levels" in parts:
        check_levels(parts["levels"], parts["codes"])
        return pd.MultiIndex(**parts)
    data = put_together(parts["data"])
    index = pd.Index(data, name=parts["name"], dtype=data.dtype)
    if parts["freq"] is not None and isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex):
        index.freq = parts["freq"]  # type: ignore[misc]
    return index


def _encode_array(encoder: Encoder, value: Any, path: str) -> Pair:
    return encoder.bundle("pandas.array", take_apart(value, path), path, value)


def _decode_array(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> Any:
    data = put_together(decoder.bundle(arguments[0], path))
    if not isinstance(data, np.ndarray):
        return data
    return pd.Series(data, copy=False).array if data.dtype.kind in "mM" else pd.arrays.NumpyExtensionArray(data)


def _encode_timestamp(encoder: Encoder, value: pd.Timestamp, path: str) -> Pair:
    at = value.to_numpy()
    return value.isoformat(), ["pandas.timestamp", int(at.astype("int64")), value.unit, encode_zone(value.tz, path)]


def _decode_timestamp(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> pd.Timestamp:
    at, unit, zone = arguments
    naive = pd.Timestamp(np.datetime64(at, unit))
    return naive if zone is None else naive.tz_localize("UTC").tz_convert(decode_zone(zone))


def _encode_timedelta(encoder: Encoder, value: pd.Timedelta, path: str) -> Pair:
    return value.total_seconds(), ["pandas.timedelta", int(value.to_numpy().astype("int64")), value.unit]


def _encode_period(encoder: Encoder, value: pd.Period, path: str) -> Pair:
    return str(value), ["pandas.period", value.ordinal, value.freqstr]


def _encode_interval(encoder: Encoder, value: pd.Interval, path: str) -> Pair:
    plain, entry = encoder.encode([value.left, value.right], path)
    return str(value), ["pandas.interval", plain, entry, value.closed]


def _decode_interval(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> pd.Interval:
    ends, entry, closed = arguments
    left, right = decoder.decode(ends, entry, path)
    return pd.Interval(left, right, closed=closed)


_INDEXES: Final = (
    pd.Index,
    pd.RangeIndex,
    pd.MultiIndex,
    pd.DatetimeIndex,
    pd.TimedeltaIndex,
    pd.PeriodIndex,
    pd.IntervalIndex,
    pd.CategoricalIndex,
)
WRITERS: Final[dict[type, Writer]] = {
    pd.DataFrame: _encode_frame,
    pd.Series: _encode_series,
    **dict.fromkeys(_INDEXES, _encode_index),
    **dict.fromkeys(ARRAYS, _encode_array),
    pd.Timestamp: _encode_timestamp,
    pd.Timedelta: _encode_timedelta,
    pd.Period: _encode_period,
    pd.Interval: _encode_interval,
    type(pd.NaT): lambda encoder, value, path: (None, ["pandas.nat"]),
    type(pd.NA): lambda encoder, value, path: (None, ["pandas.na"]),
}
RESTORERS: Final[dict[str, Restorer]] = {
    "pandas.frame": _decode_frame,
    "pandas.series": _decode_series,
    "pandas.index": _decode_index,
    "pandas.array": _decode_array,
    "pandas.timestamp": _decode_timestamp,
    "pandas.timedelta": lambda decoder, plain, arguments, path: pd.Timedelta(np.timedelta64(*arguments)),
    "pandas.period": lambda decoder, plain, arguments, path: pd.Period(ordinal=arguments[0], freq=arguments[1]),
    "pandas.interval": _decode_interval,
    "pandas.nat": lambda decoder, plain, arguments, path: pd.NaT,
    "pandas.na": lambda decoder, plain, arguments, path: pd.NA,
}
