"""Values as MLtraq keeps them (its DATAPAK format), read as data.

A value is pickled, plain values only; what is none is a dict that says what it is and has its bytes: a NumPy array as `.npy`,
a table as a Feather file. Source: MLtraq 0.1.165, `storage/serializers/datapak.py`.
"""

from __future__ import annotations

import io
import uuid
import zlib
from collections.abc import Callable
from typing import Any, Final

from pytest_mltraq.bunch import Bunch
from pytest_mltraq.importers.pickled import read_pickled
from pytest_mltraq.sequence import Sequence

SERIALIZER: Final = "DataPakSerializer-0.0"
"""What MLtraq calls the format."""

_KEY: Final = "DATAPAK-0"
_COMPRESSED: Final = b"C01"
_LONGEST: Final = 2**30
"""Bytes that compressed ones may become."""

_DEEPEST: Final = 200


def read_value(data: Any) -> Any:
    """Return a value.

    Args:
        data: what MLtraq stored.

    Raises:
        ValueError: it can't be read, or is kept elsewhere; the message says why.
    """
    if not isinstance(data, bytes):
        message = f"expected bytes, found {type(data).__name__}"
        raise ValueError(message)  # noqa: TRY004 - the data is wrong, not the call
    if data.startswith(_COMPRESSED):
        data = _inflate(data[len(_COMPRESSED) :])
    return _restore(read_pickled(data), 0)


def _inflate(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _LONGEST)
    except zlib.error as error:
        message = f"it is compressed, and damaged ({error})"
        raise ValueError(message) from error


def _restore(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        message = f"it is nested more than {_DEEPEST} deep"
        raise ValueError(message)
    if isinstance(value, list | set | tuple):
        return type(value)(_restore(item, depth + 1) for item in value)
    if not isinstance(value, dict):
        return value
    if _KEY not in value:
        return {key: _restore(item, depth + 1) for key, item in value.items()}
    restore = _RESTORERS.get(value[_KEY]) if isinstance(value[_KEY], str) else None
    if restore is None:
        message = f"it is a {value[_KEY]}, which only MLtraq can read"
        raise ValueError(message)
    return restore(_restore(value.get("value"), depth + 1))


def _expect(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        message = f"expected {kind.__name__} in it, found {type(value).__name__}"
        raise ValueError(message)
    return value


def _array(value: Any) -> Any:
    import numpy as np

    return np.load(io.BytesIO(_expect(bytes, value)), allow_pickle=False)


def _table(value: Any) -> Any:
    import pyarrow as pa

    from pytest_mltraq.codec.ipc import EXTENSION

    if EXTENSION in _expect(bytes, value):  # reading one runs the code that registered for it
        message = "it has an Arrow extension type"
        raise ValueError(message)
    try:
        with pa.ipc.open_file(value) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except pa.ArrowException as error:
        message = f"the table is damaged ({error})"
        raise ValueError(message) from error
    return table


def _frame(value: Any) -> Any:
    try:
        return _table(value).to_pandas()
    except (TypeError, LookupError, AttributeError, ArithmeticError) as error:
        message = f"the table is damaged ({type(error).__name__}: {error})"
        raise ValueError(message) from error


def _series(value: Any) -> Any:
    frame = _frame(value)
    if frame.shape[1] != 1:
        message = f"expected a table of one column, found {frame.shape[1]}"
        raise ValueError(message)
    series = frame.iloc[:, 0]
    # A series without a name came by one when it was made a table.
    return series.rename(None) if series.name in {0, "0"} else series


def _sequence(value: Any) -> Any:
    if not hasattr(value, "columns") or not {"idx", "timestamp"} <= set(value.columns):
        message = "expected a table with idx and timestamp in it"
        raise ValueError(message)
    return Sequence(value.sort_values("idx", kind="stable"))


def _moment(value: Any) -> Any:
    import numpy as np

    return np.datetime64(_expect(int, value), "us")


_RESTORERS: Final[dict[str, Callable[[Any], Any]]] = {
    "mltraq.Bunch-0": lambda value: Bunch(_expect(dict, value)),
    "mltraq.Sequence-0": _sequence,
    "mltraq.Archive-0": lambda value: _expect(bytes, value),
    "pandas.DataFrame-0": _frame,
    "pandas.Series-0": _series,
    "pyarrow.Table-0": _table,
    "numpy.ndarray-0": _array,
    "numpy.datetime64-0": _moment,
    "uuid.UUID-0": lambda value: uuid.UUID(_expect(str, value)),
}
"""What makes a value of what is kept of it. `DataStore` and `ArchiveStore` are not here: they are in files elsewhere."""
