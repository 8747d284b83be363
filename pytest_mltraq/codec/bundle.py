"""The form of an object that is made of several arrays: a header line of JSON, then the arrays' bytes, one after another.

The header is ``{"plain": ..., "types": ..., "segments": [[kind, size], ...]}``; sizes are in bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import orjson

from pytest_mltraq.codec.forms import Buffer, Stored

_END_OF_HEADER: Final = re.compile(rb"\n")


def pack(plain: Any, types: Any, segments: Sequence[Stored]) -> list[Buffer]:
    """Join a document and the objects that it refers to."""
    header = {"plain": plain, "types": types, "segments": [[segment.kind, segment.size] for segment in segments]}
    return [orjson.dumps(header) + b"\n", *(buffer for segment in segments for buffer in segment.buffers)]


def unpack(data: Buffer) -> tuple[Any, Any, list[Stored]]:
    """Split what `pack` joined: the document, its types and the objects, which lie in the data.

    Raises:
        ValueError: the header is damaged, or the sizes that it declares are not those of the data.
    """
    end = _END_OF_HEADER.search(data)  # also in a memoryview: a bundle in a bundle is never copied
    start = end.end() if end else 0
    view = memoryview(data)
    header = orjson.loads(view[:start])
    sizes = [size for _, size in header["segments"]]
    if any(type(size) is not int or size < 0 for size in sizes) or start + sum(sizes) != len(data):
        message = f"the header declares segments of {sizes} bytes, {len(data) - start} bytes follow it"
        raise ValueError(message)
    segments = []
    for kind, size in header["segments"]:
        segments.append(Stored(kind, view[start : start + size]))
        start += size
    return header["plain"], header["types"], segments
