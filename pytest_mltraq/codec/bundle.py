"""The form of an object that is made of several arrays: a header line of JSON, then the arrays' bytes, one after another.

The header is ``{"plain": ..., "types": ..., "segments": [[kind, size], ...]}``; sizes are in bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

Segment = tuple[str, bytes]


def pack(plain: Any, types: Any, segments: Iterable[Segment]) -> bytes:
    """Join a document and the objects that it refers to."""
    parts = list(segments)
    header = {"plain": plain, "types": types, "segments": [[kind, len(data)] for kind, data in parts]}
    return b"".join([orjson.dumps(header), b"\n", *(data for _, data in parts)])


def unpack(data: bytes) -> tuple[Any, Any, list[Segment]]:
    """Split what `pack` joined: the document, its types and the segments.

    Raises:
        ValueError: the header is damaged, or the sizes that it declares are not those of the data.
    """
    start = data.index(b"\n") + 1
    header = orjson.loads(data[:start])
    sizes = [size for _, size in header["segments"]]
    if any(type(size) is not int or size < 0 for size in sizes) or start + sum(sizes) != len(data):
        message = f"the header declares segments of {sizes} bytes, {len(data) - start} bytes follow it"
        raise ValueError(message)
    view = memoryview(data)
    segments = []
    for kind, size in header["segments"]:
        segments.append((kind, bytes(view[start : start + size])))
        start += size
    return header["plain"], header["types"], segments
