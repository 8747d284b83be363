"""Arrow tables as bytes: the Arrow IPC stream format, looked at before Arrow reads it.

Source: Apache Arrow, "Encapsulated message format" and ``format/Message.fbs``; flatbuffers, "Internals".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from pytest_mltraq.codec.forms import Buffer

EXTENSION: Final = b"ARROW:extension:"
"""How the keys of a field's metadata begin that make an extension type of it."""

MAX_ROWS: Final = 2**31 - 1
"""The longest batch that Arrow writes, unless it is asked to."""

_END: Final = b"\xff\xff\xff\xff\0\0\0\0"


def to_ipc(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> list[Buffer]:
    """Write batches, which have this schema."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return [memoryview(sink.getvalue())]


def from_ipc(data: Buffer) -> tuple[pa.Schema, list[pa.RecordBatch]]:
    """Read the schema and the batches. Their columns lie in the data, and are checked against what they declare.

    Raises:
        ValueError: the data is damaged, has an extension type, or is compressed.
    """
    data = bytes(data) if isinstance(data, memoryview) else data  # whose begin may be anywhere in memory
    if not data.endswith(_END):
        message = "the stream has no end"
        raise ValueError(message)
    for ipc_message in pa.ipc.MessageReader.open_stream(data):
        _check_message(ipc_message.type, ipc_message.metadata.to_pybytes())
    with pa.ipc.open_stream(data) as reader:
        schema, batches = reader.schema, list(reader)
    _check_names(list(schema))
    for batch in batches:
        batch.validate(full=True)
        if batch.num_rows > MAX_ROWS:  # of a type whose items have no bytes
            message = f"a batch declares {batch.num_rows} rows"
            raise ValueError(message)
    return schema, batches


def _check_names(fields: list[pa.Field]) -> None:
    """Read each name, also those inside of types: one that is no UTF-8 is an error then."""
    for field in fields:
        _ = field.name, getattr(field.type, "tz", None)
        _check_names([field.type.field(at) for at in range(field.type.num_fields)])


def _check_message(kind: str, metadata: bytes) -> None:
    """Refuse what would run code (a registered extension type) or take memory that nobody declared (compression)."""
    if kind == "schema":
        if EXTENSION in metadata:
            message = "Arrow extension types are never read"
            raise ValueError(message)
        return
    header = _Table(metadata, _unsigned(metadata, 0)).table(2)
    batch = header.table(1) if kind == "dictionary" else header
    if batch.has(3):
        message = "compressed Arrow data is never read"
        raise ValueError(message)


class _Table:
    """A table of a flatbuffer, of which the fields are looked up by their number."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        (offset,) = struct.unpack_from("<i", data, at)
        self._fields = at - offset
        (self._size,) = struct.unpack_from("<H", data, self._fields)

    def _offset(self, field: int) -> int:
        at = 4 + 2 * field
        if at + 2 > self._size:
            return 0
        (offset,) = struct.unpack_from("<H", self._data, self._fields + at)
        return int(offset)

    def has(self, field: int) -> bool:
        """Whether a field is there."""
        return self._offset(field) != 0

    def table(self, field: int) -> _Table:
        """Return the table that a field refers to."""
        at = self._at + self._offset(field)
        return _Table(self._data, at + _unsigned(self._data, at))


def _unsigned(data: bytes, at: int) -> int:
    (value,) = struct.unpack_from("<I", data, at)
    return int(value)
