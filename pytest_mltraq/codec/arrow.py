"""PyArrow's tables: an object in the Arrow IPC stream format, ``["pyarrow.table", name]``, with the schema's metadata.

Extension types are refused on both ways: reading one may run code that registered for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from pytest_mltraq.errors import UnsupportedTypeError

if TYPE_CHECKING:
    from pytest_mltraq.codec.decoder import Restorer
    from pytest_mltraq.codec.encoder import Encoder, Writer
    from pytest_mltraq.codec.forms import Pair

_END: Final = b"\xff\xff\xff\xff\0\0\0\0"
EXTENSION_KEY: Final = b"ARROW:extension:name"


def _encode_table(encoder: Encoder, value: pa.Table, path: str) -> Pair:
    for field in _fields(value.schema):
        if _is_extension(field):
            message = (
                f"Arrow extension types can't be stored, found {field.type} in {field.name!r}: store its storage array"
            )
            raise UnsupportedTypeError(path, message)
    return None, ["pyarrow.table", encoder.add("arrow", lambda: to_ipc(value))]


def one_column(column: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Make a table of one column."""
    return pa.table({"": column})


def to_ipc(table: pa.Table) -> bytes:
    """Write a table in the Arrow IPC stream format."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def from_ipc(data: bytes) -> pa.Table:
    """Read a table in the Arrow IPC stream format.

    Raises:
        ValueError: the data is damaged, or has an extension type.
    """
    if not data.endswith(_END):
        message = "the stream has no end"
        raise ValueError(message)
    with pa.ipc.open_stream(data) as reader:
        if any(map(_is_extension, _fields(reader.schema))):
            message = "Arrow extension types are never read"
            raise ValueError(message)
        table: pa.Table = reader.read_all()
    table.validate(full=True)
    return table


def _is_extension(field: pa.Field) -> bool:
    return EXTENSION_KEY in (field.metadata or {}) or isinstance(field.type, pa.BaseExtensionType)


def _fields(owner: Any) -> Iterator[pa.Field]:
    """Yield the fields of a schema and those inside their types."""
    fields = owner if isinstance(owner, pa.Schema) else [owner.field(at) for at in range(owner.num_fields)]
    for field in fields:
        yield field
        yield from _fields(field.type)


WRITERS: Final[dict[type, Writer]] = {pa.Table: _encode_table}
RESTORERS: Final[dict[str, Restorer]] = {
    "pyarrow.table": lambda decoder, plain, arguments, path: from_ipc(decoder.data(arguments[0], "arrow")),
}
