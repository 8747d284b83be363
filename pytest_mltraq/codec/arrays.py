"""NumPy's values.

===============================  ===================  ======================================================
type                             in the document      in types
===============================  ===================  ======================================================
bool and number scalars, finite  the number           ``["numpy.scalar", dtype]``
other scalars                    null or their text   ``["numpy.scalar", dtype, bytes in hexadecimal digits]``
void (a record)                  null                 ``["numpy.void", name]``, an array of shape ()
ndarray of any dtype but object  null                 ``["numpy.array", name]``, an object in the ``.npy`` format
ndarray of StringDType           null                 ``["numpy.strings", name]``, a bundle: shape, order, texts
MaskedArray                      null                 ``["numpy.masked", name]``, a bundle: data, mask, fill value
masked                           null                 ``["numpy.masked_constant"]``
===============================  ===================  ======================================================

The form of an array's object is said in `npy`. Arrays with objects in them would need pickle, and are refused on both ways;
so are too many items that have no bytes, subclasses of ndarray, and dtypes of other packages or with metadata, which the ``.npy`` format doesn't keep.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from pytest_mltraq.codec.forms import MAX_WITHOUT_BYTES, check_type
from pytest_mltraq.codec.npy import from_npy, is_countable, is_described, to_npy
from pytest_mltraq.errors import UnsupportedTypeError

if TYPE_CHECKING:
    from pytest_mltraq.codec.decoder import Decoder, Restorer
    from pytest_mltraq.codec.encoder import Encoder, Writer
    from pytest_mltraq.codec.forms import Pair

_SCALARS: Final = set(np.sctypeDict.values()) - {np.object_, np.void}
_NUMBERS: Final = frozenset(
    kind for kind in _SCALARS if np.dtype(kind).kind in "biu" or kind in (np.float16, np.float32, np.float64)
)
"""Scalars that JSON says exactly, as long as they are finite."""

_READABLE: Final = frozenset("MmSU")
"""Kinds of dtype whose values a reader of the document can use as text."""


def _name(kind: type[np.generic]) -> str:
    """Return what makes a number's dtype: of integers, two kinds may have one size, such as int64 and longlong."""
    dtype = np.dtype(kind)
    return dtype.str if np.dtype(dtype.str).type is kind else dtype.char


_NAMES: Final = {kind: _name(kind) for kind in _NUMBERS}


def _encode_number(encoder: Encoder, value: Any, path: str) -> Pair:
    name, item = _NAMES[type(value)], value.item()
    if math.isfinite(item):
        return item, ["numpy.scalar", name]
    return None, ["numpy.scalar", name, value.tobytes().hex()]


def _encode_scalar(encoder: Encoder, value: np.generic, path: str) -> Pair:
    text = encoder.encode(str(value), path)[0] if value.dtype.kind in _READABLE else None
    return text, ["numpy.scalar", value.dtype.str, value.tobytes().hex()]


def _decode_scalar(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> Any:
    dtype = np.dtype(arguments[0])
    if dtype.hasobject:
        message = "a dtype with objects is never read"
        raise ValueError(message)
    if len(arguments) == 1:
        if dtype.kind not in "biuf" or type(plain) not in (bool, int, float):  # void of a number would be that long
            message = f"expected the bytes of a scalar of {dtype}, found none"
            raise ValueError(message)
        return dtype.type(plain)
    return np.frombuffer(bytes.fromhex(arguments[1]), dtype=dtype, count=1)[0] if dtype.itemsize else dtype.type()


def _encode_record(encoder: Encoder, value: np.void, path: str) -> Pair:
    array = np.asarray(value)
    if not is_described(array.dtype):
        raise _unsupported(encoder, value, path)
    return None, ["numpy.void", encoder.add("npy", lambda: to_npy(array))]


def _encode_array(encoder: Encoder, value: np.ndarray[Any, Any], path: str) -> Pair:
    if value.dtype.kind == "T":
        return _encode_strings(encoder, value, path)
    if not (is_described(value.dtype) and is_countable(value.dtype, value.shape)):
        raise _unsupported(encoder, value, path)
    return None, ["numpy.array", encoder.add("npy", lambda: to_npy(value))]


def _unsupported(encoder: Encoder, value: Any, path: str) -> UnsupportedTypeError:
    """Make the error for an array whose dtype can't be kept."""
    if value.dtype.hasobject:
        message = "arrays with objects can't be stored: store a list, or an array of another dtype"
    elif is_described(value.dtype):
        message = f"arrays of {value.dtype!r}, whose items have no bytes, can have {MAX_WITHOUT_BYTES:,} items at most"
    else:
        message = (
            f"arrays of the dtype {value.dtype!r} would come back with another: store it with a dtype of NumPy's own"
        )
    return UnsupportedTypeError(path, message)


def _encode_strings(encoder: Encoder, value: np.ndarray[Any, Any], path: str) -> Pair:
    dtype: Any = value.dtype
    order: Literal["C", "F"] = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    parts = {"shape": value.shape, "order": order, "values": value.ravel(order).tolist(), "coerce": dtype.coerce}
    if hasattr(dtype, "na_object"):
        parts["na_object"] = dtype.na_object
    return encoder.bundle("numpy.strings", parts, path, value)


def _decode_strings(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> np.ndarray[Any, Any]:
    parts = decoder.bundle(arguments[0], path)
    missing = {"na_object": parts["na_object"]} if "na_object" in parts else {}
    dtypes: Any = np.dtypes
    dtype = dtypes.StringDType(coerce=parts["coerce"], **missing)
    return np.array(parts["values"], dtype=dtype).reshape(parts["shape"], order=parts["order"])


def _encode_masked(encoder: Encoder, value: np.ma.MaskedArray[Any, Any], path: str) -> Pair:
    mask = np.ma.getmask(value)
    data = np.ma.getdata(value)
    parts = {
        "data": data,
        "mask": None if mask is np.ma.nomask else mask,
        "fill": _fill_value(value),
        "hard": value.hardmask,
    }
    return encoder.bundle("numpy.masked", parts, path, value)


def _fill_value(value: np.ma.MaskedArray[Any, Any]) -> Any:
    """Return an array's fill value, or None for the default, which may be out of the range of its dtype."""
    fill = value.fill_value
    # As Python's numbers: NumPy would make an infinity of the default where the dtype is a short one.
    is_default = value.dtype.kind in "iufc" and np.asarray(fill).item() == np.ma.default_fill_value(value.dtype)
    return None if is_default else fill


def _decode_masked(decoder: Decoder, plain: Any, arguments: list[Any], path: str) -> np.ma.MaskedArray[Any, Any]:
    parts = decoder.bundle(arguments[0], path)
    data, mask, fill = parts["data"], parts["mask"], parts["fill"]
    check_type(data, np.ndarray, "data")
    check_type(mask, (np.ndarray, type(None)), "mask")
    check_type(fill, (np.generic, str, type(None)), "fill value")
    if mask is not None and mask.shape != data.shape:
        message = f"the mask has shape {mask.shape}, the data {data.shape}"
        raise ValueError(message)
    return np.ma.MaskedArray(
        data,
        mask=np.ma.nomask if mask is None else mask,
        fill_value=fill,
        hard_mask=parts["hard"],
    )


WRITERS: Final[dict[type, Writer]] = {
    np.ndarray: _encode_array,
    **dict.fromkeys(_SCALARS, _encode_scalar),
    **dict.fromkeys(_NUMBERS, _encode_number),
    np.void: _encode_record,
    np.ma.MaskedArray: _encode_masked,
    type(np.ma.masked): lambda encoder, value, path: (None, ["numpy.masked_constant"]),
}
RESTORERS: Final[dict[str, Restorer]] = {
    "numpy.scalar": _decode_scalar,
    "numpy.void": lambda decoder, plain, arguments, path: from_npy(decoder.data(arguments[0], "npy"))[()],
    "numpy.array": lambda decoder, plain, arguments, path: from_npy(decoder.data(arguments[0], "npy")),
    "numpy.strings": _decode_strings,
    "numpy.masked": _decode_masked,
    "numpy.masked_constant": lambda decoder, plain, arguments, path: np.ma.masked,
}
