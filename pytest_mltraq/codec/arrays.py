"""NumPy's values.

===============================  ===================  ======================================================
type                             in the document      in types
===============================  ===================  ======================================================
bool and number scalars, finite  the number           ``["numpy.scalar", dtype]``
other scalars                    null or their text   ``["numpy.scalar", dtype, bytes in hexadecimal digits]``
void (a record)                  null                 ``["numpy.void", name]``, an array of shape ()
ndarray of any dtype but object  null                 ``["numpy.array", name]``, an object in the ``.npy`` format
===============================  ===================  ======================================================

The ``.npy`` format (NumPy's NEP 1, version 3) keeps dtype, shape and memory order, and any NumPy can read it. Arrays with objects in them
would need pickle, and are refused on both ways. Subclasses of ndarray are refused.
"""

from __future__ import annotations

import ast
import io
import math
import operator
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from pytest_mltraq.codec.decoder import Decoder, Restorer
    from pytest_mltraq.codec.encoder import Encoder, Writer
    from pytest_mltraq.codec.forms import Pair

_JSON_FLOATS: Final = frozenset(map(np.dtype, ("<f2", "<f4", "<f8", ">f2", ">f4", ">f8")))
"""Floats that Python's float, and so JSON, holds exactly."""

MAX_HEADER: Final = 2**16
"""The longest header that is read [bytes]; it is Python's literal syntax, which is slow to read."""

_MAGIC: Final = b"\x93NUMPY\x03\x00"
_READABLE: Final = frozenset("MmSU")
"""Kinds of dtype whose values a reader of the document can use as text."""


def _encode_scalar(encoder: Encoder, value: np.generic, path: str) -> Pair:
    kind = value.dtype.kind
    if kind in "biu" or (kind == "f" and value.dtype in _JSON_FLOATS and np.isfinite(value)):
        return value.item(), ["numpy.scalar", value.dtype.str]
    text = encoder.encode(str(value), path)[0] if kind in _READABLE else None
    return text, ["numpy.scalar", value.dtype.str, value.tobytes().hex()]


def _decode_scalar(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> Any:
    dtype = np.dtype(arguments[0])
    if dtype.hasobject:
        message = "a dtype with objects is never read"
        raise ValueError(message)
    if len(arguments) == 1:
        return dtype.type(plain)
    return np.frombuffer(bytes.fromhex(arguments[1]), dtype=dtype, count=1)[0] if dtype.itemsize else dtype.type()


def _encode_record(encoder: Encoder, value: np.void, path: str) -> Pair:
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise encoder.unsupported(value, path)
    return None, ["numpy.void", encoder.add("npy", lambda: to_npy(array))]


def _encode_array(encoder: Encoder, value: np.ndarray[Any, Any], path: str) -> Pair:
    if value.dtype.hasobject:
        raise encoder.unsupported(value, path)
    return None, ["numpy.array", encoder.add("npy", lambda: to_npy(value))]


def to_npy(array: np.ndarray[Any, Any]) -> bytes:
    """Write an array in the `.npy` format, version 3, which takes members of any name."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(3, 0), allow_pickle=False)
    return buffer.getvalue()


def from_npy(data: bytes) -> np.ndarray[Any, Any]:
    """Read an array in the `.npy` format; the size that its header declares is checked before any memory is taken.

    Raises:
        ValueError: the data is damaged, or has objects in it.
        SyntaxError: its header is damaged.
    """
    start = len(_MAGIC) + 4
    size = int.from_bytes(data[len(_MAGIC) : start], "little")
    if not data.startswith(_MAGIC) or size > MAX_HEADER:
        message = "no .npy data of version 3"
        raise ValueError(message)
    header = ast.literal_eval(data[start : start + size].decode())
    dtype = np.lib.format.descr_to_dtype(header["descr"])
    shape = tuple(operator.index(n) for n in header["shape"])
    order: Literal["C", "F"] = "F" if header["fortran_order"] else "C"
    expected, found = dtype.itemsize * math.prod(shape), len(data) - start - size
    if dtype.hasobject or expected != found or any(n < 0 for n in shape):
        message = f"the header declares {expected} bytes of {dtype}, {found} follow it"
        raise ValueError(message)
    if not expected:
        return np.empty(shape, dtype, order)
    # A copy, because an array over stored bytes would be read-only and keep them all in memory.
    return np.frombuffer(data, dtype=dtype, offset=start + size).copy().reshape(shape, order=order)


WRITERS: Final[dict[type, Writer]] = {
    np.ndarray: _encode_array,
    **{kind: _encode_scalar for kind in set(np.sctypeDict.values()) if kind is not np.object_},
    np.void: _encode_record,
}
RESTORERS: Final[dict[str, Restorer]] = {
    "numpy.scalar": _decode_scalar,
    "numpy.void": lambda decoder, plain, arguments, path: from_npy(decoder.data(arguments[0], "npy"))[()],
    "numpy.array": lambda decoder, plain, arguments, path: from_npy(decoder.data(arguments[0], "npy")),
}
