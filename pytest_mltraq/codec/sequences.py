"""Sequences: a bundle of their columns, ``["pytest_mltraq.sequence", name]``.

A column of floats or of integers up to 64 bits is an array in it; any other is a list of values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_mltraq.codec.forms import check_type
from pytest_mltraq.sequence import Sequence

if TYPE_CHECKING:
    from pytest_mltraq.codec.decoder import Decoder, Restorer
    from pytest_mltraq.codec.encoder import Encoder, Writer
    from pytest_mltraq.codec.forms import Pair


def _encode_sequence(encoder: Encoder, value: Sequence, path: str) -> Pair:
    times, columns = value.columns()
    parts = {"times": _compact(times), "columns": {name: _compact(column) for name, column in columns.items()}}
    return encoder.bundle("pytest_mltraq.sequence", parts, path, value)


def _compact(column: list[Any]) -> Any:
    """Return a column as an array, where that is exact."""
    import numpy as np

    kinds = set(map(type, column))
    if kinds == {float}:
        return np.array(column)
    if kinds == {int}:
        try:
            return np.array(column, dtype=np.int64)
        except OverflowError:
            return column
    return column


def _decode_sequence(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> Sequence:
    parts = decoder.bundle(arguments[0], path)
    columns = {name: _values(column) for name, column in parts["columns"].items()}
    times = _values(parts["times"])
    if not {int}.issuperset(map(type, times)):
        message = "the times of a sequence are integers"
        raise ValueError(message)
    if any(len(column) != len(times) for column in columns.values()):
        message = "the columns of a sequence have different lengths"
        raise ValueError(message)
    return Sequence.from_columns(times, columns)


def _values(column: Any) -> list[Any]:
    if isinstance(column, list):
        return column
    import numpy as np

    check_type(column, np.ndarray, "a column")
    if column.ndim != 1 or column.dtype not in (np.float64, np.int64):
        message = f"expected a column of numbers, found {column.ndim} dimensions of {column.dtype}"
        raise ValueError(message)
    values: list[Any] = column.tolist()
    return values


WRITERS: Final[dict[type, Writer]] = {Sequence: _encode_sequence}
RESTORERS: Final[dict[str, Restorer]] = {"pytest_mltraq.sequence": _decode_sequence}
