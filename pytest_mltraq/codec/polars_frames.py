"""polars' frames and series: a bundle of their schema, and a PyArrow table of columns that carry the values.

========================================  ========================================
dtype                                     carried as
========================================  ========================================
Categorical, Enum, Int128, UInt128        text
List, Array, Struct                       the same, of what carries their items
every other but Object, Map, extensions   itself
========================================  ========================================

``["polars.frame", name]`` and ``["polars.series", name]``. Named categories are refused: they are shared by a whole process.
Columns are read by PyArrow, which checks them, and cast back by polars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pyarrow as pa

from pytest_mltraq.codec.forms import UnknownFormError, look_up
from pytest_mltraq.errors import UnsupportedTypeError

if TYPE_CHECKING:
    from pytest_mltraq.codec.decoder import Decoder, Restorer
    from pytest_mltraq.codec.encoder import Encoder, Writer
    from pytest_mltraq.codec.forms import Pair

_PLAIN: Final[dict[str, Any]] = {
    name: getattr(pl, name)()
    for name in (
        *("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float16", "Float32", "Float64"),
        *("Boolean", "String", "Binary", "Date", "Time", "Null"),
    )
    if hasattr(pl, name)
}
_AS_TEXT: Final[dict[str, Any]] = {
    name: getattr(pl, name)() for name in ("Int128", "UInt128", "Categorical") if hasattr(pl, name)
}
_FAILURES: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException)


def _encode_frame(encoder: Encoder, value: pl.DataFrame, path: str) -> Pair:
    parts = {"height": value.height, **_parts(value.get_columns(), path)}
    return encoder.bundle("polars.frame", parts, path, value)


def _decode_frame(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> pl.DataFrame:
    parts = decoder.bundle(arguments[0], path)
    columns = _columns(parts)
    if not columns and parts["height"]:
        return pl.DataFrame(height=parts["height"])
    return pl.DataFrame(columns)


def _encode_series(encoder: Encoder, value: pl.Series, path: str) -> Pair:
    return encoder.bundle("polars.series", _parts([value], path), path, value)


def _decode_series(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> pl.Series:
    (series,) = _columns(decoder.bundle(arguments[0], path))
    return series


def _parts(columns: list[pl.Series], path: str) -> dict[str, Any]:
    schema, carried = [], []
    for series in columns:
        at = f"{path}[{series.name!r}]"
        schema.append([series.name, _describe(series.dtype, at)])
        try:
            carried.append(series.alias("").cast(_carrier(series.dtype)).to_arrow())
        except _FAILURES as error:  # such as a name with NUL in a Struct, which Arrow can't have
            message = f"polars can't give a column of dtype {series.dtype} to Arrow: {error}"
            raise UnsupportedTypeError(at, message) from error
    names = [str(at) for at in range(len(columns))]
    return {"schema": schema, "data": pa.Table.from_arrays(carried, names=names)}


def _columns(parts: dict[str, Any]) -> list[pl.Series]:
    columns = []
    for (name, description), column in zip(parts["schema"], parts["data"].columns, strict=True):
        dtype = _dtype(description)
        series: Any = pl.from_arrow(column)
        if series.dtype != _carrier(dtype):  # a cast would make anything of it
            message = f"expected a column of {_carrier(dtype)}, found {series.dtype}"
            raise ValueError(message)
        columns.append(series.cast(dtype).alias(name))
    return columns


def _without_panic(restore: Restorer) -> Restorer:
    """Have a restorer raise an error where polars panics, which is none."""

    def restored(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> Any:
        try:
            return restore(decoder, plain, arguments, path)
        except pl.exceptions.PanicException as error:
            message = f"polars refuses it: {error}"
            raise ValueError(message) from error

    return restored


def _describe(dtype: Any, path: str) -> Any:
    """Return what makes a dtype: its name, or a list of its name and arguments."""
    name = type(dtype).__name__
    if _PLAIN.get(name) == dtype or _AS_TEXT.get(name) == dtype:
        return name
    match dtype:
        case pl.Datetime():
            return [name, dtype.time_unit, dtype.time_zone]
        case pl.Duration():
            return [name, dtype.time_unit]
        case pl.Decimal():
            return [name, dtype.precision, dtype.scale]
        case pl.Enum():
            return [name, dtype.categories.to_list()]
        case pl.List():
            return [name, _describe(dtype.inner, path)]
        case pl.Array():
            return [name, _describe(dtype.inner, path), dtype.size]
        case pl.Struct():
            return [name, [[field.name, _describe(field.dtype, path)] for field in dtype.fields]]
    message = f"polars columns of dtype {dtype} can't be stored: cast it to another"
    raise UnsupportedTypeError(path, message)


def _dtype(description: Any) -> Any:
    """Make the dtype of what `_describe` returned."""
    if isinstance(description, str):
        return look_up(_PLAIN | _AS_TEXT, description, "dtype of polars")
    match description:
        case ["Datetime" | "Duration" | "Decimal" | "Enum" as name, *arguments]:
            return getattr(pl, name)(*arguments)
        case ["List", inner]:
            return pl.List(_dtype(inner))
        case ["Array", inner, int(size)]:
            return pl.Array(_dtype(inner), size)
        case ["Struct", fields]:
            return pl.Struct([pl.Field(name, _dtype(inner)) for name, inner in fields])
    what = "dtype of polars"
    raise UnknownFormError(what, description)


def _carrier(dtype: Any) -> Any:
    """Return the dtype that carries the values of another to PyArrow and back."""
    match dtype:
        case pl.Enum():
            return _PLAIN["String"]
        case pl.List():
            return pl.List(_carrier(dtype.inner))
        case pl.Array():
            return pl.Array(_carrier(dtype.inner), dtype.size)
        case pl.Struct():
            return pl.Struct([pl.Field(field.name, _carrier(field.dtype)) for field in dtype.fields])
    return _PLAIN["String"] if type(dtype).__name__ in _AS_TEXT else dtype


WRITERS: Final[dict[type, Writer]] = {pl.DataFrame: _encode_frame, pl.Series: _encode_series}
RESTORERS: Final[dict[str, Restorer]] = {
    "polars.frame": _without_panic(_decode_frame),
    "polars.series": _without_panic(_decode_series),
}
