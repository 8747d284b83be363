"""Arrays as bytes: the ``.npy`` format, which keeps dtype, shape and C or Fortran order, and which any NumPy reads.

Source: NumPy's NEP 1, version 3 of the format (its headers are UTF-8). Header and content are written without a copy of the content.
"""

from __future__ import annotations

import ast
import functools
import math
import operator
import re
import sys
from typing import Any, Final, Literal

import numpy as np

from pytest_mltraq.codec.forms import MAX_WITHOUT_BYTES, Buffer

MAX_HEADER: Final = 2**16
"""The longest header that is read [bytes]; it is Python's literal syntax, which is slow to read."""

_MAGIC: Final = b"\x93NUMPY\x03\x00"
_ALIGNMENT: Final = 64
"""Where the content begins is a multiple of this [bytes]."""

_ORDINARY: Final = re.compile(
    r"\{'descr': '([<>|=]\w+(?:\[\w+\])?)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), \} *\n"
)
"""The header of an array whose items are no records, as NumPy writes it."""


def is_described(dtype: np.dtype[Any]) -> bool:
    """Whether the format says all of a dtype: no objects, none of another package, no metadata."""
    return not _has_metadata(dtype) and _describe(dtype) is not None


def _has_metadata(dtype: np.dtype[Any]) -> bool:
    if dtype.metadata is not None:
        return True
    if dtype.names is None:
        return dtype.subdtype is not None and _has_metadata(dtype.subdtype[0])
    return any(_has_metadata(dtype[name]) for name in dtype.names)


@functools.lru_cache(maxsize=256)
def _describe(dtype: np.dtype[Any]) -> str | None:
    """Return a dtype as a header says it, or None."""
    if dtype.hasobject or dtype.type is np.record:
        return None
    description = np.lib.format.dtype_to_descr(dtype)
    return repr(description) if np.lib.format.descr_to_dtype(description) == dtype else None


def is_countable(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
    """Whether an array has not too many items for their bytes: none of them would be seen in a size."""
    return dtype.itemsize > 0 or math.prod(shape) <= MAX_WITHOUT_BYTES


def _check_texts(array: np.ndarray[Any, Any]) -> None:
    """Refuse texts with numbers in them that are no characters: NumPy checks them when they are used, by another error."""
    if array.dtype.names:
        for name in array.dtype.names:
            _check_texts(array[name])
    elif array.dtype.kind == "U" and array.dtype.itemsize:
        points = np.ascontiguousarray(array).view(array.dtype.str[0] + "u4")
        if points.size and points.max() > sys.maxunicode:
            message = f"{points.max()} is no character"
            raise ValueError(message)


def to_npy(array: np.ndarray[Any, Any]) -> list[Buffer]:
    """Write an array of a dtype that `is_described`: the header, and the array's own memory where it is contiguous."""
    flags = array.flags
    is_fortran = not flags.c_contiguous and flags.f_contiguous
    header = _header(array.dtype, array.shape, is_fortran)
    if not array.nbytes:
        return [header]
    content = np.ascontiguousarray(array.T if is_fortran else array).reshape(-1).view(np.uint8)
    return [header, content.data]


@functools.lru_cache(maxsize=256)
def _header(dtype: np.dtype[Any], shape: tuple[int, ...], is_fortran: bool) -> bytes:
    """Write a header; arrays of many runs share it."""
    said = f"{{'descr': {_describe(dtype)}, 'fortran_order': {is_fortran}, 'shape': {shape!r}, }}".encode()
    size = -(len(_MAGIC) + 4 + len(said) + 1) % _ALIGNMENT + len(said) + 1
    return b"".join([_MAGIC, size.to_bytes(4, "little"), said.ljust(size - 1), b"\n"])


def from_npy(data: Buffer) -> np.ndarray[Any, Any]:
    """Read an array; the size that its header declares is checked before any memory is taken.

    Returns:
        The array, in the data itself where that is a bytearray, else in memory of its own: it can be changed.

    Raises:
        ValueError: the data is damaged, or has objects in it.
        SyntaxError: its header is damaged.
    """
    start = len(_MAGIC) + 4
    size = int.from_bytes(data[len(_MAGIC) : start], "little")
    if data[: len(_MAGIC)] != _MAGIC or size > MAX_HEADER:
        message = "no .npy data of version 3"
        raise ValueError(message)
    dtype, order, shape = _read_header(bytes(data[start : start + size]).decode())
    expected, found = dtype.itemsize * math.prod(shape), len(data) - start - size
    if dtype.hasobject or expected != found or any(n < 0 for n in shape):
        message = f"the header declares {expected} bytes of {dtype}, {found} follow it"
        raise ValueError(message)
    if not is_countable(dtype, shape):
        message = f"the header declares {math.prod(shape)} items of no bytes"
        raise ValueError(message)
    if not expected:
        return np.ndarray(shape, dtype, order=order)
    flat = np.frombuffer(data, dtype=dtype, offset=start + size)
    _check_texts(flat)
    return (flat if isinstance(data, bytearray) else flat.copy()).reshape(shape, order=order)


def _read_header(header: str) -> tuple[np.dtype[Any], Literal["C", "F"], tuple[int, ...]]:
    if ordinary := _ORDINARY.fullmatch(header):
        dtype, fortran, shape = ordinary.groups()
        return np.dtype(dtype), "F" if fortran == "True" else "C", tuple(map(int, shape.replace(",", " ").split()))
    try:
        said = ast.literal_eval(header)
    except MemoryError as error:  # so many brackets that the parser gives up
        message = "the header is no literal"
        raise ValueError(message) from error
    dtype = np.lib.format.descr_to_dtype(said["descr"])
    return dtype, "F" if said["fortran_order"] else "C", tuple(operator.index(n) for n in said["shape"])
